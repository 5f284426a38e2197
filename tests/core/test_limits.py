"""How large a picture is, by its header alone, and that nothing larger is decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from poseapp.core.limits import MOST_PICTURE_BYTES, MOST_PICTURE_PIXELS, picture_size, too_large
from poseapp.core.pictures import PictureError, decode_picture, read_picture

IMAGE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
WRITTEN = [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm", ".pgm"]


def encoded(suffix: str, *options: int) -> bytes:
    image = IMAGE if suffix != ".pgm" else IMAGE[..., 0]
    ok, content = cv2.imencode(suffix, image, options)
    assert ok
    return content.tobytes()


@pytest.mark.parametrize("suffix", WRITTEN)
def test_the_header_says_the_size(suffix: str) -> None:
    content = encoded(suffix)
    assert picture_size(content) == (53, 37)
    assert decode_picture(content).shape == IMAGE.shape


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101)),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 50)),
        (".tiff", (cv2.IMWRITE_TIFF_COMPRESSION, 5)),
    ],
)
def test_other_ways_to_write_it_say_so_too(suffix: str, options: tuple[int, ...]) -> None:
    assert picture_size(encoded(suffix, *options)) == (53, 37)


def test_a_thumbnail_in_a_jpeg_is_not_the_picture() -> None:
    thumbnail = cv2.imencode(".jpg", IMAGE[:8, :8])[1].tobytes()
    content = encoded(".jpg")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    assert picture_size(content[:2] + b"\xff" + segment + content[2:]) == (53, 37)


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"text", b"%PDF-1.4", b"P6 ", b"\xff\xd8", b"II*\x00", b"RIFF0000WEBPVP8?"]
)
def test_what_is_no_picture_has_no_size(content: bytes) -> None:
    assert picture_size(content) is None


@pytest.mark.parametrize("suffix", WRITTEN)
def test_a_header_that_is_cut_off_is_no_error_of_ours(suffix: str) -> None:
    content = encoded(suffix)
    for n in range(60):
        picture_size(content[:n])


# -- pictures that would fill the memory ---------------------------------------------------------------------------------


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"\x00" * 1000)) + _chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    content = encoded(".jpg")
    at = next(i for i in range(2, len(content)) if content[i : i + 2] == b"\xff\xc0")
    return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]


def bmp(width: int, height: int) -> bytes:
    content = bytearray(encoded(".bmp"))
    content[18:26] = struct.pack("<ii", width, -height)
    return bytes(content)


def pnm(width: int, height: int) -> bytes:
    return b"P6\n# a comment\n%d %d\n255\n" % (width, height) + bytes(100)


def tiff(width: int, height: int) -> bytes:
    entries = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 100)]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\x00\x08\x00\x00\x00" + struct.pack("<H", len(entries)) + directory + b"\x00\x00\x00\x00" + bytes(100)


def webp(width: int, height: int) -> bytes:
    body = b"VP8X\x0a\x00\x00\x00" + bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize("make", [png, jpeg, bmp, pnm, tiff, webp])
def test_a_picture_that_is_too_large_is_refused_by_its_header(make: Callable[[int, int], bytes], tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(make(30000, 30000))
    with pytest.raises(PictureError) as error:
        read_picture(tmp_path / "large.png")
    assert error.value.reason == "not a picture that can be read (30000×30000 pixels are more than the 100 million allowed)"


def test_what_opencv_alone_knows_is_not_decoded() -> None:
    """Its size is not known before."""
    with pytest.raises(PictureError):
        decode_picture(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n" + bytes(100))


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MOST_PICTURE_BYTES + 1)
    with pytest.raises(PictureError, match="more than 256 MiB"):
        read_picture(tmp_path / "large.png")


def test_a_hundred_megapixels_are_read() -> None:
    assert too_large(11664, 8750, MOST_PICTURE_PIXELS) != ""
    assert too_large(12000, 8000, MOST_PICTURE_PIXELS) == ""
