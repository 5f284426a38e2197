"""Parametric pose NMS: doubles go, neighbours stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from walkers import poses_of, standing_at

from poseapp.core.nms import POSE_NMS, PoseNmsRule, fragments, pose_nms, similarities, surviving
from poseapp.core.types import Poses


def scored(people: list[NDArray[np.float64]], scores: list[float]) -> Poses:
    poses = poses_of(*people)
    person = np.array(scores, np.float32)
    return Poses(
        xy=poses.xy, score=poses.score, person_score=person, ids=np.arange(len(people), dtype=np.int64), skeleton=poses.skeleton
    )


def test_nobody_and_one() -> None:
    assert len(pose_nms(poses_of())) == 0
    alone = poses_of(standing_at(300, 300))
    assert pose_nms(alone) is alone


def test_of_a_double_the_surer_one_stays_and_the_order_too() -> None:
    random = np.random.default_rng(0)
    people = [standing_at(300, 300), standing_at(700, 300), standing_at(300, 300) + random.normal(0, 2, (17, 2))]
    assert pose_nms(scored(people, [0.5, 0.6, 0.9])).ids.tolist() == [1, 2]
    assert pose_nms(scored(people, [0.9, 0.6, 0.5])).ids.tolist() == [0, 1]


@pytest.mark.parametrize("apart", [60.0, 100.0])
def test_two_who_stand_close_both_stay(apart: float) -> None:
    people = [standing_at(300, 300), standing_at(300 + apart, 305)]
    assert len(pose_nms(scored(people, [0.9, 0.8]))) == 2


@pytest.mark.parametrize("factor", [0.2, 1.0, 6.0])
def test_the_size_of_the_picture_does_not_matter(factor: float) -> None:
    random = np.random.default_rng(1)
    people = [standing_at(300, 300), standing_at(300, 300) + random.normal(0, 4, (17, 2)), standing_at(380, 300)]
    assert pose_nms(scored([p * factor for p in people], [0.9, 0.8, 0.7])).ids.tolist() == [0, 2]


def test_the_similarities_are_those_of_the_paper() -> None:
    """Eq. 8 and 9 joint by joint, as means and in sizes of the reference's box."""
    random = np.random.default_rng(2)
    poses = scored([standing_at(300, 300) + random.normal(0, 6, (17, 2)) for _ in range(3)], [0.9, 0.8, 0.7])
    poses.score[:] = random.uniform(0.1, 0.9, (3, 17))
    poses.xy[1, 4] = np.nan
    rule = PoseNmsRule(sigma1=0.4, sigma2=0.02)
    matching, spatial = similarities(poses, rule)
    for i in range(3):
        w, h = np.nanmax(poses.xy[i], axis=0) - np.nanmin(poses.xy[i], axis=0)
        for j in range(3):
            k_sim = h_sim = 0.0
            for k in range(17):
                dx, dy = np.abs(poses.xy[i, k].astype(float) - poses.xy[j, k])
                if np.isnan(dx):
                    continue
                if dx <= 0.05 * w and dy <= 0.05 * h:
                    k_sim += np.tanh(poses.score[i, k] / 0.4) * np.tanh(poses.score[j, k] / 0.4) / 17
                h_sim += np.exp(-(dx**2 + dy**2) / (w * h) / 0.02) / 17
            assert matching[i, j] == pytest.approx(k_sim, abs=1e-6)
            assert spatial[i, j] == pytest.approx(h_sim, abs=1e-6)


def test_who_has_been_dropped_drops_nobody() -> None:
    """A is like B and B like C, but A is not like C: B goes, C stays."""
    alike = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.9], [0.1, 0.9, 1.0]])
    assert surviving(alike, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [True, False, True]
    assert surviving(alike, np.array([0.7, 0.9, 0.8]), 0.5).tolist() == [False, True, False]


def test_people_without_a_joint_are_no_double() -> None:
    nothing = np.full((17, 2), np.nan)
    assert len(pose_nms(scored([standing_at(300, 300), nothing, nothing], [0.9, 0.5, 0.4]))) == 3


def test_a_higher_threshold_keeps_more() -> None:
    random = np.random.default_rng(3)
    people = [standing_at(300, 300) + random.normal(0, 0.5 + 2 * i, (17, 2)) for i in range(8)]
    poses = scored(people, np.linspace(0.9, 0.2, 8).tolist())
    kept = [
        len(pose_nms(poses, PoseNmsRule(sigma1=POSE_NMS.sigma1, sigma2=POSE_NMS.sigma2, weight=POSE_NMS.weight, eta=eta)))
        for eta in (0.1, 0.9, 3.0)
    ]
    assert kept[0] == 1
    assert kept == sorted(kept)
    assert kept[2] == 8


def test_a_face_found_alone_is_a_fragment_of_its_person_and_of_nobody_else() -> None:
    whole = standing_at(300, 300)
    poses = poses_of(whole, whole + np.array([1.0, 2.0]), standing_at(420, 300))
    poses.score[1, 5:] = 0.1  # trusted are the five joints of the face alone
    expected = np.zeros((3, 3), bool)
    expected[0, 1] = True
    assert fragments(poses).tolist() == expected.tolist()
    assert fragments(poses_of()).shape == (0, 0)


def test_two_whole_people_are_no_fragments_of_each_other() -> None:
    assert not fragments(poses_of(standing_at(300, 300), standing_at(302, 300), standing_at(360, 300))).any()
