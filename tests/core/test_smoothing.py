"""The One-Euro filter: what it holds still, what it lets through, and when it begins anew."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from walkers import poses_of, standing_at

from poseapp.core.skeleton import COCO_17
from poseapp.core.smoothing import SMOOTH, Smoother, SmoothRule
from poseapp.core.types import Poses

FPS = 30.0


def with_ids(poses: Poses, *ids: int) -> Poses:
    return Poses(
        xy=poses.xy, score=poses.score, person_score=poses.person_score, ids=np.array(ids, np.int64), skeleton=poses.skeleton
    )


def one_euro(xy: NDArray[np.float64], times: list[float], size: float, rule: SmoothRule) -> NDArray[np.float64]:
    """The filter as written in the paper, for one joint (T, 2), with the rest that this project adds."""

    def alpha(cutoff: float, dt: float) -> float:
        return 1 / (1 + 1 / (2 * np.pi * cutoff) / dt)

    out, speed = [xy[0]], np.zeros(2)
    for i in range(1, len(xy)):
        dt = times[i] - times[i - 1]
        a = alpha(rule.speed_cutoff_hz, dt)
        speed = a * (xy[i] - out[-1]) / dt + (1 - a) * speed
        fast = float(np.hypot(*speed)) / size
        a = alpha(rule.min_cutoff_hz + rule.beta * max(0.0, fast - rule.rest), dt)
        out.append(a * xy[i] + (1 - a) * out[-1])
    return np.array(out)


def test_it_is_the_filter_of_the_paper_at_uneven_times() -> None:
    random = np.random.default_rng(0)
    times = np.cumsum(random.uniform(0.01, 0.08, 60)).tolist()
    people = [standing_at(300 + 40 * np.sin(3 * t), 300) for t in times]
    noise = random.normal(0, 1.5, (60, 2))
    for xy, error in zip(people, noise, strict=True):
        xy[11] += error  # the hip lies inside the box: the size of the body stays
    smoother = Smoother(COCO_17)
    smoothed = [smoother.update(with_ids(poses_of(xy), 4), t).xy[0, 11] for xy, t in zip(people, times, strict=True)]
    raw = np.stack([xy[11] for xy in people]).astype(np.float32).astype(np.float64)
    height, width = 0.94 * 200, 0.36 * 200
    expected = one_euro(raw, times, np.sqrt(height * width), SMOOTH)
    np.testing.assert_allclose(np.stack(smoothed), expected, atol=1e-3)


def test_a_still_figure_calms_down_and_a_moving_one_is_kept_up_with() -> None:
    random, smoother = np.random.default_rng(1), Smoother(COCO_17)
    still, moving = [], []
    for frame in range(300):
        t = frame / FPS
        here, there = standing_at(300, 300), standing_at(100 + 200 * t, 300)
        noisy = poses_of(here + random.normal(0, 1.0, (17, 2)), there + random.normal(0, 1.0, (17, 2)))
        out = smoother.update(with_ids(noisy, 1, 2), t)
        still.append(out.xy[0] - here)
        moving.append(out.xy[1] - there)
    assert np.stack(still)[60:].std() < 0.3  # of 1 px
    behind = -np.stack(moving)[60:, :, 0].mean()
    assert 0 < behind < 200 / FPS  # less than a frame


def test_everything_but_the_places_is_kept() -> None:
    smoother = Smoother(COCO_17)
    given = with_ids(poses_of(standing_at(300, 300), standing_at(500, 300)), 9, 3)
    out = smoother.update(given, 0.0)
    np.testing.assert_array_equal(out.xy, given.xy)  # nothing to smooth with yet
    assert out.xy.dtype == np.float32
    assert out.ids.tolist() == [9, 3]
    np.testing.assert_array_equal(out.score, given.score)
    assert len(smoother.update(poses_of(), 0.1)) == 0


def test_people_are_smoothed_by_identity_and_not_by_place() -> None:
    smoother = Smoother(COCO_17)
    a, b = standing_at(300, 300), standing_at(600, 300)
    for frame in range(20):
        smoother.update(with_ids(poses_of(a, b), 1, 2), frame / FPS)
    out = smoother.update(with_ids(poses_of(b, a), 2, 1), 20 / FPS)
    np.testing.assert_allclose(out.xy, [b, a], atol=1e-3)
    out = smoother.update(with_ids(poses_of(b), 3), 21 / FPS)  # a new one begins where they are
    np.testing.assert_allclose(out.xy[0], b, atol=1e-3)


@pytest.mark.parametrize("gap_s", [0.2, 0.3])
def test_after_a_gap_it_begins_anew(gap_s: float) -> None:
    smoother = Smoother(COCO_17, replace(SMOOTH, beta=0.0))
    for frame in range(31):
        smoother.update(with_ids(poses_of(standing_at(300, 300)), 1), frame / FPS)
    out = smoother.update(with_ids(poses_of(standing_at(360, 300)), 1), 1.0 + gap_s)
    moved = float(out.xy[0, 0, 0] - 300)
    assert moved == pytest.approx(60 if gap_s > SMOOTH.gap_s else 60 / (1 + 1 / (2 * np.pi * 0.65 * gap_s)), abs=0.01)


def test_a_joint_not_trusted_stays_and_comes_back_after_the_gap() -> None:
    smoother = Smoother(COCO_17)
    for frame in range(31):
        smoother.update(with_ids(poses_of(standing_at(300, 300)), 1), frame / FPS)
    seen = []
    for frame in range(31, 45):
        poses = with_ids(poses_of(standing_at(300, 300)), 1)
        poses.xy[0, 9], poses.score[0, 9] = (10.0, 10.0), 0.05
        out = smoother.update(poses, frame / FPS)
        seen.append(out.xy[0, 9].tolist())
        np.testing.assert_allclose(out.xy[0, :9], standing_at(300, 300)[:9], atol=1e-3)
        assert out.score[0, 9] == np.float32(0.05)
    held = standing_at(300, 300)[9].tolist()
    assert seen[:7] == [pytest.approx(held, abs=1e-3)] * 7
    assert seen[8:] == [[10.0, 10.0]] * 6


def test_a_missing_joint_stays_missing_and_harms_no_other() -> None:
    smoother = Smoother(COCO_17)
    for frame in range(10):
        xy = standing_at(300, 300)
        if frame % 3:
            xy[5] = np.nan
        out = smoother.update(with_ids(poses_of(xy), 1), frame / FPS)
        assert np.isnan(out.xy[0, 5]).all() == bool(frame % 3)
        assert np.isfinite(np.delete(out.xy[0], 5, axis=0)).all()
    nobody = np.full((17, 2), np.nan)
    assert np.isnan(smoother.update(with_ids(poses_of(nobody), 7), 1.0).xy).all()


def test_the_same_time_twice_and_a_clip_that_begins_anew() -> None:
    smoother = Smoother(COCO_17)
    smoother.update(with_ids(poses_of(standing_at(300, 300)), 1), 5.0)
    same = smoother.update(with_ids(poses_of(standing_at(340, 300)), 1), 5.0)
    np.testing.assert_allclose(same.xy[0], standing_at(300, 300), atol=0.1)
    anew = smoother.update(with_ids(poses_of(standing_at(340, 300)), 1), 0.0)
    np.testing.assert_allclose(anew.xy[0], standing_at(340, 300), atol=1e-3)
    smoother.reset()
    far = smoother.update(with_ids(poses_of(standing_at(900, 300)), 1), 0.01)
    np.testing.assert_allclose(far.xy[0], standing_at(900, 300), atol=1e-3)


def test_thousands_of_identities_one_after_the_other_leave_nothing_behind() -> None:
    smoother = Smoother(COCO_17)
    times = []
    for identity in range(1, 2001):
        start = time.process_time()
        smoother.update(with_ids(poses_of(standing_at(300, 300)), identity), identity / FPS)
        times.append(time.process_time() - start)
    assert np.median(times[-200:]) < 3 * np.median(times[:200])


def tremble(people: list[NDArray[np.float64]], noise_px: float) -> float:
    """How much the smoothed joints go to and fro from frame to frame, px, in the second half of *people*, seen with noise."""
    random, smoother = np.random.default_rng(0), Smoother(COCO_17)
    seen = [with_ids(poses_of(xy + random.normal(0, noise_px, xy.shape)), 1) for xy in people]
    smoothed = [smoother.update(poses, frame / FPS).xy[0] for frame, poses in enumerate(seen)]
    return float(np.nanstd(np.diff(np.array(smoothed[len(people) // 2 :]), axis=0)))


def test_bodies_that_look_small_or_thin_are_as_calm_as_others() -> None:
    """Speeds count in sizes of the body: were those of a face alone taken, every tremble would be a quick movement."""
    whole, half, side = standing_at(300, 300), standing_at(300, 300), standing_at(300, 300)
    calm = tremble([whole] * 60, 1.0)
    half[5:] = np.nan  # hidden but for the face
    assert tremble([whole] * 30 + [half] * 30, 1.0) < 1.5 * calm
    side[:, 0] = 300  # seen from the side
    assert tremble([side] * 60, 1.0) < 1.5 * calm
    assert tremble([standing_at(300, 300, 4)] * 60, 0.3) < 1.5 * calm, "nobody is smaller than 8 px"
