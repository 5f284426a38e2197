"""Compares an engine with another one, the reference, on stored crops: how far apart are the joints?"""

from __future__ import annotations

import functools

import cv2
import numpy as np

from poseapp import resources
from poseapp.core.errors import ModelError
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Engine

SHEET = "verify-crops.jpg"  # of assets/, made by make_crops.py
CELL, COLUMNS, ROWS = 256, 8, 4
MIN_SCORE = 0.2
# Mean difference in input px that a backend of this precision may show.
TOLERANCE_PX = {"FP32": 0.5, "FP16": 0.5, "BF16": 0.5, "INT8": 1.5}


def sample_crops(input_hw: tuple[int, int]) -> ImageArray:
    """(32, H, W, 3) uint8 BGR: a rendered person as the app crops it, of size *input_hw*; the same ones always.

    Raises ModelError when the sheet that holds them cannot be read.
    """
    sheet = _sheet()
    h, w = input_hw
    scale = CELL / max(h, w)
    cut_h, cut_w = round(h * scale), round(w * scale)
    top, left = (CELL - cut_h) // 2, (CELL - cut_w) // 2
    crops = np.empty((ROWS * COLUMNS, h, w, 3), np.uint8)
    for i in range(len(crops)):
        y, x = i // COLUMNS * CELL + top, i % COLUMNS * CELL + left
        cv2.resize(sheet[y : y + cut_h, x : x + cut_w], (w, h), dst=crops[i], interpolation=cv2.INTER_AREA)
    return crops


def difference_px(engine: Engine, reference: Engine, crops: ImageArray) -> float:
    """Mean distance in input px between the joints of *engine* and of *reference* in *crops*, one crop at a time.

    Joints that *reference* scores below 0.2 are left out: where a network sees nothing, the highest place is chance. If all
    scores are lower, the better half counts. The distance is infinite when *engine* gives a value that is not a number.
    """
    return distance_px(keypoints_of(engine, crops), keypoints_of(reference, crops))


def keypoints_of(engine: Engine, crops: ImageArray) -> FloatArray:
    """The keypoints (N, K, 3) that *engine* finds in *crops*, given one at a time."""
    return np.concatenate([engine.infer(crops[i : i + 1]).keypoints.copy() for i in range(len(crops))])


def distance_px(found: FloatArray, reference: FloatArray) -> float:
    """``difference_px`` between keypoints (N, K, 3) that were found already."""
    if not np.isfinite(found).all():
        return float("inf")
    score = reference[..., 2]
    counts = score >= MIN_SCORE if score.max() >= MIN_SCORE else score > np.median(score)
    if not counts.any():  # all the same
        counts[:] = True
    return float(np.linalg.norm(found[..., :2] - reference[..., :2], axis=2)[counts].mean())


@functools.cache
def _sheet() -> ImageArray:
    path = resources.asset(SHEET)
    sheet = cv2.imread(str(path))
    if sheet is None or sheet.shape != (ROWS * CELL, COLUMNS * CELL, 3):
        raise ModelError(f"{path}: the crops to check engines with cannot be read. Get the file from the project again.")
    return sheet.astype(np.uint8, copy=False)
