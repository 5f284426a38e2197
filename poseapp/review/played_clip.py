"""A video file as a source that the user plays: pause, seek, step, speed, loop."""

from __future__ import annotations

import time
from pathlib import Path

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources import Mode, VideoSource
from poseapp.live.sources.base import Device, shown
from poseapp.review.clip_reader import ClipReader, NotSeekableError
from poseapp.review.playback import Playback

# A clip that stands still is a still picture: it is given again, so that a model or a mode that is chosen meanwhile shows.
STILL_S = 0.5


class PlayedClip(Device):
    """A video that is played as ``playback`` says; it begins again at its end.

    A video whose pictures have no times to go by is played from its beginning to its end, over and over; ``playback`` is then
    empty: its count is 0.
    """

    live = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.name = path, shown(path.name)
        self.requested: Mode | None = None
        self.playback = Playback(repeat=True)
        self.keeps_time = True  # see SelfTimed
        self.jumped = False
        self.round = 0  # see Repeating
        self._reader: ClipReader | None = None
        self._plain: VideoSource | None = None

    def open(self) -> Mode:
        """Open the file, and read the times of its pictures."""
        with self._in_use:
            self._release()
            self.round = 0
            try:
                self._reader = ClipReader(self.path)
            except NotSeekableError:
                self._plain, self.keeps_time = VideoSource(self.path, loop=True), False
                self.playback.load(())
                return self._plain.open()
            self.keeps_time = True
            self.playback.load(self._reader.times_s.tolist())
            return self._reader.mode

    def read(self) -> tuple[ImageArray, float] | None:
        """The picture that is due, or after half a second the present one again, with its time on the monotonic clock."""
        with self._in_use:
            if self._plain is not None:
                item = self._plain.read()
                self.round = self._plain.round
                return item
            if self._reader is None:
                raise SourceError(f"{self.name}: is not open.")
            move = self.playback.next(STILL_S)
            number = move.number if move is not None else self.playback.state().number
            self.jumped = move is not None and move.jumped
            self.round += move is not None and move.repeated
            return self._reader.picture(number), time.monotonic()

    def _release(self) -> None:
        reader, self._reader = self._reader, None
        plain, self._plain = self._plain, None
        for opened in (reader, plain):
            if opened is not None:
                opened.close()
