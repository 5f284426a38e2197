"""A folder of pictures as a source through which the user pages."""

from __future__ import annotations

import time
from pathlib import Path

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources import FolderSource, Mode
from poseapp.live.sources.base import MOST_SKIPPED, shown
from poseapp.live.sources.pictures import file_name, list_pictures, read_picture
from poseapp.review.picture_reader import STILL_S
from poseapp.review.playback import Playback

AGAIN_S = 0.5  # a picture that stays is given again, so that a model or a mode that is chosen meanwhile shows


class PlayedPictures:
    """The pictures in *path* and its sub-folders, in natural order; ``playback`` says which one is shown.

    It stands still until the user asks for a slide show. A picture that cannot be read is left out from then on.
    """

    live = False
    keeps_time = True  # see SelfTimed
    jumped = False

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, shown(path.name or path)
        self.requested: Mode | None = None
        self.playback = Playback(playing=False)
        self.place, self.file, self.unreadable = -1, "", 0
        self.skipped: list[str] = []
        self._files: list[Path] = []

    def open(self) -> Mode:
        """List the pictures, and read the first one."""
        self._files = list_pictures(self.path)
        if not self._files:
            raise FolderSource.holds_nothing(self.path)
        self.place, self.file, self.unreadable, self.skipped = -1, "", 0, []
        self._load(0)
        image = self._readable(0)
        return Mode(image.shape[1], image.shape[0], 0.0)

    def read(self) -> tuple[ImageArray, float] | None:
        """The picture that is due, or after half a second the present one again."""
        move = self.playback.next(AGAIN_S)
        image = self._readable(move.number if move is not None else self.playback.state().number)
        self.file = self._name(self.playback.state().number)
        return image, time.monotonic()

    def close(self) -> None:
        """Nothing to give back."""

    def _load(self, number: int) -> None:
        self.playback.load([STILL_S * i for i in range(len(self._files))], [self._name(i) for i in range(len(self._files))])
        self.playback.seek(number)

    def _name(self, number: int) -> str:
        return file_name(self._files[number].relative_to(self.path).as_posix())

    def _readable(self, number: int) -> ImageArray:
        """Picture *number*, or the first one after it that can be read; SourceError where there is none."""
        while True:
            try:
                return read_picture(self._files[number])
            except SourceError as error:
                del self._files[number]
                self.unreadable += 1
                if len(self.skipped) < MOST_SKIPPED:
                    self.skipped.append(str(error))
                if not self._files:
                    raise
                number = min(number, len(self._files) - 1)
                self._load(number)
                self.playback.next(0.0)  # that is where it stands now
