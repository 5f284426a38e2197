"""Joints in plain numbers, x + iy, measures of bodies, and how much boxes overlap.

A call of numpy takes as long as the arithmetic on one person. After a large network it takes several times as long, because
numpy's code and data have left the caches. So the work on each person in each frame uses plain numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from poseapp.core.types import FloatArray

Float = TypeVar("Float", np.float32, np.float64)
Bounds = tuple[float, float, float, float]  # left, top, right, bottom, px
SMALLEST_BODY_PX = 8.0  # what is smaller counts as this large: noise is not scaled up without end


def plain(xy: FloatArray) -> list[list[complex]]:
    """Joints (N, K, 2) as x + iy."""
    return [[complex(x, y) for x, y in person] for person in xy.tolist()]


def array(people: Sequence[Sequence[complex]], k: int) -> FloatArray:
    """The joints (N, K, 2) of *people*, who have *k* each."""
    return np.array([[(z.real, z.imag) for z in person] for person in people], np.float32).reshape(len(people), k, 2)


def bounds(joints: Sequence[complex]) -> Bounds:
    """The box around *joints* x + iy; NaN without any."""
    if not joints:
        return (math.nan,) * 4
    x, y = [z.real for z in joints], [z.imag for z in joints]
    return min(x), min(y), max(x), max(y)


def body_size_px(joints: Sequence[complex]) -> float:
    """The size in px of a body with *joints* x + iy: the root of the area of the box around them; 0 without joints.

    A box that is narrower than a fourth of its length, as around somebody seen from the side, counts as a fourth as wide as long.
    """
    if not joints:
        return 0.0
    left, top, right, bottom = bounds(joints)
    longest = max(right - left, bottom - top)
    return math.sqrt(longest * max(min(right - left, bottom - top), longest / 4))


def distance_from_segment(point: complex, start: complex, end: complex) -> float:
    """How far *point* is from the segment between *start* and *end*, which may be the same point."""
    along, away = end - start, point - start
    share = (away * along.conjugate()).real / max(abs(along) ** 2, 1e-9)
    return abs(away - min(max(share, 0.0), 1.0) * along)


def box_around(points: NDArray[Float], margin: float = 0.0) -> NDArray[Float]:
    """The box (4,) x, y, width, height around *points* (J, 2), J ≥ 1, larger on each side by *margin* of its size."""
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    return np.concatenate([low - margin * size, (1 + 2 * margin) * size]).astype(points.dtype, copy=False)


def box_iou(a: FloatArray, b: FloatArray) -> float:
    """Intersection over union of two boxes (4,) x, y, width, height; in plain numbers, for every frame."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = a.tolist(), b.tolist()
    w, h = min(ax + aw, bx + bw) - max(ax, bx), min(ay + ah, by + bh) - max(ay, by)
    if w <= 0 or h <= 0:
        return 0.0
    return float(w * h / (aw * ah + bw * bh - w * h))


def box_ious(boxes: FloatArray, others: FloatArray, crowd: bool = False) -> NDArray[np.float64]:
    """Intersection over union (N, M) of *boxes* (N, 4) and *others* (M, 4), x, y, width, height; 0 for empty boxes.

    With *crowd* the intersection is taken over the area of *boxes* alone, as COCO's evaluation does for crowds.
    """
    a, b = boxes.astype(np.float64)[:, None], others.astype(np.float64)[None]
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    area, other = a[..., 2:].prod(axis=-1), b[..., 2:].prod(axis=-1)
    union = np.broadcast_to(area, both.shape) if crowd else area + other - both
    shares: NDArray[np.float64] = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return shares
