"""Gait of made-up walkers with known cadence, symmetry and angles."""

from __future__ import annotations

import math

import numpy as np
import pytest
from movers import walker

from poseapp.core.gait import CURVES, compare, gait_of
from poseapp.core.skeleton import COCO_17, LSP_14

CADENCES = range(80, 141, 5)


@pytest.mark.parametrize(("fps", "noise_px"), [(30, 0.0), (30, 6.0), (60, 6.0), (15, 3.0)])
def test_cadence_within_two_percent(fps: int, noise_px: float) -> None:
    """*noise_px* on legs 215 px long, uneven times, one frame of ten lost."""
    rng = np.random.default_rng(0)
    for cadence in CADENCES:
        t = np.arange(0, 20, 1 / fps)
        t = t + rng.uniform(0, 0.3 / fps, len(t))
        t = t[rng.uniform(size=len(t)) > 0.1]
        xy, score = walker(t, cadence)
        gait = gait_of(t, xy + rng.normal(0, noise_px, xy.shape), score, COCO_17)
        assert gait.cadence_per_min == pytest.approx(cadence, rel=0.02)
        if fps >= 30:  # at 15 a second two lost frames are a gap in which a step may be missed
            assert abs(len(gait.steps) - 20 * cadence / 60) <= 3
        assert abs(gait.asymmetry_percent) < 10


def test_contacts_and_sides() -> None:
    t = np.arange(0, 12, 1 / 30)
    xy, score = walker(t, 100)
    steps = gait_of(t, xy, score, COCO_17).steps
    for step in steps:  # the left foot is in front at whole strides of 1.2 s, the right one half a stride later
        share = (step.t / 1.2 - (0 if step.side == "left" else 0.5)) % 1
        assert min(share, 1 - share) < 0.02
    assert {step.side for step in steps[::2]} != {step.side for step in steps[1::2]}
    assert all(0.6 < step.length < 1 for step in steps)


@pytest.mark.parametrize("late", [-0.05, 0.03, 0.05])
def test_asymmetry_of_step_times(late: float) -> None:
    t = np.arange(0, 20, 1 / 30)
    xy, score = walker(t, 100, late=late)
    gait = gait_of(t, xy, score, COCO_17)
    assert gait.step_time_s("right") == pytest.approx(0.6 + 1.2 * late, abs=0.01)
    assert gait.step_time_s("left") == pytest.approx(0.6 - 1.2 * late, abs=0.01)
    assert gait.asymmetry_percent == pytest.approx(-400 * late, abs=3)
    assert gait.cadence_per_min == pytest.approx(100, rel=0.01)


def test_legs_that_are_swapped_as_they_pass_do_not_change_the_cadence() -> None:
    t = np.arange(0, 20, 1 / 30)
    xy, score = walker(t, 110)
    left, right = COCO_17.index("left_ankle"), COCO_17.index("right_ankle")
    rng = np.random.default_rng(4)
    swapped = rng.uniform(size=len(t)) < 0.15
    xy[swapped, left], xy[swapped, right] = xy[swapped, right].copy(), xy[swapped, left].copy()
    gait = gait_of(t, xy, score, COCO_17)
    assert gait.cadence_per_min == pytest.approx(110, rel=0.01)
    assert all(a.side != b.side for a, b in zip(gait.steps, gait.steps[1:], strict=False))


def test_walking_the_other_way_is_the_same_gait() -> None:
    t = np.arange(0, 10, 1 / 30)
    xy, score = walker(t, 100, speed_px_s=60)
    there = gait_of(t, xy, score, COCO_17)
    back = gait_of(t, xy * [-1, 1], score, COCO_17)
    assert [(s.side, round(s.t, 6)) for s in there.steps] == [(s.side, round(s.t, 6)) for s in back.steps]
    assert compare(there, back).overall == pytest.approx(0, abs=1e-6)
    assert compare(there, there).overall == 0


def test_curves_over_a_stride() -> None:
    t = np.arange(0, 20, 1 / 60)
    xy, score = walker(t, 100, swing_deg=24)
    gait = gait_of(t, xy, score, COCO_17)
    assert list(gait.curves) == list(dict.fromkeys(name for name in gait.curves if name in CURVES))
    assert set(gait.curves) == set(CURVES)
    share = np.linspace(0, 1, 101)
    for side in ("left", "right"):
        # In front of the hip the knee leans its thigh back: 24° at contact, 24° forwards half a stride later.
        np.testing.assert_allclose(gait.curves[f"{side}_thigh"], -24 * np.cos(2 * np.pi * share), atol=1.5)
        assert gait.curves[f"{side}_knee"].max() == pytest.approx(55, abs=2)
        assert share[gait.curves[f"{side}_knee"].argmax()] == pytest.approx(0.78, abs=0.02)
        assert gait.spread[f"{side}_knee"].max() < 3
    np.testing.assert_allclose(gait.curves["trunk"], 0, atol=1e-6)
    assert gait.strides in (15, 16)


def test_a_distance_tells_a_stiff_gait_and_not_a_quicker_one() -> None:
    t = np.arange(0, 20, 1 / 30)
    usual, quicker, stiff = (
        gait_of(t, *walker(t, cadence, swing_deg=swing), COCO_17) for cadence, swing in ((100, 24.0), (125, 24.0), (100, 16.0))
    )
    assert compare(usual, quicker).overall < 1.5
    found = compare(usual, stiff)
    assert found.by_curve["left_thigh"] == pytest.approx(8 / math.sqrt(2), abs=0.5)  # 8° of a cosine, root mean square
    assert found.overall == pytest.approx(np.sqrt(np.mean(np.square(list(found.by_curve.values())))))
    assert compare(usual, stiff).overall == compare(stiff, usual).overall


def test_gaps_are_not_guessed() -> None:
    t = np.arange(0, 20, 1 / 30)
    xy, score = walker(t, 100)
    score[(t > 8) & (t < 11)] = 0.1
    gait = gait_of(t, xy, score, COCO_17)
    assert not [step for step in gait.steps if 8 < step.t < 11]
    assert {step.run for step in gait.steps} == {0, 1}
    assert gait.cadence_per_min == pytest.approx(100, rel=0.01)
    np.testing.assert_allclose(gait.curves["left_thigh"], -24 * np.cos(2 * np.pi * np.linspace(0, 1, 101)), atol=1.5)


def test_a_contact_that_nobody_saw_is_none() -> None:
    t = np.arange(0, 12, 1 / 30)
    xy, score = walker(t, 100)
    score[(t > 5.88) & (t < 6.12)] = 0.1  # the left foot is in front at 6.0
    steps = gait_of(t, xy, score, COCO_17).steps
    assert not [step for step in steps if 5.7 < step.t < 6.3]
    assert [round(step.t, 1) for step in steps if 5 < step.t < 7] == [5.4, 6.6]


def test_who_does_not_walk_has_no_steps() -> None:
    t = np.arange(0, 5, 1 / 30)
    xy, score = walker(t, 100)
    standing = np.repeat(xy[20:21], len(t), axis=0)
    standing[:, :, 0] += np.random.default_rng(1).normal(0, 3, standing.shape[:2])
    still = np.repeat(walker(np.array([0.3]), 100)[0], len(t), axis=0)
    for joints, sure in ((still, score), (xy, np.zeros_like(score)), (np.full_like(xy, np.nan), score)):
        gait = gait_of(t, joints, sure, COCO_17)
        assert gait.steps == ()
        assert gait.curves == {}
        assert math.isnan(gait.cadence_per_min)
        assert math.isnan(gait.asymmetry_percent)
        assert math.isnan(compare(gait, gait).overall)
    assert gait_of(t[:0], xy[:0], score[:0], COCO_17).steps == ()
    assert gait_of(t[:1], xy[:1], score[:1], COCO_17).steps == ()


def test_other_skeletons_walk_too() -> None:
    t = np.arange(0, 10, 1 / 30)
    xy, score = walker(t, 100)
    there = [COCO_17.index(name) if name in COCO_17.keypoints else 0 for name in LSP_14.keypoints]
    assert gait_of(t, xy[:, there], score[:, there], LSP_14).cadence_per_min == pytest.approx(100, rel=0.01)


def test_times_must_grow_and_end() -> None:
    t = np.arange(0, 5, 1 / 30)
    xy, score = walker(t, 100)
    with pytest.raises(ValueError, match="expected times that grow"):
        gait_of(t[::-1], xy, score, COCO_17)
    with pytest.raises(ValueError, match="at most 7200 s"):
        gait_of(t * 1e9, xy, score, COCO_17)
