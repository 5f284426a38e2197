"""Text in pictures: the same letters on every machine, an outline around them, and nothing outside the picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from poseapp.core.types import ImageArray
from poseapp.render.lettering import CHARACTERS, measure, write

GOLDEN = Path(__file__).parents[1] / "golden" / "lettering.png"
DARK = (24, 24, 24)


def sample() -> ImageArray:
    """Text in three sizes on a grey ramp, with and without an outline."""
    image = np.repeat(np.linspace(20, 230, 200).astype(np.uint8)[None, :, None], 96, axis=0).repeat(3, axis=2)
    image = np.ascontiguousarray(image)
    for top, em, text in ((2, 11, "left wrist 0.97"), (22, 14, "right ankle 1.00"), (46, 22, "0123456789")):
        write(image, text, 4, top, em, outline=DARK)
    write(image, "12", 150, 46, 22, (24, 24, 24))
    write(image, "Qgj%", 100, 72, 16, (40, 140, 255), DARK)
    return image


def close(a: ImageArray, b: ImageArray) -> bool:
    """The same but for rounding: another OpenCV may scale letters a grey value or two lighter or darker."""
    difference = np.abs(a.astype(int) - b)
    return bool(difference.mean() < 1.0 and (difference.max(axis=2) > 24).mean() < 0.002)


def test_letters_look_as_they_always_did() -> None:
    golden = cv2.imread(str(GOLDEN))
    assert golden is not None
    assert close(sample(), golden.astype(np.uint8))
    assert not close(np.ascontiguousarray(np.roll(sample(), 1, axis=1)), golden.astype(np.uint8)), "one pixel off must show"


def test_a_text_is_written_once_and_its_outline_surrounds_it() -> None:
    plain, outlined = np.full((50, 300, 3), 128, np.uint8), np.full((50, 300, 3), 128, np.uint8)
    write(plain, "right shoulder 0.77", 4, 4, 24)
    write(outlined, "right shoulder 0.77", 4, 4, 24, outline=DARK)
    letters = (plain > 250).all(axis=2)
    assert letters.sum() > 100
    assert (outlined[letters] > 235).all(), "the outline covers no letter"
    mask = np.where(letters, 255, 0).astype(np.uint8)
    around = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(bool) & ~letters
    assert outlined[around].mean() < plain[around].mean() - 30
    dark = (outlined < 90).all(axis=2)
    near = cv2.dilate(mask, np.ones((15, 15), np.uint8)).astype(bool)
    assert not (dark & ~near).any(), "an outline that does not lie around its letter is a second text"


def test_figures_are_equally_wide_and_unknown_characters_are_question_marks() -> None:
    assert len({measure(f"0.{n:02d}", 13) for n in range(100)}) == 1
    assert measure("é→", 20) == measure("??", 20)
    assert measure("", 13)[1] == measure("x", 13)[1]
    assert measure("left wrist", 26)[0] == pytest.approx(2 * measure("left wrist", 13)[0], abs=2)


@pytest.mark.parametrize("at", [(-20, 5), (190, 5), (5, -9), (5, 92), (500, 500), (-500, 0)])
def test_what_lies_outside_the_picture_is_cut_off(at: tuple[int, int]) -> None:
    whole = np.full((300, 500, 3), 128, np.uint8)
    write(whole, "left wrist", at[0] + 100, at[1] + 100, 16, outline=DARK)
    part = np.full((96, 200, 3), 128, np.uint8)
    write(part, "left wrist", *at, 16, outline=DARK)
    np.testing.assert_array_equal(part, whole[100:196, 100:300])


def test_every_printable_character_has_a_glyph_of_its_own() -> None:
    seen = set()
    for character in CHARACTERS[1:]:
        image = np.zeros((60, 60, 3), np.uint8)
        write(image, character, 2, 2, 30)
        assert image.any()
        seen.add(image.tobytes())
    assert len(seen) == len(CHARACTERS) - 1
