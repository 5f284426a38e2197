"""Video files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Device, Mode
from poseapp.live.sources.decoding import decode, reason, video_mode


class VideoSource(Device):
    """A video file, decoded by FFmpeg with its presentation times; *loop* starts again at the end."""

    live = False

    def __init__(self, path: Path, loop: bool = False) -> None:
        super().__init__()
        self.path, self.loop = path, loop
        self.name = path.name
        self.asked: Mode | None = None
        self.frames = 0  # how many the open file says it has; 0 when it does not say
        self._container: Any = None
        self._pictures: Iterator[tuple[ImageArray, float]] | None = None
        self._offset_s = 0.0
        self._last_s = -1.0
        self._period_s = 1 / 30

    def open(self) -> Mode:
        """Open the file and find its video."""
        if not self.path.is_file():
            raise SourceError(f"{self.path}: no such file. Check the path.")
        if self.path.stat().st_size == 0:
            raise SourceError(f"{self.path}: the file is empty. Record or copy it again.")
        with self._in_use:
            try:
                self._container = av.open(str(self.path), metadata_errors="replace")
                mode = video_mode(self._container, self.name)
            except (FFmpegError, IndexError, ValueError) as error:
                self.close()
                raise SourceError(f"{self.path}: not a video that can be read ({reason(error)}). Try another file.") from None
            except SourceError:
                self.close()
                raise
            self._offset_s, self._last_s = 0.0, -1.0
            self._period_s = 1 / mode.fps if mode.fps > 0 else 1 / 30
            duration_s = float(self._container.duration or 0) / av.time_base
            self.frames = int(self._container.streams.video[0].frames or round(duration_s / self._period_s))
            self._pictures = decode(self._container, self.name, self._period_s)
            return mode

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture and its presentation time from the start, strictly growing also over a loop."""
        with self._in_use:
            return self._read()

    def _read(self) -> tuple[ImageArray, float] | None:
        if self._pictures is None:
            raise SourceError(f"{self.name}: is not open.")
        item = next(self._pictures, None)
        if item is None:
            if self._last_s < 0:
                raise SourceError(f"{self.path}: holds no picture that can be read. The file is truncated or damaged.")
            if not self.loop:
                return None
            self._rewind()
            self._pictures = decode(self._container, self.name, self._period_s)
            self._offset_s = self._last_s + self._period_s
            item = next(self._pictures, None)
            if item is None:
                return None
        image, t = item
        self._last_s = max(self._offset_s + t, self._last_s + 1e-3)
        return image, self._last_s

    def _rewind(self) -> None:
        try:
            self._container.seek(0)
        except FFmpegError:  # bare H.264 and the like know no places: begin anew
            self._container.close()
            try:
                self._container = av.open(str(self.path), metadata_errors="replace")
                video_mode(self._container, self.name)
            except (FFmpegError, OSError, IndexError, ValueError) as error:
                raise SourceError(f"{self.path}: cannot be opened again ({reason(error)}). Is it still there?") from None

    def _release(self) -> None:
        container, self._container, self._pictures = self._container, None, None
        if container is not None:
            container.close()
