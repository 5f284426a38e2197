"""Steady joints: the One-Euro filter (Casiez, Roussel & Vogel, CHI 2012), per identity and joint, on capture time.

A low-pass filter whose cut-off rises with speed: a joint at rest is held still, one that moves is let through. Speeds
are in body sizes (the root of the area of a person's box) per second, so that near and far people are treated alike; x
and y share the cut-off, so that the direction of a movement is kept. One thing is not in the paper: speeds up to
``rest``, which noise alone makes, do not raise the cut-off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import Poses

Array = NDArray[np.float64]
Points = NDArray[np.complex128]  # x + iy: one number a joint halves the calls, and they are what costs time here
SMALLEST_PX = 8.0


@dataclass(frozen=True)
class SmoothRule:
    """How much to smooth; the defaults are from ``python -m poseapp.live.bench --tracking``.

    ``min_cutoff_hz`` is the cut-off at rest: lower is steadier. ``beta`` (Hz per size/s) is how fast it rises with
    speeds above ``rest`` (sizes/s): higher lags less. ``speed_cutoff_hz`` smooths the speed itself. A joint below the
    score ``trusted`` is not taken in and stays where it was; after ``gap_s`` without a trusted one the filter begins anew.
    """

    min_cutoff_hz: float = 0.65
    beta: float = 25.0
    rest: float = 0.4
    speed_cutoff_hz: float = 0.8
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
        self._row: dict[int, int] = {}  # identity → row of the arrays
        self._z: Points = np.empty((0, self._k), np.complex128)  # px
        self._speed: Points = np.empty((0, self._k), np.complex128)  # px/s
        self._seen: Array = np.empty((0, self._k))  # when each joint was last taken in, s
        self._size: Array = np.empty(0)  # px

    def update(self, poses: Poses, t: float) -> Poses:
        """The same people with smoothed joints (scores, identities and order are kept); *t* is the capture time in s.

        A joint that is NaN stays so. Identities must differ.
        """
        if len(poses) == 0:
            return poses
        rule = self.rule
        rows = self._rows(poses.ids.tolist(), t)
        raw: Points = poses.xy.astype(np.float64).view(np.complex128)[..., 0]  # (N, K)
        present = np.isfinite(raw)
        taken = present & (poses.score >= rule.trusted)
        before, seen = self._z[rows], self._seen[rows]
        elapsed = t - seen
        begin = ~((elapsed >= 0) & (elapsed <= rule.gap_s))  # also where it is NaN: never seen
        dt = np.where(begin, 1.0, np.maximum(elapsed, 1e-6))
        moved = np.where(begin, 0.0, raw - before)
        speed = np.where(begin, 0.0, self._speed[rows])
        speed += _alpha(rule.speed_cutoff_hz, dt) * (moved / dt - speed)
        fast = np.abs(speed) / self._sizes(rows, raw, taken)[:, None]
        cutoff_hz = rule.min_cutoff_hz + rule.beta * np.maximum(fast - rule.rest, 0.0)
        # A joint not trusted stays where it was, or is taken as it is when that is long ago.
        start = np.where(begin, raw, before)
        z = np.where(taken, start + _alpha(cutoff_hz, dt) * moved, start)
        self._z[rows] = np.where(taken, z, before)
        self._speed[rows] = np.where(taken, speed, self._speed[rows])
        self._seen[rows] = np.where(taken, t, seen)
        out = np.where(present, z, complex(np.nan, np.nan))
        xy = out[..., None].view(np.float64).astype(np.float32)
        return Poses(xy, poses.score, poses.person_score, poses.ids, poses.skeleton)

    def _rows(self, ids: list[int], t: float) -> NDArray[np.intp]:
        """The rows of *ids*. When somebody is new, those who have been away for longer than a gap make room."""
        if not self._row.keys() >= set(ids):
            away = t - np.where(np.isnan(self._seen), -np.inf, self._seen).max(axis=1, initial=-np.inf)
            old = [(identity, row) for identity, row in self._row.items() if 0 <= away[row] <= self.rule.gap_s or identity in ids]
            kept = np.array([row for _, row in old], np.intp)
            new = [identity for identity in ids if identity not in self._row]
            nan = np.full((len(new), self._k), np.nan)
            self._z, self._speed = np.concatenate([self._z[kept], nan]), np.concatenate([self._speed[kept], nan])
            self._seen = np.concatenate([self._seen[kept], nan])
            self._size = np.concatenate([self._size[kept], np.zeros(len(new))])
            self._row = {identity: row for row, identity in enumerate([*(identity for identity, _ in old), *new])}
        return np.array([self._row[identity] for identity in ids], np.intp)

    def _sizes(self, rows: NDArray[np.intp], raw: Points, taken: NDArray[np.bool_]) -> Array:
        """Sizes (N,) in px: rising at once and falling slowly, since who is half hidden looks small.

        A box that is narrow for its length, as around somebody seen from the side, counts as a fourth as wide as long.
        """
        xy = np.where(taken, raw, complex(np.nan, np.nan)).view(np.float64).reshape(*raw.shape, 2)
        extent = np.nan_to_num(np.fmax.reduce(xy, axis=1) - np.fmin.reduce(xy, axis=1))
        longest = extent.max(axis=1)
        now = np.sqrt(longest * np.maximum(extent.min(axis=1), longest / 4))
        size: Array = np.maximum(now, 0.95 * self._size[rows] + 0.05 * now)
        self._size[rows] = size
        floored: Array = np.maximum(size, SMALLEST_PX)
        return floored


def _alpha(cutoff_hz: Array | float, dt: Array) -> Array:
    """The share of the new value, for a first-order low-pass with *cutoff_hz* after *dt* s (Casiez et al., Eq. 4)."""
    turns = 2 * np.pi * cutoff_hz * dt
    share: Array = turns / (turns + 1)
    return share
