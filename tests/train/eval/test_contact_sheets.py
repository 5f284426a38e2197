"""How far scores can be believed, and line drawings: figures with known answers, and pictures without photographs."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from poseapp.core import metrics
from poseapp.core.heatmap import times_odds
from poseapp.core.skeleton import COCO_17
from poseapp.nets.deploy import HeatmapDecoder
from poseapp.train.data.annotations import Person
from poseapp.train.eval.calibration import (
    LARGEST_ODDS,
    calibration_of,
    draw_score_calibration,
    score_calibration,
    score_of_half,
)
from poseapp.train.eval.contact_sheets import draw_poses_alone
from poseapp.train.eval.evaluation_set import Scored
from poseapp.train.eval.figures import Evaluation, summarise


def scored(n: int, half: float, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """*n* joints of which half are right at the score *half*: the odds of being right are the score's times a constant."""
    random = np.random.default_rng(seed)
    score = random.random(n)
    for_right, for_wrong = score * (1 - half), (1 - score) * half
    return score, random.random(n) < for_right / (for_right + for_wrong)


@pytest.mark.parametrize("half", [0.2, 0.35, 0.5])
def test_the_odds_bring_a_half_to_one_half(half: float) -> None:
    score, right = scored(200_000, half)
    found = calibration_of(score, right)
    assert 1 / (1 + found.score_odds_scale) == pytest.approx(half, rel=0.06)
    better = times_odds(score, found.score_odds_scale)
    assert calibration_of(better, right).error < 0.02
    near = np.abs(better - 0.5) < 0.05
    assert right[near].mean() == pytest.approx(0.5, abs=0.04)
    assert found.count.sum() == len(score)


def test_calibration_error_by_hand() -> None:
    score, right = np.array([0.15, 0.15, 0.95, 0.95]), np.array([False, True, True, True])
    found = calibration_of(score, right)
    assert found.count.tolist() == [0, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.right[[1, 9]].tolist() == [0.5, 1.0]
    assert found.error == pytest.approx((2 * 0.35 + 2 * 0.05) / 4)


def test_scores_that_say_nothing_are_not_stretched_without_end() -> None:
    assert calibration_of(np.array([0.1, 0.2]), np.array([True, True])).score_odds_scale == LARGEST_ODDS
    assert calibration_of(np.array([0.8, 0.9]), np.array([False, False])).score_odds_scale == 1 / LARGEST_ODDS
    assert score_of_half(np.array([0.2, 0.4, 0.6, 0.8]), np.array([False, False, True, True])) == pytest.approx(0.5)


@pytest.fixture
def evaluation(figures: list[Person]) -> Evaluation:
    """Drawn people of whom the first is found exactly, and each other a little worse."""
    truth = np.stack([p.joints for p in figures])
    random = np.random.default_rng(0)
    noise = random.normal(0, 1, (8, 17, 2)) * np.arange(8)[:, None, None] * 1.2
    score = np.broadcast_to(np.linspace(0.9, 0.2, 8)[:, None, None], (8, 17, 1))
    predicted = np.concatenate([truth[..., :2] + noise, score], axis=2).astype(np.float32)
    return make(figures, predicted)


def make(people: list[Person], predicted: NDArray[np.float32]) -> Evaluation:
    return summarise(people, predicted, [0.0] * 6, Scored.of(COCO_17, COCO_17), 1.0)


def test_a_joint_is_right_within_oks_tolerance(evaluation: Evaluation) -> None:
    evaluation.people[3].joints[4:9, 2] = 0
    found = score_calibration(evaluation)
    assert found.count.sum() == 8 * 17 - 5
    truth = np.stack([p.joints for p in evaluation.people])
    area = [p.area for p in evaluation.people]
    similarity = metrics.joint_similarity(evaluation.predicted[..., :2], truth, area, COCO_17.sigmas)
    assert np.nansum(found.right * found.count) == np.count_nonzero(similarity >= 0.5)
    assert found.right[8] == 1  # scores from 0.8 to 0.9: the second person
    assert found.right[np.flatnonzero(found.count)[0]] < 0.5


def test_pictures_hold_what_they_should(evaluation: Evaluation) -> None:
    before = score_calibration(evaluation)
    plot = draw_score_calibration(before)
    both = draw_score_calibration(before, before)
    assert plot.shape == both.shape == (420, 480, 3)
    assert (plot == (200, 90, 20)).all(axis=2).sum() > 200
    assert not np.array_equal(plot, both)
    sheet = draw_poses_alone(evaluation, each=3)
    assert sheet.shape == (2 * 192, 3 * 144, 3)
    blank = (sheet == 255).all(axis=2).mean()
    assert 0.5 < blank < 0.95  # lines on blank ground
    # The first success is exact: nearly no grey truth is left beside the colours.
    grey = (sheet == 150).all(axis=2)
    assert grey[:192, :144].sum() < 0.2 * grey[192:, :144].sum()


def test_odds_are_multiplied_in_the_graph() -> None:
    maps = torch.zeros(1, 2, 16, 12)
    maps[0, 0, 5, 6], maps[0, 1, 8, 3] = 0.2, 1.2
    plain = HeatmapDecoder((64, 48), (16, 12), "argmax", "udp", 1.0)(maps)
    scaled = HeatmapDecoder((64, 48), (16, 12), "argmax", "udp", 1.0, score_odds=4.0)(maps)
    assert torch.equal(plain[..., :2], scaled[..., :2])
    assert scaled[0, :, 2].tolist() == pytest.approx([0.5, 1.0])  # 1 : 4 becomes 4 : 4


def test_nobody_is_drawn_twice(evaluation: Evaluation) -> None:
    alone = dataclasses.replace(evaluation, people=evaluation.people[:1], predicted=evaluation.predicted[:1])
    assert draw_poses_alone(alone, each=2).shape == (2 * 192, 2 * 144, 3)
