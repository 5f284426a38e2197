"""Part affinity fields: encode limbs as unit vectors and decode maps of several people, side by side.

Cao, Simon, Wei & Sheikh, CVPR 2017: Sec. 2.3 (fields), 2.4 and 2.5 (assembly). All coordinates are heatmap px.
A field is two maps, the x and the y of the unit vector from the limb's first joint to its second; limb i of a
skeleton has the channels 2i and 2i + 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray

IntArray = NDArray[np.intp]
Vectors = NDArray[np.complex64]  # of the plane, x + iy


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """Thresholds of the decoding; the defaults are those of the authors' release.

    ``peak`` is the lowest confidence of a joint. ``samples`` points are read along a limb; the share ``agreeing`` of them must
    lie above ``field``. A limb that is longer than ``longest``, as a part of the map's height, gets a lower score. A person
    needs ``min_joints`` joints and a mean score of ``min_score``. ``max_peaks`` bounds the work on a map full of noise.
    """

    peak: float = 0.1
    field: float = 0.05
    samples: int = 10
    agreeing: float = 0.8
    longest: float = 0.5
    min_joints: int = 4
    min_score: float = 0.4
    max_peaks: int = 64


@dataclass(frozen=True, eq=False)
class Peaks:
    """Candidates of all joints: ``xy`` (P, 2) and ``score`` (P,), ordered by ``joint`` (P,), the channel of each."""

    xy: FloatArray
    score: FloatArray
    joint: IntArray


def encode(people: FloatArray, limbs: tuple[tuple[int, int], ...], hw: tuple[int, int], width_px: float = 1.0) -> FloatArray:
    """Fields (2 L, h, w) of *people* (N, K, 2), NaN for a joint that is missing.

    A pixel within *width_px* of a limb's line, and no further beyond its ends, holds the limb's direction. Where limbs of
    several people meet, it holds the mean of their directions (Sec. 2.3, Eq. 9). In the paper a field ends where the limb
    does. Here it goes on by the width, as in the authors' release: otherwise a short limb would have no pixel.
    """
    h, w = hw
    fields = np.zeros((len(limbs), 2, h, w), np.float32)
    if len(people) == 0:
        return fields.reshape(-1, h, w)
    ends = people.astype(np.float32)[:, np.asarray(limbs)]  # (N, L, 2 ends, 2)
    start, along = ends[:, :, 0], ends[:, :, 1] - ends[:, :, 0]
    length = np.linalg.norm(along, axis=-1)  # (N, L)
    present = np.isfinite(length) & (length > 1e-6)
    unit = np.where(present[..., None], along / np.where(present, length, 1.0)[..., None], 0.0).astype(np.float32)
    start, length = np.nan_to_num(start), np.where(present, length, -np.inf).astype(np.float32)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    for i in range(len(limbs)):  # one limb at a time: all at once would take N · L maps of memory
        dx, dy = x - start[:, i, 0, None, None], y - start[:, i, 1, None, None]  # (N, h, w)
        ux, uy = unit[:, i, 0, None, None], unit[:, i, 1, None, None]
        on = dx * ux + dy * uy
        near = (np.abs(dx * uy - dy * ux) <= width_px) & (on >= -width_px) & (on <= length[:, i, None, None] + width_px)
        count = np.maximum(near.sum(axis=0), 1)
        fields[i, 0] = (near * ux).sum(axis=0) / count
        fields[i, 1] = (near * uy).sum(axis=0) / count
    return fields.reshape(-1, h, w)


def decode(
    confidence: FloatArray, fields: FloatArray, skeleton: Skeleton, how: Assembly = Assembly()
) -> tuple[FloatArray, FloatArray]:
    """People in *confidence* (K, h, w) and *fields* (2 L, h, w), L limbs of *skeleton* in order.

    Returns joints (N, K, 3) as x, y in heatmap px and score, NaN and 0 for a joint that was not found, and the
    people's scores (N,), best first: the mean over their joints of confidence and over their limbs of the field.
    """
    peaks = find_peaks(confidence, how)
    pairs, scores, limb = connect(peaks, fields, skeleton.limbs, confidence.shape[1], how)
    return _assemble(peaks, pairs, scores, limb, skeleton.k, how)


def find_peaks(confidence: FloatArray, how: Assembly = Assembly()) -> Peaks:
    """Local maxima of *confidence* (K, h, w) in their 3×3 neighbourhood, at most ``max_peaks`` a joint, sub-pixel."""
    k, h, w = confidence.shape
    # cv2 dilates all maps at once when they lie below each other with an empty row between them.
    tall = np.full((k, h + 1, w), -np.inf, np.float32)
    tall[:, :h] = confidence
    highest = cv2.dilate(tall.reshape(-1, w), np.ones((3, 3), np.uint8)).reshape(k, h + 1, w)[:, :h]
    joint, y, x = np.unravel_index(np.flatnonzero((confidence >= highest) & (confidence > how.peak)), confidence.shape)
    score = confidence[joint, y, x]
    # Equal neighbours are one peak: the first in reading order stays.
    earlier = np.zeros(len(joint), bool)
    for dy, dx in ((0, -1), (-1, -1), (-1, 0), (-1, 1)):
        inside = (y + dy >= 0) & (x + dx >= 0) & (x + dx < w)
        earlier |= inside & (confidence[joint, np.maximum(y + dy, 0), np.clip(x + dx, 0, w - 1)] == score)
    keep = np.nonzero(~earlier)[0]
    order = keep[np.lexsort((-score[keep], joint[keep]))]
    joint, y, x, score = joint[order], y[order], x[order], score[order]
    rank = np.arange(len(joint)) - np.searchsorted(joint, joint)  # place among the peaks of its joint
    few = rank < how.max_peaks
    joint, y, x, score = joint[few], y[few], x[few], score[few]
    xy = np.stack([x, y], axis=1).astype(np.float32) + _parabola(confidence, joint, y, x)
    return Peaks(xy.astype(np.float32), score.astype(np.float32), joint)


def _parabola(maps: FloatArray, joint: IntArray, y: IntArray, x: IntArray) -> FloatArray:
    """Offset (P, 2) of the peak of a parabola through the pixel and its neighbours, at most half a pixel."""
    h, w = maps.shape[1:]
    here = maps[joint, y, x]

    def offset(before: FloatArray, after: FloatArray) -> FloatArray:
        bend = before - 2 * here + after
        step = np.where(bend < -1e-9, (before - after) / np.where(bend < -1e-9, 2 * bend, 1.0), 0.0)
        return np.clip(step, -0.5, 0.5).astype(np.float32)

    dx = offset(maps[joint, y, np.maximum(x - 1, 0)], maps[joint, y, np.minimum(x + 1, w - 1)])
    dy = offset(maps[joint, np.maximum(y - 1, 0), x], maps[joint, np.minimum(y + 1, h - 1), x])
    inside_x, inside_y = (x > 0) & (x < w - 1), (y > 0) & (y < h - 1)
    return np.stack([dx * inside_x, dy * inside_y], axis=1).astype(np.float32)


def connect(
    peaks: Peaks, fields: FloatArray, limbs: tuple[tuple[int, int], ...], height: int, how: Assembly = Assembly()
) -> tuple[IntArray, FloatArray, IntArray]:
    """Limbs between peaks: pairs of peak indices (C, 2), scores (C,) and the limb of each (C,).

    The score of a pair of candidates is the mean of the field along the line between them (Sec. 2.3, Eq. 11). Then, limb by
    limb, the best pairs that share no joint are taken (Sec. 2.4).
    """
    first, second, limb = _all_pairs(peaks.joint, limbs)
    # So many samples may fail in a good limb; where one more does, it is out: most pairs are of two people.
    places = np.linspace(0, 1, how.samples, dtype=np.float32)
    few = places[np.linspace(0, how.samples - 1, int(how.samples * (1 - how.agreeing) + 1e-6) + 3).round().astype(np.intp)[1:-1]]
    # A plane vector is a complex number here: x and y are read, weighed and turned in one go.
    field = np.empty((len(limbs), *fields.shape[1:]), np.complex64)
    field.real, field.imag = fields[0::2], fields[1::2]
    at: NDArray[np.complex64] = np.ascontiguousarray(peaks.xy).view(np.complex64)[:, 0]
    possible = _near_a_field(at[first], at[second], limb, field, few, how.field)
    first, second, limb = first[possible], second[possible], limb[possible]
    start, along = at[first], at[second] - at[first]
    length = np.abs(along)

    def read(pairs: IntArray, places: FloatArray) -> FloatArray:
        """The field along the limb at *places* (S,) of 0..1 between the ends, (C, S)."""
        values = _sample(field, limb[pairs], start[pairs, None] + along[pairs, None] * places)
        values *= (along[pairs].conj() / length[pairs])[:, None]  # the part along a unit vector is the real one now
        return values.real

    pairs = np.nonzero(length > 1e-6)[0]
    pairs = pairs[(read(pairs, few) > how.field).any(axis=1)]
    along_field = read(pairs, places)
    first, second, limb, length = first[pairs], second[pairs], limb[pairs], length[pairs]
    score = along_field.mean(axis=1) + np.minimum(how.longest * height / length - 1, 0)
    good = np.nonzero(((along_field > how.field).mean(axis=1) >= how.agreeing) & (score > 0))[0]
    order = good[np.argsort(-score[good], kind="stable")]
    # One number for a peak as the end of a limb: who has it once is taken.
    n = len(peaks.joint)
    ends = zip((limb[order] * n + first[order]).tolist(), (limb[order] * n + second[order]).tolist(), strict=True)
    free_first, free_second = bytearray(b"\1" * (n * len(limbs))), bytearray(b"\1" * (n * len(limbs)))
    chosen = []
    for i, (a, b) in enumerate(ends):
        if free_first[a] and free_second[b]:
            free_first[a] = free_second[b] = 0
            chosen.append(i)
    kept = np.sort(order[chosen]) if chosen else order[:0]
    return np.stack([first[kept], second[kept]], axis=1), score[kept].astype(np.float32), limb[kept]


def _all_pairs(joint: IntArray, limbs: tuple[tuple[int, int], ...]) -> tuple[IntArray, IntArray, IntArray]:
    """Every pair of peaks that could be a limb: the first peak, the second peak and the limb, each (C,). *joint* is sorted."""
    ends = np.asarray(limbs, np.intp)
    start = np.searchsorted(joint, np.arange(ends.max() + 2))
    count = np.diff(start)
    many, each = count[ends[:, 0]], count[ends[:, 1]]
    limb = np.repeat(np.arange(len(limbs)), many * each)
    place = np.arange(len(limb)) - np.repeat(np.cumsum(many * each) - many * each, many * each)
    row = place // np.maximum(each, 1)[limb]
    return start[ends[:, 0]][limb] + row, start[ends[:, 1]][limb] + place - row * each[limb], limb


def _near_a_field(
    start: Vectors, end: Vectors, limb: IntArray, field: Vectors, places: FloatArray, threshold: float
) -> NDArray[np.bool_]:
    """Which pairs (C,) have, at one of *places* (S,) on them, a *field* (L, h, w) longer than *threshold* in the pixels around.

    The field between four pixels is nowhere longer than the longest of the four. Whether that is long enough is computed for
    all places at once, so each pair costs one look-up.
    """
    h, w = field.shape[1:]
    # A little below the threshold, since the sum of the four is rounded.
    strong = np.square(field.real) + np.square(field.imag) > (0.999 * threshold) ** 2
    strong[:, :-1] |= strong[:, 1:]
    strong[:, :, :-1] |= strong[:, :, 1:]
    flat, base, along = strong.reshape(-1), limb * (h * w), end - start
    possible = np.zeros(len(start), bool)
    for place in places:
        there = start + along * place
        column = np.clip(there.real, 0, w - 2).astype(np.intp)
        row = np.clip(there.imag, 0, h - 2).astype(np.intp)
        possible |= flat.take(base + row * w + column)
    return possible


def _sample(field: Vectors, which: IntArray, at: Vectors) -> Vectors:
    """Vectors (C, S) of the maps *which* (C,) of *field* (L, h, w) at the points *at* (C, S), between the four pixels around."""
    h, w = field.shape[1:]
    x, y = np.clip(at.real, 0, w - 1), np.clip(at.imag, 0, h - 1)
    column, row = np.minimum(x.astype(np.intp), w - 2), np.minimum(y.astype(np.intp), h - 2)
    right, down = (x - column).astype(np.float32), (y - row).astype(np.float32)
    flat = field.reshape(-1)
    pixel = which[:, None] * (h * w) + row * w + column
    above, below = flat.take(pixel), flat.take(pixel + w)
    above += (flat.take(pixel + 1) - above) * right
    below += (flat.take(pixel + w + 1) - below) * right
    values: Vectors = above + (below - above) * down
    return values


def _assemble(
    peaks: Peaks, pairs: IntArray, scores: FloatArray, limb: IntArray, k: int, how: Assembly
) -> tuple[FloatArray, FloatArray]:
    """Joins limbs to people, the limbs with the highest scores first.

    A limb joins two fragments, unless both have a joint of the same kind. The authors' release takes the limbs in a fixed
    order. Here they are taken in the order of their scores: a wrong limb then comes late, when its place is already taken.
    """
    owner = [-1] * len(peaks.joint)  # of each peak, the person
    bit = [1 << k for k in peaks.joint.tolist()]
    members: list[list[int]] = []  # of each person, the peaks; none when merged into another
    has: list[int] = []  # of each person, the joints, as bits
    limb_score: list[float] = []
    order = np.argsort(-scores, kind="stable")
    for (a, b), score in zip(pairs[order].tolist(), scores[order].tolist(), strict=True):
        pa, pb = owner[a], owner[b]
        if pa < 0 and pb < 0:
            owner[a] = owner[b] = len(members)
            members.append([a, b])
            has.append(bit[a] | bit[b])
            limb_score.append(score)
            continue
        if pa != pb and (has[pa] if pa >= 0 else bit[a]) & (has[pb] if pb >= 0 else bit[b]):
            continue  # two people touch here, or this person has the joint elsewhere
        if pa < 0 or pb < 0:
            pa, p = (pb, a) if pa < 0 else (pa, b)
            owner[p] = pa
            members[pa].append(p)
            has[pa] |= bit[p]
        elif pa != pb:
            for p in members[pb]:
                owner[p] = pa
            members[pa] += members[pb]
            has[pa] |= has[pb]
            limb_score[pa] += limb_score[pb]
            members[pb] = []
        limb_score[pa] += score
    people = [n for n, found in enumerate(members) if found]
    count = np.array([len(members[n]) for n in people], np.intp)
    at = np.array([p for n in people for p in members[n]], np.intp)
    row = np.repeat(np.arange(len(people)), count)
    joints = np.full((len(people), k, 3), np.nan, np.float32)
    joints[..., 2] = 0
    joints[row, peaks.joint[at], :2] = peaks.xy[at]
    joints[row, peaks.joint[at], 2] = np.minimum(peaks.score[at], 1.0)
    # The sum of both over the number of joints, as released.
    person = np.bincount(row, peaks.score[at], len(people)) + np.array([limb_score[n] for n in people])
    person = (person / np.maximum(count, 1)).astype(np.float32)
    enough = (count >= how.min_joints) & (person >= how.min_score)
    order = np.argsort(-person[enough], kind="stable")
    return joints[enough][order], person[enough][order]
