"""From pixels to metres: by somebody's height, or by two points whose distance is known.

A picture is flat. A scale holds for what is as far from the camera as that by which it was found: a person who walks
across the picture, seen from the side, stays so; one who comes nearer does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton

Point = tuple[float, float]
By = Literal["height", "points"]

# Lengths of the body by its height: Drillis & Contini 1966, as in Winter, "Biomechanics and Motor Control of Human Movement",
# 4th ed. 2009, Fig. 4.1. Heights of joints above the ground: ankle 0.039, knee 0.285, hip 0.530, shoulder 0.818.
_SHANK, _THIGH, _TRUNK = 0.285 - 0.039, 0.530 - 0.285, 0.818 - 0.530
_LONGEST = 90.0  # percentile over the frames: what is turned away from the camera or bent looks shorter, and never longer
LEAST_HEIGHT_M, MOST_HEIGHT_M = 0.3, 3.0
LEAST_M, MOST_M = 0.01, 1000.0
LEAST_PX = 5.0


@dataclass(frozen=True, kw_only=True)
class Scale:
    """``px_per_m`` is how many px of the frame a metre has.

    It was found ``by`` a height or a distance of ``metres``; ``points`` are the two ends of the distance, frame px.
    """

    px_per_m: float
    by: By
    metres: float
    points: tuple[Point, Point] | None = None

    def to_json(self) -> dict[str, Any]:
        """It as ``session.json`` keeps it."""
        points = [list(point) for point in self.points] if self.points is not None else None
        return {"px_per_m": round(self.px_per_m, 4), "by": self.by, "metres": self.metres, "points": points}

    @property
    def sentence(self) -> str:
        """One line for the user."""
        how = "a person of" if self.by == "height" else "two points at"
        return f"1 m is {self.px_per_m:.4g} px, by {how} {self.metres:g} m"


def scale_by_points(a: Point, b: Point, metres: float) -> Scale:
    """The scale by which *a* and *b*, frame px, are *metres* apart. Raises ValueError for what can be no such distance."""
    if not LEAST_M <= metres <= MOST_M:
        raise ValueError(f"expected a distance of {LEAST_M:g} to {MOST_M:g} m, got {metres:g} m. Give it in metres.")
    px = math.dist(a, b)
    if not LEAST_PX <= px < 1e6:
        raise ValueError(f"expected two points at least {LEAST_PX:g} px apart, got {px:.1f} px. Choose points farther apart.")
    return Scale(px_per_m=px / metres, by="points", metres=metres, points=(a, b))


def scale_by_height(
    xy: NDArray[np.floating], score: NDArray[np.floating], skeleton: Skeleton, metres: float, threshold: float = 0.3
) -> Scale:
    """The scale by which the person with joints *xy* (T, K, 2), frame px, and *score* (T, K) is *metres* tall.

    Raises ValueError for what can be no height, and where shanks, thighs or trunk are never seen.
    """
    if not LEAST_HEIGHT_M <= metres <= MOST_HEIGHT_M:
        raise ValueError(
            f"expected a height of {LEAST_HEIGHT_M:g} to {MOST_HEIGHT_M:g} m, got {metres:g} m. Give it in metres, such as 1.75."
        )
    px = height_px(xy, score, skeleton, threshold)
    if not px >= LEAST_PX:
        raise ValueError("the person is never seen from the shoulders to the ankles. Give two points and their distance.")
    return Scale(px_per_m=px / metres, by="height", metres=metres)


def height_px(xy: NDArray[np.floating], score: NDArray[np.floating], skeleton: Skeleton, threshold: float) -> float:
    """How tall the person would stand, px: from the lengths of shank, thigh and trunk where they look longest; NaN where unseen.

    So it does not matter that somebody sits or squats, as long as each part is once seen at its full length.
    """
    lengths = [
        _longest(xy, score, skeleton, threshold, (("left_ankle", "left_knee"), ("right_ankle", "right_knee"))),
        _longest(xy, score, skeleton, threshold, (("left_knee", "left_hip"), ("right_knee", "right_hip"))),
        _longest(xy, score, skeleton, threshold, (("left_hip", "left_shoulder"), ("right_hip", "right_shoulder"))),
    ]
    return sum(lengths) / (_SHANK + _THIGH + _TRUNK)


def _longest(
    xy: NDArray[np.floating],
    score: NDArray[np.floating],
    skeleton: Skeleton,
    threshold: float,
    pairs: tuple[tuple[str, str], tuple[str, str]],
) -> float:
    """The length of a part of the body, px, the sides together; NaN where it is never seen."""
    found = []
    for a, b in pairs:
        if a in skeleton.keypoints and b in skeleton.keypoints:
            i, j = skeleton.index(a), skeleton.index(b)
            length = np.linalg.norm(xy[:, i].astype(np.float64) - xy[:, j], axis=-1)
            found.append(length[(score[:, i] >= threshold) & (score[:, j] >= threshold) & np.isfinite(length)])
    lengths = np.concatenate(found) if found else np.empty(0)
    return float(np.percentile(lengths, _LONGEST)) if lengths.size else math.nan


def read_scale(manifest: Mapping[str, Any]) -> Scale | None:
    """The scale that *manifest*, the content of ``session.json``, keeps; None where it has none that can be used."""
    entry = manifest.get("scale")
    if not isinstance(entry, dict):
        return None
    px, by, metres, points = (entry.get(key) for key in ("px_per_m", "by", "metres", "points"))
    if not (_positive(px) and _positive(metres) and by in ("height", "points")):
        return None
    return Scale(px_per_m=float(px), by=by, metres=float(metres), points=_two_points(points))


def _positive(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and math.isfinite(value) and 1e-6 < value < 1e9


def _two_points(value: Any) -> tuple[Point, Point] | None:
    try:
        (ax, ay), (bx, by) = value
        points = (float(ax), float(ay)), (float(bx), float(by))
    except (TypeError, ValueError, OverflowError):
        return None
    return points if all(math.isfinite(part) for point in points for part in point) else None
