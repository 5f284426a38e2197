"""Recordings that begin after a countdown, and stop by themselves: at a length, or when everybody has left."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from clips import decoded
from fakes import FlakyCamera, Loader, MarkerEngine, MarkerSource, wait_until
from sessions import A, lines, seen
from test_recorder import NOWHERE, feed, manifest, recording, result

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray, ImageArray, Poses, Result
from poseapp.engine.base import Progress
from poseapp.live.recording import Recorder, RecordOptions, StartStop
from poseapp.live.recording.start_stop import StopRules, ended_text
from poseapp.live.session import Session
from poseapp.live.stats import Stats
from poseapp.live.status import ModelRequest


def options(folder: Path, **chosen: float) -> RecordOptions:
    return RecordOptions(folder=folder, clean_video=True, start_stop=StartStop(**chosen))  # type: ignore[arg-type]


def nobody(one: Result) -> Result:
    return replace(one, poses=Poses.none(COCO_17))


# -- a length ------------------------------------------------------------------------------------------------------


def test_a_recording_stops_at_its_length(tmp_path: Path) -> None:
    with recording(tmp_path, options(tmp_path, stop_after_s=1.0)) as recorder:
        for index in range(60):
            feed(recorder, result(index, index / 30))
        assert not recorder.taking
        assert recorder.join(20)
    status = recorder.status()
    assert status.ended_by == "length"
    assert status.counts.captured == status.counts.analysed == status.counts.written == status.counts.clean_written == 30
    assert len(lines(recorder.folder)) == len(decoded(recorder.folder / "clean.mkv")) == 30
    assert manifest(recorder.folder)["ended_by"] == "length"


def test_without_real_time_frames_on_their_way_to_the_model_belong_to_it(tmp_path: Path) -> None:
    """The source is ahead of the model: the length ends what is captured, and the results of it are still written."""
    with recording(tmp_path, options(tmp_path, stop_after_s=1.0)) as recorder:
        ahead = [result(index, index / 10) for index in range(14)]
        for one in ahead[:4]:
            recorder.capture(one.frame)
        for done, captured in zip(ahead, ahead[4:], strict=False):
            recorder.capture(captured.frame)
            recorder.put(done)
        assert not recorder.taking
    assert [line["frame"] for line in lines(recorder.folder)] == list(range(10))


def test_live_the_length_ends_the_recording_without_a_model(tmp_path: Path) -> None:
    recorder = Recorder(options(tmp_path, stop_after_s=0.5), NOWHERE, Stats())
    for index in range(20):
        recorder.capture(result(index, 100 + index / 30).frame)
    assert recorder.join(20)
    status = recorder.status()
    assert (status.ended_by, status.counts.captured) == ("length", 15)


def test_a_still_ends_at_the_length_too(tmp_path: Path) -> None:
    """It stays on the screen, and is one picture."""
    recorder = Recorder(options(tmp_path, stop_after_s=1.0), NOWHERE, Stats())
    still = result(0, 0.0)
    for t in (100.0, 100.5, 101.0):
        feed(recorder, replace(still, frame=replace(still.frame, t=t)))
    assert recorder.join(20)
    assert (recorder.status().ended_by, recorder.status().counts.captured) == ("length", 1)


# -- everybody has left --------------------------------------------------------------------------------------------


def test_a_recording_stops_when_everybody_has_left(tmp_path: Path) -> None:
    with recording(tmp_path, options(tmp_path, stop_empty_s=0.99)) as recorder:
        for index in range(200):
            one = result(index, index / 30)
            there = 60 <= index < 90 or index == 100
            feed(recorder, one if there else nobody(one))
        assert not recorder.taking
    assert recorder.status().ended_by == "nobody"
    assert [line["frame"] for line in lines(recorder.folder)] == list(range(131)), "somebody was there at 100 / 30 s"


def test_nobody_can_leave_before_somebody_was_there(tmp_path: Path) -> None:
    with recording(tmp_path, options(tmp_path, stop_empty_s=0.5)) as recorder:
        for index in range(60):
            feed(recorder, nobody(result(index, index / 30)))
        assert recorder.taking
    assert recorder.status().ended_by == ""


def test_people_whose_joints_are_only_predicted_are_not_there(tmp_path: Path) -> None:
    with recording(tmp_path, options(tmp_path, stop_empty_s=0.5)) as recorder:
        feed(recorder, result(0, 0.0))
        for index in range(1, 30):
            feed(recorder, replace(result(index, index / 30), predicted=frozenset({1})))
        assert not recorder.taking


def test_each_rule_is_off_at_zero() -> None:
    rules = StopRules(StartStop())
    assert rules.captured(1e6) == ""
    assert rules.analysed(0.0, True) == ""
    assert rules.analysed(1e6, False) == ""


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["countdown_s", "stop_after_s", "stop_empty_s"])
def test_times_that_are_none_are_refused(name: str, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected 0 to 86400 s"):
        StartStop(**{name: wrong})  # type: ignore[arg-type]


def test_what_ended_it_has_words() -> None:
    assert ended_text("") == ""
    assert ended_text("length")
    assert ended_text("nobody")


# -- the countdown -------------------------------------------------------------------------------------------------


def test_no_frame_of_the_countdown_is_recorded(tmp_path: Path) -> None:
    recorder = Recorder(options(tmp_path, countdown_s=60.0), NOWHERE, Stats())
    asked = time.monotonic()
    assert 55 < recorder.status().waits_s <= 60
    for index in range(30):
        feed(recorder, result(index, asked + index))  # up to half a minute from now
    assert recorder.status().counts.captured == 0
    for index in range(30, 40):
        feed(recorder, result(index, asked + 61 + index))
    assert recorder.status().waits_s == 0
    recorder.close()
    assert recorder.join(20)
    assert next((line["frame"], line["t"]) for line in lines(recorder.folder)) == (0, 0.0)
    assert manifest(recorder.folder)["start_stop"]["countdown_s"] == 60


def test_a_recording_that_is_called_off_leaves_nothing(tmp_path: Path) -> None:
    recorder = Recorder(options(tmp_path, countdown_s=60.0), NOWHERE, Stats())
    feed(recorder, result(0, time.monotonic()))
    recorder.close()
    assert recorder.join(20)
    assert recorder.called_off
    assert list(tmp_path.iterdir()) == []


def test_the_session_counts_down_and_forgets_a_recording_that_is_called_off(tmp_path: Path) -> None:
    session = Session(FlakyCamera([]), ModelRequest(A), load=Loader())
    session.start()
    try:
        seen(session, lambda status: status.state == "running")
        folder = session.start_recording(options(tmp_path, countdown_s=60.0))
        status = seen(session, lambda status: status.recording is not None and status.recording.waits_s > 0)
        assert status.recording is not None
        assert status.recording.active
        session.stop_recording()
        seen(session, lambda status: status.recording is None)
        wait_until(lambda: not folder.exists())
        asked = time.time()
        session.start_recording(options(tmp_path, countdown_s=0.3))
        seen(session, lambda status: status.recording is not None and status.recording.frames > 2)
    finally:
        session.stop()
    (made,) = tmp_path.iterdir()
    started = datetime.fromisoformat(manifest(made)["started"].replace("Z", "+00:00")).timestamp()
    assert started >= asked + 0.3 - 0.01, "the first frame is later than the countdown"


# -- the sign ------------------------------------------------------------------------------------------------------


class HandEngine(MarkerEngine):
    """Finds the figure with its right hand up."""

    def _joints(self, crop: ImageArray) -> FloatArray:
        found = super()._joints(crop)
        if found[0, 2] > 0:
            height = float(np.ptp(found[:, 1]))
            found[10, :2] = found[0, :2] - (0.1 * height, 0.25 * height)
        return found


class HandLoader(Loader):
    def __call__(self, folder: Path, device: str, *, precision: str = "auto", progress: Progress | None = None) -> MarkerEngine:
        return HandEngine()


@pytest.mark.parametrize("on", [True, False])
def test_the_session_counts_raised_hands_where_it_is_asked_to(on: bool) -> None:
    source = MarkerSource(still=True, seconds=4)
    session = Session(source, ModelRequest(A), realtime=False, load=HandLoader())
    session.settings.hand_sign = on
    assert session.status().hand_signs == 0
    session.start()
    assert session.wait(60)
    session.stop()
    assert session.status().hand_signs == int(on)
