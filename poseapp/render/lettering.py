"""Writes text into pictures with letters of its own: cv2.putText has other letters in each major version of OpenCV.

Outline and text are made of the same glyphs. A text is made once and kept in two layers: the share of the picture that shows
through, and what is added. So writing it costs two passes over a few pixels.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.types import ImageArray
from poseapp.render.colours import Colour

# The sheet lettering.png, which assets/make_lettering.py draws: a cell for each character, in rows.
CHARACTERS = "".join(map(chr, range(32, 127)))
COLUMNS, CELL = 16, 48
EM = 38  # px that the font's em has in the sheet
_GAP = 4  # px between the letters, in the sheet
_SPACE = 11
_STROKE = 6  # px that the outline reaches beyond the letters, in the sheet
_DIGITS = "0123456789"


def measure(text: str, em_px: int) -> tuple[int, int]:
    """Width and height of *text*, px, with its outline, in letters of *em_px*."""
    h, w = _masks(text, em_px)[0].shape
    return w, h


def write(
    image: ImageArray, text: str, left: int, top: int, em_px: int, ink: Colour = (255, 255, 255), outline: Colour | None = None
) -> None:
    """Write *text* into *image* (H, W, 3) uint8 BGR, its upper left corner at *left*, *top* (px), in letters of *em_px*.

    Without an *outline* its room stays free. Letters outside the picture are cut off.
    """
    kept, added = _layers(text, em_px, ink, outline)
    h, w = image.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + kept.shape[1], w), min(top + kept.shape[0], h)
    if x0 >= x1 or y0 >= y1:
        return
    there = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    part = image[y0:y1, x0:x1]
    part[:] = cv2.add(cv2.multiply(part, kept[there], scale=1 / 255), added[there])


@cache
def _glyphs() -> dict[str, ImageArray]:
    """Each character (CELL, w) uint8: its columns with ink; digits are equally wide, so that figures do not jump."""
    packed = np.frombuffer(files("poseapp.render").joinpath("lettering.png").read_bytes(), np.uint8)
    sheet = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    glyphs = {" ": np.zeros((CELL, _SPACE), np.uint8)}
    for i, character in enumerate(CHARACTERS[1:], 1):
        row, column = divmod(i, COLUMNS)
        cell = sheet[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        inked = np.flatnonzero(cell.max(axis=0) > 40)
        glyphs[character] = cell[:, inked[0] : inked[-1] + 1]
    glyphs["°"] = cv2.circle(np.zeros((CELL, 16), np.uint8), (8, 14), 5, 255, 3, cv2.LINE_AA).astype(np.uint8, copy=False)
    widest = max(glyphs[digit].shape[1] for digit in _DIGITS)
    for digit in _DIGITS:
        spare = widest - glyphs[digit].shape[1]
        glyphs[digit] = np.pad(glyphs[digit], ((0, 0), (spare // 2, spare - spare // 2)))
    return glyphs


@lru_cache(maxsize=512)
def _masks(text: str, em_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much of each pixel (h, w) the letters of *text* cover, and how much letters and outline do; both 0..1."""
    glyphs = _glyphs()
    gap = np.zeros((CELL, _GAP), np.uint8)
    columns = [part for character in text for part in (gap, glyphs.get(character, glyphs["?"]))][1:]
    fill = np.pad(np.hstack(columns) if columns else gap, _STROKE)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _STROKE + 1, 2 * _STROKE + 1))
    scale = em_px / EM
    size = max(1, round(fill.shape[1] * scale)), max(1, round(fill.shape[0] * scale))
    small, wide = (cv2.resize(mask, size, interpolation=cv2.INTER_AREA) for mask in (fill, cv2.dilate(fill, disc)))
    return np.float32(1 / 255) * small.astype(np.float32), np.float32(1 / 255) * wide.astype(np.float32)


@lru_cache(maxsize=512)
def _layers(text: str, em_px: int, ink: Colour, outline: Colour | None) -> tuple[ImageArray, ImageArray]:
    """The share of the picture that shows through, in 255ths, and what is added; both (h, w, 3) uint8."""
    fill, wide = (mask[..., None] for mask in _masks(text, em_px))
    under = wide * (1 - fill) if outline is not None else np.zeros_like(fill)
    added = fill * np.array(ink, np.float32) + under * np.array(outline or (0, 0, 0), np.float32)
    kept = np.repeat(255 * np.clip(1 - fill - under, 0, 1), 3, axis=2)
    return np.floor(kept).astype(np.uint8), np.floor(added).astype(np.uint8)
