"""The made-up motion is what it says, and tracking and smoothing do on it what the project promises."""

from __future__ import annotations

import numpy as np
import pytest

from poseapp.bench.motion import Disturbance, crossing, observe, standing, walking, waving
from poseapp.bench.tracking import cost_ms, count_switches, decode_ms, steadiness
from poseapp.core.skeleton import COCO_17


def test_sticks_keep_their_lengths_and_movement_is_continuous() -> None:
    for walker in (*crossing(5), walking(), waving(), standing()):
        joints = walker.joints(np.arange(0, 20, 0.01))
        assert joints.shape == (2000, 17, 2)
        for a, b, length in (("knee", "ankle", 0.246), ("hip", "knee", 0.245), ("elbow", "wrist", 0.146)):
            for side in ("left", "right"):
                ends = joints[:, [COCO_17.index(f"{side}_{a}"), COCO_17.index(f"{side}_{b}")]]
                found = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
                np.testing.assert_allclose(found, length * walker.height, rtol=1e-6)
        assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() < 0.05 * walker.height  # in a hundredth of a second
        np.testing.assert_allclose(walker.joints(1.23), walker.joints(np.array([1.23]))[0])


def test_who_stands_stands_and_who_walks_walks() -> None:
    still = standing().joints(np.linspace(0, 5, 50))
    assert np.ptp(still, axis=0).max() < 1e-6
    hips = walking().joints(np.array([0.0, 1.0]))[:, COCO_17.index("left_hip")]
    assert hips[1, 0] - hips[0, 0] == pytest.approx(0.72 * 300, rel=0.02)


def test_what_is_observed_is_the_truth_with_what_was_asked_for() -> None:
    walkers, random = crossing(5), np.random.default_rng(0)
    poses, who = observe(walkers, 1.0, Disturbance(), random)
    assert sorted(who.tolist()) == [0, 1, 2, 3, 4]
    for xy, i in zip(poses.xy, who.tolist(), strict=True):
        np.testing.assert_allclose(xy, walkers[i].joints(1.0), atol=1e-3)
    off = [observe([standing()], 0.0, Disturbance(noise=0.01), random)[0].xy[0] - standing().joints(0.0) for _ in range(100)]
    assert np.std(off) == pytest.approx(3.0, rel=0.05)  # a hundredth of 300 px
    seen = [len(observe(walkers, 1.0, Disturbance(misses=0.3), random)[1]) for _ in range(150)]
    assert np.mean(seen) == pytest.approx(3.5, abs=0.3)
    false = [np.count_nonzero(observe(walkers, 1.0, Disturbance(false=0.5), random)[1] < 0) for _ in range(150)]
    assert np.mean(false) == pytest.approx(0.5, abs=0.2)
    hidden = [len(observe(walkers, t, Disturbance(hidden=True), random)[1]) for t in np.arange(0, 10, 0.2)]
    assert 3 <= min(hidden) < 5 == max(hidden)


@pytest.mark.parametrize("noise", [0.005, 0.01])
def test_a_still_figure_is_seven_tenths_calmer_and_a_moving_one_a_frame_late_at_most(noise: float) -> None:
    found = steadiness(noise)
    assert found.still_px[0] == pytest.approx(np.sqrt(2) * noise * 300, rel=0.05)
    assert found.jitter_fall >= 0.7
    assert 0 < found.walking_lag <= 1.0
    assert 0 < found.waving_lag <= 1.0


def test_five_who_cross_are_never_taken_for_each_other() -> None:
    found = count_switches("clean", Disturbance(), seconds=10.0)
    assert found.switches == 0
    assert found.seen == 5 * 300


def test_with_people_hidden_behind_others_few_are_mistaken() -> None:
    """Beyond two seconds out of sight nobody is remembered, and who turns round out of sight is not expected."""
    assert count_switches("hidden", Disturbance(noise=0.01, hidden=True), seconds=10.0).switches <= 4


def test_the_cost_can_be_measured() -> None:
    assert 0 < sum(cost_ms(3, frames=20)) < 50
    assert 0 < decode_ms(3, frames=5) < 200
