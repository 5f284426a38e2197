"""Folders that a failed run leaves behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def no_empty_folders(folder: Path) -> Iterator[None]:
    """Remove *folder*, and those around it, where they were made within the block and are empty at its end."""
    folder = folder.absolute()
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        yield
    finally:
        for place in missing:
            with contextlib.suppress(OSError):  # something is in it, or it was never made
                place.rmdir()
