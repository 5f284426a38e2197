"""Pictures as an H.264 encoder takes them. FFmpeg's own library takes nearly twice as long for that."""

from __future__ import annotations

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.types import ImageArray

# What red and blue count in the luma: ITU-R BT.709, for HD, and BT.601.
BT709, BT601 = (0.2126, 0.0722), (0.299, 0.114)


class Yuv420:
    """Converts pictures of height and width *hw*, both even, to 4:2:0 in the video range, with the matrix of BT.709 or BT.601."""

    def __init__(self, hw: tuple[int, int], matrix: tuple[float, float]) -> None:
        h, w = hw
        self._planes = np.empty((h * 3 // 2, w), np.uint8)
        self._half = np.empty((h // 2, w // 2, 3), np.uint8)
        self._cb, self._cr = self._planes[h:].reshape(2, h // 2, w // 2)
        self._luma, self._chroma = _rows(*matrix)

    def convert(self, image: ImageArray) -> av.VideoFrame:
        """*image* (H, W, 3) uint8 BGR as a frame for the encoder."""
        h, w = image.shape[:2]
        cv2.transform(image, self._luma, dst=self._planes[:h])
        # The chroma of one pixel of four would make the edges of thin lines coloured: averaged instead.
        cv2.resize(image, (w // 2, h // 2), dst=self._half, interpolation=cv2.INTER_AREA)
        chroma = cv2.transform(self._half, self._chroma)
        cv2.extractChannel(chroma, 0, dst=self._cb)
        cv2.extractChannel(chroma, 1, dst=self._cr)
        return av.VideoFrame.from_ndarray(self._planes, format="yuv420p")


def _rows(red: float, blue: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Luma (1, 4), and Cb and Cr (2, 4), of B, G, R and 1, in the video range: 16 to 235, and 16 to 240."""
    luma = np.array([blue, 1 - red - blue, red])
    cb, cr = (np.array([1, 0, 0]) - luma) / (2 * (1 - blue)), (np.array([0, 0, 1]) - luma) / (2 * (1 - red))
    chroma = np.stack([cb, cr]) * 224 / 255
    return np.array([[*luma * 219 / 255, 16.0]]), np.column_stack([chroma, [128.0, 128.0]])
