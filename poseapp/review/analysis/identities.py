"""Numbers of people that go on after a stop: the last pictures are looked at again, and who is who there says the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from poseapp.core.geometry import body_size_px, plain
from poseapp.core.types import Poses

_SAME_BODY = 0.2  # of a body's size: the same network sees the same picture, so its joints are in the same place


class Identities:
    """Numbers of the people of a new tracker, as those of the lines *before*, which are of earlier pictures."""

    def __init__(self, before: Sequence[Mapping[str, Any]]) -> None:
        self._next = 1 + max((int(person["id"]) for line in before for person in line["people"]), default=0)
        self._known: dict[int, int] = {}

    def learn(self, poses: Poses, line: Mapping[str, Any]) -> None:
        """The people in *poses* are those of the saved *line*, which is of the same picture: take over their numbers."""
        free = {int(person["id"]): np.array(person["keypoints"], np.float64) for person in line["people"]}
        for at, identity in enumerate(poses.ids.tolist()):
            size = body_size_px([z for z in plain(poses.xy[at : at + 1])[0] if z == z])
            far = {known: _distance(poses.xy[at], joints) for known, joints in free.items()}
            nearest = min(far, key=lambda known: far[known], default=None)
            if nearest is not None and far[nearest] <= _SAME_BODY * max(size, 1.0):
                del free[nearest]
                self._known = {new: old for new, old in self._known.items() if old != nearest} | {identity: nearest}

    def of(self, identity: int) -> int:
        """The number of the person whom the tracker calls *identity*."""
        if identity not in self._known:
            self._known[identity] = self._next
            self._next += 1
        return self._known[identity]


def _distance(xy: Any, joints: Any) -> float:
    """The median distance, px, of the joints that are in both; infinite without any."""
    if joints.shape != (len(xy), 3):
        return float("inf")
    far = np.linalg.norm(xy - joints[:, :2], axis=1)
    far = far[np.isfinite(far)]
    return float(np.median(far)) if far.size else float("inf")
