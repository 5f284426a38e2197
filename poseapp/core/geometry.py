"""Joints in plain numbers, x + iy, and measures of bodies.

A call of numpy costs as much as the arithmetic on one person, and several times as much where another kind of call or a large
network came before it: its code and data are no longer in the caches then. What is done once a frame for a person is plain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from poseapp.core.types import FloatArray

Bounds = tuple[float, float, float, float]  # left, top, right, bottom, px


def plain(xy: FloatArray) -> list[list[complex]]:
    """Joints (N, K, 2) as x + iy."""
    return [[complex(x, y) for x, y in person] for person in xy.tolist()]


def array(people: Sequence[Sequence[complex]], k: int) -> FloatArray:
    """The joints (N, K, 2) of *people*, who have *k* each."""
    return np.array([[(z.real, z.imag) for z in person] for person in people], np.float32).reshape(len(people), k, 2)


def bounds(joints: Sequence[complex]) -> Bounds:
    """What holds *joints* x + iy; NaN without any."""
    if not joints:
        return (math.nan,) * 4
    x, y = [z.real for z in joints], [z.imag for z in joints]
    return min(x), min(y), max(x), max(y)


def body_size_px(joints: Sequence[complex]) -> float:
    """The size in px of a body with *joints* x + iy: the root of the area of the box around them; 0 without joints.

    A box that is narrow for its length, as around somebody seen from the side, counts as a fourth as wide as long.
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
