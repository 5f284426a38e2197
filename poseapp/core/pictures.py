"""The one reader of pictures, for live use, training and evaluation."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from poseapp.core.limits import MOST_PICTURE_BYTES, MOST_PICTURE_PIXELS, picture_size, too_large
from poseapp.core.types import ImageArray

# Files in a folder that are read as pictures, by name. The content of a file says which kind of picture it is.
PICTURES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"}
)
PNG = b"\x89PNG\r\n\x1a\n"
# Still pictures in boxes of ISO/IEC 14496-12, by their brand: HEIF with HEVC (iPhones) or AV1 inside.
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis", b"mif2"})
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # the next one in coded data; 00 and D0 to D7 are part of these
_JPEG_START, _JPEG_END, _JPEG_SCAN = 0xD8, 0xD9, 0xDA


class PictureError(ValueError):
    """A picture cannot be read. ``reason`` says why, in words that follow the name of a file; "" if the reason is unknown."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "not a readable picture")
        self.reason = reason


def read_picture(path: Path) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR at *path*, as ``decode_picture`` gives it. Raises OSError and PictureError."""
    with path.open("rb") as file:  # OpenCV itself cannot open every name on Windows
        content = file.read(MOST_PICTURE_BYTES + 1)
    if len(content) > MOST_PICTURE_BYTES:
        raise PictureError(f"the file has more than {MOST_PICTURE_BYTES >> 20} MiB")
    return decode_picture(content)


def decode_picture(content: bytes) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR in the bytes of a file, upright as its EXIF or HEIF properties say.

    Grey pictures, pictures of 16 bits and CMYK become BGR; transparency is left out. A short video or a depth map that a
    phone adds to a picture is left out too. Raises PictureError, also when the file is cut off.
    """
    if not content:
        raise PictureError("the file is empty")
    is_heif = content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS
    whole = (
        _boxes_are_whole(content) if is_heif
        else _jpeg_is_whole(content) if content.startswith(b"\xff\xd8")
        else _png_is_whole(content) if content.startswith(PNG)
        else True
    )  # fmt: skip
    if not whole:
        raise PictureError("the picture is cut off")  # the rest would be grey, without an error
    image = _decode_heif(content) if is_heif else _decode_opencv(content, picture_size(content))
    if image is None or image.size == 0:
        raise PictureError
    return np.ascontiguousarray(image, dtype=np.uint8)


def _check_size(size: tuple[int, int] | None) -> None:
    """Raise PictureError if the size of a picture is unknown or too large."""
    if size is None:
        raise PictureError
    reason = too_large(*size, MOST_PICTURE_PIXELS)
    if reason:
        raise PictureError(f"not a picture that can be read ({reason})")


def _decode_opencv(content: bytes, size: tuple[int, int] | None) -> Any:
    """What OpenCV makes of *content*, a picture of *size*; None where OpenCV cannot read it."""
    _check_size(size)
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # a size that is zero or beyond OpenCV's limit
        return None


def _decode_heif(content: bytes) -> Any:
    """HEIC and AVIF by Pillow, which turns the picture and puts the tiles together; without Pillow, upright AVIF by OpenCV."""
    try:
        from PIL import Image, ImageOps
        from pillow_heif import register_heif_opener
    except ImportError:
        if _is_upright_avif(content):
            return _decode_opencv(content, _avif_size(content))
        raise PictureError("HEIC and turned AVIF need the package pillow-heif: pip install 'poseapp[heic]'") from None
    register: Callable[[], None] = register_heif_opener
    register()
    try:
        Image.MAX_IMAGE_PIXELS = None  # its own limit warns on the console; ours is asked next
        with Image.open(io.BytesIO(content)) as picture:
            _check_size(picture.size)
            # HEIC comes turned already, and says so; AVIF does not.
            rgb = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except PictureError:
        raise
    except Exception:  # noqa: BLE001 - what a damaged picture raises depends on where it is damaged
        return None
    return rgb[..., ::-1]


def _is_upright_avif(content: bytes) -> bool:
    """Whether a HEIF file holds AV1 and nothing says that the picture is turned or mirrored. OpenCV does not turn it."""
    return content[8:12] in (b"avif", b"avis") and not any(box in content for box in (b"irot", b"imir", b"Exif"))


def _avif_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of the largest picture in an AVIF file (ISO/IEC 23008-12, 6.5.3); None where the file has no size."""
    sizes = [struct.unpack(">II", found.group(1)) for found in re.finditer(rb"ispe....(.{8})", content, re.DOTALL)]
    return max(sizes, key=lambda wh: wh[0] * wh[1], default=None)


def _boxes_are_whole(content: bytes) -> bool:
    """Whether every box of a HEIF file ends within it."""
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        if size == 1:  # the size follows the type, in eight bytes
            size = int.from_bytes(content[at + 8 : at + 16], "big")
        if size < 8:  # 0: to the end of the file
            return size == 0
        at += size
    return at <= len(content)


def _png_is_whole(content: bytes) -> bool:
    """Whether every chunk up to the last one lies in the file. OpenCV takes memory for as much as a chunk says that it holds."""
    at = len(PNG)
    while at + 12 <= len(content):
        kind = content[at + 4 : at + 8]
        at += 12 + int.from_bytes(content[at : at + 4], "big")  # after length, kind, content and check
        if kind == b"IEND":
            return at <= len(content)
    return False


def _jpeg_is_whole(content: bytes) -> bool:
    """Whether the end marker of a JPEG is there. It need not be the end of the file, and thumbnails have their own."""
    at = 2
    while at + 4 <= len(content):
        if content[at] != 0xFF:
            return True  # no marker where one should be: for the decoder to judge
        marker = content[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker == _JPEG_END:
            return True
        at += 2 if marker == _JPEG_START or 0xD0 <= marker <= 0xD7 else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        if marker == _JPEG_SCAN:
            found = _JPEG_MARKER.search(content, at)
            if found is None:
                return False
            at = found.end() - 2
    return content[at : at + 2] == b"\xff\xd9"
