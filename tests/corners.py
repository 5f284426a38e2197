"""A picture of four colours, the eight ways to lay it down, and video files that say how it lies."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np

from poseapp.core.types import ImageArray

ONE = 1 << 16
# EXIF's orientations 1 to 8: what a viewer makes of the stored picture, and the same as a, b, c, d of a display matrix.
ORIENTED = {
    1: (lambda p: p, (ONE, 0, 0, ONE)),
    2: (lambda p: p[:, ::-1], (-ONE, 0, 0, ONE)),
    3: (lambda p: p[::-1, ::-1], (-ONE, 0, 0, -ONE)),
    4: (lambda p: p[::-1], (ONE, 0, 0, -ONE)),
    5: (lambda p: p.transpose(1, 0, 2), (0, ONE, ONE, 0)),
    6: (lambda p: np.rot90(p, -1), (0, ONE, -ONE, 0)),
    7: (lambda p: p[::-1, ::-1].transpose(1, 0, 2), (0, -ONE, -ONE, 0)),
    8: (lambda p: np.rot90(p), (0, -ONE, ONE, 0)),
}


def corners(hw: tuple[int, int] = (48, 80)) -> ImageArray:
    """A picture whose quarters are red, green, blue and nearly white."""
    h, w = hw
    image = np.full((h, w, 3), 235, np.uint8)
    image[: h // 2, : w // 2] = (30, 30, 230)
    image[: h // 2, w // 2 :] = (30, 220, 30)
    image[h // 2 :, : w // 2] = (230, 40, 40)
    return image


def oriented(image: ImageArray, orientation: int) -> ImageArray:
    """*image* as a viewer shows it that heeds EXIF's *orientation*."""
    turn: Any = ORIENTED[orientation][0]
    return np.ascontiguousarray(turn(image))


def alike(a: ImageArray, b: ImageArray, by: float = 14.0) -> bool:
    """Whether two pictures are the same but for what an encoder loses."""
    return a.shape == b.shape and float(np.abs(a.astype(int) - b.astype(int)).mean()) < by


def clip_of(
    path: Path,
    image: ImageArray,
    pictures: int = 2,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    matrix: int = 5,
    full: bool = False,
    tags: dict[str, Any] | None = None,
) -> Path:
    """A clip of one picture again and again, with *matrix* (a number of FFmpeg's scaler) and *tags* of the codec context."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=30)
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "8"}
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame.from_ndarray(image, format="bgr24")
        coded = frame.reformat(format=pix_fmt, dst_colorspace=matrix, dst_color_range=2 if full else 1)
        for n in range(pictures):
            coded.pts = n
            container.mux(stream.encode(coded))
        container.mux(stream.encode(None))
    return path


def set_display_matrix(path: Path, abcd: tuple[int, int, int, int]) -> Path:
    """Write a, b, c, d into the track header of an MP4 or MOV, as phones do."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">9i", content, at) == (ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30)
    a, b, c, d = abcd
    struct.pack_into(">9i", content, at, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path
