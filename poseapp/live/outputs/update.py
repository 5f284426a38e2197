"""What outputs are given: the poses of a frame with all that is measured on them."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from poseapp.core.angles import angles_of, measure
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import Result
from poseapp.live.recording import RecordingMark
from poseapp.live.recording.keypoints import keypoints_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Update:
    """The poses of a frame.

    ``t`` is the capture time in s on the monotonic clock, ``seconds`` that since the first frame. The joints of angles have a
    score of at least ``threshold``. ``repetitions`` counts by identity, and by 0 where one person is followed.
    """

    result: Result
    t: float
    seconds: float
    threshold: float = 0.3
    repetitions: Mapping[int, int] = field(default_factory=dict)

    @cached_property
    def angles(self) -> list[dict[str, float]]:
        """For each person the angles of core/angles.py that are seen, in degrees, by name."""
        poses = self.result.shown
        names = [angle.name for angle in angles_of(poses.skeleton)]
        rows = measure(poses.xy, poses.score, poses.skeleton, self.threshold).tolist()
        return [{name: value for name, value in zip(names, row, strict=True) if math.isfinite(value)} for row in rows]

    def repetitions_of(self, identity: int) -> int | None:
        """The count of the person called *identity*; None where nothing is counted."""
        return self.repetitions.get(0 if self.result.mode == "one" else identity)


def unix_time(t: float) -> float:
    """The monotonic time *t* as seconds since 1970."""
    return time.time() - time.monotonic() + t


def line_of(update: Update) -> dict[str, Any]:
    """The line of ``keypoints.jsonl`` (see live/recording/keypoints.py), with what only a live receiver needs.

    ``time`` is the capture time in s since 1970, ``skeleton`` the name of the order of joints. Each person has ``angles`` in
    degrees, and ``repetitions`` where an exercise is counted.
    """
    result = update.result
    line = keypoints_of(result, result.frame.index, update.seconds)
    line["time"] = round(unix_time(update.t), 6)
    line["skeleton"] = result.poses.skeleton.name
    for person, angles in zip(line["people"], update.angles, strict=True):
        person["angles"] = {name: round(value, 1) for name, value in angles.items()}
        count = update.repetitions_of(person["id"])
        if count is not None:
            person["repetitions"] = count
    return line


def skeleton_line(skeleton: Skeleton) -> dict[str, Any]:
    """What a receiver must know of *skeleton* to draw it: names of joints in their order, and pairs of them that are limbs."""
    return {"skeleton": skeleton.name, "joints": list(skeleton.keypoints), "limbs": [list(limb) for limb in skeleton.limbs]}


def mark_line(mark: RecordingMark) -> dict[str, Any]:
    """The line that says *mark*."""
    return {"recording": mark.recording, "time": round(unix_time(mark.t), 6), "name": mark.name}
