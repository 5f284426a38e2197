"""A decoded frame as a picture: its colours, square pixels, and turned as the file says."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace, VideoReformatter

from poseapp.core.limits import MOST_VIDEO_PIXELS, too_large
from poseapp.core.types import ImageArray

# The matrices that a frame may be tagged with (ITU-T H.273, Table 4), as FFmpeg's scaler names them.
MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
MATRIX_FRAMES = 30  # a display matrix holds for so many frames at least, unless the size or the angle changes
MOST_STRETCH = 8  # a pixel longer than that is a damaged header


def is_hd(hw: tuple[int, int]) -> bool:
    """Whether untagged video of that size is taken for BT.709, not for BT.601: the rule of mpv and other players."""
    return hw[0] > 576 or hw[1] >= 1280


class PictureMaker:
    """Makes pictures (H, W, 3) uint8 BGR of one video's frames; one instance keeps the scaler from being set up anew."""

    def __init__(self) -> None:
        self._scaler = VideoReformatter()
        self._matrix: tuple[int, int, int, int] | None = None
        self._matrix_of: tuple[int, int, int] | None = None  # size and angle of the frame that it was read from
        self._frames_since = 0

    def __call__(self, frame: Any, pixel_aspect: Fraction | None = None) -> ImageArray:
        """*frame* upright, with square pixels; *pixel_aspect* is a stored pixel's width by its height.

        Raises FFmpegError or ValueError where the scaler does not know the frame's format.
        """
        width, height = square(frame.width, frame.height, pixel_aspect)
        if too_large(width, height, MOST_VIDEO_PIXELS):
            width, height = frame.width, frame.height
        # A tag that the scaler does not know would be an error; one that is missing would be BT.601 at any size.
        matrix = MATRICES.get(int(frame.colorspace), Colorspace.ITU709 if is_hd((height, width)) else Colorspace.ITU601)
        bgr = self._scaler.reformat(frame, width, height, "bgr24", src_colorspace=matrix)
        return turned(bgr.to_ndarray().astype(np.uint8, copy=False), self._display_matrix(frame))

    def _display_matrix(self, frame: Any) -> tuple[int, int, int, int] | None:
        """The matrix of *frame*, read anew when it may be another one.

        To look at what a frame carries ties it into a cycle, which keeps its memory until Python's garbage collector comes.
        """
        looks_like = (frame.width, frame.height, frame.rotation)
        self._frames_since += 1
        if looks_like != self._matrix_of or (frame.key_frame and self._frames_since >= MATRIX_FRAMES):
            self._matrix, self._matrix_of, self._frames_since = display_matrix(frame), looks_like, 0
        return self._matrix


def square(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """The size with square pixels: one side grows, so that nothing of the picture is lost."""
    if not pixel_aspect or not Fraction(1, MOST_STRETCH) <= pixel_aspect <= MOST_STRETCH:
        return width, height
    if pixel_aspect > 1:
        return max(1, round(width * pixel_aspect)), height
    return width, max(1, round(height / pixel_aspect))


def display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """a, b, c, d of the matrix that shows *frame*: pixel (x, y) goes to (a x + c y, b x + d y); None where it has none."""
    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # the frame carries data of a kind that PyAV has no name for: only the angle is left
        turns = round(frame.rotation / 90) % 4
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[turns] if turns else None
    if data is None:
        return None
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    return a, b, c, d


def turned(image: ImageArray, matrix: Sequence[int] | None) -> ImageArray:
    """*image* as *matrix* shows it, C-contiguous: one of the eight ways to lay down a picture, the nearest one."""
    if matrix is None:
        return np.ascontiguousarray(image)
    a, b, c, d = matrix
    across, down = a, d
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, across, down = image.transpose(1, 0, 2), c, b
    steps = (slice(None, None, -1 if down < 0 else 1), slice(None, None, -1 if across < 0 else 1))
    return np.ascontiguousarray(image[steps])
