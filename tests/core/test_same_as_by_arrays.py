"""Tracker, smoother, next region and affine are those by arrays, whatever happens to people, joints and time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from by_arrays import SmootherByArrays, TrackerByArrays, crop_affine_by_arrays, next_region_by_arrays
from numpy.typing import NDArray
from walkers import standing_at

from poseapp.core.roi import next_region
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, Skeleton
from poseapp.core.smoothing import Smoother
from poseapp.core.tracking import Tracker
from poseapp.core.transform import crop_affine
from poseapp.core.types import Poses

Script = Iterator[tuple[float, Poses, NDArray[np.bool_]]]


def script(people: int, frames: int, seed: int) -> Script:
    """Time, the people found, and which identities are skipped: people come, go and cross, joints are unsure or missing."""
    random = np.random.default_rng(seed)
    speed, start = random.uniform(-200, 200, people), random.uniform(100, 1180, people)
    t = 0.0
    for frame in range(frames):
        t = 0.5 if frame == frames * 2 // 3 else t + random.choice([0.0, 1 / 60, 1 / 30, 1 / 30, 0.1, 0.6, 2.5], p=_STEPS)
        found = [n for n in range(people) if random.random() > 0.1]
        xy = np.array([standing_at(start[n] + speed[n] * (t % 4), 300 + 5 * n, 150 + 20 * n) for n in found]).reshape(-1, 17, 2)
        xy = (xy + random.normal(0, 2, xy.shape)).astype(np.float32)
        score = random.uniform(0.1, 1.0, xy.shape[:2]).astype(np.float32)
        xy[random.random(score.shape) < 0.05] = np.nan
        if found and random.random() < 0.05:
            xy[0], score[0] = np.nan, 0.0
        if found and random.random() < 0.05:
            score[-1] = 0.05  # nothing to trust
        poses = Poses(xy=xy, score=score, person_score=score.mean(axis=1), ids=np.full(len(xy), -1, np.int64), skeleton=COCO_17)
        yield t, poses, random.random(1000) < 0.05


_STEPS = [0.02, 0.2, 0.3, 0.3, 0.12, 0.05, 0.01]


def same(a: Poses, b: Poses) -> None:
    """The same people; joints to float32's last bits."""
    assert a.ids.tolist() == b.ids.tolist()
    np.testing.assert_allclose(a.xy, b.xy, rtol=1e-6, atol=1e-4)
    np.testing.assert_array_equal(a.score, b.score)
    np.testing.assert_array_equal(a.person_score, b.person_score)


@pytest.mark.parametrize(("people", "alone"), [(1, True), (1, False), (2, False), (5, False), (12, False)])
def test_people_are_followed_and_smoothed_as_by_arrays(people: int, alone: bool) -> None:
    frames = 250 if people < 5 else 60
    for seed in range(2):
        lean, arrays = Tracker(COCO_17, alone=alone), TrackerByArrays(COCO_17)
        smoother, smoother_by_arrays = Smoother(COCO_17), SmootherByArrays(COCO_17)
        most = 0
        for t, poses, unlucky in script(people, frames, seed):
            skipped = [i for i in lean.predict(t).ids.tolist() if unlucky[i % 1000]]
            tracked = lean.update(poses, t, skipped)
            same(tracked, arrays.update(poses, t, skipped))
            for ahead, unseen_s in ((0.0, np.inf), (0.3, 0.5), (5.0, np.inf)):
                same(lean.predict(t + ahead, unseen_s), arrays.predict(t + ahead, unseen_s))
            same(smoother.update(tracked, t), smoother_by_arrays.update(tracked, t))
            most = max(most, int(tracked.ids.max(initial=0)))
        assert most > people, "somebody is to be new"


@pytest.mark.parametrize("skeleton", [COCO_17, MPII_16, LSP_14, OPENPOSE_18], ids=lambda s: s.name)
def test_the_next_region_is_the_one_by_arrays(skeleton: Skeleton) -> None:
    """Bodies of any posture, of which any part may be unseen."""
    random = np.random.default_rng(0)
    for _ in range(300):
        xy = (random.uniform(-100, 1400, 2) + random.normal(0, random.uniform(1, 300), (skeleton.k, 2))).astype(np.float32)
        score = (random.random(skeleton.k) < random.uniform(0.1, 1.0)).astype(np.float32)
        if not score.any():
            score[0] = 1.0
        before = random.uniform(10, 900, 4).astype(np.float32) if random.random() < 0.7 else None
        args = (skeleton, xy, score, (720, 1280), (192, 144), before)
        region = next_region(*args)
        assert region.dtype == np.float32
        np.testing.assert_allclose(region, next_region_by_arrays(*args), rtol=1e-6, atol=1e-3)


def test_the_affine_is_the_one_by_arrays() -> None:
    random = np.random.default_rng(1)
    for _ in range(300):
        box = random.uniform((-500, -500, 1, 1), (1500, 1500, 2000, 2000))
        turn, flip = random.choice([0.0, random.uniform(-180, 180)]), bool(random.random() < 0.5)
        for input_hw in ((192, 144), (368, 368), (96, 128)):
            affine = crop_affine(box, input_hw, turn, flip)
            np.testing.assert_allclose(affine, crop_affine_by_arrays(box, input_hw, turn, flip), rtol=1e-12, atol=1e-9)
