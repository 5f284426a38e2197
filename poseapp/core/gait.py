"""Gait from the side, in the picture: steps, cadence, symmetry, and the curves of angles over a stride.

One person walks across the picture or on a treadmill, in one direction, seen from the side. Times are as exact as the frames,
and angles are those in the picture.

At a step the feet are far apart. It ends, and the foot in front meets the ground, when its ankle is farthest in
front of the hips (Zeni, Richards & Higginson, "Two simple methods for determining gait events during treadmill and overground
walking using kinematic data", Gait & Posture 27, 2008). Both are measured on whichever ankle is in front: networks swap legs that
pass each other, and this does not change by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poseapp.core.angles import Degrees, SegmentAngle, angles_of, measure
from poseapp.core.skeleton import Skeleton

Side = Literal["left", "right"]
Series = NDArray[np.floating]

RATE_HZ = 100.0  # curves are interpolated to it
LONGEST_GAP_S = 0.2  # joints that are missing for longer are not guessed
SMOOTHING_S = 0.04  # the standard deviation of the Gaussian over the distance; half of 4.7 Hz, twice the fastest steps, is left
LEAST_STEP = 0.25  # lengths of a leg: feet that are closer at their farthest only shuffle
BEGINS, ENDS = 0.65, 0.45  # of the usual greatest distance: above the one a step begins, below the other it is over
MISSED = 1.6  # usual times of a step: after a longer one a step was missed, or the person stood
LONGEST_S = 2 * 3600.0
PHASES = 101  # 0 to 100 % of a stride
CURVES = ("left_knee", "right_knee", "left_thigh", "right_thigh", "left_shank", "right_shank", "trunk")


@dataclass(frozen=True, kw_only=True)
class Step:
    """The foot of *side* meets the ground in front, at ``t`` s; ``length`` is the distance of the ankles in lengths of a leg.

    ``run`` counts the spans of steps without a missed one.
    """

    t: float
    side: Side
    length: float
    run: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Gait:
    """How somebody walks.

    ``steps`` in their order; ``curves`` those of CURVES that the skeleton has, each (101,) degrees over a stride of its side,
    from one contact of its foot to the next (the trunk's: of the left foot), the mean over ``strides``. A segment whose upper end
    is in front is above 0°. ``spread`` is the standard deviation. A phase that was never seen is NaN.
    ``leg_px`` is the length of a leg, the unit of the steps' lengths; NaN where there are none.
    """

    steps: tuple[Step, ...]
    curves: dict[str, Degrees]
    spread: dict[str, Degrees]
    strides: int
    leg_px: float = np.nan

    @property
    def step_length(self) -> float:
        """The distance of the ankles at a step in lengths of a leg, the median; NaN without steps."""
        return float(np.median([step.length for step in self.steps])) if self.steps else np.nan

    @property
    def cadence_per_min(self) -> float:
        """Steps a minute, by the median times of left and right steps; NaN where either was not seen."""
        return 120 / (self.step_time_s("left") + self.step_time_s("right"))

    def step_time_s(self, side: Side) -> float:
        """Seconds from the contact of the other foot to that of *side*, the median; NaN where it was not seen."""
        times = [time for at, time in self._step_times() if at == side]
        return float(np.median(times)) if times else np.nan

    @property
    def asymmetry_percent(self) -> float:
        """How much the times of left and right steps differ, in % of their mean; 0 = alike, above 0 = the left ones take longer.

        The symmetry index of Robinson, Herzog & Nigg, J. Manipulative Physiol. Ther. 10, 1987.
        """
        left, right = self.step_time_s("left"), self.step_time_s("right")
        return 100 * (left - right) / (0.5 * (left + right))

    def _step_times(self) -> list[tuple[Side, float]]:
        return [(b.side, b.t - a.t) for a, b in pairwise(self.steps) if a.run == b.run]


def gait_of(
    t: NDArray[np.floating], xy: NDArray[np.floating], score: NDArray[np.floating], skeleton: Skeleton, threshold: float = 0.3
) -> Gait:
    """The gait of one person with joints *xy* (T, K, 2) px and *score* (T, K) at the times *t* (T,) s, which grow.

    Joints below *threshold* are missing. Without hips, knees or ankles, or where nobody walks, there are no steps and no curves.
    Raises ValueError for times that do not grow, and for more than LONGEST_S.
    """
    t = np.asarray(t, np.float64)
    if len(t) > 1 and not (np.diff(t) > 0).all():
        raise ValueError("gait: expected times that grow, got others. Give the frames in their order.")
    if len(t) and not t[-1] - t[0] <= LONGEST_S:
        raise ValueError(f"gait: expected at most {LONGEST_S:g} s, got {t[-1] - t[0]:g} s. Give a part of it.")
    joints = _legs(xy, score, skeleton, threshold)
    if joints is None or len(t) < 2:
        return Gait(steps=(), curves={}, spread={}, strides=0)
    forwards = _forwards(joints)
    hips = (joints["left_hip"].real + joints["right_hip"].real) / 2
    leg_px = _leg_px(joints)
    left, right = (forwards * (joints[f"{side}_ankle"].real - hips) / leg_px for side in ("left", "right"))
    steps = _steps(t, left, right)
    angles = [angle for angle in angles_of(skeleton) if angle.name in CURVES]
    values = measure(xy, score, skeleton, threshold, angles)
    curves, spread, counts = {}, {}, [0]
    for i, angle in enumerate(angles):
        sign = forwards if isinstance(angle, SegmentAngle) else 1.0
        strides = _strides(t, sign * values[:, i], steps, "right" if angle.name.startswith("right") else "left")
        if len(strides):
            curves[angle.name], spread[angle.name] = _mean_and_spread(strides)
            counts.append(len(strides))
    return Gait(steps=steps, curves=curves, spread=spread, strides=max(counts), leg_px=leg_px)


@dataclass(frozen=True, kw_only=True)
class GaitDifference:
    """How far two gaits are apart, in degrees: ``overall``, and of each curve that both have. NaN where they share none."""

    overall: float
    by_curve: dict[str, float]


def compare(a: Gait, b: Gait) -> GaitDifference:
    """How far the curves of *a* and *b* are apart: the root mean square over the stride, and then over the curves.

    These are the Gait Variable Scores and the Gait Profile Score of Baker et al., "The Gait Profile Score and Movement Analysis
    Profile", Gait & Posture 30, 2009, with *b* in the place of the average of healthy people.
    """
    by_curve = {}
    for name in a.curves.keys() & b.curves.keys():
        squares = (a.curves[name] - b.curves[name]) ** 2
        squares = squares[~np.isnan(squares)]
        if squares.size:
            by_curve[name] = float(np.sqrt(squares.mean()))
    overall = float(np.sqrt(np.mean(np.square(list(by_curve.values()))))) if by_curve else np.nan
    return GaitDifference(overall=overall, by_curve={name: by_curve[name] for name in CURVES if name in by_curve})


def _legs(
    xy: NDArray[np.floating], score: NDArray[np.floating], skeleton: Skeleton, threshold: float
) -> dict[str, NDArray[np.complex128]] | None:
    """Hips, knees and ankles (T,) as x + iy by name, NaN where not seen; None where one has none."""
    names = [f"{side}_{part}" for side in ("left", "right") for part in ("hip", "knee", "ankle")]
    if not set(names) <= set(skeleton.keypoints):
        return None
    joints = {}
    for name in names:
        k = skeleton.index(name)
        z = xy[:, k, 0].astype(np.float64) + 1j * xy[:, k, 1]
        joints[name] = np.where((score[:, k] >= threshold) & np.isfinite(z), z, np.nan)
        if np.isnan(joints[name]).all():
            return None
    return joints


def _leg_px(joints: dict[str, NDArray[np.complex128]]) -> float:
    """The length of a leg in px: thigh and shank, by medians, so that neither a bend nor a wild frame counts."""
    total = 0.0
    for a, b in (("hip", "knee"), ("knee", "ankle")):
        lengths = np.concatenate([np.abs(joints[f"{side}_{a}"] - joints[f"{side}_{b}"]) for side in ("left", "right")])
        lengths = lengths[~np.isnan(lengths)]
        total += float(np.median(lengths)) if lengths.size else 0.0
    return max(total, 1e-6)


def _forwards(joints: dict[str, NDArray[np.complex128]]) -> float:
    """1 where the person walks to the right of the picture, else -1: knees bend forwards.

    The way of the hips would say nothing on a treadmill, nor where the camera follows.
    """
    ahead = [
        joints[f"{side}_knee"].real - (joints[f"{side}_hip"].real + joints[f"{side}_ankle"].real) / 2
        for side in ("left", "right")
    ]
    return 1.0 if np.nanmean(np.concatenate(ahead)) >= 0 else -1.0


def _steps(t: Series, left: Series, right: Series) -> tuple[Step, ...]:
    """The steps of two ankles, *left* and *right* (T,) in front of the hips, in lengths of a leg."""
    grid, apart = _even(t, np.abs(left - right))
    ahead, front = _even(t, left - right)[1], _smooth(_even(t, np.maximum(left, right))[1])
    apart = _smooth(apart)
    usual = float(np.nanpercentile(apart, 90)) if (~np.isnan(apart)).any() else 0.0
    if usual < LEAST_STEP:
        return ()
    found: list[tuple[float, float, float]] = []  # time, how far the left foot is in front, distance
    begin, high = 0, False
    for i, value in enumerate(apart.tolist()):
        if high and not value >= ENDS * usual:  # NaN ends it, too
            high = False
            # At an end of what was seen the feet may have gone on parting.
            if begin > 0 and not (np.isnan(apart[begin - 1]) or np.isnan(value)):
                span = slice(begin, i)
                time = _top(grid[span], front[span])
                found.append((time, float(np.mean(ahead[span])), float(apart[span].max())))
        elif not high and value >= BEGINS * usual:
            high, begin = True, i
            while begin > 0 and apart[begin - 1] >= ENDS * usual:
                begin -= 1
    return _with_sides(found)


def _top(t: Series, values: Series) -> float:
    """When *values* were highest, s, by a parabola over their top."""
    best = int(values.argmax())
    top = values >= values[best] - 0.15 * abs(values[best])
    time = float(t[best])
    if top.sum() >= 5:
        a, b, _ = np.polyfit(t[top] - time, values[top], 2)
        if a < 0:
            time += float(np.clip(-b / (2 * a), t[top][0] - time, t[top][-1] - time))
    return time


def _with_sides(found: list[tuple[float, float, float]]) -> tuple[Step, ...]:
    """The steps: left and right take turns as long as none is missed, and most of a run say which one begins."""
    times = np.array([time for time, _, _ in found])
    if len(times) < 2:
        return tuple(Step(t=time, side="left" if lead > 0 else "right", length=apart) for time, lead, apart in found)
    intervals = np.diff(times)
    run_of = np.concatenate([[0], np.cumsum(intervals > MISSED * np.median(intervals))])
    steps: list[Step] = []
    for run in range(run_of[-1] + 1):
        members = [found[i] for i in np.flatnonzero(run_of == run)]
        vote = sum(lead * (-1) ** i for i, (_, lead, _) in enumerate(members))
        for i, (time, _, apart) in enumerate(members):
            side: Side = "left" if vote * (-1) ** i > 0 else "right"
            steps.append(Step(t=time, side=side, length=apart, run=run))
    return tuple(steps)


def _strides(t: Series, values: Degrees, steps: tuple[Step, ...], side: Side) -> Degrees:
    """The curve *values* (T,) over each stride of *side* (S, 101), from one contact of its foot to the next."""
    grid, curve = _even(t, values)
    contacts = [step for step in steps if step.side == side]
    found = []
    for a, b in pairwise(contacts):
        if a.run == b.run:
            phases = (np.linspace(a.t, b.t, PHASES) - grid[0]) * RATE_HZ
            low = np.clip(phases.astype(np.intp), 0, len(curve) - 2)
            share = phases - low
            found.append((1 - share) * curve[low] + share * curve[low + 1])
    return np.array(found).reshape(-1, PHASES)


def _mean_and_spread(strides: Degrees) -> tuple[Degrees, Degrees]:
    """The mean and the standard deviation (101,) over *strides* (S, 101), of those that are seen."""
    there = ~np.isnan(strides)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there.any(axis=0), np.where(there, strides, 0).sum(axis=0) / count, np.nan)
    return mean, np.sqrt(np.where(there, (strides - mean) ** 2, 0).sum(axis=0) / count + 0 * mean)


def _even(t: Series, values: Series) -> tuple[Series, Series]:
    """*values* (T,) at even times, RATE_HZ a second: (G,) times and values; NaN in gaps longer than LONGEST_GAP_S."""
    grid = t[0] + np.arange(round((t[-1] - t[0]) * RATE_HZ) + 1) / RATE_HZ
    there = ~np.isnan(values)
    if not there.any():
        return grid, np.full(len(grid), np.nan)
    known = t[there]
    after = np.clip(np.searchsorted(known, grid), 1, max(len(known) - 1, 1))
    gap = known[np.minimum(after, len(known) - 1)] - known[after - 1]
    even = np.interp(grid, known, values[there])
    outside = (grid < known[0] - 0.5 / RATE_HZ) | (grid > known[-1] + 0.5 / RATE_HZ)
    return grid, np.where(outside | (gap > LONGEST_GAP_S), np.nan, even)


def _smooth(values: Series) -> Series:
    """*values* (G,) at RATE_HZ under a Gaussian of SMOOTHING_S; what is missing stays so and has no part in its neighbours."""
    reach = int(4 * SMOOTHING_S * RATE_HZ)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (SMOOTHING_S * RATE_HZ)) ** 2)
    there = ~np.isnan(values)
    padded = np.pad(np.where(there, values, 0.0), reach), np.pad(there.astype(np.float64), reach)
    total, weight = (np.convolve(part, kernel, mode="valid") for part in padded)
    return np.where(there, total / np.maximum(weight, 1e-12), np.nan)
