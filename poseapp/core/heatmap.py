"""Heatmaps: encode joints as Gaussians and decode Gaussians to joints, side by side so they cannot drift apart.

Three mappings between heatmap px j and input px x are in use, and a network must be decoded with the one
it was trained with (ModelSpec.mapping):

``"udp"``     x = j · (W − 1) / (w − 1): the outermost pixel centres meet, so a mirrored heatmap is the
              heatmap of the mirrored picture (Huang et al., CVPR 2020, Sec. 3.2).
``"stride"``  x = j · W / w: as released with Sun et al. 2019, and all of MMPose's that are not UDP.
``"centre"``  x = (j + ½) · W / w − ½: a heatmap pixel is the middle of the input pixels that it covers, as
              released with Newell et al. 2016 (cells are counted by rounding down, and half a cell is
              added after decoding), Wei et al. 2016 and Cao et al. 2017 (targets are drawn so).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.types import FloatArray

Mapping = Literal["udp", "stride", "centre"]
Decode = Literal["argmax", "quarter", "dark"]
MAPPINGS: tuple[str, ...] = get_args(Mapping)
DECODES: tuple[str, ...] = get_args(Decode)


def input_px_per_cell(input_hw: tuple[int, int], heatmap_hw: tuple[int, int], mapping: Mapping) -> NDArray[np.float64]:
    """Input px per heatmap px, (2,) in x, y order."""
    size, cells = np.array(input_hw[::-1], np.float64), np.array(heatmap_hw[::-1], np.float64)
    return (size - 1) / (cells - 1) if mapping == "udp" else size / cells


def input_px_at_origin(input_hw: tuple[int, int], heatmap_hw: tuple[int, int], mapping: Mapping) -> NDArray[np.float64]:
    """Where heatmap px (0, 0) lies in input px, (2,) in x, y order: 0 but for ``"centre"``."""
    if mapping != "centre":
        return np.zeros(2)
    return (input_px_per_cell(input_hw, heatmap_hw, mapping) - 1) / 2


def input_from_cells(input_hw: tuple[int, int], heatmap_hw: tuple[int, int], mapping: Mapping) -> NDArray[np.float64]:
    """The (2, 3) affine from heatmap px to input px, for poseapp.core.transform."""
    scale = input_px_per_cell(input_hw, heatmap_hw, mapping)
    return np.column_stack([np.diag(scale), input_px_at_origin(input_hw, heatmap_hw, mapping)])


def with_mirrored(heatmaps: FloatArray, mirrored: FloatArray, flip: NDArray[np.intp], mapping: Mapping) -> FloatArray:
    """The mean of the heatmaps (N, K, h, w) of crops and of the same crops mirrored left to right (the flip test).

    *flip* is ``Skeleton.flip_index``. Under ``"stride"`` the maps of the mirrored crop lie most of a pixel to the
    left when mirrored back, and are moved by one as Sun et al. 2019 released it (told by Huang et al. 2020, Sec. 3.1).
    """
    back = mirrored[:, flip, :, ::-1]
    if mapping == "stride":
        back = np.concatenate([back[..., :1], back[..., :-1]], axis=-1)
    mean: FloatArray = (heatmaps + back) * np.float32(0.5)
    return mean


def encode(xy: FloatArray, heatmap_hw: tuple[int, int], sigma_px: float) -> FloatArray:
    """Gaussian targets (K, h, w), peak 1, for joints (K, 2) in heatmap px.

    A joint that is NaN, or more than three sigma outside, gives an empty map. Nothing is rounded:
    the sub-pixel position is in the target (Zhang et al., CVPR 2020, Sec. 3.3).
    """
    h, w = heatmap_hw
    # Far off rather than NaN, so that exp underflows to 0 without a warning.
    x, y = np.where(np.isfinite(xy), xy, -1e6).astype(np.float32).T
    gx = np.exp(-np.square(np.arange(w, dtype=np.float32) - x[:, None]) / np.float32(2 * sigma_px**2))
    gy = np.exp(-np.square(np.arange(h, dtype=np.float32) - y[:, None]) / np.float32(2 * sigma_px**2))
    maps: FloatArray = gy[:, :, None] * gx[:, None, :]
    maps[maps < np.float32(np.exp(-4.5))] = 0.0  # beyond three sigma, as the published code cuts it
    return maps


def decode(heatmaps: FloatArray, method: Decode, sigma_px: float = 2.0) -> FloatArray:
    """Joints (N, K, 3) as x, y in heatmap px and score, from heatmaps (N, K, h, w).

    ``"argmax"``   the highest pixel.
    ``"quarter"``  moved by a quarter pixel toward the higher neighbour on each axis
                   (Newell et al. 2016, Sec. 4.1).
    ``"dark"``     moved to the peak of a Gaussian fitted to the blurred log heatmap by one Newton
                   step (Zhang et al., CVPR 2020, Sec. 3.2). *sigma_px* is that of the targets.
    The score is the height of the peak, clipped to 0..1.
    """
    n, k, h, w = heatmaps.shape
    flat = heatmaps.reshape(n * k, h * w)
    best = flat.argmax(axis=1)
    score = np.clip(flat[np.arange(n * k), best], 0.0, 1.0)
    x, y = best % w, best // w
    offset = np.zeros((n * k, 2), np.float32)
    if method == "quarter":
        offset = _quarter_offset(heatmaps.reshape(n * k, h, w), x, y)
    elif method == "dark":
        offset = _dark_offset(heatmaps.reshape(n * k, h, w), x, y, sigma_px)
    xy = np.stack([x, y], axis=1) + offset
    return np.concatenate([xy, score[:, None]], axis=1).reshape(n, k, 3).astype(np.float32)


def _quarter_offset(maps: FloatArray, x: NDArray[np.intp], y: NDArray[np.intp]) -> FloatArray:
    m, h, w = maps.shape
    i = np.arange(m)
    dx = maps[i, y, np.minimum(x + 1, w - 1)] - maps[i, y, np.maximum(x - 1, 0)]
    dy = maps[i, np.minimum(y + 1, h - 1), x] - maps[i, np.maximum(y - 1, 0), x]
    inside_x, inside_y = (x > 0) & (x < w - 1), (y > 0) & (y < h - 1)
    return np.stack([np.sign(dx) * inside_x, np.sign(dy) * inside_y], axis=1).astype(np.float32) * np.float32(0.25)


def _dark_offset(maps: FloatArray, x: NDArray[np.intp], y: NDArray[np.intp], sigma_px: float) -> FloatArray:
    size = blur_size(sigma_px)
    blurred = np.stack([cv2.GaussianBlur(m, (size, size), 0, borderType=cv2.BORDER_CONSTANT) for m in maps])
    log = np.log(np.maximum(blurred, 1e-10))
    m, h, w = log.shape
    i = np.arange(m)
    inside = (x > 1) & (x < w - 2) & (y > 1) & (y < h - 2)
    xc, yc = np.clip(x, 2, w - 3), np.clip(y, 2, h - 3)

    def at(dx: int, dy: int) -> FloatArray:
        values: FloatArray = log[i, yc + dy, xc + dx]
        return values

    gx, gy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    hxx = (at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4
    hyy = (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4
    hxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    determinant = hxx * hyy - hxy * hxy
    solvable = inside & (np.abs(determinant) > 1e-10)
    safe = np.where(solvable, determinant, 1.0)
    offset = np.stack([(hxy * gy - hyy * gx) / safe, (hxy * gx - hxx * gy) / safe], axis=1)
    # A step of more than a pixel means that this is no Gaussian peak: stay at the maximum.
    good = solvable & (np.abs(offset).max(axis=1) <= 1.0)
    return np.where(good[:, None], offset, 0.0).astype(np.float32)


def times_odds(height: Any, odds: float) -> Any:
    """Scores, 0 to 1, from peaks' heights h (an array or tensor of them): the odds h / (1 - h) times *odds*."""
    h = height.clip(0, 1)
    return odds * h / (1 - h + odds * h)


def blur_size(sigma_px: float) -> int:
    """Side of the Gaussian kernel that DARK smooths with, odd: 11 for sigma 2, as published."""
    return 2 * int(np.ceil(2.5 * sigma_px)) + 1
