"""How far and how fast points of the body move in the picture: paths, ranges and speeds, in px or m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core.angles import velocities
from poseapp.core.skeleton import Skeleton

# The points, each the middle of joints. The hips stand for the whole body.
POINTS: dict[str, tuple[str, ...]] = {
    "hips": ("left_hip", "right_hip"),
    "left_wrist": ("left_wrist",),
    "right_wrist": ("right_wrist",),
    "left_ankle": ("left_ankle",),
    "right_ankle": ("right_ankle",),
    "nose": ("nose",),
}
PATH_STEP_S = 0.2  # a path is measured from place to place at this distance: the tremble of joints would make it longer


@dataclass(frozen=True, kw_only=True)
class Motion:
    """A point's movement: the length of its ``path``, its ranges ``across`` and ``up``, and its highest speed, ``fastest``.

    The unit is that of the places. NaN where the point was not seen.
    """

    path: float
    across: float
    up: float
    fastest: float


def motions_of(
    t: NDArray[np.floating], xy: NDArray[np.floating], score: NDArray[np.floating], skeleton: Skeleton, threshold: float
) -> dict[str, Motion]:
    """The movement of each of POINTS that *skeleton* has.

    The person has joints *xy* (T, K, 2) and *score* (T, K) at *t* (T,) s, which grow; joints below *threshold* are missing.
    """
    seen = np.where((score >= threshold)[..., None], xy.astype(np.float64), np.nan)
    found = {}
    for name, joints in POINTS.items():
        if all(joint in skeleton.keypoints for joint in joints):
            found[name] = motion_of(t, seen[:, [skeleton.index(joint) for joint in joints]].mean(axis=1))
    return found


def motion_of(t: NDArray[np.floating], xy: NDArray[np.floating]) -> Motion:
    """The movement of a point at *xy* (T, 2) at the times *t* (T,) s, which grow; NaN where it is not seen."""
    there = np.isfinite(xy).all(axis=1)
    if not there.any():
        return Motion(path=np.nan, across=np.nan, up=np.nan, fastest=np.nan)
    seen_t, seen = t[there], xy[there]
    stops = [0]
    for i in range(1, len(seen_t)):
        if seen_t[i] - seen_t[stops[-1]] >= PATH_STEP_S or i == len(seen_t) - 1:
            stops.append(i)
    speeds = speeds_of(t, xy)
    speeds = speeds[~np.isnan(speeds)]
    return Motion(
        path=float(np.linalg.norm(np.diff(seen[stops], axis=0), axis=1).sum()),
        across=float(np.ptp(seen[:, 0])),
        up=float(np.ptp(seen[:, 1])),
        fastest=float(speeds.max()) if speeds.size else np.nan,
    )


def speeds_of(t: NDArray[np.floating], xy: NDArray[np.floating]) -> NDArray[np.float64]:
    """The speed (T,) a second of a point at *xy* (T, 2) at the times *t* (T,) s, by central differences.

    NaN where the point or a neighbour of it is not seen, and at a time that is not later than the one before.
    """
    speeds = np.full(len(t), np.nan)
    later = np.diff(t, prepend=-np.inf) > 0
    if later.sum() > 1:
        across, up = (velocities(t[later], xy[later, axis].astype(np.float64)) for axis in (0, 1))
        speeds[later] = np.hypot(across, up)
    return speeds
