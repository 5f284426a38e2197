"""Fitting pose NMS: candidates are made as said, and the fitted rule scores better than none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poseapp.core.errors import DataError
from poseapp.core.nms import PoseNmsRule
from poseapp.core.skeleton import COCO_17, MPII_16
from poseapp.core.types import Poses
from poseapp.train.data.annotations import Person
from poseapp.train.eval.fit_nms import Candidates, NmsScorer, Picture, candidate_boxes, fit, some_of


def a_picture(random: np.random.Generator, people: int = 3, doubles: int = 3) -> Picture:
    """People side by side, each found several times, the better the surer."""
    body = random.uniform(-1, 1, (people, 17, 2)) * (40, 100)
    truth = body + np.stack([200 + 110 * np.arange(people), np.full(people, 300)], axis=1)[:, None]
    off = random.uniform(0, 12, (people, doubles))
    xy = truth[:, None] + random.normal(0, 1, (people, doubles, 17, 2)) * off[..., None, None]
    n = people * doubles
    score = np.full((n, 17), 0.7, np.float32)
    sure = (0.9 - 0.02 * off).reshape(n).astype(np.float32)
    poses = Poses(
        xy=xy.reshape(n, 17, 2).astype(np.float32), score=score, person_score=sure, ids=np.zeros(n, np.int64), skeleton=COCO_17
    )
    low, high = truth.min(axis=1), truth.max(axis=1)
    boxes = np.concatenate([low, high - low], axis=1)
    labelled = np.concatenate([truth, np.full((people, 17, 1), 2.0)], axis=2)
    return Picture(poses, labelled, boxes[:, 2] * boxes[:, 3] * 0.5, boxes)


def test_candidates_lie_around_their_people() -> None:
    random, boxes = np.random.default_rng(0), np.array([[100.0, 50, 80, 200], [400, 60, 90, 180]])
    found, score = candidate_boxes(boxes, Candidates(doubles=200, nobody=0.0), random)
    assert found.shape == (400, 4)
    assert ((score > 0) & (score <= 1)).all()
    middle = (found[:200, :2] + found[:200, 2:] / 2 - (140, 150)) / (80, 200)
    assert middle.mean() == pytest.approx(0, abs=0.02)
    assert middle.std() == pytest.approx(0.08, rel=0.1)
    off = np.abs(middle).sum(axis=1) + np.abs(np.log(found[:200, 2:] / (80, 200))).sum(axis=1)
    assert np.corrcoef(off, score[:200])[0, 1] < -0.5  # the worse, the less sure
    counts = [len(candidate_boxes(boxes, Candidates(doubles=1, nobody=2.0), random)[0]) - 2 for _ in range(200)]
    assert np.mean(counts) == pytest.approx(2.0, abs=0.4)


def test_the_fitted_rule_drops_the_doubles_and_nobody_else() -> None:
    random = np.random.default_rng(1)
    scorer = NmsScorer([a_picture(random) for _ in range(6)], COCO_17)
    nothing_dropped = PoseNmsRule(eta=2.5, weight=0.3)
    rule, ap = fit(scorer, nothing_dropped)
    assert ap > scorer.ap(None) + 0.02
    assert ap == scorer.ap(rule)
    kept = scorer.kept(rule)
    assert all(k.reshape(3, 3).any(axis=1).all() for k in kept)  # everybody is still there
    assert sum(k.sum() for k in kept) <= 6 * 3 + 2


def test_what_has_no_sigmas_cannot_be_fitted_to() -> None:
    with pytest.raises(DataError, match="expected OKS sigmas"):
        NmsScorer([], MPII_16)


def test_whole_pictures_are_chosen() -> None:
    def of(picture: str, count: int) -> list[Person]:
        nothing = np.zeros((17, 3), np.float32)
        return [Person(i, 1, Path(picture), np.ones(4, np.float32), nothing, 1.0) for i in range(count)]

    people = [*of("a", 1), *of("b", 4), *of("c", 2)]
    for seed in range(5):
        names = [p.path.name for p in some_of(people, 5, seed)]
        assert len(names) in (3, 5)
        assert all(names.count(name) == {"a": 1, "b": 4, "c": 2}[name] for name in set(names))
    assert len(some_of(people, 0)) == 7
