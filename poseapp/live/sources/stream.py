"""Streams and clips on a server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import av
from av.error import FFmpegError

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Device, Mode
from poseapp.live.sources.decoding import decode, reason, video_mode

STREAM_TIMEOUT_S = 5.0


class StreamSource(Device):
    """An RTSP or HTTP address. A stream that ends or stalls counts as lost, and is tried again.

    What has a known length is a clip on a server: it is played at its own speed, and its end is an end.
    """

    live = True

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.name = re.sub(r"//[^/]*@", "//", url)  # no password on the screen or in a manifest
        self.asked: Mode | None = None
        self._container: Any = None
        self._pictures: Iterator[tuple[ImageArray, float]] | None = None
        self._length_s: float | None = None
        self._begun = self._last_s = 0.0

    def open(self) -> Mode:
        """Connect; waits at most five seconds."""
        options = {"flags": "low_delay"}
        if self.url.lower().startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        with self._in_use:
            try:
                self._container = av.open(
                    self.url, options=options, timeout=(STREAM_TIMEOUT_S, STREAM_TIMEOUT_S), metadata_errors="replace"
                )
                mode = video_mode(self._container, self.name, live=True)
            except (FFmpegError, IndexError, ValueError) as error:
                raise SourceError(
                    f"{self.name}: cannot be opened ({reason(error)}). Check the address and the network."
                ) from None
            self._pictures = decode(self._container, self.name, 1 / mode.fps if mode.fps > 0 else 1 / 30)
            length = self._container.duration
            self._length_s = length / av.time_base if length else None
            self._begun, self._last_s = time.monotonic(), 0.0
            return mode

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture, at the time it came."""
        with self._in_use:
            if self._pictures is None:
                raise SourceError(f"{self.name}: is not open.")
            item = next(self._pictures, None)
        if item is None:
            if self._length_s is not None and self._last_s > self._length_s - 1.0:
                return None
            raise SourceError(f"{self.name}: the stream has ended.")
        image, self._last_s = item
        if self._length_s is not None:
            # Never more than a second, should its times be wrong.
            time.sleep(min(1.0, max(0.0, self._begun + self._last_s - time.monotonic())))
        return image, time.monotonic()

    def _release(self) -> None:
        container, self._container, self._pictures = self._container, None, None
        if container is not None:
            container.close()
