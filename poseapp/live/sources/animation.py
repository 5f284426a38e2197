"""Animated WebP, which FFmpeg does not read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from poseapp.core.errors import SourceError
from poseapp.core.limits import MOST_PICTURE_BYTES, MOST_VIDEO_PIXELS, picture_size, too_large
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Mode, as_bgr, shown

CHUNK_BYTES = 64 * 2**20  # of pictures decoded at a time
SHORTEST_MS, USUAL_MS = 11, 100  # browsers show what is shorter for a tenth of a second
_ANIMATED = 0x02  # the flag in a VP8X chunk (WebP container specification, "Extended File Format")


def is_animated_webp(path: Path) -> bool:
    """Whether the file at *path* is a WebP with several pictures."""
    try:
        with path.open("rb") as file:
            head = file.read(21)
    except OSError:
        return False
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == 21 and bool(head[20] & _ANIMATED)


class AnimationSource:
    """The pictures of an animated WebP with their times; *loop* starts again at the end."""

    live = False

    def __init__(self, path: Path, loop: bool = False) -> None:
        self.path, self.loop = path, loop
        self.name = shown(path.name)
        self.requested: Mode | None = None
        self._content = np.empty(0, np.uint8)
        self._chunk: list[tuple[ImageArray, float]] = []  # pictures not given yet, and how long each is shown, in s
        self._next = 0
        self._chunk_pictures = 1
        self._t = 0.0
        self.round = 0

    def open(self) -> Mode:
        """Read the file and its first picture."""
        try:
            with self.path.open("rb") as file:
                content = file.read(MOST_PICTURE_BYTES + 1)
        except OSError as error:
            raise SourceError(f"{shown(self.path)}: cannot be read ({error.strerror}). Check the path.") from None
        reason = too_large(*(picture_size(content) or (0, 0)), MOST_VIDEO_PIXELS)
        if len(content) > MOST_PICTURE_BYTES or reason:
            reason = reason or f"the file has more than {MOST_PICTURE_BYTES >> 20} MiB"
            raise SourceError(f"{shown(self.path)}: {reason}. Make it smaller, or choose another source.")
        self._content = np.frombuffer(content, np.uint8)
        self._next, self._t, self._chunk_pictures, self.round = 0, 0.0, 1, 0
        self._chunk = self._decode()
        if not self._chunk:
            raise SourceError(f"{shown(self.path)}: not a picture that can be read. Try another file.")
        image, shown_s = self._chunk[0]
        self._chunk_pictures = max(1, CHUNK_BYTES // (4 * image.shape[0] * image.shape[1]))
        return Mode(image.shape[1], image.shape[0], round(1 / shown_s, 3), "webp")

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture and when it is shown."""
        if not self._chunk:
            self._chunk = self._decode()
        if not self._chunk and self.loop:
            self._next = 0
            self.round += 1
            self._chunk = self._decode()
        if not self._chunk:
            return None
        image, shown_s = self._chunk.pop(0)
        t, self._t = self._t, self._t + shown_s
        return image, t

    def close(self) -> None:
        """Let go of the pictures."""
        self._chunk, self._content = [], np.empty(0, np.uint8)

    def _decode(self) -> list[tuple[ImageArray, float]]:
        """The next pictures; none at the end."""
        try:
            ok, animation = cv2.imdecodeanimation(self._content, start=self._next, count=self._chunk_pictures)
        except cv2.error:
            return []
        if not ok:
            return []
        pictures = [as_bgr(frame, self.name) for frame in animation.frames]
        self._next += len(pictures)
        return [
            (picture, float(ms if ms >= SHORTEST_MS else USUAL_MS) / 1000)
            for picture, ms in zip(pictures, animation.durations, strict=True)
        ]
