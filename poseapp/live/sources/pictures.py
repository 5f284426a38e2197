"""One picture, and the pictures of a folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Mode

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


class PictureSource:
    """One picture; in the window it is shown again and again, so that every control can be tried on it."""

    live = False

    def __init__(self, path: Path, repeat_fps: float = 0.0) -> None:
        self.path, self._repeat_fps = path, repeat_fps
        self.name = path.name
        self.asked: Mode | None = None
        self._image: ImageArray | None = None
        self._count = 0

    def open(self) -> Mode:
        """Read the picture."""
        self._image, self._count = read_picture(self.path), 0
        return Mode(self._image.shape[1], self._image.shape[0], self._repeat_fps)

    def read(self) -> tuple[ImageArray, float] | None:
        """The picture, once or again."""
        if self._image is None or (self._count > 0 and self._repeat_fps <= 0):
            return None
        t = self._count / self._repeat_fps if self._repeat_fps > 0 else 0.0
        self._count += 1
        return self._image, t

    def close(self) -> None:
        """Let go of the picture."""
        self._image = None


class FolderSource:
    """The pictures of a folder by name, *fps* a second. Files that are no pictures are left out; ``skipped`` lists them."""

    live = False

    def __init__(self, path: Path, fps: float = 2.0, loop: bool = False) -> None:
        self.path, self._fps, self._loop = path, fps, loop
        self.name = path.name or str(path)
        self.asked: Mode | None = None
        self.skipped: list[str] = []
        self._files: list[Path] = []
        self._count = 0
        self._next = 0

    def open(self) -> Mode:
        """List the folder; SourceError when it holds no picture."""
        try:
            self._files = sorted(f for f in self.path.iterdir() if f.suffix.lower() in PICTURES and f.is_file())
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read ({error.strerror}). Check the path.") from None
        if not self._files:
            raise SourceError(f"{self.path}: holds no pictures ({', '.join(sorted(PICTURES))}). Give another folder.")
        self._count = self._next = 0
        self.skipped = []
        first = self._first_readable()
        return Mode(first.shape[1], first.shape[0], self._fps)

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
        return SourceError(f"{self.path}: none of its {len(self._files)} pictures can be read. Give another folder.")

    def read(self) -> tuple[ImageArray, float] | None:
        """The next readable picture."""
        failed = 0
        while True:
            if self._next == len(self._files):
                if not self._loop:
                    return None
                self._next = 0
            if failed == len(self._files):
                raise self._nothing_readable()
            file = self._files[self._next]
            self._next += 1
            try:
                image = read_picture(file)
            except SourceError as error:
                failed += 1
                if str(error) not in self.skipped:
                    self.skipped.append(str(error))
                continue
            self._count += 1
            return image, (self._count - 1) / self._fps

    def close(self) -> None:
        """Nothing to give back."""


def read_picture(path: Path) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR at *path*, grey and transparent ones made BGR. Raises SourceError."""
    try:
        content = np.fromfile(path, np.uint8)  # cv2.imread cannot open every Unicode path on Windows
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    if content.size == 0:
        raise SourceError(f"{path}: the file is empty. Copy it again.")
    try:
        image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error:  # a size that is zero or beyond OpenCV's limit
        image = None
    if image is None or image.size == 0:
        raise SourceError(f"{path}: not a picture that can be read. Try another file.")
    return image.astype(np.uint8, copy=False)
