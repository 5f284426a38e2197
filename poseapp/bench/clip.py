"""The pictures that benchmarks work on: a short clip in memory, so that no decoding is measured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from poseapp.core.types import ImageArray
from poseapp.live.sources import Mode, SyntheticSource, VideoSource

HW = (720, 1280)
CLIP_FRAMES = 24


def to_and_fro(n: int, count: int) -> int:
    """The picture to show as the *n*-th, of *count* that are played forwards and backwards without an end."""
    if count == 1:
        return 0
    n %= 2 * count - 2
    return min(n, 2 * count - 2 - n)


class ClipSource:
    """A short clip held in memory and played to and fro at *fps*, so that no decoding is measured."""

    live = False

    def __init__(self, images: list[ImageArray], fps: float) -> None:
        self.name, self.requested = "benchmark clip", None  # type: str, Mode | None
        self._images, self._fps, self._count = images, fps, 0

    def open(self) -> Mode:
        """Start at the first picture."""
        self._count = 0
        return Mode(self._images[0].shape[1], self._images[0].shape[0], self._fps)

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture; there is no end."""
        self._count += 1
        return self.picture(self._count - 1)

    def picture(self, n: int) -> tuple[ImageArray, float]:
        """The *n*-th picture."""
        return self._images[to_and_fro(n, len(self._images))], n / self._fps

    def close(self) -> None:
        """Nothing to give back."""


def clip_images(clip: Path | None) -> list[ImageArray]:
    """The clip's pictures at 1280×720."""
    source = VideoSource(clip, loop=True) if clip is not None else SyntheticSource(HW)
    source.open()
    images: list[ImageArray] = []
    try:
        while len(images) < CLIP_FRAMES:
            item = source.read()
            assert item is not None, "a repeated clip has no end"
            image = item[0]
            if image.shape[:2] != HW:
                image = cv2.resize(image, (HW[1], HW[0]), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            images.append(image)
    finally:
        source.close()
    return images
