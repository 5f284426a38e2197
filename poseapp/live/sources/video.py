"""Video files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Device, Mode, shown
from poseapp.live.sources.decoding import Decoder, new_timeline, no_picture, open_file, video_mode, video_stream
from poseapp.live.sources.timeline import Timeline

# What a dialog offers and what is taken from a folder. A file of another name that is given itself is tried, too.
VIDEOS = (
    ".mp4",
    ".mkv",
    ".mov",
    ".avi",
    ".webm",
    ".m4v",
    ".mpg",
    ".mpeg",
    ".ts",
    ".mts",
    ".m2ts",
    ".wmv",
    ".flv",
    ".3gp",
    ".ogv",
)


class VideoSource(Device):
    """A video file, decoded by FFmpeg with its presentation times; *loop* starts again at the end."""

    live = False

    def __init__(self, path: Path, loop: bool = False) -> None:
        super().__init__()
        self.path, self.loop = path, loop
        self.name = shown(path.name)
        self.requested: Mode | None = None
        self.frames = 0  # how many the open file says it has; 0 when it does not say
        self.file, self.skipped = "", []  # type: str, list[str]
        self.place, self.unreadable, self.round = -1, 0, 0
        self._container: Any = None
        self._decoder: Decoder | None = None
        self._timeline = Timeline(1.0)
        self._lost_before = 0  # by the decoders of earlier rounds of a loop
        self._first: tuple[ImageArray, float] | None = None

    def open(self) -> Mode:
        """Open the file and decode its first picture, which alone tells how it is turned."""
        with self._in_use:
            self._release()
            try:
                self._container = open_file(self.path)
                mode = video_mode(self._container, self.name)
                self._timeline = new_timeline(self._container, mode)
                self.frames = _count(self._container, mode.fps)
                self.place, self.unreadable, self._lost_before, self.round = -1, 0, 0, 0
                self._decoder = Decoder(self._container, self.name, self._timeline)
                self._first = self._decoder.next()
                if self._first is None:
                    why = no_picture(self._container)
                    raise SourceError(f"{shown(self.path)}: holds no picture that can be read. {why}")
            except SourceError:
                self._release()
                raise
            height, width = self._first[0].shape[:2]
            return Mode(width, height, mode.fps, mode.codec)

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture and its presentation time from the start, strictly growing also over a loop."""
        with self._in_use:
            if self._decoder is None:
                raise SourceError(f"{self.name}: is not open.")
            item, self._first = self._first or self._decoder.next(), None
            if item is None and self.loop:
                item = self._next_round(self._decoder)
            unreadable = self._lost_before + self._decoder.lost
            self.place += 1 + unreadable - self.unreadable
            self.unreadable = unreadable
            return item

    def _next_round(self, ended: Decoder) -> tuple[ImageArray, float] | None:
        """The first picture again, one period after the last."""
        self._lost_before += ended.lost
        self.round += 1
        try:
            self._container.seek(0)
        except FFmpegError:  # bare H.264 and the like know no places: begin anew
            self._container.close()
            try:
                self._container = open_file(self.path)
                video_mode(self._container, self.name)
            except SourceError as error:
                raise SourceError(f"{shown(self.path)}: cannot be opened again. Is it still there? ({error})") from None
        self._timeline.restart()
        self._decoder = Decoder(self._container, self.name, self._timeline)
        return self._decoder.next()

    def _release(self) -> None:
        container, self._container, self._decoder, self._first = self._container, None, None, None
        if container is not None:
            container.close()


def _count(container: Any, fps: float) -> int:
    """How many pictures the video in *container* has, as far as it says."""
    duration = container.duration or 0
    if "matroska" in container.format.name:  # counts from 0, not from the first picture
        duration -= min(duration, max(0, container.start_time or 0))
    return int(video_stream(container).frames or round(duration / av.time_base * fps))
