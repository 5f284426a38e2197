"""Joints that cannot be right: limbs that are far too long for the body, and legs that lie on the arms."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from poseapp.core.geometry import plain
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
    """Which of the *visible* (K,) joints of a person cannot be right (K,); *xy* (K, 2) px of a picture of *hw*.

    Three kinds: the far end of a limb that is more than ``STRETCH`` times too long for this body; an ankle in the picture
    with a knee outside; and an ankle on a hand above the hips, with a knee that is not seen or lies on the elbow. (A network
    that cannot see a leg tends to put it on an arm.) The rules do not apply to a body with fewer than three limbs. Of 15,817
    people marked by hand, 1 in 400 would lose a joint by these rules.
    """
    limbs, z, seen = _limbs(skeleton), plain(xy[None])[0], visible.tolist()
    # The height of the person by each limb; 0 where the limb is not there.
    heights = [abs(z[far] - z[near]) / share if seen[near] and seen[far] else 0.0 for near, far, share, _ in limbs]
    wrong = np.zeros(skeleton.k, np.bool_)
    if sum(seen[near] and seen[far] for near, far, _, _ in limbs) < 3:
        return wrong
    measure = sorted(heights)[-2]
    for height, (_, far, _, across) in zip(heights, limbs, strict=True):
        # Shoulders and hips are no far ends of each other: of those two neither is the suspect.
        if height > STRETCH * measure and not across:
            wrong[far] = True
    for knee, ankle in _pairs(skeleton, "knee", "ankle"):
        if seen[knee] and seen[ankle] and not _inside(z[knee], hw) and _inside(z[ankle], hw):
            wrong[ankle] = True
        hip = _hips(skeleton).get(knee)
        # Who crouches has hands on the feet, too, but below the hips.
        raised = hip is not None and z[ankle].imag < z[hip].imag - TOUCH * measure
        for elbow, wrist in _pairs(skeleton, "elbow", "wrist") if raised else ():
            if seen[wrist] and abs(z[ankle] - z[wrist]) < TOUCH * measure:
                on_arm = abs(z[knee] - z[elbow]) < TOUCH * measure
                wrong[ankle] |= on_arm or not seen[knee]
                wrong[knee] |= on_arm
    return wrong & visible


def _inside(z: complex, hw: tuple[int, int]) -> bool:
    return -0.5 <= z.real <= hw[1] - 0.5 and -0.5 <= z.imag <= hw[0] - 0.5


@cache
def _limbs(skeleton: Skeleton) -> tuple[tuple[int, int, float, bool], ...]:
    """The limbs of known length: the joint nearer to the trunk, the farther one, the share, whether the limb joins both sides."""
    found = []
    for limb in skeleton.limbs:
        for a, b in (limb, limb[::-1]):
            share = LENGTHS.get((_part(skeleton, a), _part(skeleton, b)))
            if share is not None:
                found.append((a, b, share, _part(skeleton, a) == _part(skeleton, b)))
                break
    return tuple(found)


@cache
def _pairs(skeleton: Skeleton, near_name: str, far_name: str) -> tuple[tuple[int, int], ...]:
    """The joints of the limbs between *near_name* and *far_name*, on each side."""
    names = (near_name, far_name)
    return tuple((a, b) for a, b, _, _ in _limbs(skeleton) if (_part(skeleton, a), _part(skeleton, b)) == names)


@cache
def _hips(skeleton: Skeleton) -> dict[int, int]:
    """The hip of each knee."""
    return {knee: hip for hip, knee in _pairs(skeleton, "hip", "knee")}


def _part(skeleton: Skeleton, k: int) -> str:
    """The joint's name without its side."""
    return skeleton.keypoints[k].removeprefix("left_").removeprefix("right_")
