"""One thread for torch."""

from torch_threads import one_torch_thread

__all__ = ["one_torch_thread"]
