"""A model on its thread: frames in order, a lost device, a new scene."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from fakes import Loader, MarkerEngine, MarkerSource, wait_until
from sessions import (
    B,
    hold_on_to_somebody,
    lines,
    next_result,
    running,
    seen,
    the_recording,
)

from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import Frame, ImageArray, PoseMode, Result
from poseapp.live.model_runner import ModelRunner, ModelThread, RunnerEvents
from poseapp.live.shared import LiveSettings, Shared
from poseapp.live.slot import Slot
from poseapp.live.worker import Worker


def test_an_engine_is_made_used_and_closed_on_one_thread() -> None:
    load = Loader()
    with running(MarkerSource(), load) as session:
        next_result(session)
        session.set_model(B)
        wait_until(lambda: session.status().model == "b")
        next_result(session)
    assert [len(engine.threads) for engine in load.engines] == [1, 1]
    assert load.engines[0].threads != load.engines[1].threads
    assert all(engine.closed for engine in load.engines)


def test_joints_of_the_right_frame_reach_the_window() -> None:
    source, found = MarkerSource(), 0
    with running(source) as session:
        while found < 10:
            result = next_result(session)
            if len(result.poses):
                np.testing.assert_allclose(result.poses.xy[0], source.truth(result.frame.index / 30), atol=0.5)
                found += 1


def test_heatmaps_come_when_they_are_asked_for() -> None:
    with running(MarkerSource()) as session:
        assert next_result(session).heatmaps == ()
        session.settings.heatmaps = True
        wait_until(lambda: next_result(session).heatmaps)


@pytest.mark.parametrize("realtime", [False, True])
def test_a_device_lost_in_mid_stream_gives_way_to_the_cpu(tmp_path: Path, realtime: bool) -> None:
    load = Loader(delay_s=0.01)
    load.fails_after["gpu"] = 8
    source = MarkerSource(fps=60, seconds=1.0)
    with running(source, load, realtime=realtime, device="gpu", record=tmp_path) as session:
        assert session.wait(30)
        status = session.status()
        assert status.state == "ended"
        assert session.failure == status.model_error == ""
        assert status.backend is not None
        assert (status.backend.device, status.backend.fallback) == ("CPU", "a: the device is gone.")
    gpu, cpu = load.engines
    assert gpu.closed
    assert cpu.closed
    assert gpu.threads == cpu.threads
    folder = the_recording(tmp_path)
    frames = [line["frame"] for line in lines(folder)]
    assert frames == sorted(set(frames))
    if not realtime:
        assert frames == list(range(60)), "the frame at which it was lost is done on the CPU"
        assert {tuple(p["id"] for p in line["people"]) for line in lines(folder)} == {(1,)}
    models = json.loads((folder / "session.json").read_text())["models"]
    assert [(m["from_frame"], m["backend"]["fallback"]) for m in models] == [(0, ""), (frames[7] + 1, "a: the device is gone.")]


class Held(MarkerSource):
    """Gives *frames* pictures of a figure that stands, each when the one before was looked at; the next when ``gate`` is set."""

    def __init__(self, frames: int, load: Loader) -> None:
        super().__init__(still=True)
        self._held_at, self._load, self.gate = frames, load, threading.Event()

    def read(self) -> tuple[ImageArray, float] | None:
        if self._count == self._held_at:
            assert self.gate.wait(30)
        elif self._count:
            wait_until(lambda: sum(engine.frames for engine in self._load.engines) >= self._count)
        return super().read()


def test_the_times_of_one_model_are_not_taken_for_anothers() -> None:
    load = Loader()
    source = Held(8, load)
    with running(source, load) as session:
        seen(session, lambda s: "inference" in s.stats.ms)
        wait_until(lambda: (r := session.take()) is not None and r.frame.index == 7)
        session.set_model(B)
        status = seen(session, lambda s: s.model == "b")
        wait_until(lambda: load.named("a").closed)
        source.gate.set()
    assert status.stats.ms == {}, "model b has not looked at anything yet"


def test_the_times_of_a_lost_device_are_not_taken_for_the_cpus() -> None:
    load = Loader()
    source = Held(9, load)
    load.fails_after["gpu"] = 8
    with running(source, load, device="gpu") as session:
        wait_until(lambda: (r := session.take()) is not None and r.frame.index == 8)
        status = session.status()
        source.gate.set()
    assert [engine.backend.device for engine in load.engines] == ["Fake GPU", "CPU"]
    p50, p95 = status.stats.ms["inference"]
    assert p50 == p95, "there is one time only, of the one frame that the CPU has worked on"


def test_the_last_frame_of_a_slow_model_comes_before_the_first_of_a_quick_one() -> None:
    load = Loader(delay_s=0.4)
    with running(MarkerSource(), load) as session:
        results = [next_result(session)]
        load.delay_s = 0.0
        session.set_model(B)
        while not load.engines[0].closed or [r.model for r in results[-3:]] != ["b"] * 3:
            results.append(next_result(session))
    indices = [r.frame.index for r in results]
    assert indices == sorted(set(indices))
    assert [r.model for r in results] == sorted(r.model for r in results)


def test_another_source_is_searched_for_somebody_else() -> None:
    """They stand at the very same place, and are another person all the same: nobody holds on to them."""
    with running(MarkerSource(still=True)) as session:
        hold_on_to_somebody(session)
        session.set_source(MarkerSource(still=True))
        wait_until(lambda: next_result(session).locked is None)
        wait_until(lambda: next_result(session).poses.ids.tolist() == [1])


def test_a_change_of_model_after_a_change_of_source_follows_on() -> None:
    load = Loader()
    with running(MarkerSource(still=True), load) as session:
        hold_on_to_somebody(session)
        session.set_source(MarkerSource(still=True))
        wait_until(lambda: next_result(session).locked is None)
        hold_on_to_somebody(session)
        session.set_model(B)
        result = next_result(session)
        while result.model == "a":
            result = next_result(session)
        assert result.locked == 1, "the picture is the same one: nobody is searched for"


# -- without a session -----------------------------------------------------------------------------------------------


def run_one_frame(engine: MarkerEngine, wanted: PoseMode = "one") -> tuple[ModelRunner, list[Result], list[str]]:
    """A runner that has worked on one frame in the mode *wanted* and is closed; its results and reports."""
    source = MarkerSource(still=True)
    inbox: Slot[Frame] = Slot()
    worker = Worker("unused", lambda _stop: None, lambda _error: None)
    thread = ModelThread(worker=worker, inbox=inbox, folder=Path("a"), mode="one", order=1, request_number=0)
    results: list[Result] = []
    reports: list[str] = []
    events = RunnerEvents(
        result=results.append,
        fell_back=lambda reason: reports.append(f"CPU: {reason}"),
        mode_changed=lambda: reports.append("mode changed"),
        mode_refused=lambda kept, error: reports.append(f"{kept} kept: {error}"),
    )
    shared = Shared(realtime=False, settings=LiveSettings(smoothing=SmoothRule()))
    runner = ModelRunner(thread, engine, shared, events, load=Loader(), open_detector=lambda _: None)
    thread.mode = wanted
    inbox.put(Frame(source.picture(0.0), 0, 0.0))
    inbox.close()
    runner.run(threading.Event())
    runner.close()
    return runner, results, reports


def test_a_runner_gives_a_result_and_closes_its_engine() -> None:
    engine = MarkerEngine()
    _, (result,), reports = run_one_frame(engine)
    assert len(result.poses) == 1
    assert result.smoothed is not None
    assert reports == []
    assert engine.closed


def test_a_device_that_fails_gives_way_to_the_cpu_with_the_same_frame() -> None:
    engine = MarkerEngine(fails_after=0, device="Fake GPU")
    runner, (result,), reports = run_one_frame(engine)
    assert len(result.poses) == 1
    assert reports == ["CPU: fake: the device is gone."]
    assert engine.closed
    assert runner.engine.backend.device == "CPU"


def test_a_mode_that_lacks_something_leaves_the_present_one() -> None:
    runner, (result,), (report,) = run_one_frame(MarkerEngine(), wanted="top-down")
    assert result.mode == runner.estimator.mode == "one"
    assert report.startswith("one kept: top-down: expected a person detector")
