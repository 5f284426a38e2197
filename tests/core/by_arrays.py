"""Tracker, smoother, next region and affine by arrays: the reference for those of poseapp/core, which compute the same."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from poseapp.core.geometry import SMALLEST_BODY_PX
from poseapp.core.roi import _HEAD, _TORSO_LENGTHS, ROI, Box, RoiRule, scale_box
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.smoothing import SMOOTH, SmoothRule
from poseapp.core.track import TRACK, TrackRule
from poseapp.core.transform import Affine, fit_aspect, whole_box
from poseapp.core.types import FloatArray, Poses

Array = NDArray[np.float64]
Points = NDArray[np.complex128]
Bools = NDArray[np.bool_]
IntArray = NDArray[np.intp]

_COCO_SIGMAS = dict(zip(COCO_17.keypoints, COCO_17.sigmas, strict=True))
_OTHER_SIGMA = 0.08
Point = tuple[float, float]


class TrackerByArrays:
    """Gives the people of each frame identities: numbers from 1, never given twice.

    *alone* says that there is one person a frame, at most: scipy, which takes a while to load, is left out then. Made
    and used on one thread. Times are capture times in s; a time before the last one means that the clip began
    anew, and everybody is forgotten.
    """

    def __init__(self, skeleton: Skeleton, rule: TrackRule = TRACK) -> None:
        self._skeleton, self._rule = skeleton, rule
        self.next_id = 1
        # What COCO allows each joint: OKS falls by exp(−d² / (2 · area · (2σ)²)).
        self._variances = np.array([(2 * _COCO_SIGMAS.get(name, _OTHER_SIGMA)) ** 2 for name in skeleton.keypoints])
        # The middle of the body is told by the trunk: arms and legs swing.
        trunk = [name.endswith(("shoulder", "hip")) or name in ("neck", "thorax", "pelvis") for name in skeleton.keypoints]
        self._weights = np.where(trunk, 4.0, 1.0)
        self._last = Poses.none(skeleton)
        self._tracks = _Tracks.none(skeleton.k)
        self._t = -np.inf

    def update(self, poses: Poses, t: float, skipped: Collection[int] = ()) -> Poses:
        """The same people, in the same order, with their identities; *t* is the frame's capture time in s.

        The identities *skipped* were not looked for in this frame: nobody takes their place, and they come after the
        others, where they are expected.
        """
        if t < self._t:
            self.reset()
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
        self._last = Poses(
            xy=poses.xy, score=poses.score, person_score=poses.person_score, ids=ids.astype(np.int64), skeleton=poses.skeleton
        )
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
        return Poses(
            xy=xy,
            score=score,
            person_score=tracks.person_score[keep].astype(np.float32),
            ids=tracks.ids[keep],
            skeleton=self._skeleton,
        )

    def reset(self) -> None:
        """Nobody is known any more. Numbers go on: a new person never gets one that was given."""
        self._tracks = _Tracks.none(self._skeleton.k)
        self._last = Poses.none(self._skeleton)
        self._t = -np.inf

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
        rows, columns = linear_sum_assignment(-value)
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


class SmootherByArrays:
    """Smooths the people of each frame by their identities. Made and used on one thread."""

    def __init__(self, skeleton: Skeleton, rule: SmoothRule = SMOOTH) -> None:
        self._k = skeleton.k
        self.rule = rule
        self.reset()

    def reset(self) -> None:
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
        return Poses(xy=xy, score=poses.score, person_score=poses.person_score, ids=poses.ids, skeleton=poses.skeleton)

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
        floored: Array = np.maximum(size, SMALLEST_BODY_PX)
        return floored


def _alpha(cutoff_hz: Array | float, dt: Array) -> Array:
    """The share of the new value, for a first-order low-pass with *cutoff_hz* after *dt* s (Casiez et al., Eq. 4)."""
    turns = 2 * np.pi * cutoff_hz * dt
    share: Array = turns / (turns + 1)
    return share


def next_region_by_arrays(
    skeleton: Skeleton,
    xy: FloatArray,
    score: FloatArray,
    frame_hw: tuple[int, int],
    input_hw: tuple[int, int],
    before: Box | None = None,
    rule: RoiRule = ROI,
) -> Box:
    """The region (4,) in which to look next for the person at *xy* (K, 2), *score* (K,); *before* is the one before."""
    points = _body_extent(skeleton, xy, score >= rule.trusted, frame_hw)
    low, high = points.min(axis=0), points.max(axis=0)
    box = fit_aspect((*low, *np.maximum(high - low, 8.0)), input_hw, rule.margin)
    largest = fit_aspect(whole_box(frame_hw), input_hw)[3]
    smallest = 0.0 if before is None else rule.shrink * fit_aspect(before, input_hw)[3]
    height = min(max(box[3], smallest), largest)
    return scale_box(box, height / box[3]).astype(np.float32)


def _body_extent(
    skeleton: Skeleton, xy: FloatArray, trusted: NDArray[np.bool_], frame_hw: tuple[int, int]
) -> NDArray[np.float64]:
    where = {name: (float(xy[k, 0]), float(xy[k, 1])) for k, name in enumerate(skeleton.keypoints) if trusted[k]}
    seen = np.array(list(where.values()))
    lengths = sorted(math.dist(where[a], where[b]) / r for (a, b), r in _TORSO_LENGTHS.items() if a in where and b in where)
    if not lengths:
        return seen
    # One of the longer ones: what points toward the camera only looks shorter, and a single joint may be quite wrong.
    torso = lengths[round(0.75 * (len(lengths) - 1))]
    down = (0.0, torso)
    guesses: list[Point] = []
    head, shoulders, hips = _middle(where, *_HEAD), _middle(where, *_both("shoulder")), _middle(where, *_both("hip"))
    knees, ankles = _middle(where, *_both("knee")), _middle(where, *_both("ankle"))
    if shoulders is None and head is not None:
        shoulders = _beyond(head, down, 0.5)
    if hips is None and shoulders is not None:
        hips = _beyond(shoulders, down, 1.0)
        guesses += [(hips[0] - 0.6 * torso, hips[1]), (hips[0] + 0.6 * torso, hips[1])]  # room for the forearms
    elif hips is not None and shoulders is not None and math.dist(hips, shoulders) > 0.5 * torso:
        down = (hips[0] - shoulders[0], hips[1] - shoulders[1])  # the way this body points: it may lie
    if hips is not None and knees is None and ankles is None:
        guesses.append(_beyond(hips, down, 1.7))
    elif knees is not None and ankles is None:
        guesses.append(_beyond(knees, down, 0.85))
    if not guesses:
        return seen
    h, w = frame_hw
    inside = [(min(max(x, 0.0), w - 1.0), min(max(y, 0.0), h - 1.0)) for x, y in guesses]
    return np.concatenate([seen, np.array(inside)])


def _both(joint: str) -> tuple[str, str]:
    return f"left_{joint}", f"right_{joint}"


def _middle(where: dict[str, Point], *names: str) -> Point | None:
    """The middle of those of the named joints that are there."""
    places = [where[name] for name in names if name in where]
    if not places:
        return None
    return sum(x for x, _ in places) / len(places), sum(y for _, y in places) / len(places)


def _beyond(start: Point, direction: Point, times: float) -> Point:
    return start[0] + times * direction[0], start[1] + times * direction[1]


def crop_affine_by_arrays(box: ArrayLike, input_hw: tuple[int, int], rotation_deg: float = 0.0, flip: bool = False) -> Affine:
    x, y, w, h = fit_aspect(box, input_hw)
    scale = input_hw[1] / w
    cos, sin = scale * np.cos(np.deg2rad(rotation_deg)), scale * np.sin(np.deg2rad(rotation_deg))
    linear = np.array([[cos, -sin], [sin, cos]])
    if flip:
        linear[0] *= -1
    centre = np.array([x + w / 2, y + h / 2])
    target = (np.array([input_hw[1], input_hw[0]]) - 1) / 2
    return np.column_stack([linear, target - linear @ centre])
