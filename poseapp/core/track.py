"""Who is who: identities that last from frame to frame, by object keypoint similarity with a motion gate.

Each person known so far is predicted to the time of the new frame by a Kalman filter of constant velocity, and the
people found are assigned to the predictions all at once (Hungarian method; Kuhn 1955). What grows with the time that
somebody has not been seen is the filter's variance, and with it both the scale of the similarity and the gate: a
person behind another one is searched for in an ever wider place, but at an ever lower value, so that those who are
seen keep their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import FloatArray, Poses

Array = NDArray[np.float64]
Points = NDArray[np.complex128]
Bools = NDArray[np.bool_]
IntArray = NDArray[np.intp]
Assign = Callable[[Array], tuple[IntArray, IntArray]]

_COCO_SIGMAS = dict(zip(COCO_17.keypoints, COCO_17.sigmas, strict=True))
_OTHER_SIGMA = 0.08  # of joints that COCO does not have: like a shoulder


@dataclass(frozen=True)
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
        # What COCO allows each joint: OKS falls by exp(−d² / (2 · area · (2σ)²)).
        self._variances = np.array([(2 * _COCO_SIGMAS.get(name, _OTHER_SIGMA)) ** 2 for name in skeleton.keypoints])
        # The middle of the body is told by the trunk: arms and legs swing.
        trunk = [name.endswith(("shoulder", "hip")) or name in ("neck", "thorax", "pelvis") for name in skeleton.keypoints]
        self._weights = np.where(trunk, 4.0, 1.0)
        self._assign = _best_of_one if alone else _hungarian()  # here and not in the first frame: it takes a while to load
        self._last = Poses.none(skeleton)
        self._tracks = _Tracks.none(skeleton.k)
        self._t = -np.inf

    def update(self, poses: Poses, t: float, skipped: Collection[int] = ()) -> Poses:
        """The same people, in the same order, with their identities; *t* is the frame's capture time in s.

        The identities *skipped* were not looked for in this frame: nobody takes their place, and they come after the
        others, where they are expected.
        """
        if t < self._t:
            self.forget()
        before, self._t = self._t, t
        tracks, rule = self._tracks, self._rule
        tracks.noted = np.where(np.isin(tracks.ids, list(skipped)), t, tracks.noted)
        known = t - tracks.noted <= np.clip(tracks.seen - tracks.born, rule.brief_s, rule.memory_s)
        known |= (tracks.noted >= before) & (t - before <= rule.memory_s)  # few frames a second: the last one always counts
        tracks.keep(known)
        counted = self._counted(poses)
        z, seen, size = _points(poses.xy, counted), counted.astype(np.float64), _sizes(poses.xy, counted)
        who = self._match(z, seen, size, t, ~np.isin(tracks.ids, list(skipped)))
        ids = np.where(who >= 0, tracks.ids[who] if len(tracks) else 0, 0)
        found = np.nonzero(who >= 0)[0]
        self._follow(who[found], z[found], seen[found], poses.score[found], size[found], t)
        tracks.person_score[who[found]] = poses.person_score[found]
        new = np.nonzero(who < 0)[0]
        ids[new] = np.arange(self.next_id, self.next_id + len(new))
        self.next_id += len(new)
        self._begin(ids[new], z[new], seen[new], poses.score[new], poses.person_score[new], size[new], t)
        self._last = Poses(poses.xy, poses.score, poses.person_score, ids.astype(np.int64), poses.skeleton)
        if skipped:
            expected = self.predict(t)
            self._last = self._last.plus(expected.pick(np.isin(expected.ids, list(skipped))))
        return self._last

    def predict(self, t: float, unseen_s: float = np.inf) -> Poses:
        """Where everybody still known is expected at *t*, with the scores of when they were seen last.

        Those who have not been seen for more than *unseen_s* are left out. A joint never seen is NaN.
        """
        tracks = self._tracks
        keep = t - tracks.seen <= unseen_s
        ahead = np.clip(t - tracks.seen, 0.0, self._rule.coast_s)
        z = (tracks.middle + tracks.velocity * ahead)[:, None] + tracks.shape
        z = np.where(tracks.known > 0, z, complex(np.nan, np.nan))[keep]
        xy = z[..., None].view(np.float64).astype(np.float32)
        score = (tracks.score * tracks.known)[keep].astype(np.float32)
        return Poses(xy, score, tracks.person_score[keep].astype(np.float32), tracks.ids[keep], self._skeleton)

    def forget(self) -> None:
        """Nobody is known any more. Numbers go on: a new person never gets one that was given."""
        self._tracks = _Tracks.none(self._skeleton.k)
        self._last = Poses.none(self._skeleton)
        self._t = -np.inf

    def renumber(self) -> dict[int, int]:
        """Give those known the numbers from 1 on, as if nobody had been there before; returns old number → new.

        For when no earlier number can be in a recording: with the next person the count goes on from these.
        """
        given = {identity: n for n, identity in enumerate(sorted(self._tracks.ids.tolist()), 1)}
        self._tracks.ids = np.array([given[identity] for identity in self._tracks.ids.tolist()], np.int64)
        last = self._last
        known = np.isin(last.ids, list(given))  # whoever is forgotten already has no number any more
        self._last = replace(last.pick(known), ids=np.array([given[i] for i in last.ids[known].tolist()], np.int64))
        self.next_id = len(given) + 1
        return given

    @property
    def seen_last(self) -> Poses:
        """The people of the last frame."""
        return self._last

    def inherit(self, other: Tracker) -> None:
        """Go on with the people whom *other* knows, where the joints are the same ones, and with its numbers at least."""
        self.next_id = max(self.next_id, other.next_id)
        if other._skeleton is self._skeleton:
            self._tracks, self._last, self._t = other._tracks, other._last, other._t

    def lock(self, xy: tuple[float, float], margin: float = 0.25) -> int | None:
        """The identity of the person of the last frame under the point *xy* (frame px); None where nobody is.

        Whose limbs are nearest, in sizes of that person, and no farther than *margin*.
        """
        poses = self._last
        if len(poses) == 0:
            return None
        counted = self._counted(poses)
        places = np.where(counted[..., None], poses.xy, np.nan).astype(np.float64)
        limbs = np.asarray(self._skeleton.limbs, np.intp).reshape(-1, 2)
        joints = np.stack([places, places], axis=2)  # a joint is a limb without a length
        ends = np.concatenate([places[:, limbs], joints], axis=1)  # (N, L + K, 2 ends, 2)
        distance = _from_segments(np.asarray(xy, np.float64), ends[:, :, 0], ends[:, :, 1])
        nearest = np.where(np.isfinite(distance), distance, np.inf).min(axis=1)
        nearest /= _sizes(poses.xy, counted)
        best = int(nearest.argmin())
        return int(poses.ids[best]) if nearest[best] <= margin else None

    def _counted(self, poses: Poses) -> Bools:
        """Which joints (N, K) count: those trusted, or all that are there where hardly any is trusted."""
        present = np.isfinite(poses.xy[..., 0]) & np.isfinite(poses.xy[..., 1])
        trusted = present & (poses.score >= self._rule.trusted)
        few = trusted.sum(axis=1, keepdims=True) < 3
        return np.where(few, present, trusted)

    def _match(self, z: Points, seen: Array, size: Array, t: float, open_: Bools) -> IntArray:
        """For each pose (N,) the row of its track, one that is *open_* (M,), or −1. *z* (N, K) is 0 where not *seen*."""
        rule, tracks = self._rule, self._tracks
        out = np.full(len(z), -1, np.intp)
        if len(z) == 0 or len(tracks) == 0:
            return out
        ahead = t - tracks.seen  # (M,)
        expected = (tracks.middle + tracks.velocity * ahead)[:, None] + tracks.shape  # (M, K)
        variance = tracks.variance_at(ahead, rule)  # of the middle, in sizes² (M,)
        swing2 = np.square(np.minimum(rule.sway * ahead, rule.swing))
        # As in OKS, with the scale of the larger of the two: a person half hidden is small.
        area = np.square(np.maximum(tracks.size[:, None], size))  # (M, N)
        # How far the middle would have moved, by the joints in common; products of matrices over all pairs.
        weight = tracks.known * self._weights
        total = weight @ seen.T
        moved = (weight @ (z * seen).T - (weight * expected) @ seen.T) / np.maximum(total, 1e-9)  # (M, N) px
        moved2 = (np.square(moved.real) + np.square(moved.imag)) / area
        place2 = variance + rule.slack**2
        limit = np.minimum(rule.gate**2 * place2, rule.reach**2)
        # The similarity of those near enough alone, P pairs: most people are far from each other. It is one of bodies
        # laid on each other: where somebody can be grows with time, but not what they look like.
        m, n = np.nonzero((moved2 <= limit[:, None]) & (total > 0) & open_[:, None])
        gap = z[n] - expected[m] - moved[m, n, None]  # (P, K)
        both = tracks.known[m] * seen[n]
        spread = self._variances + swing2[:, None]  # (M, K)
        e = (np.square(gap.real) + np.square(gap.imag)) / (-2 * area[m, n, None] * spread[m])
        similarity = (np.exp(e) * both).sum(axis=1) / both.sum(axis=1)
        # The logarithm of how much likelier the pair is than a new person is: the density of a Gaussian falls with its width,
        # so who is searched for far and wide does not take what is near another's place.
        likelihood = np.log(np.maximum(similarity, 1e-9)) - moved2[m, n] / (2 * place2[m]) - np.log(place2[m] / rule.slack**2)
        value = np.zeros(total.shape)
        value[m, n] = np.where(similarity >= rule.min_oks, np.maximum(likelihood + rule.newcomer, 0.0), 0.0)
        rows, columns = self._assign(-value)
        good = value[rows, columns] > 0
        out[columns[good]] = rows[good]
        return out

    def _follow(self, rows: IntArray, z: Points, seen: Array, score: FloatArray, size: Array, t: float) -> None:
        """Take what was measured of the tracks *rows* into their filters."""
        rule, tracks = self._rule, self._tracks
        if len(rows) == 0:
            return
        ahead = t - tracks.seen[rows]
        known, shape = tracks.known[rows], tracks.shape[rows]
        middle = tracks.middle[rows] + tracks.velocity[rows] * ahead
        weight = known * seen * self._weights
        moved = (weight * (z - middle[:, None] - shape)).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
        place, speed = tracks.correct(rows, ahead, rule)
        tracks.middle[rows] = middle + place * moved
        tracks.velocity[rows] += speed * moved
        # The shape is measured against the measured middle, so that it does not lag with the filtered one.
        there = seen > 0
        tracks.shape[rows] = np.where(there, z - (middle + moved)[:, None], shape)
        tracks.score[rows] = np.where(there, score, tracks.score[rows])
        tracks.known[rows] = np.maximum(known, seen)
        tracks.seen[rows] = tracks.noted[rows] = t
        # Half hidden, a person looks small: sizes fall slowly and rise at once.
        tracks.size[rows] = np.maximum(size, 0.9 * tracks.size[rows] + 0.1 * size)

    def _begin(
        self, ids: NDArray[np.int64], z: Points, seen: Array, score: FloatArray, person: FloatArray, size: Array, t: float
    ) -> None:
        """Tracks of people that nobody was predicted for."""
        if len(ids) == 0:
            return
        weight = seen * self._weights
        middle = (weight * z).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-9)
        n = len(ids)
        self._tracks.add(
            _Tracks(
                ids=ids.astype(np.int64),
                middle=middle,
                velocity=np.zeros(n, np.complex128),
                covariance=np.tile([self._rule.noise**2, 0.0, self._rule.run**2], (n, 1)),
                shape=np.where(seen > 0, z - middle[:, None], 0.0),
                known=seen.copy(),
                score=score.astype(np.float64),
                person_score=person.astype(np.float64),
                size=size.copy(),
                seen=np.full(n, t),
                noted=np.full(n, t),
                born=np.full(n, t),
            )
        )


@dataclass
class _Tracks:
    """Everybody known, one row each. Points are x + iy.

    ``middle`` (M,) px and ``velocity`` (M,) px/s with ``covariance`` (M, 3): of place, of place with speed, of speed, the
    same on both axes, in sizes² and s. ``shape`` (M, K) px from the middle, as last seen, where ``known`` is 1.
    ``seen`` is when (s) they were seen last, ``noted`` when they were seen or skipped, ``born`` when they were seen first.
    """

    ids: NDArray[np.int64]
    middle: Points
    velocity: Points
    covariance: Array
    shape: Points
    known: Array
    score: Array
    person_score: Array
    size: Array
    seen: Array
    noted: Array
    born: Array

    @classmethod
    def none(cls, k: int) -> _Tracks:
        """Nobody."""
        return cls(
            np.empty(0, np.int64),
            np.empty(0, np.complex128),
            np.empty(0, np.complex128),
            np.empty((0, 3)),
            np.empty((0, k), np.complex128),
            np.empty((0, k)),
            np.empty((0, k)),
            np.empty(0),
            np.empty(0),
            np.empty(0),
            np.empty(0),
            np.empty(0),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def keep(self, which: Bools) -> None:
        """Drop the rows that are not *which* (M,)."""
        if not which.all():
            for name, values in vars(self).items():
                setattr(self, name, values[which])

    def add(self, others: _Tracks) -> None:
        """Append *others*."""
        for name, values in vars(self).items():
            setattr(self, name, np.concatenate([values, getattr(others, name)]))

    def _predicted(self, covariance: Array, ahead: Array, rule: TrackRule) -> tuple[Array, Array, Array]:
        """The covariance *ahead* s later, under random acceleration."""
        place, both, speed = covariance.T
        q = rule.acceleration
        return (
            place + ahead * (2 * both + ahead * (speed + q * ahead / 3)),
            both + ahead * (speed + q * ahead / 2),
            speed + q * ahead,
        )

    def variance_at(self, ahead: Array, rule: TrackRule) -> Array:
        """The variance (M,) of each middle, in sizes², *ahead* (M,) s after it was seen."""
        return self._predicted(self.covariance, ahead, rule)[0]

    def correct(self, rows: IntArray, ahead: Array, rule: TrackRule) -> tuple[Array, Array]:
        """Measure the tracks *rows*: the gains of place and, per s, of speed, both (n,)."""
        place, both, speed = self._predicted(self.covariance[rows], ahead, rule)
        total = place + rule.noise**2
        gain, gain_speed = place / total, both / total
        self.covariance[rows] = np.stack([place * (1 - gain), both * (1 - gain), speed - gain_speed * both], axis=1)
        return gain, gain_speed


def _points(xy: FloatArray, counted: Bools) -> Points:
    """Points x + iy (N, K) of *xy* (N, K, 2); 0 where a joint is not *counted*. One number a joint halves the calls."""
    z: Points = np.where(counted, xy.astype(np.float64).view(np.complex128)[..., 0], 0.0)
    return z


def _sizes(xy: FloatArray, counted: Bools) -> Array:
    """Sizes (N,) in px: the root of the area of the box around the joints *counted* (N, K); at least 8 px.

    A box that is narrow for its length, as around somebody seen from the side, counts as a fourth as wide as long.
    """
    places = np.where(counted[..., None], xy.astype(np.float64), np.nan)
    extent = np.nan_to_num(np.fmax.reduce(places, axis=1) - np.fmin.reduce(places, axis=1))
    longest = extent.max(axis=1)
    shortest = np.maximum(extent.min(axis=1), longest / 4)
    size: Array = np.maximum(np.sqrt(longest * shortest), 8.0)
    return size


def _from_segments(point: Array, start: Array, end: Array) -> Array:
    """Distance (…) of *point* (2,) from the segments between *start* and *end* (…, 2); NaN where an end is NaN."""
    along = end - start
    length2 = np.square(along).sum(axis=-1)
    share = ((point - start) * along).sum(axis=-1) / np.maximum(length2, 1e-9)
    nearest = start + np.clip(share, 0.0, 1.0)[..., None] * along
    distance: Array = np.linalg.norm(point - nearest, axis=-1)
    return distance


def _best_of_one(cost: Array) -> tuple[IntArray, IntArray]:
    """As ``_hungarian``, for *cost* of one column."""
    assert cost.shape[1] == 1, "there is one person a frame"
    return cost.argmin(axis=0), np.zeros(1, np.intp)


def _hungarian() -> Assign:
    """The rows and columns of the cheapest assignment. Loading it takes a third of a second, so not with the app."""
    from scipy.optimize import linear_sum_assignment

    assign: Assign = linear_sum_assignment
    return assign
