"""Turning and cropping: the right pixels, in every order, and nothing else gets in."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from poseapp.core.framing import SMALLEST_PX, TURNS, WHOLE, Crop, Framing, Turn, parse_crop
from poseapp.core.types import ImageArray

PART: Crop = (0.25, 0.1, 0.75, 0.9)
_TURN = {0: lambda x: x, 90: lambda x: np.rot90(x, -1), 180: lambda x: np.rot90(x, 2), 270: lambda x: np.rot90(x, 1)}


def picture(h: int = 40, w: int = 80) -> ImageArray:
    """Each pixel says where it is."""
    ys, xs = np.mgrid[:h, :w]
    return np.stack([ys, xs, ys + xs], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("crop", [(0.0, 0.0, 1.0, 1.0), PART])
def test_first_turned_clockwise_then_cropped(turn: Turn, crop: Crop) -> None:
    image = picture()
    whole = _TURN[turn](image)
    h, w = whole.shape[:2]
    want = whole[round(crop[1] * h) : round(crop[3] * h), round(crop[0] * w) : round(crop[2] * w)]
    got = Framing(turn, crop).apply(image)
    assert np.array_equal(got, want)
    assert got.flags.c_contiguous
    assert got.dtype == np.uint8


def test_clockwise_is_what_opencv_calls_so() -> None:
    assert np.array_equal(Framing(90).apply(picture()), cv2.rotate(picture(), cv2.ROTATE_90_CLOCKWISE))


def test_the_whole_picture_costs_no_copy() -> None:
    image = picture()
    assert WHOLE.apply(image) is image


@pytest.mark.parametrize("turn", TURNS)
def test_turning_on_keeps_the_part(turn: Turn) -> None:
    before = Framing(turn, PART)
    assert np.array_equal(before.turned(90).apply(picture()), np.rot90(before.apply(picture()), -1))
    again = before.turned(270).turned(90)
    assert again.turn == before.turn
    assert again.crop == pytest.approx(before.crop)


def test_a_part_of_a_part() -> None:
    inner = Framing(90, (0.5, 0.0, 1.0, 1.0)).cropped((0.0, 0.5, 0.5, 1.0))
    assert inner == Framing(90, (0.5, 0.5, 0.75, 1.0))


def test_a_part_of_a_small_picture_is_never_too_small_to_work_with() -> None:
    for left in (0.0, 0.4, 0.95):
        part = Framing(0, (left, left, left + 0.05, left + 0.05)).apply(picture(60, 100))
        assert part.shape[:2] == (SMALLEST_PX, SMALLEST_PX)
    assert Framing(0, (0.0, 0.0, 0.05, 0.05)).apply(picture(8, 8)).shape[:2] == (8, 8)


@pytest.mark.parametrize(
    ("turn", "crop"),
    [
        (45, PART),
        (True, PART),
        (0, (0.5, 0.0, 0.5, 1.0)),
        (0, (0.0, 0.0, 1.1, 1.0)),
        (0, (0.0, 0.9, 1.0, 0.92)),
        (0, (float("nan"),) * 4),
    ],
)
def test_what_is_no_framing_is_refused(turn: Turn, crop: Crop) -> None:
    with pytest.raises(ValueError, match=r"^(turn|crop): expected"):
        Framing(turn, crop)


@pytest.mark.parametrize(
    "content", [None, 3, {"turn": "90"}, {"crop": [0, 0, 1]}, {"crop": "abcd"}, {"crop": [0, 0, 1, "1"]}, {"turn": 90.0}]
)
def test_what_comes_from_a_file_is_checked(content: object) -> None:
    with pytest.raises(ValueError, match="framing"):
        Framing.from_json(content)


def test_from_a_file() -> None:
    assert Framing.from_json({"turn": 90, "crop": [0, 0.1, 0.5, 1]}) == Framing(90, (0.0, 0.1, 0.5, 1.0))
    assert Framing.from_json({}) == WHOLE


def test_a_crop_as_it_is_typed() -> None:
    assert parse_crop("10,0,90%,100") == pytest.approx((0.1, 0.0, 0.9, 1.0))
    for text in ("", "1,2,3", "a,b,c,d", "90,0,10,100"):
        with pytest.raises(ValueError, match="crop: expected"):
            parse_crop(text)


def test_in_words() -> None:
    assert str(WHOLE) == ""
    assert str(Framing(90)) == "turned 90°"
    assert str(Framing(180, PART)) == "turned 180°, cropped"
