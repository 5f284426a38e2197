"""Pictures for the encoder: the colours are right, chroma is averaged, and the stream says what they are."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from poseapp.core.types import ImageArray
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.recording.yuv import BT601, BT709, Yuv420

COLOURS = [(0, 0, 250), (0, 250, 0), (250, 0, 0), (255, 255, 255), (0, 0, 0), (30, 120, 210), (200, 60, 90)]


# Of red, green and blue in the luma, and what the differences to it are divided by, as the tables of the standards say.
TABLES = {BT601: (0.299, 0.587, 0.114, 1.772, 1.402), BT709: (0.2126, 0.7152, 0.0722, 1.8556, 1.5748)}


def planes(image: ImageArray, matrix: tuple[float, float]) -> tuple[NDArray[np.float64], ...]:
    """Y, Cb, Cr in the video range, as the standard's table says, each of the picture's size."""
    of_red, of_green, of_blue, for_cb, for_cr = TABLES[matrix]
    b, g, r = np.moveaxis(image.astype(np.float64), 2, 0)
    luma = of_red * r + of_green * g + of_blue * b
    return (16 + luma * 219 / 255, 128 + (b - luma) / for_cb * 224 / 255, 128 + (r - luma) / for_cr * 224 / 255)


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("hw", [(720, 1280), (480, 854), (2, 2), (38, 62)])
def test_planes_are_those_of_the_standard_with_the_mean_of_four_chromas(hw: tuple[int, int], matrix: tuple[float, float]) -> None:
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 256, (9, 16, 3), dtype=np.uint8), hw[::-1], interpolation=cv2.INTER_CUBIC)
    image = np.clip(image + random.normal(0, 20, image.shape), 0, 255).astype(np.uint8)
    got = Yuv420(hw, matrix).convert(image).to_ndarray().ravel()
    h, w = hw
    y, cb, cr = planes(image, matrix)
    chroma = [p.reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3)) for p in (cb, cr)]
    np.testing.assert_allclose(got[: h * w].reshape(hw), y, atol=1.5)
    np.testing.assert_allclose(got[h * w :].reshape(2, h // 2, w // 2), chroma, atol=2.0)


@pytest.mark.parametrize(("hw", "tags"), [((720, 1280), (1,)), ((480, 640), (5, 6))])
def test_colours_come_back_and_the_stream_says_what_they_are(hw: tuple[int, int], tags: tuple[int, ...], tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "v.mkv", hw)
    for i, colour in enumerate(COLOURS):
        writer.write(np.full((*hw, 3), colour, np.uint8), i / 30)
    writer.close()
    with av.open(str(tmp_path / "v.mkv")) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == len(COLOURS)
    for frame, colour in zip(frames, COLOURS, strict=True):
        assert int(frame.colorspace) in tags, "BT.709, or BT.601 for 625 or for 525 lines: the same matrix"
        assert int(frame.color_range) == 1, "the video range"
        got = frame.to_ndarray(format="bgr24")[8:-8, 8:-8].reshape(-1, 3)
        assert np.abs(got.astype(int) - colour).max() <= 5
