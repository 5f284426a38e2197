"""One person who is known: a Kalman filter of constant velocity, and how likely somebody found is that person.

The variance of the filter grows with the time since a person was last seen. The scale of the similarity and the gate grow
with the variance. So a person who is hidden is searched for in an ever wider place, but at an ever lower value: the people
who are seen keep their own places.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from poseapp.core.geometry import Bounds, bounds
from poseapp.core.skeleton import COCO_17, Skeleton

_NOWHERE = complex(math.nan, math.nan)

_COCO_SIGMAS = dict(zip(COCO_17.keypoints, COCO_17.sigmas, strict=True))
_OTHER_SIGMA = 0.08  # of joints that COCO does not have: like a shoulder


@dataclass(frozen=True, kw_only=True)
class TrackRule:
    """How people are tracked. Lengths are in body sizes: the root of the area of a person's box.

    A joint counts from score ``trusted`` on. ``acceleration`` is the density of the random acceleration (sizes²/s³) that
    the constant velocity is allowed, and ``noise`` the error of a measured place (sizes). A new person may come as fast as
    ``run`` (sizes/s). ``sway`` is how fast joints move against the body (sizes/s), up to ``swing`` sizes.

    A pair is possible up to ``gate`` standard deviations, ``slack`` (sizes) included, at most ``reach`` sizes apart, with a
    similarity of ``min_oks``. It must also be likelier than a new person, whose likelihood is e to the −``newcomer``.
    A person who is not seen is remembered for as long as they had been known: ``brief_s`` at least and ``memory_s`` at most.
    They are expected to go on as they went for ``coast_s``, and then to stand still.
    """

    trusted: float = 0.2
    acceleration: float = 1.0
    noise: float = 0.03
    sway: float = 0.7
    swing: float = 0.25
    run: float = 2.0
    slack: float = 0.05
    gate: float = 3.5
    newcomer: float = 10.0
    reach: float = 4.0
    min_oks: float = 0.1
    brief_s: float = 0.2
    memory_s: float = 2.0
    coast_s: float = 0.5


TRACK = TrackRule()


@dataclass(frozen=True)
class Body:
    """The joints of a skeleton: the ``weight`` (K) of each in the body's middle, and its ``variance`` (K) in sizes².

    Points are x + iy here and below, as core/geometry.py has them.
    """

    weight: list[float]
    variance: list[float]

    @classmethod
    def of(cls, skeleton: Skeleton) -> Body:
        """The body of *skeleton*."""
        # The trunk says where the middle of the body is: arms and legs swing.
        trunk = [name.endswith(("shoulder", "hip")) or name in ("neck", "thorax", "pelvis") for name in skeleton.keypoints]
        # What COCO allows each joint: OKS falls by exp(−d² / (2 · area · (2σ)²)).
        variance = [(2 * _COCO_SIGMAS.get(name, _OTHER_SIGMA)) ** 2 for name in skeleton.keypoints]
        return cls([4.0 if is_trunk else 1.0 for is_trunk in trunk], variance)


@dataclass(slots=True)
class Found:
    """A person found in a frame: the joints at ``z`` (K) px, of which those in ``joints`` count, and the ``size`` in px."""

    z: list[complex]
    joints: list[int]
    score: list[float]
    person_score: float
    size: float

    def bounds(self) -> Bounds:
        """The box around the joints that count; NaN without any."""
        return bounds([self.z[j] for j in self.joints])


@dataclass(slots=True)
class Track:
    """A person who is known.

    ``middle`` (px) and ``velocity`` (px/s) have one ``covariance`` for both axes, in sizes² and s: of place, of place with
    speed, of speed. ``shape`` (K) is where each joint was last seen, in px from the middle, where ``known``; ``score`` (K) is
    0 elsewhere. Times in s: ``seen`` the last time that the person was seen, ``noted`` seen or skipped, ``born`` the first.
    """

    identity: int
    middle: complex
    velocity: complex
    covariance: tuple[float, float, float]
    shape: list[complex]
    known: list[bool]
    score: list[float]
    person_score: float
    size: float
    seen: float
    noted: float
    born: float

    @classmethod
    def begin(cls, identity: int, person: Found, t: float, body: Body, rule: TrackRule) -> Track:
        """A new person."""
        k = len(person.z)
        covariance = (rule.noise**2, 0.0, rule.run**2)
        track = cls(identity, 0j, 0j, covariance, [0j] * k, [False] * k, [0.0] * k, 0.0, person.size, t, t, t)
        total = sum(body.weight[j] for j in person.joints)
        if total > 0:
            track.middle = sum(body.weight[j] * person.z[j] for j in person.joints) / total
        track._take(person, track.middle)
        return track

    def expect(self, t: float, rule: TrackRule) -> Expected:
        """Where this person would be at *t*."""
        ahead = t - self.seen
        variance, _, _ = self._covariance_in(ahead, rule)
        swing = min(rule.sway * ahead, rule.swing)
        return Expected(self.middle + self.velocity * ahead, self.shape, self.known, self.size, variance, swing**2)

    def follow(self, person: Found, t: float, body: Body, rule: TrackRule) -> None:
        """Update the filter with *person*, who is this one at *t*."""
        expected = self.expect(t, rule)
        moved = expected.moved(person, body) or 0j
        place, both, speed = self._covariance_in(t - self.seen, rule)
        total = place + rule.noise**2
        gain, gain_speed = place / total, both / total
        self.covariance = (place * (1 - gain), both * (1 - gain), speed - gain_speed * both)
        self.middle = expected.middle + gain * moved
        self.velocity += gain_speed * moved
        # The shape is measured against the measured middle, so that it does not lag with the filtered one.
        self._take(person, expected.middle + moved)
        self.seen = self.noted = t
        # Half hidden, a person looks small: sizes fall slowly and rise at once.
        self.size = max(person.size, 0.9 * self.size + 0.1 * person.size)

    def joints_at(self, ahead: float) -> list[complex]:
        """The joints (K) *ahead* s after they were seen; NaN where one was never seen."""
        middle = self.middle + self.velocity * ahead
        return [middle + offset if known else _NOWHERE for offset, known in zip(self.shape, self.known, strict=True)]

    def _take(self, person: Found, middle: complex) -> None:
        """Remember what *person*, with the measured *middle*, looks like."""
        for j in person.joints:
            self.shape[j] = person.z[j] - middle
            self.score[j] = person.score[j]
            self.known[j] = True
        self.person_score = person.person_score

    def _covariance_in(self, ahead: float, rule: TrackRule) -> tuple[float, float, float]:
        """The covariance *ahead* s later, under random acceleration."""
        (place, both, speed), q = self.covariance, rule.acceleration
        return (
            place + ahead * (2 * both + ahead * (speed + q * ahead / 3)),
            both + ahead * (speed + q * ahead / 2),
            speed + q * ahead,
        )


@dataclass(slots=True)
class Expected:
    """Where a known person is expected: as in Track, and the ``variance`` of the middle and ``swing2`` of joints in sizes²."""

    middle: complex
    shape: list[complex]
    known: list[bool]
    size: float
    variance: float
    swing2: float

    def limit2(self, rule: TrackRule) -> float:
        """The square of how far the middle can have moved, in sizes."""
        return min(rule.gate**2 * (self.variance + rule.slack**2), rule.reach**2)

    def bounds(self) -> Bounds:
        """The box around the known joints; NaN without any."""
        known = [self.middle + offset for offset, known in zip(self.shape, self.known, strict=True) if known]
        return bounds(known)

    def moved(self, person: Found, body: Body) -> complex | None:
        """How far, px, the middle would have moved to be that of *person*: by the joints in common; None without any."""
        weight, z, shape, known = body.weight, person.z, self.shape, self.known
        total, offset = 0.0, 0j
        for j in person.joints:
            if known[j]:
                total += weight[j]
                offset += weight[j] * (z[j] - shape[j])
        return offset / total - self.middle if total > 0 else None

    def value(self, person: Found, body: Body, rule: TrackRule) -> float:
        """The logarithm of how much likelier *person* is this one than a new one; 0 where that is impossible."""
        moved = self.moved(person, body)
        if moved is None:
            return 0.0
        # As in OKS, with the scale of the larger of the two: a person half hidden is small.
        area = max(self.size, person.size) ** 2
        moved2 = abs(moved) ** 2 / area
        if moved2 > self.limit2(rule):
            return 0.0
        place2 = self.variance + rule.slack**2
        # The similarity is one of bodies laid on each other: where somebody can be grows with time, but not what they look like.
        middle, z, shape, variance = self.middle + moved, person.z, self.shape, body.variance
        alike = [
            math.exp(abs(z[j] - middle - shape[j]) ** 2 / (-2 * area * (variance[j] + self.swing2)))
            for j in person.joints
            if self.known[j]
        ]
        similarity = sum(alike) / len(alike)
        if similarity < rule.min_oks:
            return 0.0
        # The density of a Gaussian falls with its width, so who is searched for far and wide does not take what is near
        # another's place.
        likelihood = math.log(max(similarity, 1e-9)) - moved2 / (2 * place2) - math.log(place2 / rule.slack**2)
        return max(likelihood + rule.newcomer, 0.0)


def possible_pairs(expected: Sequence[Expected], people: Sequence[Found], rule: TrackRule) -> list[list[int]]:
    """The pairs of a row of *expected* and a row of *people* that may be the same person: most people are far apart.

    Where two boxes lie apart, all their joints do, and the middle would have moved by at least as much.
    """
    if len(expected) == len(people) == 1:
        return [[0, 0]]
    here, there = np.array([place.bounds() for place in expected])[:, None], np.array([person.bounds() for person in people])
    gap = np.maximum(np.maximum(there[..., :2] - here[..., 2:], here[..., :2] - there[..., 2:]), 0.0)  # (M, N, 2) px
    size = np.maximum([[place.size] for place in expected], [person.size for person in people])
    limit = np.sqrt([[place.limit2(rule)] for place in expected]) * size
    return np.argwhere(np.hypot(gap[..., 0], gap[..., 1]) <= limit).tolist()  # never where a box is NaN
