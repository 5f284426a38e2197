"""Who is who: identities that last from frame to frame, by object keypoint similarity with a motion gate.

Each person known so far is predicted to the time of the new frame by a Kalman filter of constant velocity, and the
people found are assigned to the predictions all at once (Hungarian method; Kuhn 1955). What grows with the time that
somebody has not been seen is the filter's variance, and with it both the scale of the similarity and the gate: a
person behind another one is searched for in an ever wider place, but at an ever lower value, so that those who are
seen keep their own.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from poseapp.core.geometry import Bounds, array, body_size_px, bounds, distance_from_segment, plain
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import Poses

IntArray = NDArray[np.intp]
Assign = Callable[[NDArray[np.float64]], tuple[IntArray, IntArray]]

SMALLEST_PX = 8.0
_NOWHERE = complex(math.nan, math.nan)

_COCO_SIGMAS = dict(zip(COCO_17.keypoints, COCO_17.sigmas, strict=True))
_OTHER_SIGMA = 0.08  # of joints that COCO does not have: like a shoulder


@dataclass(frozen=True, kw_only=True)
class TrackRule:
    """How people are followed. Lengths are in body sizes: the root of the area of a person's box.

    A joint counts from score ``trusted`` on. ``acceleration`` is the density of the random acceleration (sizes²/s³) that
    the constant velocity is allowed, and ``noise`` the error of a measured place (sizes); somebody new may come as fast as
    ``run`` (sizes/s). ``sway`` is how fast joints move against the body (sizes/s), up to ``swing`` sizes.

    A pair is possible up to ``gate`` standard deviations, ``slack`` (sizes) included, at most ``reach`` sizes apart, with a
    similarity of ``min_oks``, and when it is likelier than a new person: whose likelihood is e to the −``newcomer``.
    Somebody not seen is remembered for as long as they had been known, for ``brief_s`` at least and ``memory_s`` at most,
    and expected to go on as they went for ``coast_s``, and to stand there then.
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


class Tracker:
    """Gives the people of each frame identities: numbers from 1, never given twice.

    *alone* says that there is one person a frame, at most: scipy, which takes a while to load, is left out then. Made
    and used on one thread. Times are capture times in s; a time before the last one means that the clip began
    anew, and everybody is forgotten.
    """

    def __init__(self, skeleton: Skeleton, rule: TrackRule = TRACK, alone: bool = False) -> None:
        self._skeleton, self._rule = skeleton, rule
        self.next_id = 1
        self._body = _Body.of(skeleton)
        self._assign = None if alone else _hungarian()  # here and not in the first frame: it takes a while to load
        self._last = Poses.none(skeleton)
        self._tracks: list[_Track] = []
        self._t = -math.inf

    def update(self, poses: Poses, t: float, skipped: Collection[int] = ()) -> Poses:
        """The same people, in the same order, with their identities; *t* is the frame's capture time in s.

        The identities *skipped* were not looked for in this frame: nobody takes their place, and they come after the
        others, where they are expected.
        """
        if t < self._t:
            self.reset()
        before, self._t = self._t, t
        for track in self._tracks:
            if track.identity in skipped:
                track.noted = t
        self._tracks = [track for track in self._tracks if self._remembered(track, t, before)]
        people = self._people(poses)
        free = [track for track in self._tracks if track.identity not in skipped]
        ids: list[int] = []
        for person, known in zip(people, self._match(people, free, t), strict=True):
            if known is None:
                self._tracks.append(_Track.begin(self.next_id, person, t, self._body, self._rule))
                self.next_id += 1
            else:
                known.follow(person, t, self._body, self._rule)
            ids.append(self._tracks[-1].identity if known is None else known.identity)
        self._last = Poses(
            xy=poses.xy, score=poses.score, person_score=poses.person_score, ids=np.array(ids, np.int64), skeleton=poses.skeleton
        )
        if skipped:
            expected = self.predict(t)
            self._last = self._last.plus(expected.pick(np.isin(expected.ids, list(skipped))))
        return self._last

    def predict(self, t: float, unseen_s: float = math.inf) -> Poses:
        """Where everybody still known is expected at *t*, with the scores of when they were seen last.

        Those who have not been seen for more than *unseen_s* are left out. A joint never seen is NaN.
        """
        tracks = [track for track in self._tracks if t - track.seen <= unseen_s]
        n, k = len(tracks), self._skeleton.k
        z = [track.joints_at(min(max(t - track.seen, 0.0), self._rule.coast_s)) for track in tracks]
        return Poses(
            xy=array(z, k),
            score=np.array([track.score for track in tracks], np.float32).reshape(n, k),
            person_score=np.array([track.person_score for track in tracks], np.float32),
            ids=np.array([track.identity for track in tracks], np.int64),
            skeleton=self._skeleton,
        )

    def reset(self) -> None:
        """Nobody is known any more. Numbers go on: a new person never gets one that was given."""
        self._tracks = []
        self._last = Poses.none(self._skeleton)
        self._t = -math.inf

    def renumber(self) -> dict[int, int]:
        """Give those known the numbers from 1 on, as if nobody had been there before; returns old number → new.

        For when no earlier number can be in a recording: with the next person the count goes on from these.
        """
        given = {identity: n for n, identity in enumerate(sorted(track.identity for track in self._tracks), 1)}
        for track in self._tracks:
            track.identity = given[track.identity]
        last = self._last
        known = np.isin(last.ids, list(given))  # whoever is forgotten already has no number any more
        self._last = replace(last.pick(known), ids=np.array([given[i] for i in last.ids[known].tolist()], np.int64))
        self.next_id = len(given) + 1
        return given

    @property
    def seen_last(self) -> Poses:
        """The people of the last frame."""
        return self._last

    def take_over_state(self, other: Tracker) -> None:
        """Go on with the people whom *other* knows, where the joints are the same ones, and with its numbers at least."""
        self.next_id = max(self.next_id, other.next_id)
        if other._skeleton is self._skeleton:
            self._tracks, self._last, self._t = other._tracks, other._last, other._t

    def lock(self, xy: tuple[float, float], margin: float = 0.25) -> int | None:
        """The identity of the person of the last frame under the point *xy* (frame px); None where nobody is.

        Whose limbs are nearest, in sizes of that person, and no farther than *margin*.
        """
        if len(self._last) == 0:
            return None
        nearest = []
        for person in self._people(self._last):
            counted = set(person.joints)
            joints = [(k, k) for k in person.joints]  # a joint is a limb without a length
            limbs = [(a, b) for a, b in self._skeleton.limbs if a in counted and b in counted]
            far = [distance_from_segment(complex(*xy), person.z[a], person.z[b]) for a, b in [*limbs, *joints]]
            nearest.append(min(far, default=math.inf) / person.size)
        best = nearest.index(min(nearest))
        return int(self._last.ids[best]) if nearest[best] <= margin else None

    def _remembered(self, track: _Track, t: float, before: float) -> bool:
        """Whether *track* is still known at *t*; *before* is the time of the frame before."""
        rule = self._rule
        if track.noted >= before and t - before <= rule.memory_s:  # few frames a second: the last one always counts
            return True
        return t - track.noted <= min(max(track.seen - track.born, rule.brief_s), rule.memory_s)

    def _people(self, poses: Poses) -> list[_Person]:
        """The people of *poses* in plain numbers, with the joints that count: those trusted, or all where hardly any is."""
        people = []
        for z, score, person_score in zip(plain(poses.xy), poses.score.tolist(), poses.person_score.tolist(), strict=True):
            there = [k for k, place in enumerate(z) if cmath.isfinite(place)]
            trusted = [k for k in there if score[k] >= self._rule.trusted]
            joints = trusted if len(trusted) >= 3 else there
            size = max(body_size_px([z[k] for k in joints]), SMALLEST_PX)
            people.append(_Person(z, joints, score, person_score, size))
        return people

    def _match(self, people: Sequence[_Person], tracks: Sequence[_Track], t: float) -> list[_Track | None]:
        """For each of *people* the one of *tracks* that is theirs, if any."""
        if not people or not tracks:
            return [None] * len(people)
        expected = [track.expect(t, self._rule) for track in tracks]
        value = [[0.0] * len(people) for _ in tracks]
        for row, column in _near(expected, people, self._rule):
            value[row][column] = expected[row].value(people[column], self._body, self._rule)
        if len(people) == 1:
            rows, columns = [max(range(len(tracks)), key=lambda row: value[row][0])], [0]
        else:
            assert self._assign is not None, "there is one person a frame"
            rows, columns = (found.tolist() for found in self._assign(-np.array(value)))
        out: list[_Track | None] = [None] * len(people)
        for row, column in zip(rows, columns, strict=True):
            if value[row][column] > 0:
                out[column] = tracks[row]
        return out


@dataclass(frozen=True)
class _Body:
    """What is known of each joint: ``weight`` (K) by which it tells the body's middle, and ``variance`` (K), in sizes².

    Points are x + iy here and below, as core/geometry.py has them.
    """

    weight: list[float]
    variance: list[float]

    @classmethod
    def of(cls, skeleton: Skeleton) -> _Body:
        # The middle of the body is told by the trunk: arms and legs swing.
        trunk = [name.endswith(("shoulder", "hip")) or name in ("neck", "thorax", "pelvis") for name in skeleton.keypoints]
        # What COCO allows each joint: OKS falls by exp(−d² / (2 · area · (2σ)²)).
        variance = [(2 * _COCO_SIGMAS.get(name, _OTHER_SIGMA)) ** 2 for name in skeleton.keypoints]
        return cls([4.0 if is_trunk else 1.0 for is_trunk in trunk], variance)


@dataclass(slots=True)
class _Person:
    """Somebody found: the places ``z`` (K) px, of which those of ``joints`` count, and their size in px."""

    z: list[complex]
    joints: list[int]
    score: list[float]
    person_score: float
    size: float

    def bounds(self) -> Bounds:
        """What holds the joints that count; NaN without any."""
        return bounds([self.z[j] for j in self.joints])


@dataclass(slots=True)
class _Track:
    """Somebody known.

    ``middle`` px and ``velocity`` px/s with ``covariance``: of place, of place with speed, of speed, the same on both axes,
    in sizes² and s. ``shape`` (K) px from the middle, as last seen, where ``known``; ``score`` (K) is 0 elsewhere. ``seen``
    is when (s) they were seen last, ``noted`` when they were seen or skipped, ``born`` when they were seen first.
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
    def begin(cls, identity: int, person: _Person, t: float, body: _Body, rule: TrackRule) -> _Track:
        """Somebody whom nobody was expected to be."""
        k = len(person.z)
        covariance = (rule.noise**2, 0.0, rule.run**2)
        track = cls(identity, 0j, 0j, covariance, [0j] * k, [False] * k, [0.0] * k, 0.0, person.size, t, t, t)
        total = sum(body.weight[j] for j in person.joints)
        if total > 0:
            track.middle = sum(body.weight[j] * person.z[j] for j in person.joints) / total
        track._take(person, track.middle)
        return track

    def expect(self, t: float, rule: TrackRule) -> _Expected:
        """Where this person would be at *t*."""
        ahead = t - self.seen
        variance, _, _ = self._covariance_in(ahead, rule)
        swing = min(rule.sway * ahead, rule.swing)
        return _Expected(self.middle + self.velocity * ahead, self.shape, self.known, self.size, variance, swing**2)

    def follow(self, person: _Person, t: float, body: _Body, rule: TrackRule) -> None:
        """Take *person*, who is this one at *t*, into the filter."""
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

    def _take(self, person: _Person, middle: complex) -> None:
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
class _Expected:
    """Where somebody known would be: as in _Track; ``variance`` of the middle and ``swing2`` of each joint in sizes²."""

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
        """What holds the known joints; NaN without any."""
        known = [self.middle + offset for offset, known in zip(self.shape, self.known, strict=True) if known]
        return bounds(known)

    def moved(self, person: _Person, body: _Body) -> complex | None:
        """How far, px, the middle would have moved to be that of *person*: by the joints in common; None without any."""
        weight, z, shape, known = body.weight, person.z, self.shape, self.known
        total, offset = 0.0, 0j
        for j in person.joints:
            if known[j]:
                total += weight[j]
                offset += weight[j] * (z[j] - shape[j])
        return offset / total - self.middle if total > 0 else None

    def value(self, person: _Person, body: _Body, rule: TrackRule) -> float:
        """The logarithm of how much likelier this is *person* than that they are new; 0 where that is out of the question."""
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


def _near(expected: Sequence[_Expected], people: Sequence[_Person], rule: TrackRule) -> list[list[int]]:
    """Which of *expected* and which of *people* may be the same: most people are far from each other.

    Where the boxes of two lie apart, so do all their joints, and the middle would have moved by as much at least.
    """
    if len(expected) == len(people) == 1:
        return [[0, 0]]
    here, there = np.array([place.bounds() for place in expected])[:, None], np.array([person.bounds() for person in people])
    gap = np.maximum(np.maximum(there[..., :2] - here[..., 2:], here[..., :2] - there[..., 2:]), 0.0)  # (M, N, 2) px
    size = np.maximum([[place.size] for place in expected], [person.size for person in people])
    limit = np.sqrt([[place.limit2(rule)] for place in expected]) * size
    return np.argwhere(np.hypot(gap[..., 0], gap[..., 1]) <= limit).tolist()  # never where a box is NaN


def _hungarian() -> Assign:
    """The rows and columns of the cheapest assignment. Loading it takes a third of a second, so not with the app."""
    from scipy.optimize import linear_sum_assignment

    assign: Assign = linear_sum_assignment
    return assign
