"""Between frame and network input: an aspect-preserving affine and its inverse.

All coordinates follow one convention: an integer is the centre of a pixel. A box is
``(x, y, width, height)`` of its outer edges, so the box of a whole w × h picture is
``(-0.5, -0.5, w, h)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from poseapp.core.types import ImageArray

Affine = NDArray[np.float64]  # (2, 3)


def whole_box(hw: tuple[int, int]) -> NDArray[np.float32]:
    """The box (4,) that holds a whole picture of height and width *hw*."""
    return np.array([-0.5, -0.5, hw[1], hw[0]], np.float32)


def fit_aspect(box: ArrayLike, input_hw: tuple[int, int], padding: float = 1.0) -> NDArray[np.float64]:
    """Widen *box* (4,), or each of boxes (N, 4), about its centre to the aspect of *input_hw*, then scale it by *padding*.

    The smaller side grows, so nothing in the box is lost or stretched. *padding* 1.25 is the
    usual margin around a ground-truth box (Sun et al. 2019, Sec. 4.1).
    """
    x, y, w, h = np.asarray(box, np.float64).T
    aspect = input_hw[1] / input_hw[0]
    full_w, full_h = np.maximum(w, h * aspect) * padding, np.maximum(h, w / aspect) * padding
    return np.array([x + (w - full_w) / 2, y + (h - full_h) / 2, full_w, full_h]).T


def fitted_height(w: float, h: float, input_hw: tuple[int, int]) -> float:
    """The height of a box of *w* × *h* that ``fit_aspect`` has widened."""
    return max(h, w * input_hw[0] / input_hw[1])


def crop_affine(box: ArrayLike, input_hw: tuple[int, int], rotation_deg: float = 0.0, flip: bool = False) -> Affine:
    """The (2, 3) affine that maps frame px to input px so that *box*, widened to aspect, fills the input.

    *rotation_deg* turns the content clockwise as seen on screen; *flip* mirrors it left to right
    after that. Raises ValueError on a box without area.
    """
    x, y, w, h = np.asarray(box).tolist()  # plain floats: a third of what numpy's calls cost
    if not (w > 0 and h > 0):
        raise ValueError(f"crop: expected a box with an area, got {w:g}×{h:g}")
    scale, angle = input_hw[0] / fitted_height(w, h, input_hw), math.radians(rotation_deg)
    cos, sin, mirror = scale * math.cos(angle), scale * math.sin(angle), -1.0 if flip else 1.0
    (a, b), (c, d) = (mirror * cos, -mirror * sin), (sin, cos)
    centre_x, centre_y = x + w / 2, y + h / 2
    to_x, to_y = (input_hw[1] - 1) / 2, (input_hw[0] - 1) / 2
    return np.array([[a, b, to_x - (a * centre_x + b * centre_y)], [c, d, to_y - (c * centre_x + d * centre_y)]])


def crop_affines(
    boxes: NDArray[np.floating], input_hw: tuple[int, int], rotation_deg: NDArray[np.floating], flip: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """``crop_affine`` for boxes (N, 4), angles (N,) and mirrorings (N,) at once: affines (N, 2, 3)."""
    x, y, w, h = fit_aspect(boxes, input_hw).T
    scale, angle = input_hw[1] / w, np.deg2rad(rotation_deg)
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)  # (N, 2, 2)
    linear[flip, 0] *= -1
    centre = np.stack([x + w / 2, y + h / 2], axis=1)
    target = (np.array([input_hw[1], input_hw[0]]) - 1) / 2
    return np.concatenate([linear, (target - np.einsum("nij,nj->ni", linear, centre))[..., None]], axis=2)


def invert(affine: Affine) -> Affine:
    """The inverse of a (2, 3) affine."""
    (a, b, x), (c, d, y) = affine.tolist()  # plain floats: a tenth of what numpy's inverse costs
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return np.array([[a, b, -(a * x + b * y)], [c, d, -(c * x + d * y)]])


def compose(outer: Affine, inner: Affine) -> Affine:
    """The (2, 3) affine that applies *inner*, then *outer*."""
    (a, b, x), (c, d, y) = outer.tolist()
    (e, f, u), (g, h, v) = inner.tolist()
    return np.array([[a * e + b * g, a * f + b * h, a * u + b * v + x], [c * e + d * g, c * f + d * h, c * u + d * v + y]])


def apply(affine: Affine, xy: NDArray[np.floating]) -> NDArray[np.floating]:
    """Map points (..., 2) through a (2, 3) affine; NaN stays NaN; the dtype is kept."""
    return (xy @ affine[:, :2].T + affine[:, 2]).astype(xy.dtype, copy=False)


def apply_plainly(affine: Affine, joints: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """As ``apply``, for the first two numbers of each of a person's joints: a matrix product takes longer than so few do."""
    (a, b, x), (c, d, y) = affine.tolist()
    return [(a * joint[0] + b * joint[1] + x, c * joint[0] + d * joint[1] + y) for joint in joints]


def crop(image: ImageArray, affine: Affine, input_hw: tuple[int, int], border: int = 0) -> ImageArray:
    """Cut the network's input (H, W, 3) out of *image*; *border* is the grey outside the picture, 0 (black) to 255.

    Bilinear. A strong reduction is done by area averaging first, since sampling one pixel in many
    makes the input noisy and lets joints flicker.
    """
    h, w = input_hw
    (a, b, _), (c, d, _) = affine.tolist()
    reduction = abs(a * d - b * c) ** -0.5
    # By halves, which cv2 does six times as fast as thirds; a reduction of 1.74 is the first that is worth one.
    halvings = int(math.log2(reduction) + 0.2) if reduction > 1 else 0
    part, affine = _reduce(image, affine, input_hw, halvings)
    if part.size == 0:  # nothing of it is in the picture
        return np.full((h, w, 3), border, np.uint8)
    # cv2 warps four channels in half the time that it takes for three, to the same values.
    outside = (border,) * 4
    four = cv2.warpAffine(cv2.cvtColor(part, cv2.COLOR_BGR2BGRA), affine, (w, h), flags=cv2.INTER_LINEAR, borderValue=outside)
    return cv2.cvtColor(four, cv2.COLOR_BGRA2BGR).astype(np.uint8, copy=False)


def _reduce(image: ImageArray, affine: Affine, input_hw: tuple[int, int], halvings: int) -> tuple[ImageArray, Affine]:
    """The part of *image* that the crop sees, halved *halvings* times by averaging, and the affine from there."""
    h, w = input_hw
    factor = 2**halvings
    # Plain floats once more. What the crop sees are the corners of (−1, −1, w, h), mapped back.
    (a, b, x), (c, d, y) = invert(affine).tolist()
    left, right = x + min(-a, a * w) + min(-b, b * h), x + max(-a, a * w) + max(-b, b * h)
    top, bottom = y + min(-c, c * w) + min(-d, d * h), y + max(-c, c * w) + max(-d, d * h)
    x0, y0 = max(0, math.floor(left) - factor), max(0, math.floor(top) - factor)
    x1, y1 = min(image.shape[1], math.ceil(right) + 1 + factor), min(image.shape[0], math.ceil(bottom) + 1 + factor)
    cols, rows = (x1 - x0) // factor, (y1 - y0) // factor
    if cols < 1 or rows < 1:
        # Too little of it is in the picture to be averaged, or nothing.
        return _reduce(image, affine, input_hw, 0) if halvings else (np.empty((0, 0, 3), np.uint8), affine)
    part = image[y0 : y0 + rows * factor, x0 : x0 + cols * factor]
    small = part
    for n in reversed(range(halvings)):
        small = cv2.resize(small, (cols << n, rows << n), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    # Small pixel i averages pixels factor·i … factor·i + factor − 1, so its centre lies between them.
    (a, b, x), (c, d, y) = affine.tolist()
    left, top = x0 + (factor - 1) / 2, y0 + (factor - 1) / 2
    from_small = [[a * factor, b * factor, a * left + b * top + x], [c * factor, d * factor, c * left + d * top + y]]
    return small, np.array(from_small)
