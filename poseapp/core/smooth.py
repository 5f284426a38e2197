"""Steady joints: the One-Euro filter (Casiez, Roussel & Vogel, CHI 2012), per identity and joint, on capture time.

A low-pass filter whose cut-off rises with speed: a joint at rest is held still, one that moves is let through. Speeds
are in body sizes (the root of the area of a person's box) per second, so that near and far people are treated alike;
x and y share the cut-off, so that the direction of a movement is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import Poses

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothRule:
    """How much to smooth.

    ``min_cutoff_hz`` is the cut-off at rest: lower is steadier. ``beta`` (Hz per size/s) is how fast it rises with
    speed: higher lags less. ``speed_cutoff_hz`` smooths the speed itself. A joint below the score ``trusted`` is not taken
    in and stays where it was; after a gap of ``gap_s`` without a trusted one the filter begins anew.
    """

    min_cutoff_hz: float = 0.8
    beta: float = 6.0
    speed_cutoff_hz: float = 1.5
    trusted: float = 0.15
    gap_s: float = 0.25


SMOOTH = SmoothRule()


class Smoother:
    """Smooths the people of each frame by their identities. Made and used on one thread."""

    def __init__(self, skeleton: Skeleton, rule: SmoothRule = SMOOTH) -> None:
        self._k = skeleton.k
        self.rule = rule
        self.forget()

    def forget(self) -> None:
        """Begin anew: the picture is another one."""
        k = self._k
        self._ids = np.empty(0, np.int64)
        self._xy, self._speed = np.empty((0, k, 2)), np.empty((0, k, 2))  # px, px/s
        self._seen = np.empty((0, k))  # when each joint was last taken in, s
        self._size = np.empty(0)

    def update(self, poses: Poses, t: float) -> Poses:
        """The same people with smoothed joints (scores, identities and order are kept); *t* is the capture time in s.

        A joint that is NaN stays so.
        """
        rule = self.rule
        rows = self._rows(poses.ids, t)
        raw = poses.xy.astype(np.float64)
        present = np.isfinite(raw[..., 0]) & np.isfinite(raw[..., 1])
        taken = present & (poses.score >= rule.trusted)
        elapsed = t - self._seen[rows]
        fresh = ~((elapsed >= 0) & (elapsed <= rule.gap_s))  # NaN: never seen
        dt = np.where(fresh, 1.0, np.maximum(elapsed, 1e-6))[..., None]
        size = self._sizes(rows, raw, taken)
        before, speed = self._xy[rows], self._speed[rows]
        speed = speed + _alpha(rule.speed_cutoff_hz, dt) * ((raw - before) / dt - speed)
        fast = np.linalg.norm(speed, axis=2, keepdims=True) / size[:, None, None]
        filtered = before + _alpha(rule.min_cutoff_hz + rule.beta * fast, dt) * (raw - before)
        begin = fresh[..., None]
        filtered, speed = np.where(begin, raw, filtered), np.where(begin, 0.0, speed)
        kept = taken[..., None]
        self._xy[rows] = np.where(kept, filtered, before)
        self._speed[rows] = np.where(kept, speed, self._speed[rows])
        self._seen[rows] = np.where(taken, t, self._seen[rows])
        held = np.where(begin, raw, before)  # not trusted: where it was, or as it is when that is long ago
        xy = np.where(kept, filtered, np.where(present[..., None], held, np.nan)).astype(np.float32)
        return Poses(xy, poses.score, poses.person_score, poses.ids, poses.skeleton)

    def _rows(self, ids: NDArray[np.int64], t: float) -> NDArray[np.intp]:
        """The rows of *ids*; new ones are added, and those who have been gone for longer than a gap are dropped."""
        with np.errstate(invalid="ignore"):
            alive = (t - self._seen <= self.rule.gap_s).any(axis=1) & (t >= self._seen).any(axis=1)
        self._pick(alive | np.isin(self._ids, ids))
        new = ids[~np.isin(ids, self._ids)]
        if len(new):
            nan = np.full((len(new), self._k, 2), np.nan)
            self._ids = np.concatenate([self._ids, new])
            self._xy, self._speed = np.concatenate([self._xy, nan]), np.concatenate([self._speed, nan])
            self._seen = np.concatenate([self._seen, nan[..., 0]])
            self._size = np.concatenate([self._size, np.full(len(new), np.nan)])
        place = {identity: row for row, identity in enumerate(self._ids.tolist())}
        return np.array([place[identity] for identity in ids.tolist()], np.intp)

    def _pick(self, which: NDArray[np.bool_]) -> None:
        if not which.all():
            self._ids, self._xy, self._speed = self._ids[which], self._xy[which], self._speed[which]
            self._seen, self._size = self._seen[which], self._size[which]

    def _sizes(self, rows: NDArray[np.intp], raw: Array, taken: NDArray[np.bool_]) -> Array:
        """Sizes (N,) in px, slowly following: they set the scale of speeds alone."""
        low = np.where(taken[..., None], raw, np.inf).min(axis=1)
        high = np.where(taken[..., None], raw, -np.inf).max(axis=1)
        extent = np.where(taken.any(axis=1, keepdims=True), high - low, 0.0)
        longest = extent.max(axis=1, initial=0.0)
        now = np.sqrt(longest * np.maximum(extent.min(axis=1, initial=np.inf), longest / 4))
        before = self._size[rows]
        size = np.where(np.isnan(before), now, np.maximum(now, before + 0.05 * (now - before)))
        self._size[rows] = size
        floor: Array = np.maximum(size, 8.0)
        return floor


def _alpha(cutoff_hz: Array | float, dt: Array) -> Array:
    """The share of the new value, for a first-order low-pass with *cutoff_hz* after *dt* s (Casiez et al., Eq. 4)."""
    turns = 2 * np.pi * cutoff_hz * dt
    share: Array = turns / (turns + 1)
    return share
