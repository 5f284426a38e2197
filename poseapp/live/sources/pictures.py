"""One picture, and the pictures of a folder."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from poseapp.core import pictures
from poseapp.core.errors import SourceError
from poseapp.core.pictures import PICTURES, PictureError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import MOST_SKIPPED, Mode, shown


class PictureSource:
    """One picture; in the window it is shown again and again, so that every control can be tried on it."""

    live = False

    def __init__(self, path: Path, repeat_fps: float = 0.0) -> None:
        self.path, self._repeat_fps = path, repeat_fps
        self.name = shown(path.name)
        self.requested: Mode | None = None
        self.place, self.file, self.unreadable = -1, file_name(path.name), 0
        self.skipped: list[str] = []
        self._image: ImageArray | None = None
        self._count = 0

    def open(self) -> Mode:
        """Read the picture."""
        self._image, self._count, self.place = read_picture(self.path), 0, -1
        return Mode(self._image.shape[1], self._image.shape[0], self._repeat_fps)

    def read(self) -> tuple[ImageArray, float] | None:
        """The picture, once or again."""
        if self._image is None or (self._count > 0 and self._repeat_fps <= 0):
            return None
        t = self._count / self._repeat_fps if self._repeat_fps > 0 else 0.0
        self._count += 1
        self.place = 0
        return self._image, t

    def close(self) -> None:
        """Let go of the picture."""
        self._image = None


class FolderSource:
    """The pictures of a folder and its sub-folders, *fps* a second, in the order in which people count: 2 before 10.

    Other files are left out. A picture that cannot be read leaves a gap in ``place`` and a line in ``skipped``.
    """

    live = False

    def __init__(self, path: Path, fps: float = 2.0, loop: bool = False) -> None:
        self.path, self._fps, self._loop = path, fps, loop
        self.name = shown(path.name or path)
        self.requested: Mode | None = None
        self.place, self.file, self.unreadable = -1, "", 0
        self.skipped: list[str] = []
        self._files: list[Path] = []
        self._bad: set[Path] = set()
        self._next = self._count = self.round = 0

    def open(self) -> Mode:
        """List the folder; SourceError when it holds no picture."""
        self._files = list_pictures(self.path)
        if not self._files:
            raise self.holds_nothing(self.path)
        self._next = self._count = self.unreadable = self.round = 0
        self.place, self.file, self.skipped = -1, "", []
        self._bad.clear()
        first = self._first_readable()
        return Mode(first.shape[1], first.shape[0], self._fps)

    @staticmethod
    def holds_nothing(path: Path) -> SourceError:
        """That there is no picture in the folder *path*."""
        return SourceError(f"{shown(path)}: holds no pictures ({', '.join(sorted(PICTURES))}). Give another folder.")

    @property
    def frames(self) -> int:
        """How many pictures there are."""
        return len(self._files)

    def _first_readable(self) -> ImageArray:
        for file in self._files:
            try:
                return read_picture(file)
            except SourceError:
                continue
        raise self._nothing_readable()

    def _nothing_readable(self) -> SourceError:
        return SourceError(f"{shown(self.path)}: none of its {len(self._files)} pictures can be read. Give another folder.")

    def read(self) -> tuple[ImageArray, float] | None:
        """The next readable picture; those before it that cannot be read take no time."""
        failed = 0
        while True:
            if self._next == len(self._files):
                if not self._loop:
                    return None
                self._next = 0
                self.round += 1
            if failed == len(self._files):
                raise self._nothing_readable()
            file = self._files[self._next]
            self._next += 1
            self.place += 1
            try:
                image = read_picture(file)
            except SourceError as error:
                failed += 1
                self._note(file, error)
                continue
            self.file = file_name(file.relative_to(self.path).as_posix())
            self._count += 1
            return image, (self._count - 1) / self._fps

    def _note(self, file: Path, error: SourceError) -> None:
        if file in self._bad:  # said in an earlier round
            return
        self._bad.add(file)
        self.unreadable += 1
        if len(self.skipped) < MOST_SKIPPED:
            self.skipped.append(str(error))

    def close(self) -> None:
        """Nothing to give back."""


def list_pictures(folder: Path) -> list[Path]:
    """The pictures in *folder* and its sub-folders in natural order, hidden ones left out. Raises SourceError."""

    def fail(error: OSError) -> None:
        if Path(error.filename or folder) == folder:
            raise SourceError(f"{shown(folder)}: cannot be read ({error.strerror}). Check the path.")

    found = []
    for place, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        here = (Path(place) / name for name in files if not name.startswith(".") and Path(name).suffix.lower() in PICTURES)
        found += [file for file in here if file.is_file()]
    return sorted(found, key=lambda file: [natural(part) for part in file.relative_to(folder).parts])


def file_name(path: str) -> str:
    """*path*, of a picture, as recordings name it: what cannot be shown would make a file of them unreadable."""
    return "".join(c if c.isprintable() else "_" for c in path)


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts names as people do: digits by their value, in any script, and letters whatever their case."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name).casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def read_picture(path: Path) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR at *path*. Raises SourceError."""
    try:
        return pictures.read_picture(path)
    except OSError as error:
        raise SourceError(f"{shown(path)}: cannot be read ({error.strerror}). Check the path.") from None
    except PictureError as error:
        hint = "Copy it again." if error.reason == "the file is empty" else "Try another file."
        raise SourceError(f"{shown(path)}: {error.reason or 'not a picture that can be read'}. {hint}") from None
