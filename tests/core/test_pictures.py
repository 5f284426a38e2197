"""The reader of pictures: every kind of file, how it lies, and whether it is whole."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from corners import ORIENTED, alike, corners, oriented

from poseapp.core import pictures
from poseapp.core.pictures import PictureError, decode_picture, read_picture
from poseapp.core.types import ImageArray

Image = pytest.importorskip("PIL.Image")
heif = pytest.importorskip("pillow_heif")


def encoded(kind: str, orientation: int | None = None, image: ImageArray | None = None, **options: Any) -> bytes:
    """A file of *kind*, with EXIF's *orientation*."""
    heif.register_heif_opener()
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif.tobytes()
    file = io.BytesIO()
    Image.fromarray((corners() if image is None else image)[..., ::-1]).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("orientation", list(ORIENTED))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_a_picture_lies_as_its_file_says(kind: str, orientation: int) -> None:
    content = encoded(kind, orientation, quality=95)
    assert alike(decode_picture(content), oriented(corners(), orientation))


def tiled_heif() -> tuple[bytes, ImageArray]:
    """A HEIC in tiles, as an iPhone makes it, of a picture in which no two tiles are alike."""
    y, x = np.mgrid[:384, :512]
    image = np.stack([x // 2, y * 2 // 3, (x + y) // 4], axis=2).astype(np.uint8)
    before = heif.options.GRID_TILE_SIZE
    heif.options.GRID_TILE_SIZE = 256
    try:
        return encoded("HEIF", image=image, quality=95), image
    finally:
        heif.options.GRID_TILE_SIZE = before


def test_a_picture_in_tiles_is_put_together() -> None:
    content, image = tiled_heif()
    assert b"grid" in content
    assert alike(decode_picture(content), image, by=6)


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGBA", "LA"])
def test_a_picture_of_any_mode_becomes_bgr(mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    file = io.BytesIO()
    picture = Image.fromarray(corners()[..., ::-1]).convert(mode)
    picture.save(file, kind)
    image = decode_picture(file.getvalue())
    assert image.dtype == np.uint8
    assert alike(image, np.asarray(picture.convert("RGB"))[..., ::-1])


def test_a_cmyk_jpeg_has_its_colours() -> None:
    file = io.BytesIO()
    Image.fromarray(corners()[..., ::-1]).convert("CMYK").save(file, "JPEG", quality=95)
    assert alike(decode_picture(file.getvalue()), corners())


@pytest.mark.parametrize("share", [0.02, 0.4, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "progressive"])
def test_a_picture_that_is_cut_off_is_no_picture(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    content = encoded(
        "JPEG" if kind == "progressive" else kind, image=noise, **({"progressive": True} if kind == "progressive" else {})
    )
    assert decode_picture(content).shape == (96, 128, 3)
    with pytest.raises(PictureError):
        decode_picture(content[: int(len(content) * share)])


def test_a_png_that_promises_more_than_it_holds_takes_no_memory_for_it() -> None:
    good = encoded("PNG")
    assert decode_picture(good).shape == decode_picture(good + b"what follows").shape
    at = good.index(b"IDAT") - 4
    with pytest.raises(PictureError, match="cut off"):
        decode_picture(good[:at] + (2_000_000_000).to_bytes(4, "big") + good[at + 4 :])


def test_what_a_phone_puts_behind_a_picture_does_not_matter() -> None:
    """A motion photo is a JPEG and then a video; the end marker is far from the end of the file."""
    content = encoded("JPEG", quality=95)
    video = bytes(range(256)) * 40
    assert alike(decode_picture(content + video), corners())
    with pytest.raises(PictureError, match="cut off"):
        decode_picture(content[:-30])


def test_a_thumbnails_end_is_not_the_pictures_end() -> None:
    thumbnail = encoded("JPEG", image=corners((16, 16)))
    exif = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2, "big") + b"Exif\0\0" + thumbnail
    content = encoded("JPEG", quality=95)
    whole = content[:2] + exif + content[2:]
    assert alike(decode_picture(whole), corners())
    with pytest.raises(PictureError, match="cut off"):
        decode_picture(whole[: -len(content) // 3])


def test_a_file_is_what_it_holds_not_what_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("HEIF", quality=95))
    (tmp_path / "b.heic").write_bytes(encoded("JPEG", quality=95))
    assert alike(read_picture(tmp_path / "a.jpg"), corners())
    assert alike(read_picture(tmp_path / "b.heic"), corners())


def test_without_its_package_heic_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded("HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"pip install 'poseapp\[heic\]'"):
        decode_picture(content)


def test_upright_avif_needs_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    upright, turned = encoded("AVIF", quality=95), encoded("AVIF", 6, quality=95)
    image = decode_picture(upright)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert alike(decode_picture(upright), image)
    with pytest.raises(PictureError, match="turned AVIF need"):  # OpenCV would show the picture lying
        decode_picture(turned)
    monkeypatch.setattr(pictures, "MOST_PICTURE_PIXELS", image.shape[0] * image.shape[1] - 1)
    with pytest.raises(PictureError, match="not a picture that can be read"):
        decode_picture(upright)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xd9", b"\0\0\0\x18ftypheic", b"nothing", bytes(100)])
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(PictureError):
        decode_picture(content)


def test_damage_never_escapes_as_another_error() -> None:
    random = np.random.default_rng(3)
    tiled, _ = tiled_heif()
    for content in (encoded("JPEG"), encoded("PNG"), encoded("WEBP"), encoded("AVIF"), tiled):
        for _ in range(12):
            broken = bytearray(content)
            for at in random.integers(0, len(broken), 6):
                broken[at] = random.integers(256)
            try:
                assert decode_picture(bytes(broken)).ndim == 3
            except PictureError:
                continue


def test_sixteen_bits_are_scaled() -> None:
    _, content = cv2.imencode(".png", corners().astype(np.uint16) * 257)
    assert alike(decode_picture(content.tobytes()), corners(), by=1.5)
