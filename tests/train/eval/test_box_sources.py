"""Where people are looked for: what each BoxSource says of itself, and how one person is searched for in a still picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import draw_set
from fakes import SPEC

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import ImageArray
from poseapp.engine.base import Backend, Output
from poseapp.train.eval.box_sources import AnnotatedBoxes, FileBoxes, OnePersonSearch, WholePictures, box_source, found_share
from poseapp.train.eval.evaluation_set import EvaluationSet
from poseapp.train.eval.predictor import PersonPredictor

INPUT = (64, 48)


class Surest:
    """Finds every joint near the middle of every crop, from the *sure*-th crop on."""

    def __init__(self, sure: int = 0) -> None:
        self.spec, self.backend = replace(SPEC, input_hw=INPUT), Backend("stub", "none", "FP32")
        self.sure, self.seen = sure, 0

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        self.seen += 1
        spread = np.linspace(-8, 8, COCO_17.k)
        x, y = INPUT[1] / 2 + spread, INPUT[0] / 2 + spread
        score = np.full(COCO_17.k, 0.9 if self.seen > self.sure else 0.0)
        return Output(np.stack([x, y, score], axis=1).astype(np.float32)[None])

    def close(self) -> None:
        pass


@pytest.fixture
def part(tmp_path: Path) -> EvaluationSet:
    """One person in one picture."""
    return EvaluationSet.read(draw_set(tmp_path, people=1), tmp_path / "images", COCO_17)


def test_a_person_who_is_searched_for_is_looked_at_a_second_time_closer(part: EvaluationSet) -> None:
    engine = Surest()
    found = OnePersonSearch(engine).predict(part, PersonPredictor(Surest()), lambda done, total: None)
    assert engine.seen == 2
    (pose,) = found.poses
    width = float(np.ptp(pose[:, 0]))
    first_look = 96 / INPUT[1] * 16 * INPUT[1] / INPUT[0]  # the picture is 96 px wide and high, and fills the input's height
    assert width < 0.9 * first_look


def test_every_region_is_searched_until_somebody_is_found(part: EvaluationSet) -> None:
    engine = Surest(sure=1)
    found = OnePersonSearch(engine).predict(part, PersonPredictor(Surest()), lambda done, total: None)
    assert (engine.seen, len(found.poses)) == (3, 1)
    nobody = OnePersonSearch(Surest(sure=100)).predict(part, PersonPredictor(Surest()), lambda done, total: None)
    assert nobody.poses == []
    assert np.isfinite(nobody.joints).all(), "the other figures are from annotated boxes"


def test_each_step_is_counted(part: EvaluationSet) -> None:
    steps: list[tuple[int, int]] = []
    OnePersonSearch(Surest()).predict(part, PersonPredictor(Surest()), lambda *at: steps.append(at))
    assert steps == [(1, 2), (2, 2)]


def test_a_source_is_chosen_by_its_name_and_says_where_people_are_from(tmp_path: Path) -> None:
    engine = Surest()
    gt, search, file = (box_source(name, engine, None) for name in ("gt", "detect", str(tmp_path / "boxes.json")))
    assert isinstance(gt, AnnotatedBoxes)
    assert isinstance(search, OnePersonSearch)
    assert isinstance(file, FileBoxes)
    assert gt.description == "crops, annotated boxes, padding 1.25"
    rest = "for AP and AR, annotated boxes for the rest, padding 1.25"
    assert search.description == f"crops, one person a picture, found as the app does, {rest}"
    assert file.description == f"crops, boxes of boxes.json {rest}"
    assert "ms is that of a picture" in WholePictures.description


def test_a_fuller_pose_is_surer() -> None:
    joints = np.ones((4, 3), np.float32)
    joints[0] = np.nan
    assert found_share(joints) == 0.75
