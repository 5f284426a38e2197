"""OnePerson: joints are put back into the frame to a fraction of a pixel; one person is found, followed and held on to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import ANCHORS, SPEC, MarkerEngine, MarkerSource
from painted import (
    Figure,
    PaintedDetector,
    PaintedEngine,
    PaintedSource,
    standing,
)
from watching import HW, middle_of, watched, who_is

from poseapp.core.heatmap import Mapping
from poseapp.core.roi import search_boxes
from poseapp.core.transform import apply
from poseapp.core.types import FloatArray, Frame, Result
from poseapp.pipeline.single import OnePerson


def follow(source: MarkerSource, engine: MarkerEngine, heatmaps: bool = False) -> list[tuple[float, Result]]:
    estimator = OnePerson(engine)
    source.open()
    results: list[tuple[float, Result]] = []
    while (item := source.read()) is not None:
        image, t = item
        results.append((t, estimator.estimate(Frame(image, len(results), t), heatmaps)))
    return results


@pytest.mark.parametrize("hw", [(720, 1280), (360, 640), (480, 640), (640, 360), (301, 455)])
@pytest.mark.parametrize("input_hw", [(192, 144), (256, 256)])
def test_geometry_from_the_picture_to_the_joints_in_the_frame(hw: tuple[int, int], input_hw: tuple[int, int]) -> None:
    source = MarkerSource(hw, fps=10, seconds=4.0)
    results = follow(source, MarkerEngine(replace(SPEC, input_hw=input_hw)))
    found = [(t, r) for t, r in results if len(r.poses)]
    assert len(found) >= len(results) - len(search_boxes(hw, input_hw))
    for t, result in found:
        np.testing.assert_allclose(result.poses.xy[0], source.truth(t), atol=0.5)
        np.testing.assert_allclose(result.poses.score[0], 0.9, atol=1e-6)
        assert result.poses.ids.tolist() == [1]


def test_the_region_gets_small_around_the_person() -> None:
    """Following is worth it: the person fills the crop instead of the frame."""
    source = MarkerSource((720, 1280), fps=10, seconds=3.0)
    results = follow(source, MarkerEngine())
    box = results[-1][1].boxes
    assert box is not None
    person = np.ptp(source.truth(results[-1][0])[:, 1])
    assert box.shape == (1, 4)
    assert person < box[0, 3] < 1.6 * person


@pytest.mark.parametrize("x", [0.18, 0.5, 0.82])
def test_the_only_picture_is_searched_everywhere(x: float) -> None:
    """Somebody at the side of a wide picture is found in that very picture."""
    hw = (360, 1200)
    wide = np.zeros((*hw, 3), np.uint8)
    left = int(hw[1] * x) - 100
    wide[:, left : left + 200] = MarkerSource((360, 200), still=True).picture(0.0)
    still = OnePerson(MarkerEngine()).estimate(Frame(wide, 0, 0.0, "one of many.jpg"))  # no later one would show the person
    result = OnePerson(MarkerEngine(), thorough=True).estimate(Frame(wide, 0, 0.0))
    assert len(still.poses) == len(result.poses) == 1
    want = MarkerSource((360, 200), still=True).truth(0.0) + np.array([left, 0])
    np.testing.assert_allclose(result.poses.xy[0], want, atol=0.5)
    assert result.poses.ids.tolist() == [1]


def test_a_live_frame_is_searched_once_and_an_offline_one_in_each_region_once() -> None:
    black = Frame(np.zeros((360, 1200, 3), np.uint8), 0, 0.0)
    for thorough, times in ((False, 1), (True, len(search_boxes(black.hw, SPEC.input_hw)))):
        engine = MarkerEngine()
        estimator = OnePerson(engine, thorough=thorough)
        assert len(estimator.estimate(black).poses) == 0
        assert engine.frames == times


def test_every_stage_is_timed() -> None:
    result = OnePerson(MarkerEngine(delay_s=0.02)).estimate(Frame(MarkerSource().picture(0), 0, 0.0), wait_ms=7.0)
    assert set(result.stage_ms) == {"wait", "crop", "inference", "decode"}
    assert result.stage_ms["wait"] == 7.0
    assert result.stage_ms["inference"] >= 20.0
    assert result.stage_ms["crop"] > 0
    assert result.model == "fake"


def test_nobody_is_no_pose() -> None:
    result = OnePerson(MarkerEngine()).estimate(Frame(np.zeros((360, 640, 3), np.uint8), 0, 0.0))
    assert len(result.poses) == 0
    assert result.boxes is not None


@pytest.mark.parametrize("mapping", ["udp", "stride", "centre"])
def test_heatmaps_lie_where_the_joints_are(mapping: Mapping) -> None:
    source = MarkerSource((720, 1280), fps=10, seconds=1.0)
    t, result = follow(source, MarkerEngine(replace(SPEC, mapping=mapping)), heatmaps=True)[-1]
    (maps,) = result.heatmaps
    assert maps.values.shape == (17, 48, 36)
    cell_px = np.linalg.norm(maps.to_frame[:, 0])
    for k in ANCHORS:
        y, x = np.unravel_index(maps.values[k].argmax(), maps.values[k].shape)
        place = apply(maps.to_frame, np.array([x, y], float))
        assert np.abs(place - source.truth(t)[k]).max() < 0.5 * cell_px + 0.5


def test_heatmaps_are_a_copy_that_outlives_the_next_frame() -> None:
    class Reusing(MarkerEngine):
        buffer = np.zeros((1, 17, 48, 36), np.float32)

        def infer(self, crops, heatmaps=False):  # type: ignore[no-untyped-def]
            output = super().infer(crops, heatmaps)
            self.buffer += 1
            return replace(output, heatmaps=self.buffer)

    estimator = OnePerson(Reusing())
    frame = Frame(MarkerSource().picture(0), 0, 0.0)
    first = estimator.estimate(frame, heatmaps=True)
    estimator.estimate(frame, heatmaps=True)
    assert first.heatmaps[0].values.max() == 1.0


def test_the_frame_is_handed_on_and_not_touched() -> None:
    picture = MarkerSource().picture(0.3)
    frame = Frame(picture.copy(), 3, 1.5)
    result = OnePerson(MarkerEngine()).estimate(frame)
    assert result.frame is frame
    np.testing.assert_array_equal(frame.image, picture)


# -- among several people ---------------------------------------------------------------------------------------------


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
