"""Joint names as annotation tools spell them: "Left Shoulder", "l-shoulder", "RShoulder", "shoulder_left", numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from poseapp.core.skeleton import COCO_17

_PAIRED = {
    "eye": "eye",
    "ear": "ear",
    "shoulder": "shoulder",
    "sho": "shoulder",
    "elbow": "elbow",
    "elb": "elbow",
    "wrist": "wrist",
    "wri": "wrist",
    "hip": "hip",
    "knee": "knee",
    "ankle": "ankle",
    "ank": "ankle",
    "bigtoe": "big_toe",
    "smalltoe": "small_toe",
    "heel": "heel",
}
_SINGLE = {
    "nose": "nose",
    "neck": "neck",
    "upperneck": "neck",
    "headtop": "head_top",
    "tophead": "head_top",
    "topofhead": "head_top",
    "pelvis": "pelvis",
    "thorax": "thorax",
}
_SIDES = {"l": "left", "left": "left", "lt": "left", "r": "right", "right": "right", "rt": "right"}
_PART = "|".join(sorted(_PAIRED, key=len, reverse=True))
_SIDE = "|".join(sorted(_SIDES, key=len, reverse=True))
_SIDE_FIRST = re.compile(f"({_SIDE})({_PART})")
_SIDE_LAST = re.compile(f"({_PART})({_SIDE})")
_NUMBERED = re.compile(r"(.*?)(\d{1,3})")


def joint_name(text: str) -> str:
    """The name that ``Skeleton`` has for the joint *text* in any spelling; *text* itself if it is no joint."""
    letters = re.sub(r"[\W_]+", "", text).lower()
    if letters in _SINGLE:
        return _SINGLE[letters]
    if found := _SIDE_FIRST.fullmatch(letters):
        return f"{_SIDES[found[1]]}_{_PAIRED[found[2]]}"
    if found := _SIDE_LAST.fullmatch(letters):
        return f"{_SIDES[found[2]]}_{_PAIRED[found[1]]}"
    return text


def joint_names(texts: Sequence[str]) -> tuple[str, ...]:
    """``joint_name`` of each of *texts*. Seventeen names that only count, from 0 or 1, are COCO's joints in their order."""
    numbered = [_NUMBERED.fullmatch(text.strip()) for text in texts]
    prefixes = {found[1] for found in numbered if found}
    numbers = [int(found[2]) for found in numbered if found]
    first = min(numbers, default=0)
    if first in (0, 1) and len(prefixes) == 1 and sorted(numbers) == list(range(first, first + COCO_17.k)):
        return tuple(COCO_17.keypoints[number - first] for number in numbers)
    return tuple(map(joint_name, texts))
