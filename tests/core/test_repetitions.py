"""Counting on made-up movement with known counts, under noise, through gaps, live and on arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from movers import Array, squatter

from poseapp.core.repetitions import (
    EXERCISES,
    LONGEST_GAP_S,
    SHORTEST_S,
    Exercise,
    RepetitionCounter,
    count_repetitions,
    marked,
    tempo,
)
from poseapp.core.skeleton import COCO_17, Skeleton

SQUAT = EXERCISES[0]


Known = list[tuple[float, float, float]]


def movement(exercise: Exercise, rng: np.random.Generator, n: int, fps: float = 30.0) -> tuple[Array, Array, Known]:
    """Times, degrees, and of each of *n* repetitions the seconds there and back, and the depth.

    Tempo, depth, the pauses at both ends and the degrees at rest vary; the movement is a half wave of a cosine.
    """
    sign = 1 if exercise.turn_deg > exercise.rest_deg else -1
    parts: list[Array] = []
    known: Known = []
    for _ in range(n):
        rest = exercise.rest_deg - sign * rng.uniform(12, 25)
        depth = exercise.turn_deg + sign * rng.uniform(6, 45)
        there, back = rng.uniform(0.4, 4.0, 2)
        wait, hold = rng.uniform(0.1, 2.0), rng.uniform(0, 1.0)
        wave = [0.5 - 0.5 * np.cos(np.linspace(0, np.pi, max(3, round(s * fps)))) for s in (there, back)]
        parts += [
            np.full(round(wait * fps), rest), rest + (depth - rest) * wave[0], np.full(round(hold * fps), depth),
            depth + (rest - depth) * wave[1],
        ]  # fmt: skip
        known.append((there, back, depth))
    degrees = np.concatenate([*parts, np.full(round(fps), parts[-1][-1])])
    return np.arange(len(degrees)) / fps, degrees, known


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
@pytest.mark.parametrize("fps", [12.0, 30.0, 60.0])
def test_200_clean_repetitions_without_a_mistake(exercise: Exercise, fps: float) -> None:
    t, degrees, known = movement(exercise, np.random.default_rng(3), 200, fps)
    found = count_repetitions(t, degrees, exercise)
    assert len(found) == 200
    for one, (there, back, depth) in zip(found, known, strict=True):
        assert one.depth_deg == pytest.approx(depth, abs=0.5 + 240 / fps / min(there, back) ** 0.5 / 10)
        assert 0 < one.there_s <= there + 2 / fps
        assert one.start_t < one.turn_t < one.end_t
        assert one.back_s <= back + 1.0 + 2 / fps  # and the pause at the turn


@pytest.mark.parametrize(("noise_deg", "dropped"), [(2.0, 0.0), (4.0, 0.1), (4.0, 0.3)])
def test_noise_and_dropped_frames(noise_deg: float, dropped: float) -> None:
    mistakes = 0
    for seed, exercise in enumerate(EXERCISES):
        rng = np.random.default_rng(seed)
        t, degrees, _ = movement(exercise, rng, 200)
        degrees = degrees + rng.normal(0, noise_deg, len(t))
        kept = rng.uniform(size=len(t)) >= dropped
        mistakes += abs(len(count_repetitions(t[kept], degrees[kept], exercise)) - 200)
    assert mistakes == 0


def test_wild_values_are_no_repetitions() -> None:
    rng = np.random.default_rng(5)
    t = np.arange(3000) / 30
    degrees = np.full(len(t), 10.0)
    degrees[rng.choice(1500, 100, replace=False) * 2] = 120  # single frames, as of legs that are taken for each other
    assert count_repetitions(t, degrees, SQUAT) == []
    for start in range(0, 3000, 100):
        degrees[start : start + round(SHORTEST_S * 30) - 3] = 120
    assert count_repetitions(t, degrees, SQUAT) == []


def test_trembling_about_a_threshold_counts_nothing() -> None:
    t = np.arange(600) / 30
    for threshold in (SQUAT.rest_deg, SQUAT.turn_deg):
        degrees = threshold + 6 * np.sin(9 * t)
        assert count_repetitions(t, np.concatenate([[10.0] * 5, degrees])[: len(t)], SQUAT) == []


def test_gaps_do_not_make_repetitions() -> None:
    t = np.arange(0, 40, 1 / 30)
    standing, deep = np.full(len(t), 10.0), np.full(len(t), 100.0)
    # Deep, then gone for a while, then standing: nobody saw a repetition begin.
    for gap_s in (0.5, 2 * LONGEST_GAP_S):
        degrees = np.where(t < 20, deep, standing)
        degrees[(t > 20 - gap_s / 2) & (t < 20 + gap_s / 2)] = np.nan
        assert count_repetitions(t, degrees, SQUAT) == []
    # Standing, gone down, away for longer than a gap, standing: what happened is not known.
    degrees = np.where((t > 10) & (t < 20), 100.0, 10.0)
    assert len(count_repetitions(t, degrees, SQUAT)) == 1
    degrees[(t > 15) & (t < 15 + LONGEST_GAP_S + 0.2)] = np.nan
    assert count_repetitions(t, degrees, SQUAT) == []
    # A short gap does not lose one.
    degrees = np.where((t > 10) & (t < 20), 100.0, 10.0)
    degrees[(t > 15) & (t < 15 + LONGEST_GAP_S - 0.2)] = np.nan
    assert len(count_repetitions(t, degrees, SQUAT)) == 1
    assert count_repetitions(t, np.full(len(t), np.nan), SQUAT) == []


def test_a_clip_in_a_loop_begins_again() -> None:
    counter = RepetitionCounter(SQUAT)
    for _ in range(3):
        for i in range(60):  # ends at the turning point, begins at rest
            counter.update(i / 30, 10.0 if i < 30 else 100.0)
    assert counter.count == 0


def test_live_and_on_arrays_are_the_same() -> None:
    rng = np.random.default_rng(8)
    t, degrees, _ = movement(SQUAT, rng, 20)
    degrees[rng.uniform(size=len(t)) < 0.1] = np.nan
    counter = RepetitionCounter(SQUAT)
    live = [found for at, angle in zip(t, degrees, strict=True) if (found := counter.update(at, angle)) is not None]
    assert live == counter.repetitions == count_repetitions(t, degrees, SQUAT)
    assert counter.count == 20
    assert not counter.is_turned


def test_tempo_and_depth_of_a_known_movement() -> None:
    fps = 100
    down, up = np.linspace(0, 110, 2 * fps + 1), np.linspace(110, 0, fps + 1)[1:]  # 55 and 110 degrees a second
    degrees = np.concatenate([np.zeros(50), down, up, np.zeros(50)])
    (one,) = count_repetitions(np.arange(len(degrees)) / fps, degrees, SQUAT)
    assert one.start_t == pytest.approx(0.5 + SQUAT.rest_deg / 55, abs=0.01)
    assert one.there_s == pytest.approx((110 - SQUAT.rest_deg) / 55, abs=0.02)
    assert one.back_s == pytest.approx((110 - SQUAT.rest_deg) / 110, abs=0.02)
    assert one.depth_deg == pytest.approx(110, abs=1.2)
    usual = tempo([one, one])
    assert usual is not None
    assert (usual.there_s, usual.back_s, usual.depth_deg) == pytest.approx((one.there_s, one.back_s, one.depth_deg))
    assert tempo([]) is None


def test_sit_to_stand_counts_who_begins_on_the_chair() -> None:
    exercise = EXERCISES[1]
    t = np.arange(0, 12, 1 / 30)
    sitting = 55 + 40 * np.cos(2 * np.pi * t / 4)  # 95 on the chair, 15 upright: three times, the last one not to its end
    found = count_repetitions(t, sitting, exercise)
    assert len(found) == 2 + (t[-1] > 11.6)
    assert found[0].depth_deg == pytest.approx(15, abs=0.5)
    assert exercise.phases == ("up", "down")


def test_own_exercise_by_two_marks() -> None:
    one = marked("Heel raise", "left_ankle", 0.0, -30.0)
    assert (one.rest_deg, one.turn_deg) == pytest.approx((-10, -20))
    t = np.arange(0, 10, 1 / 30)
    assert len(count_repetitions(t, -15 + 15 * np.cos(2 * np.pi * t / 2), one)) == 5
    with pytest.raises(ValueError, match="at least 10° apart, got 5° and 9°"):
        marked("x", "left_knee", 5, 9)
    with pytest.raises(ValueError, match="at least 10° apart"):
        marked("x", "left_knee", math.nan, 9)
    with pytest.raises(ValueError, match="at least 1° apart"):
        Exercise(name="x", angles=("left_knee",), rest_deg=5, turn_deg=5)
    with pytest.raises(ValueError, match="expected an angle"):
        Exercise(name="x", angles=(), rest_deg=5, turn_deg=50)


# The knees of a real person, seen obliquely from the front at 5 frames a second: as hourglass-s found and smoothed them. To the
# eye she squats twice, and has not come up from a third when the clip ends.
REAL_KNEES = [
    5, 5, 5, 7, 12, 19, 33, 45, 48, 52, 54, 57, 56, 53, 46, 33, 24, 17, 13, 10, 10, 9, 7, 7, 7, 8, 7, 9, 14, 24, 36, 49, 55, 59,
    62, 61, 60, 57, 50, 37, 25, 17, 12, 7, 5, 4, 2, 2, 2, 2, 3, 4, 9, 15, 26, 39, 47, 54, 58, 62, 66, 64, 61, 56, 47,
]  # fmt: skip


def test_a_real_person_squats_twice() -> None:
    found = count_repetitions(np.arange(65) / 5, REAL_KNEES, SQUAT)
    assert [round(one.turn_t, 1) for one in found] == [2.2, 6.8]
    assert [one.depth_deg for one in found] == [56, 61]


def test_from_joints_to_repetitions() -> None:
    rng = np.random.default_rng(2)
    t, degrees, _ = movement(SQUAT, rng, 20)
    xy, score = squatter(degrees)
    curve = SQUAT.curve(xy, score, COCO_17, 0.3)
    np.testing.assert_allclose(curve, degrees, atol=1e-6)
    score[:, COCO_17.index("left_knee")] = 0  # one side is enough
    np.testing.assert_allclose(SQUAT.curve(xy, score, COCO_17, 0.3), degrees, atol=1e-6)
    assert len(count_repetitions(t, SQUAT.curve(xy + rng.normal(0, 3, xy.shape), score, COCO_17, 0.3), SQUAT)) == 20
    assert np.isnan(SQUAT.curve(xy, np.zeros_like(score), COCO_17, 0.3)).all()
    face = Skeleton(name="nose", keypoints=("nose",), limbs=(), flip=(0,), sigmas=(0.0,))
    for exercise in EXERCISES:
        assert np.isnan(exercise.curve(np.zeros((4, 1, 2)), np.ones((4, 1)), face, 0.3)).all()


def test_one_arm_alone_makes_a_curl() -> None:
    curl = EXERCISES[2]
    assert curl.combine(np.array([10.0, 120.0])) == 120
    assert curl.combine(np.array([np.nan, 20.0])) == 20
    assert math.isnan(curl.combine(np.array([np.nan, np.nan])))
    assert SQUAT.combine(np.array([90.0, 100.0])) == 95
