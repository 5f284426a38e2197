"""Limits for files and streams from outside, checked before anything is decoded: a small file cannot fill the memory."""

from __future__ import annotations

import re
import struct

MOST_PICTURE_PIXELS = 100_000_000  # 300 MB decoded; pictures of today's cameras and phones are smaller, with few exceptions
MOST_PICTURE_BYTES = 1 << 28  # of a picture's file
# The largest picture of level 6.2 of H.264 and HEVC, 8192×4352: 8K fits. Cameras and streams are held to it, too.
MOST_VIDEO_PIXELS = 8192 * 4352
FFMPEG_LIMIT = {"max_pixels": str(MOST_VIDEO_PIXELS)}  # an option of every decoder; larger frames are errors to it
# Of frames that wait to be recorded: the largest frames of a video have 107 MB each.
MOST_WAITING_BYTES = 1 << 28

_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257


def too_large(width: int, height: int, most_pixels: int) -> str:
    """Why a picture of *width* × *height* is not decoded, in words that follow the name of a file; "" if it is small enough."""
    if width * height <= most_pixels:
        return ""
    return f"{width}×{height} pixels are more than the {most_pixels / 1e6:.0f} million allowed"


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height from the header; None if *content* is not a PNG, JPEG, WebP, BMP, GIF, TIFF or PNM file."""
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            return _unpack(">II", content, 16)
        if content.startswith(b"\xff\xd8"):
            return _jpeg_size(content)
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _webp_size(content)
        if content.startswith(b"BM"):
            old = content[14:18] == b"\x0c\x00\x00\x00"
            width, height = _unpack("<HH", content, 18) if old else _unpack("<ii", content, 18)
            return abs(width), abs(height)
        if content.startswith((b"GIF87a", b"GIF89a")):
            return _unpack("<HH", content, 6)
        if content[:4] in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"):
            return _tiff_size(content)
    except (struct.error, IndexError):  # cut off within the header
        return None
    found = _PNM.match(content[:1024])
    return (int(found[1]), int(found[2])) if found else None


def _unpack(form: str, content: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, content, at)
    return first, second


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """From the first frame header; thumbnails are inside the segments that are passed over."""
    at = 2
    while True:
        while content[at] != 0xFF:  # decoders look for the next marker, too
            at += 1
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = _unpack(">HH", content, at + 3)
            return width, height
        if marker in (0xD9, 0xDA):  # the end, or coded data, without a frame header before it
            return None
        if marker != 0x01 and not 0xD0 <= marker <= 0xD8:
            at += struct.unpack_from(">H", content, at)[0]


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = _unpack("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff_size(content: bytes) -> tuple[int, int] | None:
    """From the first directory of a TIFF or BigTIFF."""
    order = "<" if content.startswith(b"II") else ">"
    big = content[2:4] in (b"+\x00", b"\x00+")
    (place,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", content, 8 if big else 4)
    (entries,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", content, place)
    found: dict[int, int] = {}
    for n in range(min(entries, 1000)):
        at = place + (8 + 20 * n if big else 2 + 12 * n)
        tag, kind = struct.unpack_from(f"{order}HH", content, at)
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            form = {3: "H", 4: "I", 16: "Q"}.get(kind)
            if form is None:
                return None
            (found[tag],) = struct.unpack_from(f"{order}{form}", content, at + (12 if big else 8))
    return (found[_TIFF_WIDTH], found[_TIFF_HEIGHT]) if len(found) == 2 else None
