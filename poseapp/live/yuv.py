"""Pictures as an H.264 encoder takes them. Its own library takes twice as long for that, and averages no better."""

from __future__ import annotations

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from poseapp.core.types import ImageArray


class Yuv420:
    """Converts pictures of height and width *hw*, both even, to 4:2:0 with the matrix of BT.601, in the video range."""

    def __init__(self, hw: tuple[int, int]) -> None:
        h, w = hw
        self._planes = np.empty((h * 3 // 2, w), np.uint8)
        self._half = np.empty((h // 2, w // 2, 3), np.uint8)
        self._cb, self._cr = self._planes[h:].reshape(2, h // 2, w // 2)

    def convert(self, image: ImageArray) -> av.VideoFrame:
        """*image* (H, W, 3) uint8 BGR as a frame for the encoder."""
        cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420, dst=self._planes)
        # cv2 takes the chroma of one pixel of four, which makes the edges of thin lines coloured: averaged instead.
        half = self._half
        cv2.resize(image, half.shape[1::-1], dst=half, interpolation=cv2.INTER_AREA)
        cv2.cvtColor(half, cv2.COLOR_BGR2YCrCb, dst=half)
        cv2.convertScaleAbs(half, dst=half, alpha=224 / 255, beta=128 - 128 * 224 / 255)  # from the full range
        cv2.extractChannel(half, 2, dst=self._cb)
        cv2.extractChannel(half, 1, dst=self._cr)
        return av.VideoFrame.from_ndarray(self._planes, format="yuv420p")


def say_colours(context: VideoCodecContext) -> None:
    """Write into the stream what its colours are: without that players take those of HD to be BT.709's."""
    context.colorspace = Colorspace.SMPTE170M
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709  # those of sRGB, as cameras and screens have them
    context.color_trc = ColorTrc.IEC61966_2_1
