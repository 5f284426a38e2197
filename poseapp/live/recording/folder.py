"""The folder of a recording: made where there is room, and gone again when nothing was recorded."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from poseapp.core.errors import RecordError

RESERVE_BYTES = 64 * 2**20  # stop while there is room left to finish the files
LONGEST_NAME = 120  # bytes of a recording's name in that of its folder; file systems take 255 for the whole


def private(path: str, flags: int) -> int:
    """An opener for ``open``: a file that it makes can be read by its owner alone."""
    return os.open(path, flags, 0o600)


def free_bytes(folder: Path) -> int:
    """The room left on the disk of *folder*."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class NewFolder:
    """The folder of a recording, the room left on its disk, and whether the folder around it was made for it, too."""

    path: Path
    free: int
    parent_is_new: bool

    def remove(self, files: Iterable[str]) -> None:
        """Remove the *files* of a recording of nothing, and the folders where nothing else is in them."""
        for name in files:
            with contextlib.suppress(OSError):
                path = self.path / name
                if path.is_dir():
                    path.rmdir()
                else:
                    path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else's files are in it
            self.path.rmdir()
            if self.parent_is_new:
                self.path.parent.rmdir()


def new_folder(parent: Path, free_bytes: Callable[[Path], int], name: str = "") -> NewFolder:
    """A new folder in *parent*, named after the day and *name*, or the present second; RecordError when it cannot be.

    Others cannot look into it: recordings show people.
    """
    stem = folder_name(name, datetime.now())
    try:
        free = free_bytes(next((place for place in (parent, *parent.absolute().parents) if place.is_dir()), parent))
        if free < RESERVE_BYTES:
            raise RecordError(f"{parent}: {nearly_full(free)}. Make room, or choose another folder for recordings.")
        parent_is_new = not parent.exists()
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in candidates(stem):
            try:
                (parent / one).mkdir(mode=0o700)
            except FileExistsError:
                continue
            return NewFolder(parent / one, free, parent_is_new)
    except OSError as error:
        raise cannot_write(parent, error) from None
    raise RecordError(f"{parent}: too many recordings of one name. Choose another folder for recordings.")


def folder_name(name: str, when: datetime) -> str:
    """The name of the folder of a recording of *when*: "2026-12-01 Squats left", or date and time where it has no *name*."""
    plain = _fit_for_a_folder(name)
    return f"{when:%Y-%m-%d} {plain}" if plain else f"{when:%Y-%m-%d_%H-%M-%S}"


def candidates(stem: str) -> Iterator[str]:
    """*stem*, and where that is taken *stem* with a number."""
    yield stem
    yield from (f"{stem}_{i}" for i in range(2, 1000))


def _fit_for_a_folder(name: str) -> str:
    """*name* without what a folder's name must not have on some system, and not too long; may be ""."""
    printable = "".join(c if c.isprintable() and c not in '<>:"/\\|?*' else " " for c in name)
    text = " ".join(printable.split())
    while len(text.encode()) > LONGEST_NAME:
        text = text[:-1]
    return text.strip(" .")


def cannot_write(folder: Path, error: OSError) -> RecordError:
    """That *folder* cannot be written, and what to do."""
    return RecordError(f"{folder}: cannot be written ({error.strerror}). Choose another folder for recordings.")


def nearly_full(free: int) -> str:
    """That only *free* bytes are left."""
    return f"the disk is nearly full ({free / 1e6:.0f} MB left)"
