"""FFmpeg's own limit of what it takes from the memory at once, which PyAV has no name for."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path

import av

# A packet is one piece of memory, and a part of an HTTP stream is one packet, however long the server makes it. The largest
# frames that are decoded need 285 MB, in 16 bits with transparency.
MOST_AT_ONCE = 3 << 27
_PLACES = ("../av.libs", ".dylibs", ".")  # in wheels for Linux and Windows, and for macOS


@functools.cache
def limit_allocations() -> bool:
    """Limit FFmpeg in this process; False where its library is not found, in a PyAV that was built by hand, say."""
    package = Path(av.__file__).parent
    for place in _PLACES:
        for library in sorted((package / place).resolve().glob("*avutil*")):
            try:
                av_max_alloc = ctypes.CDLL(str(library)).av_max_alloc  # loaded already: this is the one that PyAV has
            except (OSError, AttributeError):
                continue
            av_max_alloc.argtypes, av_max_alloc.restype = [ctypes.c_size_t], None
            av_max_alloc(MOST_AT_ONCE)
            return True
    return False
