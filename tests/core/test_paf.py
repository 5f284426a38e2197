"""Part affinity fields: what they hold, and people out of them, alone, crossing and many."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from poseapp.core import heatmap, paf
from poseapp.core.paf import Assembly
from poseapp.core.skeleton import OPENPOSE_18, Skeleton
from poseapp.core.types import FloatArray

# A standing person in OPENPOSE_18's order, 1 high and centred on 0.
STANDING = np.array(
    [
        (0, -0.42), (0, -0.32), (-0.11, -0.31), (-0.16, -0.17), (-0.18, -0.03), (0.11, -0.31), (0.16, -0.17), (0.18, -0.03),
        (-0.07, 0.02), (-0.08, 0.25), (-0.08, 0.48), (0.07, 0.02), (0.08, 0.25), (0.08, 0.48), (-0.03, -0.45), (0.03, -0.45),
        (-0.06, -0.43), (0.06, -0.43),
    ],
    np.float32,
)  # fmt: skip


def person(x: float, y: float, height: float, lean: float = 0.0) -> FloatArray:
    """A standing person with the middle at (x, y), turned by *lean* radians."""
    cos, sin = np.cos(lean), np.sin(lean)
    turned = STANDING @ np.array([[cos, sin], [-sin, cos]], np.float32)
    return (turned * height + (x, y)).astype(np.float32)


def maps_of(people: FloatArray, hw: tuple[int, int], skeleton: Skeleton = OPENPOSE_18) -> tuple[FloatArray, FloatArray]:
    """Ideal outputs of a network: the highest of the people's Gaussians, and their fields."""
    confidence = np.max([heatmap.encode(p, hw, 1.0) for p in people], axis=0)
    return confidence, paf.encode(people, skeleton.limbs, hw)


def match(found: FloatArray, people: FloatArray) -> NDArray[np.intp]:
    """For each true person the found one that is nearest."""
    gaps = np.nanmean(np.linalg.norm(found[None, :, :, :2] - people[:, None], axis=-1), axis=-1)
    nearest: NDArray[np.intp] = gaps.argmin(axis=1)
    return nearest


def test_a_field_points_along_its_limb_and_nowhere_else() -> None:
    people = np.full((1, 3, 2), np.nan, np.float32)
    people[0, :2] = [(2, 3), (10, 3)]
    fields = paf.encode(people, ((0, 1), (1, 2)), (8, 16))
    assert fields.shape == (4, 8, 16)
    on = np.zeros((8, 16), bool)
    on[2:5, 1:12] = True  # a pixel to each side, and beyond each end
    np.testing.assert_array_equal(fields[0], on)
    assert not fields[1].any()
    assert not fields[2:].any()  # the other limb has a missing end


def test_a_field_has_unit_length_and_the_direction_of_the_limb() -> None:
    people = np.array([[(3.0, 2.0), (9.0, 10.0)]], np.float32)
    fields = paf.encode(people, ((0, 1),), (14, 14))
    inside = np.hypot(*fields) > 0
    assert inside.sum() > 20
    np.testing.assert_allclose(fields[:, inside].T, np.broadcast_to([0.6, 0.8], (inside.sum(), 2)), atol=1e-6)


def test_where_limbs_of_two_people_meet_the_field_is_their_mean() -> None:
    people = np.array([[(2.0, 5.0), (10.0, 5.0)], [(6.0, 1.0), (6.0, 9.0)]], np.float32)
    fields = paf.encode(people, ((0, 1),), (12, 12))
    np.testing.assert_allclose(fields[:, 5, 6], [0.5, 0.5])
    np.testing.assert_allclose(fields[:, 5, 3], [1, 0])
    assert not paf.encode(people[:0], ((0, 1),), (12, 12)).any()


def test_peaks_are_found_to_a_fraction_of_a_pixel() -> None:
    xy = np.array([(5.3, 7.8), (20.0, 3.5)], np.float32)
    confidence = np.max([heatmap.encode(p[None], (24, 32), 1.5) for p in xy], axis=0)
    peaks = paf.find_peaks(confidence)
    order = np.argsort(peaks.xy[:, 0])
    assert np.abs(peaks.xy[order] - xy).max() < 0.1
    assert peaks.joint.tolist() == [0, 0]


def test_peaks_do_not_leak_from_one_joint_to_the_next_and_a_plateau_is_one_peak() -> None:
    confidence = np.zeros((2, 6, 6), np.float32)
    confidence[0, 5, 2], confidence[1, 0, 2] = 0.5, 0.9  # below each other in memory
    confidence[1, 3, 3:5] = 0.4
    peaks = paf.find_peaks(confidence)
    assert peaks.joint.tolist() == [0, 1, 1]
    assert peaks.score.tolist() == pytest.approx([0.5, 0.9, 0.4])


@pytest.mark.parametrize("step", [(0, 1), (1, 1), (1, 0), (1, -1)])
def test_equal_neighbours_in_any_direction_are_one_peak(step: tuple[int, int]) -> None:
    confidence = np.zeros((1, 8, 8), np.float32)
    confidence[0, 3, 4] = confidence[0, 3 + step[0], 4 + step[1]] = 0.5
    peaks = paf.find_peaks(confidence)
    assert peaks.score.tolist() == [0.5]
    assert np.abs(peaks.xy[0] - (4, 3)).max() <= 0.5  # the first in reading order


def test_round_trip_of_one_person() -> None:
    people = person(23, 23, 38)[None]
    found, score = paf.decode(*maps_of(people, (46, 46)), OPENPOSE_18)
    assert found.shape == (1, 18, 3)
    assert np.abs(found[0, :, :2] - people[0]).max() < 0.5
    assert score[0] > 1.5


@pytest.mark.parametrize("lean", [0.45, 0.6, 0.9, 1.2])
def test_two_crossing_people_come_out_right(lean: float) -> None:
    """They lean against each other, so that arms and legs of both cross."""
    people = np.stack([person(20, 23, 36, lean), person(26, 24, 36, -lean)])
    found, _ = paf.decode(*maps_of(people, (46, 46)), OPENPOSE_18)
    assert len(found) == 2
    nearest = match(found, people)
    assert sorted(nearest.tolist()) == [0, 1]
    for truth, got in zip(people, found[nearest], strict=True):
        seen = np.isfinite(got[:, 0])
        assert seen.sum() >= 16
        assert np.linalg.norm(got[seen, :2] - truth[seen], axis=1).max() < 1.0  # no joint of the other one


def test_arms_that_cross_stay_with_their_owners() -> None:
    people = np.stack([person(14, 23, 34), person(32, 23, 34)])
    left, right = OPENPOSE_18.index("left_wrist"), OPENPOSE_18.index("right_wrist")
    people[0, left] = (29, 14)  # each stretches an arm across the other's
    people[0, OPENPOSE_18.index("left_elbow")] = (23, 16)
    people[1, right] = (17, 21)
    people[1, OPENPOSE_18.index("right_elbow")] = (23, 19)
    found, _ = paf.decode(*maps_of(people, (46, 46)), OPENPOSE_18)
    assert len(found) == 2
    for truth, got in zip(people, found[match(found, people)], strict=True):
        assert np.abs(got[:, :2] - truth).max() < 0.6


def test_a_missing_joint_is_nan_with_score_zero_and_does_not_split_the_person() -> None:
    people = person(23, 23, 38)[None]
    people[0, OPENPOSE_18.index("left_elbow")] = np.nan
    found, _ = paf.decode(*maps_of(people, (46, 46)), OPENPOSE_18)
    assert len(found) == 1
    elbow, wrist = found[0, OPENPOSE_18.index("left_elbow")], found[0, OPENPOSE_18.index("left_wrist")]
    assert np.isnan(elbow[:2]).all()
    assert elbow[2] == 0
    assert np.isnan(wrist[:2]).all()  # nothing ties it to anybody
    assert np.isfinite(found[0, :, 0]).sum() == 16


def test_nobody_and_noise() -> None:
    empty = np.zeros((18, 46, 46), np.float32), np.zeros((38, 46, 46), np.float32)
    found, score = paf.decode(*empty, OPENPOSE_18)
    assert found.shape == (0, 18, 3)
    assert score.shape == (0,)
    random = np.random.default_rng(0)
    confidence = random.uniform(0, 0.3, (18, 46, 46)).astype(np.float32)
    fields = random.normal(0, 0.05, (38, 46, 46)).astype(np.float32)
    assert len(paf.decode(confidence, fields, OPENPOSE_18)[0]) == 0


def test_few_joints_are_nobody() -> None:
    people = np.full((1, 18, 2), np.nan, np.float32)
    people[0, :3] = person(23, 23, 38)[:3]
    maps = maps_of(people, (46, 46))
    assert len(paf.decode(*maps, OPENPOSE_18)[0]) == 0
    assert len(paf.decode(*maps, OPENPOSE_18, Assembly(min_joints=3))[0]) == 1


def crowd() -> FloatArray:
    """Twenty people in five columns and four rows, none like the other."""
    random = np.random.default_rng(2)
    return np.stack(
        [
            person(4.6 + 9.2 * (i % 5) + random.uniform(-0.5, 0.5), 5.7 + 11.4 * (i // 5), 10.5, random.uniform(-0.2, 0.2))
            for i in range(20)
        ]
    )


def test_twenty_people_are_told_apart() -> None:
    people = crowd()
    confidence = np.max([heatmap.encode(p, (46, 46), 0.5) for p in people], axis=0)
    found, _ = paf.decode(confidence, paf.encode(people, OPENPOSE_18.limbs, (46, 46), 0.6), OPENPOSE_18)
    assert 18 <= len(found) <= 22
    assert len(set(match(found, people).tolist())) >= 18


def slowly_connected(
    peaks: paf.Peaks, fields: FloatArray, limbs: tuple[tuple[int, int], ...], height: int, how: Assembly
) -> set[tuple[int, int, int]]:
    """Limb, first and second peak of each limb, pair by pair and sample by sample."""

    def at(channel: int, x: float, y: float) -> float:
        column, row = min(int(x), fields.shape[2] - 2), min(int(y), fields.shape[1] - 2)
        right, down = x - column, y - row
        (a, b), (c, d) = fields[channel, row : row + 2, column : column + 2].astype(float)
        return float((a * (1 - right) + b * right) * (1 - down) + (c * (1 - right) + d * right) * down)

    chosen: set[tuple[int, int, int]] = set()
    for i, (a, b) in enumerate(limbs):
        scored = []
        for p in np.nonzero(peaks.joint == a)[0].tolist():
            for q in np.nonzero(peaks.joint == b)[0].tolist():
                along = (peaks.xy[q] - peaks.xy[p]).astype(float)
                length = np.linalg.norm(along)
                if length < 1e-6:
                    continue
                points = [peaks.xy[p] + along * s for s in np.linspace(0, 1, how.samples)]
                values = [np.dot((at(2 * i, *xy), at(2 * i + 1, *xy)), along / length) for xy in points]
                score = np.mean(values) + min(how.longest * height / length - 1, 0)
                if np.mean(np.array(values) > how.field) >= how.agreeing and score > 0:
                    scored.append((float(score), p, q))
        first: set[int] = set()
        second: set[int] = set()
        for _, p, q in sorted(scored, reverse=True):
            if p not in first and q not in second:
                first.add(p)
                second.add(q)
                chosen.add((i, p, q))
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_limbs_are_those_that_a_plain_loop_finds(seed: int) -> None:
    """In noise too, with limbs that lead out of the map."""
    random = np.random.default_rng(seed)
    drawn = random.uniform((4, 4, 12, -0.8), (42, 42, 38, 0.8), (4, 4))
    people = np.stack([person(x, y, height, lean) for x, y, height, lean in drawn.tolist()])
    confidence, fields = maps_of(people, (46, 46))
    fields += random.normal(0, 0.1, fields.shape).astype(np.float32)
    confidence += random.normal(0, 0.04, confidence.shape).astype(np.float32)
    peaks = paf.find_peaks(confidence)
    pairs, _, limb = paf.connect(peaks, fields, OPENPOSE_18.limbs, 46)
    found = {(int(i), int(a), int(b)) for i, (a, b) in zip(limb, pairs, strict=True)}
    assert len(found) > 20
    assert found == slowly_connected(peaks, fields, OPENPOSE_18.limbs, 46, Assembly())


def test_twenty_people_take_a_few_milliseconds() -> None:
    people = crowd()
    confidence = np.max([heatmap.encode(p, (46, 46), 0.5) for p in people], axis=0)
    fields = paf.encode(people, OPENPOSE_18.limbs, (46, 46), 0.6)
    times = []
    for _ in range(20):
        start = time.process_time()
        paf.decode(confidence, fields, OPENPOSE_18)
        times.append(time.process_time() - start)
    assert min(times) < 0.015  # a few, and a machine with other work to do; a loop over pairs of people takes far longer


def test_a_limb_may_be_missing_in_as_many_samples_as_disagree_wherever_they_are() -> None:
    """Most pairs are ruled out by a look at a few samples; none that is a limb may be."""
    how = Assembly()
    may_fail = int(how.samples * (1 - how.agreeing) + 1e-6)
    start, step = 6, 8
    end = start + step * (how.samples - 1)
    peaks = paf.Peaks(np.array([(start, 4), (end, 4)], np.float32), np.ones(2, np.float32), np.array([0, 1]))
    for gone in itertools.combinations(range(how.samples), may_fail + 1):
        for missing, found in ((gone[:-1], 1), (gone, 0)):
            fields = np.zeros((2, 9, end + 6), np.float32)
            fields[0] = 1.0
            for sample in missing:
                fields[0, :, start + step * sample - 2 : start + step * sample + 3] = 0.0
            pairs, _, _ = paf.connect(peaks, fields, ((0, 1),), 1000, how)
            assert len(pairs) == found, missing


def test_the_surest_limbs_come_first_whatever_their_place_in_the_list() -> None:
    """The first limb of the list ties the neck of one person to the shoulder of another, and is the weakest by far."""
    neck_1, neck_2, shoulder, hip_1, hip_2 = range(5)
    peaks = paf.Peaks(np.arange(10, dtype=np.float32).reshape(5, 2), np.ones(5, np.float32), np.array([0, 0, 1, 2, 2]))
    pairs = np.array([(neck_1, shoulder), (neck_1, hip_1), (neck_2, hip_2), (shoulder, hip_2)])
    scores, limb = np.array([0.1, 0.9, 0.8, 0.7], np.float32), np.array([0, 1, 1, 2])
    joints, _ = paf._assemble(peaks, pairs, scores, limb, 3, Assembly(min_joints=1, min_score=0.0))
    found = {tuple(np.flatnonzero(np.isfinite(person[:, 0])).tolist()): person[0, 0] for person in joints}
    assert found == {(0, 1, 2): peaks.xy[neck_2, 0], (0, 2): peaks.xy[neck_1, 0]}


@pytest.mark.parametrize(("strength", "found"), [(0.0505, 1), (0.0495, 0)])
def test_a_field_just_above_the_threshold_is_a_limb(strength: float, found: int) -> None:
    peaks = paf.Peaks(np.array([(3.3, 4.4), (20.7, 9.1)], np.float32), np.ones(2, np.float32), np.array([0, 1]))
    direction = (peaks.xy[1] - peaks.xy[0]) / np.linalg.norm(peaks.xy[1] - peaks.xy[0])
    fields = np.broadcast_to(strength * direction[:, None, None], (2, 14, 26)).astype(np.float32)
    pairs, _, _ = paf.connect(peaks, fields, ((0, 1),), 1000)
    assert len(pairs) == found


def test_of_too_many_peaks_the_highest_stay() -> None:
    how = Assembly(max_peaks=5)
    confidence = np.zeros((2, 20, 20), np.float32)
    confidence[:, 1::4, 1::4] = np.random.default_rng(0).permuted(np.linspace(0.2, 0.9, 50)).reshape(2, 5, 5)
    peaks = paf.find_peaks(confidence, how)
    assert peaks.joint.tolist() == [0] * 5 + [1] * 5
    for joint in (0, 1):
        best = np.sort(confidence[joint].ravel())[::-1][:5]
        assert peaks.score[peaks.joint == joint].tolist() == best.tolist()


def test_a_peak_at_the_rim_stays_on_its_pixel() -> None:
    """What lies beyond is not known, so nothing can be fitted to it."""
    confidence = heatmap.encode(np.array([(0.3, 5.3), (9.3, 11.0)], np.float32), (12, 16), 1.5)
    peaks = paf.find_peaks(confidence)
    assert (peaks.xy[0, 0], peaks.xy[1, 1]) == (0.0, 11.0)
    np.testing.assert_allclose((peaks.xy[0, 1], peaks.xy[1, 0]), (5.3, 9.3), atol=0.1)
