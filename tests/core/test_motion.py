"""Paths, ranges and speeds of points that move as is known."""

from __future__ import annotations

import numpy as np
import pytest
from movers import walker

from poseapp.core.motion import motion_of, motions_of, speeds_of
from poseapp.core.skeleton import COCO_17

T = np.arange(91) / 30


def test_a_walk_at_a_known_speed() -> None:
    xy, score = walker(T, 110, speed_px_s=120.0)
    hips = motions_of(T, xy, score, COCO_17, 0.3)["hips"]
    assert hips.path == pytest.approx(360, rel=1e-6)
    assert hips.across == pytest.approx(360, rel=1e-6)
    assert hips.up == pytest.approx(0, abs=1e-9)
    assert hips.fastest == pytest.approx(120, rel=1e-6)


def test_there_and_back_is_twice_the_range() -> None:
    up = np.column_stack([np.full(91, 50.0), 100 - 40 * np.sin(np.pi * T / 3) ** 2])
    motion = motion_of(T, up)
    assert motion.path == pytest.approx(80, rel=0.01)
    assert motion.up == pytest.approx(40, rel=1e-3)
    assert motion.fastest == pytest.approx(40 * np.pi / 3, rel=0.01)


def test_trembling_on_the_spot_is_no_path() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (900, 2))
    t = np.arange(900) / 30
    every_frame = np.linalg.norm(np.diff(noise, axis=0), axis=1).sum()
    assert motion_of(t, noise).path < 0.2 * every_frame


def test_what_is_not_seen_has_no_movement_and_gaps_no_speed() -> None:
    xy, score = walker(T, 110, speed_px_s=120.0)
    found = motions_of(T, xy, score, COCO_17, 0.3)
    assert np.isnan(found["left_wrist"].path)
    score[:, COCO_17.index("left_hip")] = 0.1
    assert np.isnan(motions_of(T, xy, score, COCO_17, 0.3)["hips"].fastest)
    point = np.column_stack([100 * T, 0 * T])
    point[40] = np.nan
    speeds = speeds_of(T, point)
    assert np.flatnonzero(np.isnan(speeds)).tolist() == [39, 40, 41]
    np.testing.assert_allclose(speeds[~np.isnan(speeds)], 100)


def test_times_that_stand_still_have_no_speed() -> None:
    speeds = speeds_of(np.array([0.0, 1.0, 1.0, 2.0]), np.array([[0.0, 0], [3, 4], [30, 40], [6, 8]]))
    np.testing.assert_allclose(speeds, [5, 5, np.nan, 5])
    assert np.isnan(speeds_of(np.zeros(1), np.zeros((1, 2)))).all()
