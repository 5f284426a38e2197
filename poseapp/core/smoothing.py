"""Steady joints: the One-Euro filter (Casiez, Roussel & Vogel, CHI 2012), per identity and joint, on capture time.

A low-pass filter whose cut-off rises with speed: a joint at rest is held still, one that moves is let through. Speeds
are in body sizes (the root of the area of a person's box) per second, so that near and far people are treated alike; x
and y share the cut-off, so that the direction of a movement is kept. One thing is not in the paper: speeds up to
``rest``, which noise alone makes, do not raise the cut-off.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass

from poseapp.core.geometry import SMALLEST_BODY_PX, array, body_size_px, plain
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import Poses


@dataclass(frozen=True, kw_only=True)
class SmoothRule:
    """How much to smooth; the defaults are from ``poseapp bench tracking``.

    ``min_cutoff_hz`` is the cut-off at rest: lower is steadier. ``beta`` (Hz per size/s) is how fast it rises with
    speeds above ``rest`` (sizes/s): higher lags less. ``speed_cutoff_hz`` smooths the speed itself. A joint with a
    score below ``trusted`` is not measured and stays where it was; after ``gap_s`` without a trusted one the filter begins again.
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
        self.reset()

    def reset(self) -> None:
        """Begin again: the next frame shows other people."""
        self._people: dict[int, _Person] = {}

    def renumber(self, given: Mapping[int, int]) -> None:
        """People have other identities from now on: old → new. Those who have none any more are forgotten."""
        self._people = {given[identity]: person for identity, person in self._people.items() if identity in given}

    def update(self, poses: Poses, t: float) -> Poses:
        """The same people with smoothed joints (scores, identities and order are kept); *t* is the capture time in s.

        A joint that is NaN stays so. Identities must differ.
        """
        if len(poses) == 0:
            return poses
        ids = poses.ids.tolist()
        if not self._people.keys() >= set(ids):
            self._welcome(ids, t)
        smoothed = [
            self._people[identity].update(places, score, t, self.rule)
            for identity, places, score in zip(ids, plain(poses.xy), poses.score.tolist(), strict=True)
        ]
        return Poses(
            xy=array(smoothed, self._k),
            score=poses.score,
            person_score=poses.person_score,
            ids=poses.ids,
            skeleton=poses.skeleton,
        )

    def _welcome(self, ids: list[int], t: float) -> None:
        """Add the new people of *ids*, and drop those who have been away for longer than a gap."""
        self._people = {i: p for i, p in self._people.items() if 0 <= t - p.seen_last <= self.rule.gap_s or i in ids}
        for identity in ids:
            self._people.setdefault(identity, _Person(self._k))


class _Person:
    """The filters of one person, one for each joint. Points are x + iy."""

    def __init__(self, k: int) -> None:
        self._z = [0j] * k  # px
        self._speed = [0j] * k  # px/s
        self._seen = [math.nan] * k  # when each joint was last taken in, s
        self._size = 0.0  # px
        self.seen_last = -math.inf

    def update(self, raw: list[complex], score: list[float], t: float, rule: SmoothRule) -> list[complex]:
        """The joints *raw* (K) smoothed at *t*; those not trusted stay where they were, and those missing are missing."""
        taken = [k for k, z in enumerate(raw) if score[k] >= rule.trusted and cmath.isfinite(z)]
        now = body_size_px([raw[k] for k in taken])
        # Rising at once and falling slowly, since who is half hidden looks small.
        self._size = max(now, 0.95 * self._size + 0.05 * now)
        out = [self._held(k, z, t, rule) for k, z in enumerate(raw)]
        places, speeds, seen, size = self._z, self._speed, self._seen, max(self._size, SMALLEST_BODY_PX)
        for k in taken:
            z, elapsed = raw[k], t - seen[k]
            if 0 <= elapsed <= rule.gap_s:
                dt = elapsed if elapsed > 1e-6 else 1e-6
                moved, speed = z - places[k], speeds[k]
                speeds[k] = speed = speed + _alpha(rule.speed_cutoff_hz, dt) * (moved / dt - speed)
                above = abs(speed) / size - rule.rest
                cutoff_hz = rule.min_cutoff_hz + rule.beta * above if above > 0 else rule.min_cutoff_hz
                places[k] += _alpha(cutoff_hz, dt) * moved
            else:  # also where it is NaN: never seen
                places[k], speeds[k] = z, 0j
            out[k], seen[k] = places[k], t
        if taken:
            self.seen_last = t
        return out

    def _held(self, k: int, z: complex, t: float, rule: SmoothRule) -> complex:
        """Where joint *k*, found at *z* but not trusted, is shown: where it was last, or at *z* when that is too long ago."""
        if not cmath.isfinite(z):
            return complex(math.nan, math.nan)
        return self._z[k] if 0 <= t - self._seen[k] <= rule.gap_s else z


def _alpha(cutoff_hz: float, dt: float) -> float:
    """The share of the new value, for a first-order low-pass with *cutoff_hz* after *dt* s (Casiez et al., Eq. 4)."""
    turns = 2 * math.pi * cutoff_hz * dt
    return turns / (turns + 1)
