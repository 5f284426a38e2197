"""Top-down: a detector, crops that follow, and a latency budget, by what stand-ins for networks see."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from painted import (
    Figure,
    PaintedDetector,
    PaintedEngine,
    PaintedSource,
    crowd,
    standing,
    walking,
)
from watching import HW, estimator, middle_of, watched, who_is

from poseapp.core.geometry import box_iou
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, Frame, Poses, Result
from poseapp.engine.base import Output
from poseapp.pipeline import predictor as predictor_module
from poseapp.pipeline.modes import make_estimator
from poseapp.pipeline.predictor import CropPoses
from poseapp.pipeline.top_down import LARGEST_BATCH, TopDown, body_box
from poseapp.pipeline.top_down import TOP_DOWN as TOP_DOWN_RULE


def test_between_detections_the_crops_follow() -> None:
    detector, engine = PaintedDetector(), PaintedEngine()
    source = PaintedSource([walking(100, 150, 60, 160), standing(500, 150, 160)], seconds=3.0, fps=10, hw=HW)
    results = watched(source, TopDown(engine, detector))
    assert detector.requested == 1 + 29 // TOP_DOWN_RULE.detect_every
    assert engine.batches == [2] * 30, "one batch a frame"
    for t, result in results:
        assert [who_is(joints, result) for joints in source.truth(t).values()] == [1, 2]
        assert result.mode == "top-down"


def test_a_lost_person_is_looked_for_at_once() -> None:
    detector = PaintedDetector()
    away = Figure(lambda t: None if t >= 0.5 else (500.0, 150.0, 160.0))
    watched(PaintedSource([standing(100, 150, 160), away], seconds=0.9, fps=10, hw=HW), TopDown(PaintedEngine(), detector))
    assert detector.requested == 2


def test_two_crops_of_one_person_are_one_person() -> None:
    """The detector sees somebody twice: once whole, once the upper half."""

    class Twice(PaintedDetector):
        def find(self, image: Any, limit: int = 30) -> tuple[FloatArray, FloatArray]:
            boxes, scores = super().find(image, limit)
            return np.concatenate([boxes, boxes * (1, 1, 1, 0.5)]).astype(np.float32), np.concatenate([scores, scores])

    engine = PaintedEngine()
    source = PaintedSource([standing(200, 150, 160), standing(450, 150, 160)], seconds=0.3, fps=10, hw=HW)
    results = watched(source, TopDown(engine, Twice()))
    assert engine.batches[0] == 4
    assert [len(result.poses) for _, result in results] == [2, 2, 2]


def slow_looks(people: int, latency_budget_ms: float) -> Iterator[tuple[TopDown, PaintedSource, Result]]:
    """Results of a crowd that stands, by a network that takes 20 ms and more for each of them, once all are known."""
    looker = TopDown(PaintedEngine(delay_s=0.02), PaintedDetector(), latency_budget_ms=latency_budget_ms)
    source = PaintedSource(crowd(people, HW), hw=HW)
    picture = source.picture(0.0)
    for n in range(300):
        result = looker.estimate(Frame(picture, n, n / 30))
        if n > people and len(result.poses) == people:
            yield looker, source, result


def test_a_budget_spreads_people_over_frames_and_says_who_was_not_looked_at() -> None:
    looked: Counter[int] = Counter(dict.fromkeys(range(1, 11), 0))
    for _, source, result in slow_looks(10, latency_budget_ms=90.0):
        assert 1 <= 10 - len(result.predicted) <= 4
        looked.update(set(result.poses.ids.tolist()) - result.predicted)
        assert max(looked.values()) - min(looked.values()) <= 2, "in turn"
        assert [who_is(joints, result) for joints in source.truth(0.0).values()] != [None] * 10
        if min(looked.values()) == 3:
            return
    pytest.fail("somebody was not looked at")


def test_who_is_not_looked_at_is_not_found_anew_by_the_detector() -> None:
    """The detector's boxes are so narrow that they are nobody's who is known; there is time for one look in a frame."""

    class Narrow(PaintedDetector):
        def find(self, image: Any, limit: int = 30) -> tuple[FloatArray, FloatArray]:
            (x, y, w, h), scores = super().find(image, limit)[0].T, super().find(image, limit)[1]
            return np.stack([x + 0.4 * w, y, 0.2 * w, h], axis=1).astype(np.float32), scores

    looker = TopDown(PaintedEngine(), Narrow(), latency_budget_ms=0.001)
    picture = PaintedSource(crowd(5, HW), hw=HW).picture(0.0)
    results = [looker.estimate(Frame(picture, n, n / 10)) for n in range(80)]
    assert max(len(result.poses) for result in results) == 5
    assert {tuple(sorted(result.poses.ids.tolist())) for result in results[20:]} == {(1, 2, 3, 4, 5)}
    assert all(len(result.predicted) == 4 for result in results[20:])


def test_the_locked_person_is_looked_at_in_every_frame() -> None:
    held = None
    for i, (looker, source, result) in enumerate(slow_looks(8, latency_budget_ms=50.0)):
        if i == 0:
            looker.lock(middle_of(source.truth(0.0)[6]))
            continue
        held = held or result.locked
        assert result.locked == held == who_is(source.truth(0.0)[6], result)
        assert held not in result.predicted
        assert len(result.predicted) >= 6
        if i == 12:
            return
    pytest.fail("not everybody was found")


def test_holding_on_to_one_does_not_stop_the_turn_of_the_others() -> None:
    """There is no time at all: the locked person is looked at all the same, and one of the others beside them."""
    looker = TopDown(PaintedEngine(), PaintedDetector())
    source = PaintedSource(crowd(5, HW), hw=HW)
    picture = source.picture(0.0)
    assert len(looker.estimate(Frame(picture, 0, 0.0)).poses) == 5
    looker.lock(middle_of(source.truth(0.0)[2]))
    looker.latency_budget_ms = 0.001
    looked: Counter[int] = Counter()
    for n in range(1, 9):
        result = looker.estimate(Frame(picture, n, n / 30))
        looked.update(set(result.poses.ids.tolist()) - result.predicted)
    assert looker.locked is not None
    assert looked.pop(looker.locked) == 8
    assert sorted(looked.values()) == [2, 2, 2, 2]


def test_those_who_come_do_not_starve_those_who_are_there() -> None:
    """The detector sees somebody new in each frame who is nobody, and there is time for one look."""

    class Seer(PaintedDetector):
        def find(self, image: Any, limit: int = 30) -> tuple[FloatArray, FloatArray]:
            boxes, scores = super().find(image, limit)
            ghost = np.array([[520, 40, 60, 160]], np.float32)
            return np.concatenate([boxes, ghost]), np.append(scores, np.float32(0.5))

    looker = TopDown(PaintedEngine(), Seer(), rule=replace(TOP_DOWN_RULE, detect_every=1), latency_budget_ms=0.001)
    picture = PaintedSource([standing(150, 150, 160)], hw=HW).picture(0.0)
    results = [looker.estimate(Frame(picture, n, n / 30)) for n in range(22)]
    assert sum(result.poses.ids.tolist() == [1] and not result.predicted for result in results[2:]) == 10


def test_a_locked_person_out_of_sight_is_looked_for_in_every_frame() -> None:
    away = Figure(lambda t: None if 2.0 <= t < 3.0 else (500.0, 150.0, 160.0))
    source, detector = PaintedSource([away, standing(150, 150, 160)], hw=HW), PaintedDetector()
    looker = TopDown(PaintedEngine(), detector)
    for n in range(31):
        if n == 1:
            looker.lock(middle_of(source.truth(0.0)[0]))
        if n == 25:  # by now they are given up
            detector.requested = 0
        result = looker.estimate(Frame(source.picture(n / 10), n, n / 10))
    assert detector.requested == 6
    assert result.locked == who_is(source.truth(3.0)[0], result) == 1, "found in the very frame in which they come back"


def test_a_detection_without_the_arms_is_the_person_whose_arms_are_stretched() -> None:
    xy = PaintedSource([standing(300, 200, 200)], hw=HW).truth(0.0)[0]
    body = body_box(xy, np.ones(17, np.float32))
    for name, reach in (("elbow", 110), ("wrist", 220)):
        xy[COCO_17.index(f"left_{name}")] += (reach, -40)
        xy[COCO_17.index(f"right_{name}")] -= (reach, 40)
    bodies = TopDown(PaintedEngine(), PaintedDetector())._bodies(xy, np.ones(17, np.float32))
    assert box_iou(body, bodies[0]) < TOP_DOWN_RULE.covered, "by the whole it would be somebody else"
    assert max(box_iou(body, box) for box in bodies) > 0.5


def test_a_face_found_alone_is_a_piece_of_somebody_who_was_not_looked_at() -> None:
    looker = TopDown(PaintedEngine(), PaintedDetector())
    whole = PaintedSource([standing(300, 150, 200)], hw=HW).truth(0.0)[0][None]
    score = np.where(np.arange(17) < 7, 0.9, 0.1).astype(np.float32)[None]  # the face and the shoulders
    face = CropPoses(whole + 1, score, ())
    sure = np.ones((1, 17), np.float32)
    expected = Poses(xy=whole, score=sure, person_score=sure[:, 0], ids=np.array([4]), skeleton=COCO_17)
    assert len(looker._people(face, [None], expected)) == 0
    assert len(looker._people(face, [None], Poses.none(COCO_17))) == 1
    assert len(looker._people(CropPoses(whole + 1, sure, ()), [None], expected)) == 1, "who is whole is no piece"


def test_at_few_frames_a_second_one_miss_is_enough_to_be_lost() -> None:
    detector = PaintedDetector()
    away = Figure(lambda t: None if t >= 1.0 else (300.0, 150.0, 160.0))
    watched(PaintedSource([away], seconds=2.5, fps=2, hw=HW), TopDown(PaintedEngine(), detector))
    assert detector.requested == 1 + 2, "first, and in each frame after the one in which nobody was there"


def test_nobody_is_predicted_for_ever() -> None:
    """With one look a second for five people."""
    looker = TopDown(PaintedEngine(), PaintedDetector())
    picture = PaintedSource(crowd(5, HW), hw=HW).picture(0.0)
    looker.estimate(Frame(picture, 0, 0.0))
    looker.latency_budget_ms = 0.001
    there = [len(looker.estimate(Frame(picture, n, float(n))).poses) for n in range(1, 5)]
    assert there[:2] == [5, 5]
    assert there[3] < 5


class MeasuredEngine(PaintedEngine):
    """Takes ``each_ms`` a crop on a clock that nothing else moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.each_ms, self._now = 10.0, 0.0
        monkeypatch.setattr(predictor_module, "time", SimpleNamespace(perf_counter=lambda: self._now))

    def infer(self, crops: Any, heatmaps: bool = False) -> Output:
        self._now += self.each_ms * len(crops) / 1e3
        return super().infer(crops, heatmaps)


def test_what_one_person_costs_is_learned_from_the_first_look_and_then_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single look that was quick or slow by chance must not make the next one far too long, or far too short."""
    engine = MeasuredEngine(monkeypatch)
    looker = TopDown(engine, PaintedDetector(), latency_budget_ms=100.0)
    picture = PaintedSource(crowd(30)).picture(0.0)

    def batches(n: int) -> list[int]:
        engine.batches.clear()
        looker.estimate(Frame(picture, n, n / 30))
        return engine.batches

    assert batches(0) == [1, 9], "one look to learn from, then as many as there is time for"
    assert batches(1) == [10]
    engine.each_ms = 1.0
    assert batches(2) == [10, 10, 10], "one who costs 1 ms could be looked at 90 times in what is left"
    engine.each_ms = 10.0
    for n in range(3, 40):  # by now it is back at ten
        taken = batches(n)
    assert taken == [10]
    engine.each_ms = 30.0
    assert batches(40) == [10]
    engine.each_ms = 10.0
    assert batches(41)[0] == 7, "and not the three for which 30 ms would leave time"


def test_no_budget_means_batches_of_bounded_size() -> None:
    engine = PaintedEngine()
    looker = TopDown(engine, PaintedDetector(), latency_budget_ms=math.inf)
    (_, result), *_ = watched(PaintedSource(crowd(20), seconds=0.1, fps=10), looker)
    assert engine.batches == [LARGEST_BATCH, 20 - LARGEST_BATCH]
    assert len(result.poses) == 20
    assert result.boxes is not None
    assert result.boxes.shape == (20, 4)


def test_offline_everybody_is_detected_in_every_frame() -> None:
    detector = PaintedDetector()
    comer = Figure(lambda t: (450.0, 150.0, 160.0) if t >= 0.3 else None)
    source = PaintedSource([standing(150, 150, 160), comer], seconds=0.6, fps=10, hw=HW)
    results = watched(source, make_estimator("top-down", PaintedEngine(), detector, thorough=True))
    assert detector.requested == 6
    assert [len(result.poses) for _, result in results] == [1, 1, 1, 2, 2, 2]


def test_every_stage_is_timed() -> None:
    source = PaintedSource([standing(150, 150, 160)], seconds=0.1, fps=10, hw=HW)
    (_, result), *_ = watched(source, estimator("top-down"))
    assert set(result.stage_ms) == {"wait", "detect", "crop", "inference", "decode"}
    (_, result), *_ = watched(source, estimator("bottom-up"))
    assert set(result.stage_ms) == {"wait", "crop", "inference", "decode"}


def test_a_body_is_larger_than_its_joints() -> None:
    """By 8 % of its length on each side, so that it overlaps a detector's box as a body does."""
    xy = np.array([(100, 50), (160, 250), (120, 90), (900, 900)], np.float32)
    score = np.array([0.9, 0.9, 0.9, 0.1], np.float32)  # the last one is not trusted
    np.testing.assert_allclose(body_box(xy, score), (100 - 16, 50 - 16, 60 + 32, 200 + 32), rtol=1e-6)
