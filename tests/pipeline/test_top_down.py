"""Several people: found, told apart and held on to, top-down and bottom-up, by what stand-ins for networks see."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import wait_until
from painted import (
    BOTTOM_UP,
    TOP_DOWN,
    Figure,
    PaintedDetector,
    PaintedEngine,
    PaintedSource,
    PaintedStore,
    crowd,
    in_skeleton,
    standing,
    walking,
)

from poseapp.core.errors import ModelError
from poseapp.core.geometry import box_iou
from poseapp.core.skeleton import COCO_17, OPENPOSE_18
from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import FloatArray, Frame, PoseMode, Poses, Result
from poseapp.engine.base import Output
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.pipeline import single as estimator_module
from poseapp.pipeline.modes import make_estimator, smooth_rule, suited_model
from poseapp.pipeline.single import CropPoses, Estimator, OnePerson
from poseapp.pipeline.top_down import LARGEST_BATCH, BottomUp, TopDown, body_box
from poseapp.pipeline.top_down import TOP_DOWN as TOP_DOWN_RULE

HW = (360, 640)
SEVERAL: tuple[PoseMode, ...] = ("top-down", "bottom-up")
both_ways = pytest.mark.parametrize("people", SEVERAL)


def estimator(people: PoseMode, **options: Any) -> Estimator:
    engine = PaintedEngine(BOTTOM_UP if people == "bottom-up" else TOP_DOWN)
    return make_estimator(people, engine, PaintedDetector(), **options)


def watched(source: PaintedSource, looker: Estimator) -> list[tuple[float, Result]]:
    """All results for the clip."""
    source.open()
    results: list[tuple[float, Result]] = []
    while (item := source.read()) is not None:
        results.append((item[1], looker.estimate(Frame(item[0], len(results), item[1]))))
    return results


def middle_of(joints: FloatArray) -> tuple[float, float]:
    x, y = joints.mean(axis=0).tolist()
    return x, y


def who_is(figure_joints: FloatArray, result: Result, atol: float = 3.0) -> int | None:
    """The identity of the person found at those joints; None where nobody is."""
    want = in_skeleton(figure_joints, result.poses.skeleton)
    for xy, identity in zip(result.poses.xy, result.poses.ids.tolist(), strict=True):
        if np.nanmax(np.abs(xy - want)) < atol:
            return int(identity)
    return None


def recorded(source: PaintedSource, people: PoseMode, tmp_path: Path, **settings: Any) -> list[dict[str, Any]]:
    """The lines of keypoints.jsonl of the clip, worked through by a Session."""
    folder = tmp_path / "store"
    folder.mkdir()
    store = PaintedStore(folder)
    session = Session(
        source,
        folder / "hourglass-s",
        people=people,
        realtime=False,
        load=store,
        open_detector=store.open_detector,
        **settings,
    )
    try:
        recording = session.start_recording(RecordOptions(tmp_path / "recordings"))
        session.start()
        assert session.wait(100)
        assert session.failure == ""
    finally:
        session.stop()
    assert [len(engine.threads) for engine in store.engines] == [1] * len(store.engines)
    assert all(detector.closed for detector in store.detectors)
    assert all(engine.closed for engine in store.engines)
    return [json.loads(line) for line in (recording / "keypoints.jsonl").read_text().splitlines()]


def identities(source: PaintedSource, lines: list[dict[str, Any]], people: PoseMode) -> dict[int, list[tuple[float, int]]]:
    """For each figure the times at which it was found, with the identity it had then."""
    skeleton = OPENPOSE_18 if people == "bottom-up" else COCO_17
    found: dict[int, list[tuple[float, int]]] = {i: [] for i in range(len(source.figures))}
    for line in lines:
        for i, joints in source.truth(line["frame"] / source.fps).items():
            want = in_skeleton(joints, skeleton)
            for person in line["people"]:
                xy = np.array([joint[:2] for joint in person["keypoints"]], float)
                if np.nanmedian(np.linalg.norm(xy - want, axis=1)) < 5.0:
                    found[i].append((line["t"], person["id"]))
    return found


# -- through the session, to the file ---------------------------------------------------------------------------------


@both_ways
def test_crossing_people_keep_their_identities(tmp_path: Path, people: PoseMode) -> None:
    figures = [walking(90, 200, 110, 160), walking(550, 220, -110, 150), standing(320, 40, 60)]
    source = PaintedSource(figures, seconds=4.0, fps=12, hw=HW)
    lines = recorded(source, people, tmp_path)
    assert len(lines) == 48
    found = identities(source, lines, people)
    for i in (0, 1):
        assert len(found[i]) >= 38, "seen, but for where they cross"
        assert found[i][0][0] == 0.0
        assert found[i][-1][0] > 3.9
    ids = [{identity for _, identity in seen} for seen in found.values()]
    assert [len(numbers) for numbers in ids] == [1, 1, 1]
    assert len(set.union(*ids)) == 3


@both_ways
def test_somebody_hidden_for_a_second_is_the_same_one_after(tmp_path: Path, people: PoseMode) -> None:
    source = PaintedSource(
        [walking(40, 150, 80, 160), standing(580, 150, 120)], seconds=4.5, fps=12, hw=HW, walls=[(200, 0, 70, 360)]
    )
    found = identities(source, recorded(source, people, tmp_path), people)
    times = [t for t, _ in found[0]]
    gap = max(b - a for a, b in itertools.pairwise(times))
    assert 1.0 <= gap <= 2.0
    assert {identity for _, identity in found[0]} == {found[0][0][1]}
    assert len({identity for _, identity in found[1]}) == 1


@both_ways
def test_an_empty_scene_has_nobody_until_somebody_comes(tmp_path: Path, people: PoseMode) -> None:
    comer = Figure(lambda t: (300.0, 150.0, 160.0) if t >= 1.0 else None)
    lines = recorded(PaintedSource([comer], seconds=2.0, fps=10, hw=HW), people, tmp_path)
    assert [len(line["people"]) for line in lines] == [0] * 10 + [1] * 10


@both_ways
def test_people_who_leave_and_come_back(tmp_path: Path, people: PoseMode) -> None:
    """Away for a short time somebody is the same one; after a long time a new one, with a number that nobody had."""

    def place(t: float) -> tuple[float, float, float] | None:
        return None if 2.0 <= t < 3.0 or 4.0 <= t < 7.0 else (400.0, 150.0, 160.0)

    source = PaintedSource([Figure(place), standing(150, 150, 160)], seconds=8.0, fps=8, hw=HW)
    found = identities(source, recorded(source, people, tmp_path), people)
    first = {i for t, i in found[0] if t < 2}
    assert len(first) == 1
    assert {i for t, i in found[0] if 3 <= t < 4} == first
    later = {i for t, i in found[0] if t >= 7}
    assert len(later) == 1
    stayed = {i for _, i in found[1]}
    assert len(stayed) == 1
    assert len(first | later | stayed) == 3


@both_ways
def test_thirty_people(tmp_path: Path, people: PoseMode) -> None:
    source = PaintedSource(crowd(30), seconds=0.5, fps=8)
    lines = recorded(source, people, tmp_path)
    assert [len(line["people"]) for line in lines] == [30] * 4
    ids = [sorted(person["id"] for person in line["people"]) for line in lines]
    assert ids == [list(range(1, 31))] * 4


def test_the_file_carries_raw_and_smoothed_joints_and_who_is_locked(tmp_path: Path) -> None:
    source = PaintedSource([walking(100, 150, 60, 160)], seconds=1.5, fps=12, hw=HW)
    lines = recorded(source, "top-down", tmp_path, smoothing=SmoothRule(min_cutoff_hz=0.3, beta=0.0))
    first, last = lines[0]["people"][0], lines[-1]["people"][0]
    raw = np.array([joint[:2] for joint in last["keypoints"]])
    np.testing.assert_allclose(raw, source.truth(17 / 12)[0], atol=2.0)
    assert first["smoothed"] == [joint[:2] for joint in first["keypoints"]]
    lag = raw - np.array(last["smoothed"])
    assert (lag[:, 0] > 3.0).all(), "a filter this slow lags behind somebody who walks to the right"
    assert "locked" not in lines[0]
    assert "predicted" not in first


def test_without_smoothing_the_file_says_nothing_of_it(tmp_path: Path) -> None:
    source = PaintedSource([standing(300, 150, 160)], seconds=0.3, fps=10, hw=HW)
    lines = recorded(source, "bottom-up", tmp_path)
    assert [len(line["people"]) for line in lines] == [1, 1, 1]
    assert [set(line["people"][0]) for line in lines] == [{"id", "score", "keypoints"}] * 3


# -- top-down ----------------------------------------------------------------------------------------------------------


def test_between_detections_the_crops_follow() -> None:
    detector, engine = PaintedDetector(), PaintedEngine()
    source = PaintedSource([walking(100, 150, 60, 160), standing(500, 150, 160)], seconds=3.0, fps=10, hw=HW)
    results = watched(source, TopDown(engine, detector))
    assert detector.requested == 1 + 29 // TOP_DOWN_RULE.detect_every
    assert engine.batches == [2] * 30, "one batch a frame"
    for t, result in results:
        assert [who_is(joints, result) for joints in source.truth(t).values()] == [1, 2]
        assert result.people == "top-down"


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
    expected = Poses(whole, sure, sure[:, 0], np.array([4]), COCO_17)
    assert len(looker._people(face, [None], expected)) == 0
    assert len(looker._people(face, [None], Poses.none(COCO_17))) == 1
    assert len(looker._people(CropPoses(whole + 1, sure, ()), [None], expected)) == 1, "who is whole is no piece"


def test_at_few_frames_a_second_one_miss_is_enough_to_be_lost() -> None:
    detector = PaintedDetector()
    away = Figure(lambda t: None if t >= 1.0 else (300.0, 150.0, 160.0))
    watched(PaintedSource([away], seconds=2.5, fps=2, hw=HW), TopDown(PaintedEngine(), detector))
    assert detector.requested == 1 + 2, "first, and in each frame after the one in which nobody was there"


def test_nobody_is_carried_along_for_ever() -> None:
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
        monkeypatch.setattr(estimator_module, "time", SimpleNamespace(perf_counter=lambda: self._now))

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


# -- bottom-up ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 12])
def test_bottom_up_looks_once_however_many_there_are(n: int) -> None:
    engine = PaintedEngine(BOTTOM_UP)
    source = PaintedSource(crowd(n), seconds=0.3, fps=10)
    results = watched(source, BottomUp(engine))
    assert engine.batches == [1] * 4  # one to see whether it can
    for t, result in results:
        assert all(who_is(joints, result) is not None for joints in source.truth(t).values())
        assert len(result.poses) == n


def test_fields_come_with_the_heatmaps_when_asked_for() -> None:
    looker = BottomUp(PaintedEngine(BOTTOM_UP))
    frame = Frame(PaintedSource([standing(300, 150, 160)], hw=HW).picture(0.0), 0, 0.0)
    assert looker.estimate(frame).heatmaps == ()
    (maps,) = looker.estimate(frame, heatmaps=True).heatmaps
    assert maps.values.shape == (18, 96, 160)
    assert maps.fields is not None
    assert maps.fields.shape == (2 * len(OPENPOSE_18.limbs), 96, 160)


def test_a_network_without_fields_is_told() -> None:
    with pytest.raises(ModelError, match="openpose-s: its graph gives no part affinity fields"):
        BottomUp(PaintedEngine(BOTTOM_UP, fields=False))


# -- one person --------------------------------------------------------------------------------------------------------


def test_the_detector_finds_the_first_person_in_the_first_frame() -> None:
    """Far off at the side, where a search would come only after some frames, if ever."""
    source = PaintedSource([standing(60, 80, 70)], seconds=0.5, fps=10, hw=HW)
    detector = PaintedDetector()
    results = watched(source, OnePerson(PaintedEngine(), detector))
    assert [who_is(source.truth(t)[0], result) for t, result in results] == [1] * 5
    assert detector.requested == 1, "then the person is followed"


def test_where_the_detector_sees_nobody_the_frame_is_searched() -> None:
    class Blind(PaintedDetector):
        def find(self, image: Any, limit: int = 30) -> tuple[FloatArray, FloatArray]:
            return np.empty((0, 4), np.float32), np.empty(0, np.float32)

    source = PaintedSource([standing(320, 150, 200)], seconds=0.5, fps=10, hw=HW)
    results = watched(source, OnePerson(PaintedEngine(), Blind()))
    assert len(results[-1][1].poses) == 1


@pytest.mark.parametrize("detector", [True, False])
def test_a_click_on_somebody_else_changes_to_them_and_holds_on(detector: bool) -> None:
    source = PaintedSource([standing(320, 140, 170), standing(520, 140, 170)], hw=HW)
    looker = OnePerson(PaintedEngine(), PaintedDetector() if detector else None)

    def predict(n: int) -> Result:
        return looker.estimate(Frame(source.picture(0.0), n, n / 10))

    n = 0
    while not len((before := predict(n)).poses):
        n += 1
    first = next(i for i, joints in source.truth(0).items() if who_is(joints, before) is not None)
    assert before.locked is None
    other = source.truth(0)[1 - first]
    looker.lock((float(other[:, 0].mean()), float(other[:, 1].mean())))
    for i in range(1, 5):
        after = predict(n + i)
        held = who_is(other, after)
        assert held is not None
        assert after.locked == held


def test_a_click_on_the_locked_person_and_one_on_nobody() -> None:
    source = PaintedSource([standing(320, 150, 170)], hw=HW)
    looker = OnePerson(PaintedEngine(), PaintedDetector())
    frames = iter(range(100))

    def predict() -> Result:
        n = next(frames)
        return looker.estimate(Frame(source.picture(0.0), n, n / 10))

    predict()
    middle = middle_of(source.truth(0)[0])
    looker.lock(middle)
    assert predict().locked == 1
    looker.lock((20.0, 20.0))
    assert predict().locked == 1, "a click beside everybody changes nothing"
    looker.lock(middle)
    assert predict().locked is None
    looker.lock(middle)
    assert predict().locked == 1
    looker.lock(None)
    assert predict().locked is None


def test_a_locked_person_who_goes_behind_a_wall_is_waited_for() -> None:
    """Somebody else is in the picture all the time, and is never taken in their place."""

    def place(t: float) -> tuple[float, float, float] | None:
        return None if 1.0 <= t < 2.5 else (200.0, 150.0, 160.0)

    source = PaintedSource([Figure(place), standing(500, 150, 160)], seconds=3.5, fps=10, hw=HW)
    looker = OnePerson(PaintedEngine(), PaintedDetector())
    looker.estimate(Frame(source.picture(0.0), 0, 0.0))
    looker.lock(middle_of(source.truth(0)[0]))
    results = watched(source, looker)
    for t, result in results[1:]:
        assert result.locked is not None
        if 1.0 <= t < 2.5:
            assert len(result.poses) == 0
        else:
            assert who_is(source.truth(t)[0], result) == result.locked


# -- several, and clicks -----------------------------------------------------------------------------------------------


@both_ways
def test_a_click_locks_who_is_under_it_and_a_second_lets_go(people: PoseMode) -> None:
    source = PaintedSource([standing(150, 150, 160), standing(450, 150, 160)], hw=HW)
    looker = estimator(people)
    frame = Frame(source.picture(0.0), 0, 0.0)
    looker.estimate(frame)
    middle = middle_of(source.truth(0)[1])
    looker.lock(middle)
    result = looker.estimate(Frame(frame.image, 1, 0.1))
    assert result.locked == who_is(source.truth(0)[1], result)
    looker.lock(middle)
    assert looker.estimate(Frame(frame.image, 2, 0.2)).locked is None
    looker.lock((300.0, 20.0))
    assert looker.estimate(Frame(frame.image, 3, 0.3)).locked is None


@both_ways
def test_another_picture_begins_with_new_people(people: PoseMode) -> None:
    source = PaintedSource([standing(150, 150, 160)], hw=HW)
    looker = estimator(people)
    first = looker.estimate(Frame(source.picture(0.0), 0, 0.0))
    looker.reset()
    second = looker.estimate(Frame(source.picture(0.0), 1, 0.1))
    assert (first.poses.ids.tolist(), second.poses.ids.tolist()) == ([1], [2])


# -- the session's settings --------------------------------------------------------------------------------------------


class Running:
    """A session on painted people, live; ``frames`` are all results taken so far."""

    def __init__(
        self, folder: Path, source: PaintedSource, people: PoseMode = "one", model: str = "hourglass-s", **store: Any
    ) -> None:
        self.store = PaintedStore(folder, **store)
        self.session = Session(
            source,
            folder / model,
            people=people,
            load=self.store,
            builds_first=lambda *_: False,
            open_detector=self.store.open_detector,
        )
        self.frames: list[Result] = []

    def __enter__(self) -> Running:
        self.session.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.stop()

    def until(self, condition: Any) -> Result:
        """The first result that fulfils *condition*."""
        found: list[Result] = []

        def predict() -> bool:
            result = self.session.take()
            if result is not None:
                self.frames.append(result)
                if condition(result):
                    found.append(result)
            return bool(found)

        wait_until(predict)
        return found[0]


TWO = [standing(150, 150, 160), standing(450, 150, 160)]


def test_the_way_changes_between_two_frames_and_back(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        running.session.set_people("top-down")
        several = running.until(lambda r: r.people == "top-down" and len(r.poses) == 2)
        assert several.poses.ids.tolist() in ([1, 2], [2, 1]), "the one followed keeps the number"
        assert len(running.store.engines) == 1, "with the same engine"
        running.session.set_people("bottom-up")
        joints = running.until(lambda r: r.people == "bottom-up" and len(r.poses) == 2)
        assert joints.model == "openpose-s"
        assert min(joints.poses.ids) >= 3, "other joints: nobody can say who is who, and no number is given twice"
        status = running.session.status()
        assert (status.way, status.model, status.model_error) == ("bottom-up", "openpose-s", "")
        assert status.note == "hourglass-s cannot look bottom-up: openpose-s runs in its place."
        running.session.set_people("one")
        last = running.until(lambda r: r.people == "one" and len(r.poses) == 1)
        assert last.model == "hourglass-s"
        assert running.session.status().note == ""
        indices = [r.frame.index for r in running.frames]
        assert indices == sorted(set(indices))


def lost_and_found(running: Running, times: int) -> None:
    """As if the one person had been lost *times* times: each time they get another number."""
    inference = running.session._inference
    assert inference is not None
    assert inference.estimator is not None
    inference.estimator.tracker.next_id += times


@pytest.mark.parametrize("way", ["top-down", "bottom-up"])
def test_numbers_of_several_people_start_at_1_whatever_was_before(tmp_path: Path, way: PoseMode) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=20, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        lost_and_found(running, 7)
        running.session.set_people("top-down")
        several = running.until(lambda r: r.people == "top-down" and len(r.poses) == 2)
        assert sorted(several.poses.ids) == [1, 2]
        running.session.set_people(way)
        running.until(lambda r: r.people == way and len(r.poses) == 2)
        running.session.set_source(PaintedSource(TWO, fps=10, hw=HW))
        other = running.until(lambda r: r.people == way and len(r.poses) == 2 and set(r.poses.ids) == {1, 2})
        assert other.frame.index > several.frame.index


def test_in_a_recording_no_number_is_given_twice(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=20, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        lost_and_found(running, 7)
        folder = running.session.start_recording(RecordOptions(tmp_path / "recordings"))
        running.session.set_people("top-down")
        running.until(lambda r: r.people == "top-down" and len(r.poses) == 2)
        running.session.stop_recording()
    lines = [json.loads(line) for line in (folder / "keypoints.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {person["id"] for line in lines for person in line["people"]} == {1, 9}


def test_a_recording_goes_on_while_the_way_changes_and_says_from_where(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW)) as running:
        running.until(lambda r: len(r.poses) == 1)
        folder = running.session.start_recording(RecordOptions(tmp_path / "recordings"))
        ways: tuple[PoseMode, ...] = ("top-down", "bottom-up", "one")
        for people in ways:
            running.session.set_people(people)
            running.until(lambda r, people=people: r.people == people and len(r.poses) > 0)
        running.session.stop_recording()
        wait_until(lambda: json.loads((folder / "session.json").read_text())["finished"])
    models = json.loads((folder / "session.json").read_text())["models"]
    assert [(entry["name"], entry["mode"]) for entry in models] == [
        ("hourglass-s", "one"),
        ("hourglass-s", "top-down"),
        ("openpose-s", "bottom-up"),
        ("hourglass-s", "one"),
    ]
    lines = [json.loads(line) for line in (folder / "keypoints.jsonl").read_text().splitlines()]
    for i, (entry, after) in enumerate(itertools.pairwise([*models, {"from_frame": lines[-1]["frame"] + 1}])):
        its = [line for line in lines if entry["from_frame"] <= line["frame"] < after["from_frame"]]
        joints = {len(p["keypoints"]) for line in its for p in line["people"]}
        assert joints <= {18 if entry["name"] == "openpose-s" else 17}
        assert joints or i == 0  # the first way may have been left at once


def test_leaving_bottom_up_finds_the_detector_with_the_very_same_model(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), people="bottom-up", model="openpose-s") as running:
        running.until(lambda r: r.people == "bottom-up" and len(r.poses) == 2)
        running.session.set_people("top-down")
        running.until(lambda r: r.people == "top-down" and len(r.poses) == 2)
        assert running.session.status().model_error == ""


def test_bottom_up_without_a_model_for_it_says_what_to_do_and_goes_on(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), specs=(TOP_DOWN,)) as running:
        running.until(lambda r: len(r.poses) == 1)
        running.session.set_people("bottom-up")
        wait_until(lambda: running.session.status().model_error)
        status = running.session.status()
        assert status.model_error.startswith(f"bottom-up: expected a model with part affinity fields in {tmp_path}, found none.")
        assert (status.state, status.way, status.wish.people, status.loading) == ("running", "one", "one", "")
        assert running.until(lambda r: len(r.poses) == 1).people == "one"


def test_top_down_without_a_detector_says_what_to_do_and_goes_on(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), detector=False) as running:
        running.until(lambda r: len(r.poses) == 1)
        running.session.set_people("top-down")
        wait_until(lambda: running.session.status().model_error)
        status = running.session.status()
        assert status.model_error.startswith("top-down: expected a person detector in the model store, found none.")
        assert (status.state, status.way, status.wish.people) == ("running", "one", "one")


def test_a_start_that_cannot_have_its_way_looks_for_one_person(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), people="top-down", detector=False) as running:
        running.until(lambda r: len(r.poses) == 1)
        status = running.session.status()
        assert (status.state, status.way) == ("running", "one")
        assert status.note.startswith("top-down: expected a person detector")


def test_another_model_for_bottom_up_keeps_the_way(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), people="bottom-up") as running:
        running.until(lambda r: len(r.poses) == 2)
        running.session.set_model(tmp_path / "hourglass-s")
        wait_until(lambda: len(running.store.engines) == 2 and not running.session.status().loading)
        assert running.until(lambda r: len(r.poses) == 2).model == "openpose-s"
        assert "cannot look bottom-up" in running.session.status().note


def test_smoothing_is_switched_while_it_runs(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), people="top-down") as running:
        assert running.until(lambda r: len(r.poses) == 2).smoothed is None
        running.session.set_smoothing(SmoothRule())
        result = running.until(lambda r: r.smoothed is not None and len(r.poses) == 2)
        assert result.smoothed is not None
        assert result.shown is result.smoothed
        assert result.smoothed.ids.tolist() == result.poses.ids.tolist()
        running.session.set_smoothing(None)
        assert running.until(lambda r: r.smoothed is None).shown is not None


def test_a_click_reaches_the_one_it_means(tmp_path: Path) -> None:
    with Running(tmp_path, PaintedSource(TWO, fps=10, hw=HW), people="top-down") as running:
        result = running.until(lambda r: len(r.poses) == 2)
        x, y = result.poses.xy[1].mean(axis=0).tolist()
        running.session.lock_person((x, y))
        assert running.until(lambda r: r.locked is not None).locked == result.poses.ids[1]
        running.session.lock_person(None)
        running.until(lambda r: r.locked is None)


def test_a_budget_set_while_it_runs(tmp_path: Path) -> None:
    source = PaintedSource(crowd(6, HW), fps=10, hw=HW)
    with Running(tmp_path, source, people="top-down", delay_s=0.02) as running:
        running.session.latency_budget_ms = math.inf
        running.until(lambda r: len(r.poses) == 6 and not r.predicted)
        running.session.latency_budget_ms = 30.0
        running.until(lambda r: len(r.poses) == 6 and len(r.predicted) >= 4)


# -- small parts -------------------------------------------------------------------------------------------------------


def test_the_model_asked_for_serves_where_it_can(tmp_path: Path) -> None:
    PaintedStore(tmp_path)
    for people in ("one", "top-down"):
        assert suited_model(tmp_path / "hourglass-s", people) == (tmp_path / "hourglass-s", "")
    assert suited_model(tmp_path / "openpose-s", "bottom-up") == (tmp_path / "openpose-s", "")
    folder, note = suited_model(tmp_path / "hourglass-s", "bottom-up")
    assert folder == tmp_path / "openpose-s"
    assert note == "hourglass-s cannot look bottom-up: openpose-s runs in its place."


def test_a_stronger_smoothing_cuts_lower_and_none_is_none() -> None:
    assert smooth_rule(0.0) is None
    rules = [smooth_rule(strength) for strength in (0.25, 0.5, 0.75, 1.0)]
    cutoffs = [rule.min_cutoff_hz for rule in rules if rule is not None]
    assert rules[1] == SmoothRule()
    np.testing.assert_allclose(np.array(cutoffs[:-1]) / cutoffs[1:], 2.0)


def test_a_body_is_larger_than_its_joints() -> None:
    """By 8 % of its length on each side, so that it overlaps a detector's box as a body does."""
    xy = np.array([(100, 50), (160, 250), (120, 90), (900, 900)], np.float32)
    score = np.array([0.9, 0.9, 0.9, 0.1], np.float32)  # the last one is not trusted
    np.testing.assert_allclose(body_box(xy, score), (100 - 16, 50 - 16, 60 + 32, 200 + 32), rtol=1e-6)
