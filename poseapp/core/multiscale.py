"""Averages the heatmaps of a network over several scales of the crop, for evaluation: each scale costs a pass.

Wei et al. 2016 and Newell et al. 2016 test on one scale. The release of Wei et al. averages the beliefs over several scales
(testing/src/applyModel.m), since a network is best at the size of person that it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from poseapp.core import transform
from poseapp.core.heatmap import Decode, Mapping, decode, input_from_cells
from poseapp.core.types import FloatArray, ImageArray

SCALES = (0.8, 0.9, 1.0, 1.1, 1.2)

Beliefs = Callable[[ImageArray], FloatArray]
"""Heatmaps (N, K, h, w) of crops (N, H, W, 3) uint8 BGR, such as an engine gives with ``heatmaps=True``."""


def average_beliefs(
    infer: Beliefs,
    image: ImageArray,
    box: ArrayLike,
    input_hw: tuple[int, int],
    heatmap_hw: tuple[int, int],
    mapping: Mapping,
    scales: Sequence[float] = SCALES,
) -> tuple[FloatArray, NDArray[np.float64]]:
    """The mean heatmaps (K, h, w) of the person in *box* of *image*, and the (2, 3) affine from them to the frame.

    For each scale s the crop shows the person s times as large; its heatmaps are brought back to the grid of
    scale 1 and averaged where a scale saw anything: a crop that shows the person larger does not reach the rim.
    """
    base = transform.fit_aspect(box, input_hw)
    cells = input_from_cells(input_hw, heatmap_hw, mapping)
    to_frame: NDArray[np.float64] = transform.compose(transform.invert(transform.crop_affine(base, input_hw)), cells)
    total: FloatArray | None = None
    weight = np.zeros(heatmap_hw, np.float32)
    for scale in scales:
        affine = transform.crop_affine(transform.fit_aspect(base, input_hw, 1 / scale), input_hw)
        maps = infer(transform.crop(image, affine, input_hw)[None])[0]
        # From a cell of the mean to a cell of this scale: through the frame.
        into = transform.compose(transform.invert(cells), transform.compose(affine, to_frame))
        seen = _warp(np.ones((1, *heatmap_hw), np.float32), into)[0]
        warped = _warp(maps, into)
        total = warped if total is None else total + warped
        weight += seen
    if total is None:
        raise ValueError("scales: expected at least one")
    mean: FloatArray = (total / np.maximum(weight, 1e-6)).astype(np.float32)
    return mean, to_frame


def joints_of(mean: FloatArray, to_frame: NDArray[np.float64], method: Decode, sigma_px: float) -> FloatArray:
    """Joints (K, 3) as x, y in frame px and score, from the result of ``average_beliefs``."""
    joints: FloatArray = decode(mean[None], method, sigma_px)[0]
    joints[:, :2] = transform.apply(to_frame, joints[:, :2].astype(np.float64))
    return joints


def _warp(maps: FloatArray, into: NDArray[np.float64]) -> FloatArray:
    h, w = maps.shape[1:]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped: FloatArray = np.stack([cv2.warpAffine(m, into, (w, h), flags=flags).astype(np.float32, copy=False) for m in maps])
    return warped
