"""Session: its states, its changes of source and model, its end, and its recordings in time."""

from __future__ import annotations

import gc
import json
import random
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from clips import Server, decoded, grey_clip, packets
from fakes import FlakyCamera, HungCamera, Loader, MarkerSource, wait_until

from poseapp.core.errors import EngineError, ModelError, RecordError
from poseapp.core.types import ImageArray, Result
from poseapp.live import capture as capture_module
from poseapp.live import model_changes as changes_module
from poseapp.live import session as session_module
from poseapp.live.recording import Recorder, RecordOptions
from poseapp.live.session import Session
from poseapp.live.sources import CameraSource, FolderSource, Mode, PictureSource, Source, StreamSource, VideoSource
from poseapp.live.sources import stream as stream_module
from poseapp.live.status import ModelRequest, Status

A, B, C = Path("a"), Path("b"), Path("c")
QUICK_S = 10.0  # for what takes two or three seconds at most, on any machine; where it hangs, it does so for 20 s and more


@contextmanager
def running(
    source: Source, load: Loader | None = None, *, realtime: bool = True, record: Path | None = None, device: str = "auto"
) -> Iterator[Session]:
    """A started session with model a, stopped at the end; with *record*, recording from before its first frame."""
    load = load or Loader()
    session = Session(source, ModelRequest(A, device), realtime=realtime, load=load, builds_first=load.builds_first)
    try:
        if record is not None:
            session.start_recording(RecordOptions(record))
        session.start()
        yield session
    finally:
        session.stop()
        assert session.status().state == "stopped"


def in_state(session: Session, state: str) -> Callable[[], bool]:
    return lambda: session.status().state == state


def seen(session: Session, condition: Callable[[Status], object]) -> Status:
    """The first status for which *condition* holds."""
    found: list[Status] = []

    def look() -> bool:
        status = session.status()
        if condition(status):
            found.append(status)
        return bool(found)

    wait_until(look)
    return found[0]


def next_result(session: Session) -> Result:
    found: list[Result] = []

    def look() -> bool:
        result = session.take()
        if result is not None:
            found.append(result)
        return bool(found)

    wait_until(look)
    return found[0]


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "keypoints.jsonl").read_text().splitlines()]


def the_recording(parent: Path) -> Path:
    (folder,) = parent.iterdir()
    return folder


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(capture_module, "LONGEST_RETRY_S", 0.1)


# -- states ----------------------------------------------------------------------------------------------------------


def test_from_idle_to_running_to_stopped() -> None:
    load = Loader()
    session = Session(MarkerSource(), ModelRequest(A), load=load)
    assert session.status().state == "idle"
    session.start()
    status = seen(session, lambda s: s.state == "running")
    assert status.actual == Mode(640, 360, 30)
    assert status.model == "a"
    assert str(status.backend) == "Fake 1 · CPU · FP32"
    assert status.loading == status.message == status.model_error == ""
    wait_until(lambda: session.status().person_count == 1)
    session.stop()
    session.stop()
    assert session.status().state == "stopped"
    assert session.wait(0)
    assert load.named("a").closed
    with pytest.raises(RuntimeError, match="started once"):
        session.start()


def test_starting_lasts_until_the_model_is_there() -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    with running(MarkerSource(), load) as session:
        status = seen(session, lambda s: s.actual is not None)
        assert (status.state, status.loading, status.model, status.backend) == ("starting", "a", "", None)
        load.gates["a"].set()
        wait_until(in_state(session, "running"))


def test_nothing_runs_while_a_source_is_starting() -> None:
    """A backend is shown once it works on pictures: not before the first one, nor between two sources."""
    camera = Gated()
    with running(camera) as session:
        status = seen(session, lambda s: s.model == "a")
        assert (status.state, status.backend) == ("starting", None)
        camera.gate.set()
        status = seen(session, lambda s: s.state == "running")
        assert str(status.backend) == "Fake 1 · CPU · FP32"
        camera = Gated()
        session.set_source(camera)
        status = session.status()
        assert (status.state, status.model, status.backend) == ("starting", "a", None)
        camera.gate.set()
        assert seen(session, lambda s: s.state == "running").backend is not None


class Gated(FlakyCamera):
    """Its first picture comes when ``gate`` is set."""

    def __init__(self) -> None:
        super().__init__([])
        self.gate = threading.Event()

    def read(self) -> tuple[ImageArray, float] | None:
        assert self.gate.wait(30)
        return super().read()


def test_stop_before_start_and_after_it_twice() -> None:
    session = Session(MarkerSource(), ModelRequest(A), load=Loader())
    session.stop()
    assert session.status().state == "stopped"
    with pytest.raises(RuntimeError):
        session.start()


def test_after_stop_nothing_can_be_begun(tmp_path: Path) -> None:
    with running(MarkerSource()) as session:
        pass
    session.set_source(MarkerSource())
    session.set_model(B)
    with pytest.raises(RecordError, match="stopped"):
        session.start_recording(RecordOptions(tmp_path))
    assert session.status().state == "stopped"
    assert list(tmp_path.iterdir()) == []


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


def test_results_are_the_newest_and_the_rest_are_counted() -> None:
    with running(MarkerSource(fps=200), Loader(delay_s=0.05)) as session:
        indices: list[int] = []

        def far_on() -> bool:
            indices.append(next_result(session).frame.index)
            return indices[-1] - indices[0] > len(indices) + 10

        wait_until(far_on)
        assert indices == sorted(set(indices))
        seen(session, lambda s: s.stats.drops["capture"] > 5)


def test_joints_of_the_right_frame_reach_the_window() -> None:
    source, found = MarkerSource(), 0
    with running(source) as session:
        while found < 10:
            result = next_result(session)
            if len(result.poses):
                np.testing.assert_allclose(result.poses.xy[0], source.truth(result.frame.index / 30), atol=0.5)
                found += 1


def test_a_painted_result_is_counted_with_its_age() -> None:
    with running(MarkerSource()) as session:
        for _ in range(5):
            session.painted(next_result(session), 1.25)
        stats = session.status().stats
        assert stats.ms["draw"][0] == 1.25
        assert 0 < stats.ms["total"][0] < 10_000
        assert stats.fps["display"] > 0


def test_heatmaps_come_when_they_are_asked_for() -> None:
    with running(MarkerSource()) as session:
        assert next_result(session).heatmaps == ()
        session.settings.heatmaps = True
        wait_until(lambda: next_result(session).heatmaps)


# -- the end of a file -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("realtime", [False, True])
def test_a_file_ends_with_its_last_frame_recorded(tmp_path: Path, realtime: bool) -> None:
    """A slow engine is still at the last frame when the file has long been read."""
    load = Loader(delay_s=0.12)

    class Awaited(MarkerSource):
        """Its second picture comes when the first one has been worked on: that is where the recording begins."""

        def read(self) -> tuple[ImageArray, float] | None:
            if realtime and self._count == 1:
                wait_until(lambda: load.engines and load.engines[0].frames > 0)
            return super().read()

    with running(Awaited(fps=40, seconds=0.5), load, realtime=realtime, record=tmp_path) as session:
        assert session.wait(30)
        assert session.status().state == "ended"
        assert session.failure == ""
    written = lines(the_recording(tmp_path))
    pts, duration = packets(the_recording(tmp_path) / "annotated.mkv")
    if realtime:
        assert 2 <= len(written) < 20
        assert (written[0]["frame"], written[-1]["frame"]) == (0, 19)
    else:
        assert [line["frame"] for line in written] == list(range(20))
        assert pts == pytest.approx(np.arange(20) / 40, abs=2e-3)
        assert duration == pytest.approx(0.5, abs=2e-3)


def test_the_last_frame_of_a_file_in_real_time_is_shown(tmp_path: Path) -> None:
    with running(MarkerSource(fps=50, seconds=0.4), Loader(delay_s=0.3)) as session:
        assert session.wait(30)
        last: Result | None = None
        while (result := session.take()) is not None:
            last = result
        assert last is not None
        assert last.frame.index == 19


def test_offline_every_frame_of_a_file_is_worked_on(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(70)])
    load = Loader(delay_s=0.002)
    with running(VideoSource(path), load, realtime=False, record=tmp_path / "out") as session:
        assert session.wait(30)
    written = lines(the_recording(tmp_path / "out"))
    np.testing.assert_allclose([line["t"] for line in written], np.arange(70) / 30, atol=1.1e-3)
    assert len(decoded(the_recording(tmp_path / "out") / "annotated.mkv")) == 70


def test_offline_no_frame_is_lost_while_the_model_is_loading() -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    with running(MarkerSource(seconds=0.5), load, realtime=False) as session:
        assert not session.wait(0.1)
        load.gates["a"].set()
        assert session.wait(30)
    assert load.engines[0].frames == 15


def test_a_clip_begins_when_there_is_somebody_to_look_at_it() -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    with running(MarkerSource(fps=100, seconds=0.05), load) as session:
        assert not session.wait(0.5), "it was over before the model came"
        load.gates["a"].set()
        assert session.wait(30)
        assert session.status().state == "ended"
    assert load.engines[0].frames > 0


def test_offline_a_change_of_model_loses_no_frame(tmp_path: Path) -> None:
    load = Loader(delay_s=0.01)
    with running(MarkerSource(seconds=3.0), load, realtime=False, record=tmp_path) as session:
        wait_until(lambda: load.engines and load.engines[0].frames > 5)
        session.set_model(B)
        assert session.wait(30)
    assert load.named("a").frames + load.named("b").frames == 90
    assert load.named("b").frames > 0
    folder = the_recording(tmp_path)
    assert [line["frame"] for line in lines(folder)] == list(range(90))
    models = json.loads((folder / "session.json").read_text())["models"]
    assert [m["name"] for m in models] == ["a", "b"]
    assert models[1]["from_frame"] == load.named("a").frames


def test_a_picture_and_a_folder_are_sources_like_any_other(tmp_path: Path, sample_picture: Path) -> None:
    import shutil

    shutil.copy(sample_picture, tmp_path / "1.jpg")
    (tmp_path / "2.jpg").write_bytes(b"no picture")
    shutil.copy(sample_picture, tmp_path / "3.jpg")
    for source, frames in ((PictureSource(sample_picture), 1), (FolderSource(tmp_path), 2)):
        load = Loader()
        with running(source, load, realtime=False) as session:
            assert session.wait(30)
            assert session.status().state == "ended"
        assert load.engines[0].frames == frames


def test_another_source_can_follow_an_ended_one() -> None:
    with running(MarkerSource(seconds=0.1)) as session:
        wait_until(in_state(session, "ended"))
        assert session.wait(0)
        session.set_source(MarkerSource(seconds=20.0))
        assert not session.wait(0)
        wait_until(in_state(session, "running"))
        assert next_result(session).frame.index > 1


# -- the source fails ------------------------------------------------------------------------------------------------


def test_a_missing_camera_says_so_and_is_tried_again() -> None:
    with running(CameraSource(99)) as session:
        status = seen(session, lambda s: s.message)
        assert status.state == "reconnecting"
        assert status.message.startswith("Camera 99: cannot be opened. Plug it in, or close the other program that uses it.")
        assert re.search(r"Trying again in (0\.5|[1248]) s\.$", status.message)
        seen(session, lambda s: s.message != status.message and "Trying again in" in s.message)


def test_a_busy_camera_is_used_once_it_is_free(quick_retries: None) -> None:
    camera = FlakyCamera([None] * 100_000)
    with running(camera) as session:
        seen(session, lambda s: s.state == "reconnecting")
        camera.mend()
        status = seen(session, lambda s: s.state == "running")
        assert status.message == ""
        assert status.actual == Mode(640, 360, 200, "YUYV")
        assert status.requested == Mode(640, 360, 200, "MJPG")


def test_a_camera_gone_in_mid_run_comes_back_and_the_recording_survives(tmp_path: Path, quick_retries: None) -> None:
    camera = FlakyCamera([60, None, None, None, 40, None])
    with running(camera, record=tmp_path) as session:
        wait_until(lambda: camera.opened >= 3)
        before = seen(session, lambda s: s.state == "running").recording
        assert before is not None
        assert before.active
        wait_until(lambda: (session.status().recording or before).frames > before.frames + 10)
        session.stop_recording()
        wait_until(lambda: not (session.status().recording or before).active)
    folder = the_recording(tmp_path)
    written = lines(folder)
    pts, _ = packets(folder / "annotated.mkv")
    assert (np.diff(pts) > 0).all()
    np.testing.assert_allclose(pts, [line["t"] for line in written], atol=2e-3)
    # The pauses of the retries are gaps in the recording: time goes on.
    assert np.sort(np.diff(pts))[-2] > 0.02
    assert json.loads((folder / "session.json").read_text())["error"] == ""


def test_a_file_that_is_missing_fails_and_stays_failed_when_the_model_comes(tmp_path: Path) -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    with running(VideoSource(tmp_path / "nowhere.mp4"), load) as session:
        wait_until(in_state(session, "failed"))
        load.gates["a"].set()
        status = seen(session, lambda s: s.model == "a")
        assert status.state == "failed"
        assert status.message == f"{tmp_path / 'nowhere.mp4'}: no such file. Check the path."
        assert session.wait(0)
        session.set_source(MarkerSource())
        wait_until(in_state(session, "running"))
        assert session.failure == ""
    assert session.failure == ""


def test_the_reason_of_a_failure_outlives_stop(tmp_path: Path) -> None:
    with running(VideoSource(tmp_path / "nowhere.mp4")) as session:
        assert session.wait(20)
    assert session.failure == f"{tmp_path / 'nowhere.mp4'}: no such file. Check the path."


def test_a_load_given_up_at_the_end_does_not_hide_why_the_source_failed(tmp_path: Path) -> None:
    load = Loader()
    load.build = threading.Event()
    missing = VideoSource(tmp_path / "nowhere.mp4")
    session = Session(missing, ModelRequest(A, "gpu"), realtime=False, load=load, builds_first=lambda *_: False)
    session.start_recording(RecordOptions(tmp_path / "out"))
    session.start()
    assert session.wait(20)
    wait_until(lambda: session.status().build is not None)
    session.stop()
    assert session.failure == f"{tmp_path / 'nowhere.mp4'}: no such file. Check the path."
    assert not list(tmp_path.glob("out/*"))


class Bursting(MarkerSource):
    """A source with a bug in it, which shows once some frames are worked on."""

    def __init__(self, load: Loader) -> None:
        super().__init__()
        self._load = load

    def read(self) -> tuple[ImageArray, float] | None:
        if self._count == 10:
            wait_until(lambda: self._load.engines[0].frames >= 3)
            raise ZeroDivisionError("oops")
        return super().read()


@pytest.mark.parametrize("realtime", [False, True])
def test_a_bug_in_a_source_fails_the_session_and_keeps_the_recording(tmp_path: Path, realtime: bool) -> None:
    load = Loader(delay_s=0.03)
    with running(Bursting(load), load, realtime=realtime, record=tmp_path) as session:
        assert session.wait(30)
        status = session.status()
        assert status.state == "failed"
        assert status.message == "poseapp-capture: unexpected ZeroDivisionError: oops. Please report this with the log."
    written = lines(the_recording(tmp_path))
    assert len(decoded(the_recording(tmp_path) / "annotated.mkv")) == len(written) >= 3
    if not realtime:
        assert len(written) == 10


def test_a_change_of_source_finishes_the_recording_and_searches_anew(tmp_path: Path) -> None:
    with running(MarkerSource(), record=tmp_path) as session:
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 3)
        session.set_source(MarkerSource((480, 480)))
        recording = seen(session, lambda s: s.recording is not None and not s.recording.active).recording
        assert recording is not None
        assert recording.error == ""
        wait_until(lambda: next_result(session).frame.hw == (480, 480))
        wait_until(lambda: len(next_result(session).poses))
    assert {f.name for f in the_recording(tmp_path).iterdir()} == {"annotated.mkv", "keypoints.jsonl", "session.json"}


def test_sources_that_were_left_are_closed_and_let_go() -> None:
    class Counting(MarkerSource):
        closes = 0

        def close(self) -> None:
            self.closes += 1

    with running(Counting()) as session:
        left: list[weakref.ref[Counting]] = []
        for _ in range(3):
            source = Counting()
            left.append(weakref.ref(source))
            session.set_source(source)
            wait_until(in_state(session, "running"))
            session.set_source(Counting())
            while source.closes == 0:
                next_result(session)
            assert source.closes == 1
            del source
        # The capture that runs may hold the one before it, but there is no chain.
        wait_until(lambda: gc.collect() >= 0 and all(gone() is None for gone in left[:-1]))


# -- the model fails -------------------------------------------------------------------------------------------------


def test_a_model_that_cannot_be_loaded_at_the_start_fails_the_session_and_another_mends_it() -> None:
    load = Loader()
    load.errors["a"] = ModelError("a/model.json: missing stride. Export the model again.")
    with running(MarkerSource(), load) as session:
        status = seen(session, lambda s: s.state == "failed")
        assert status.message == status.model_error == "a/model.json: missing stride. Export the model again."
        assert session.failure == status.message
        session.set_source(MarkerSource())  # no source can mend that
        seen(session, lambda s: s.actual is not None)
        assert session.status().state == "failed"
        session.set_model(B)
        status = seen(session, lambda s: s.state == "running")
        assert status.model == "b"
        assert status.model_error == status.message == session.failure == ""


def test_a_model_that_cannot_be_loaded_keeps_the_old_one_and_the_camera_never_stops() -> None:
    load = Loader()
    load.errors["b"] = EngineError("b: ONNX Runtime cannot load it (truncated). Export or fetch it again.")
    load.gates["b"] = threading.Event()
    camera = FlakyCamera([])
    with running(camera, load) as session:
        next_result(session)
        session.set_model(B)
        assert session.status().loading == "b"
        index = next_result(session).frame.index
        load.gates["b"].set()
        status = seen(session, lambda s: s.model_error)
        assert status.model_error.startswith("b: ONNX Runtime cannot load it")
        assert (status.state, status.model, status.loading, status.message) == ("running", "a", "", "")
        assert next_result(session).frame.index > index
        assert next_result(session).model == "a"
        assert len(camera.opens) == 1


def test_a_change_of_model_never_stops_the_camera_and_follows_on() -> None:
    load = Loader()
    load.gates["b"] = threading.Event()
    camera = FlakyCamera([], fps=60)
    with running(camera, load) as session:
        wait_until(lambda: len(next_result(session).poses))
        session.set_model(B)
        for _ in range(5):
            assert next_result(session).model == "a"  # goes on while the new one is loading
        load.gates["b"].set()
        results = [next_result(session)]
        while results[-1].model == "a":
            results.append(next_result(session))
        # No search, no new identity: the person is still the same one.
        assert results[-1].poses.ids.tolist() == [1]
        indices = [r.frame.index for r in results]
        assert indices == sorted(set(indices))
        wait_until(lambda: load.named("a").closed)
        assert len(camera.opens) == 1


@pytest.mark.parametrize("first_ready", ["b", "c"])
def test_of_two_quick_changes_the_last_one_stays(first_ready: str) -> None:
    load = Loader()
    load.gates |= {"b": threading.Event(), "c": threading.Event()}
    with running(MarkerSource(), load) as session:
        next_result(session)
        session.set_model(B)
        session.set_model(C)
        assert session.status().loading == "c"
        load.gates[first_ready].set()
        wait_until(lambda: session.status().model == first_ready)
        load.gates["b" if first_ready == "c" else "c"].set()
        wait_until(lambda: sum(not engine.closed for engine in load.engines) == 1 and len(load.engines) == 3)
        status = session.status()
        assert (status.model, status.loading, status.state) == ("c", "", "running")
        wait_until(lambda: next_result(session).model == "c")


def test_a_quick_change_to_a_broken_model_while_the_first_is_loading() -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    load.errors["b"] = ModelError("b: broken.")
    with running(MarkerSource(), load) as session:
        session.set_model(B)
        status = seen(session, lambda s: s.model_error)
        assert status.state == "starting"
        load.gates["a"].set()
        status = seen(session, lambda s: s.state == "running")
        assert (status.model, status.model_error) == ("a", "b: broken.")


@pytest.mark.parametrize("realtime", [False, True])
def test_an_engine_that_fails_in_mid_run_says_so_and_keeps_the_recording(tmp_path: Path, realtime: bool) -> None:
    load = Loader()
    load.fails_after["a"] = 8
    # Nobody moves out of a crop, so a frame is one look, however many of them are dropped.
    source = MarkerSource(seconds=None if realtime else 5.0, still=True)
    with running(source, load, realtime=realtime, record=tmp_path) as session:
        assert session.wait(30)
        status = session.status()
        assert status.state == "failed"
        assert status.message == "a: the device is gone."
        wait_until(lambda: load.engines[0].closed)
        if realtime:
            session.set_model(B)
            wait_until(in_state(session, "running"))
            wait_until(lambda: next_result(session).model == "b")
    assert session.failure == ("" if realtime else "a: the device is gone.")
    assert len(lines(the_recording(tmp_path))) == 8


# -- engines that are built first, and devices that fail -------------------------------------------------------------


def building() -> Loader:
    """Builds for the GPU until ``build`` is set."""
    load = Loader()
    load.build = threading.Event()
    return load


def device_of(session: Session) -> str:
    backend = session.status().backend
    return backend.device if backend is not None else ""


def test_the_cpu_serves_while_an_engine_is_built_and_then_makes_room(tmp_path: Path) -> None:
    load = building()
    camera = FlakyCamera([], fps=60)
    with running(camera, load, device="gpu", record=tmp_path) as session:
        wait_until(lambda: len(next_result(session).poses))
        status = seen(session, lambda s: s.build is not None and s.build.done >= 0.5)
        assert status.build is not None
        assert (status.state, status.model, status.loading, status.build.text) == ("running", "a", "a", "Building a")
        assert status.backend is not None
        assert (status.backend.device, status.backend.fallback, status.model_request.device) == ("CPU", "", "gpu")
        assert load.build is not None
        load.build.set()
        results = [next_result(session)]
        while device_of(session) == "CPU":
            results.append(next_result(session))
        results += [next_result(session) for _ in range(3)]
        status = session.status()
        assert (str(status.backend), status.loading, status.build) == ("Fake 1 · Fake GPU · FP32", "", None)
        indices = [r.frame.index for r in results]
        assert indices == sorted(set(indices))
        assert {tuple(r.poses.ids) for r in results} == {(1,)}, "the same person is followed on"
        assert [engine.backend.device for engine in load.engines] == ["CPU", "Fake GPU"]
        wait_until(lambda: load.engines[0].closed)
        assert len(camera.opens) == 1
    models = json.loads((the_recording(tmp_path) / "session.json").read_text())["models"]
    assert [m["backend"] for m in models] == ["Fake 1 · CPU · FP32", "Fake 1 · Fake GPU · FP32"]
    assert [m["from_frame"] for m in models] == sorted(m["from_frame"] for m in models)


def test_a_change_of_device_builds_beside_what_runs() -> None:
    load = building()
    with running(MarkerSource(), load) as session:
        next_result(session)
        session.set_model(A, "gpu", "fp16")
        seen(session, lambda s: s.build is not None)
        next_result(session)
        assert len(load.engines) == 1, "the model runs on the CPU already: no other one is needed"
        assert load.build is not None
        load.build.set()
        wait_until(lambda: device_of(session) == "Fake GPU")
        assert load.precisions == ["auto", "fp16"]
        assert session.status().model_request.precision == "fp16"


def test_nothing_is_built_before_the_cpu_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would only take the machine away from what the user waits for."""
    monkeypatch.setattr(changes_module, "STAND_IN_S", 60.0)
    load = building()
    load.gates["cpu"] = threading.Event()
    with running(MarkerSource(), load, device="gpu") as session:
        wait_until(lambda: len(running_loaders()) == 2)
        time.sleep(0.3)
        assert session.status().build is None
        load.gates["cpu"].set()
        wait_until(lambda: device_of(session) == "CPU")
        seen(session, lambda s: s.build is not None)


def test_a_build_that_fails_leaves_the_cpu_and_says_why() -> None:
    load = building()
    load.build_error = EngineError("a: TensorRT differs by 3.1 px. The plan was thrown away.")
    with running(MarkerSource(), load, device="gpu") as session:
        wait_until(lambda: device_of(session) == "CPU")
        seen(session, lambda s: s.build is not None)  # it begins once the CPU serves
        assert load.build is not None
        load.build.set()
        status = seen(session, lambda s: not s.loading)
        assert status.backend is not None
        assert status.backend.fallback == status.model_error == str(load.build_error)
        assert (status.state, status.build, status.message) == ("running", None, "")
        next_result(session)


def test_a_build_that_fails_before_the_cpu_is_there_says_why_once_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "STAND_IN_S", 0.1)
    load = building()
    load.build_error = EngineError("a: out of memory.")
    load.gates["cpu"] = threading.Event()
    with running(MarkerSource(), load, device="gpu") as session:
        seen(session, lambda s: s.build is not None)
        assert load.build is not None
        load.build.set()
        status = seen(session, lambda s: not s.loading)
        assert (status.state, status.backend) == ("starting", None)
        load.gates["cpu"].set()
        status = seen(session, lambda s: s.backend is not None)
        assert status.backend is not None
        assert (status.state, status.backend.fallback) == ("running", "a: out of memory.")


def test_a_build_can_be_cancelled_and_asked_for_again() -> None:
    load = building()
    with running(MarkerSource(), load, device="gpu") as session:
        wait_until(lambda: device_of(session) == "CPU")
        seen(session, lambda s: s.build is not None)
        session.cancel_build()
        status = session.status()
        assert (status.loading, status.build, status.model_error) == ("", None, "")
        assert status.backend is not None
        assert status.backend.fallback == "The build was cancelled. Choose the device again to start it anew."
        wait_until(lambda: len(running_loaders()) == 1)
        session.cancel_build()  # there is none: nothing happens
        next_result(session)
        session.set_model(A, "gpu")
        seen(session, lambda s: s.build is not None)
        assert load.build is not None
        load.build.set()
        status = seen(session, lambda s: s.backend is not None and s.backend.device == "Fake GPU")
        assert status.backend is not None
        assert status.backend.fallback == ""


def running_loaders() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "poseapp-inference"]


def test_another_choice_gives_up_a_build() -> None:
    load = building()
    with running(MarkerSource(), load, device="gpu") as session:
        wait_until(lambda: device_of(session) == "CPU")
        seen(session, lambda s: s.build is not None)
        session.set_model(B, "cpu")
        wait_until(lambda: session.status().model == "b")
        wait_until(lambda: len(running_loaders()) == 1)
        status = session.status()
        assert (status.loading, status.build, status.model_error) == ("", None, "")
        assert [engine.spec.name for engine in load.engines] == ["a", "b"]


def test_stopping_during_a_build_ends_it() -> None:
    load = building()
    with running(MarkerSource(), load, device="gpu") as session:
        seen(session, lambda s: s.build is not None)
        begun = time.monotonic()
    assert time.monotonic() - begun < QUICK_S
    assert running_loaders() == []


def test_offline_a_file_waits_for_its_engine_to_be_built() -> None:
    load = building()
    with running(MarkerSource(seconds=0.5), load, realtime=False, device="gpu") as session:
        seen(session, lambda s: s.build is not None and s.build.text == "Building a")
        assert not session.wait(0.05)
        assert load.build is not None
        load.build.set()
        assert session.wait(30)
    assert [(engine.backend.device, engine.frames) for engine in load.engines] == [("Fake GPU", 15)]


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
    assert [(m["from_frame"], m["fallback"]) for m in models] == [(0, ""), (frames[7] + 1, "a: the device is gone.")]


def test_a_change_of_model_tries_the_lost_device_again() -> None:
    load = Loader()
    load.fails_after["gpu"] = 3
    with running(MarkerSource(), load, device="gpu") as session:
        wait_until(lambda: device_of(session) == "CPU")
        del load.fails_after["gpu"]
        session.set_model(B)
        status = seen(session, lambda s: s.model == "b")
        assert status.backend is not None
        assert (status.backend.device, status.backend.fallback) == ("Fake GPU", "")


def test_a_real_model_that_is_broken_in_the_store(tmp_path: Path, repo_root: Path) -> None:
    import tiny_model

    good = tiny_model.write_model(tmp_path / "good")
    bad = tiny_model.write_model(tmp_path / "bad")
    (bad / "model.onnx").write_bytes((bad / "model.onnx").read_bytes()[:300])
    session = Session(MarkerSource(), ModelRequest(good))
    try:
        session.start()
        wait_until(in_state(session, "running"))
        session.set_model(bad)
        status = seen(session, lambda s: s.model_error)
        assert "expected SHA-256" in status.model_error
        assert (status.state, status.model) == ("running", "tiny")
    finally:
        session.stop()


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


def test_frames_dropped_before_a_change_of_model_stay_counted() -> None:
    load = Loader(delay_s=0.05)
    with running(MarkerSource(fps=200), load) as session:
        before = seen(session, lambda s: s.stats.drops["capture"] > 5).stats.drops["capture"]
        load.delay_s = 0.0
        session.set_model(B)
        assert seen(session, lambda s: s.model == "b").stats.drops["capture"] >= before


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


def test_a_file_that_waits_for_a_model_which_fails_does_not_wait_for_ever() -> None:
    """The next frame is in the inbox of the model that is gone, and the one after it waits for that place."""
    load = Loader(delay_s=0.1)
    load.fails_after["a"] = 3
    with running(MarkerSource(still=True), load, realtime=False) as session:
        assert session.wait(30)
        assert session.status().state == "failed"
        session.set_model(B)
        wait_until(lambda: next_result(session).model == "b")
    assert not [t for t in threading.enumerate() if t.name == "poseapp-capture"]


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


def hold_on_to_somebody(session: Session) -> None:
    """Click on the person in sight, until the session holds on to them."""
    result = next_result(session)
    while len(result.poses) == 0:
        result = next_result(session)
    x, y = result.poses.xy[0].mean(axis=0).tolist()
    session.lock_person((x, y))
    wait_until(lambda: next_result(session).locked == 1)


# -- stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unblocks", [True, False])
def test_a_hung_camera_does_not_keep_the_app_from_closing(unblocks: bool, tmp_path: Path) -> None:
    camera = HungCamera(unblocks)
    session = Session(camera, ModelRequest(A), load=Loader())
    session.start_recording(RecordOptions(tmp_path))
    session.start()
    try:
        assert camera.hanging.wait(20)
        begun = time.monotonic()
        session.stop()
        assert time.monotonic() - begun < QUICK_S
        assert session.status().state == "stopped"
        assert json.loads((the_recording(tmp_path) / "session.json").read_text())["finished"] is True
    finally:
        camera.let_go.set()


def test_a_stream_that_hangs_does_not_keep_the_app_from_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real one: the server stops sending. FFmpeg is left to return by itself, and nothing crashes."""
    monkeypatch.setattr(stream_module, "STREAM_TIMEOUT_S", 2 * QUICK_S)
    content = grey_clip(tmp_path / "clip.mkv", [n / 30 for n in range(90)], cluster_time_limit="500").read_bytes()
    server = Server(content, cut=len(content) * 2 // 3)
    try:
        session = Session(StreamSource(server.url), ModelRequest(A), load=Loader())
        session.start()
        result = next_result(session)
        while result.frame.t + 0.7 > time.monotonic():  # until no more pictures come
            result = session.take() or result
            time.sleep(0.01)
        begun = time.monotonic()
        session.stop()
        assert time.monotonic() - begun < QUICK_S
    finally:
        server.close()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "poseapp-capture"])


def test_a_hung_camera_can_be_left_for_another() -> None:
    camera = HungCamera(unblocks=False)
    with running(camera) as session:
        assert camera.hanging.wait(20)
        begun = time.monotonic()
        session.set_source(MarkerSource())
        assert time.monotonic() - begun < 2.4  # a hung camera is waited for 2.5 s, but not here
        wait_until(in_state(session, "running"))
        camera.let_go.set()
        assert next_result(session).frame.hw == (360, 640)


def test_a_hung_camera_that_is_left_is_closed() -> None:
    """It may be the very one that the new source is to open."""
    camera = HungCamera(unblocks=True)
    with running(camera) as session:
        assert camera.hanging.wait(20)
        session.set_source(MarkerSource())
        assert camera.let_go.wait(20)
        wait_until(in_state(session, "running"))


def test_stopping_while_recording_finishes_the_files(tmp_path: Path) -> None:
    with running(MarkerSource(), record=tmp_path) as session:
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 5)
    folder = the_recording(tmp_path)
    content = json.loads((folder / "session.json").read_text())
    assert content["finished"] is True
    assert content["error"] == ""
    assert content["frames"] == len(lines(folder)) == len(decoded(folder / "annotated.mkv")) > 5


def test_stopping_while_a_model_is_loading_does_not_wait_for_it() -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    try:
        with running(MarkerSource(), load) as session:
            seen(session, lambda s: s.actual is not None)
            begun = time.monotonic()
            session.stop()
            assert time.monotonic() - begun < QUICK_S
    finally:
        load.gates["a"].set()
    wait_until(lambda: load.engines and load.engines[0].closed)
    assert session.status().state == "stopped"


def test_stopping_offline_in_the_middle_of_a_file(tmp_path: Path) -> None:
    with running(MarkerSource(seconds=1000.0), realtime=False, record=tmp_path) as session:
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 20)
        begun = time.monotonic()
        session.stop()
        assert time.monotonic() - begun < QUICK_S
    written = lines(the_recording(tmp_path))
    assert [line["frame"] for line in written] == list(range(len(written)))


def test_stopping_while_a_camera_is_awaited_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "FIRST_RETRY_S", 60.0)
    with running(FlakyCamera([None] * 100)) as session:
        seen(session, lambda s: s.state == "reconnecting")
        session.stop()
        # A capture thread that does not answer would be given up, and be there still.
        assert not [t for t in threading.enumerate() if t.name == "poseapp-capture"]


def test_everything_at_once_from_several_threads(tmp_path: Path) -> None:
    """Sources, models, recordings and status, changed from four threads, and a stop in the middle of it."""
    load = Loader()
    load.errors["c"] = ModelError("c: broken.")
    session = Session(MarkerSource((90, 120), fps=200), ModelRequest(A), load=load)
    session.start()
    go_on = threading.Event()
    errors: list[BaseException] = []

    def repeat(action: Callable[[random.Random], object], seed: int) -> None:
        rng = random.Random(seed)
        try:
            while not go_on.is_set():
                with suppress(RecordError):
                    action(rng)
                go_on.wait(rng.uniform(0, 0.02))
        except BaseException as error:
            errors.append(error)

    def change_source(rng: random.Random) -> None:
        session.set_source(MarkerSource((90, rng.choice([120, 160])), fps=200, seconds=rng.choice([0.02, 5.0])))

    actions: list[Callable[[random.Random], object]] = [
        change_source,
        lambda rng: session.set_model(rng.choice([A, B, C])),
        lambda rng: session.start_recording(RecordOptions(tmp_path)) if rng.random() < 0.3 else session.stop_recording(),
        lambda rng: (session.status(), session.take()),
    ]
    threads = [threading.Thread(target=repeat, args=(action, i)) for i, action in enumerate(actions)]
    for thread in threads:
        thread.start()
    time.sleep(2.0)
    session.stop()
    time.sleep(0.1)
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert session.status().state == "stopped"
    wait_until(lambda: all(engine.closed for engine in load.engines))
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith("poseapp")])
    for folder in tmp_path.iterdir():
        assert json.loads((folder / "session.json").read_text())["finished"] is True
        assert json.loads((folder / "session.json").read_text())["error"] == ""


def test_after_any_change_the_session_still_runs() -> None:
    load = Loader()
    load.errors["c"] = ModelError("c: broken.")
    rng = random.Random(3)
    with running(MarkerSource((90, 120), fps=200), load) as session:
        for _ in range(60):
            if rng.random() < 0.5:
                session.set_source(MarkerSource((90, 120), fps=200, seconds=rng.choice([0.02, 500.0])))
            else:
                session.set_model(rng.choice([A, B, C]))
            if rng.random() < 0.3:
                time.sleep(rng.uniform(0, 0.03))
        session.set_source(MarkerSource((90, 90), fps=200))
        session.set_model(B)
        wait_until(lambda: (s := session.status()).state == "running" and s.model == "b" and s.loading == "")
        wait_until(lambda: next_result(session).frame.hw == (90, 90))


# -- recordings in time ----------------------------------------------------------------------------------------------


class TimedCamera(FlakyCamera):
    """Remembers when each picture came."""

    def __init__(self, fps: float) -> None:
        super().__init__([], fps)
        self.times: list[float] = []

    def read(self) -> tuple[ImageArray, float] | None:
        item = super().read()
        assert item is not None
        self.times.append(item[1])
        return item


def test_a_recording_lasts_as_long_as_it_took_while_inference_is_slow(tmp_path: Path) -> None:
    """30 pictures a second come in, 10 are worked on: time on the video is time on the wall."""
    camera = TimedCamera(30)
    load = Loader(delay_s=0.1)
    with running(camera, load) as session:
        next_result(session)
        begun = time.monotonic()
        folder = session.start_recording(RecordOptions(tmp_path))
        runs = time.monotonic()
        wait_until(lambda: (r := session.status().recording) is not None and r.seconds >= 2.5)
        least_s = time.monotonic() - runs
        session.stop_recording()
        most_s = time.monotonic() - begun
        wait_until(lambda: (r := session.status().recording) is not None and not r.active)
    pts, duration = packets(folder / "annotated.mkv")
    written = lines(folder)
    steps = np.diff(pts)
    assert (steps > 0).all()
    assert len(pts) == len(written) == len(decoded(folder / "annotated.mkv"))
    assert np.median(steps) > 0.09  # 10 fps, or less where the machine is busy
    # The pictures' times are those at which the camera gave them: there is a first one from which all others follow.
    frames = np.array([line["frame"] for line in written])
    given = np.array(camera.times)
    errors = [np.abs(given[frames + first] - given[first] - pts).max() for first in range(len(given) - frames[-1])]
    assert min(errors) < 2e-3
    # And the whole lasts as long as on the wall, to within a frame and its wait: the first picture may have been in the
    # network when the recording began, the last one when it ended.
    frame_s = float(steps.max()) + 1 / 30
    assert least_s - 2 * frame_s < duration < most_s + 2 * frame_s


def test_a_recording_may_begin_before_the_first_frame(tmp_path: Path) -> None:
    load = Loader()
    load.gates["a"] = threading.Event()
    with running(MarkerSource(), load, record=tmp_path) as session:
        status = session.status().recording
        assert status is not None
        assert status.active
        assert status.frames == 0
        load.gates["a"].set()
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 3)
    folder = the_recording(tmp_path)
    assert lines(folder)[0]["t"] == 0.0
    content = json.loads((folder / "session.json").read_text())
    assert [m["name"] for m in content["models"]] == ["a"]
    assert content["source"]["name"] == "marker figure"
    assert content["source"]["actual"] == {"width": 640, "height": 360, "fps": 30.0, "codec": ""}


def test_recorded_joints_are_the_figures_own_in_frame_px(tmp_path: Path) -> None:
    source = MarkerSource(seconds=2.0)
    with running(source, realtime=False, record=tmp_path) as session:
        assert session.wait(30)
    found = 0
    for line in lines(the_recording(tmp_path)):
        for person in line["people"]:
            found += 1
            np.testing.assert_allclose(np.array(person["keypoints"])[:, :2], source.truth(line["frame"] / 30), atol=0.5)
    assert found >= 54


def test_a_recording_after_another_gets_its_own_folder_and_time(tmp_path: Path) -> None:
    with running(MarkerSource()) as session:
        folders = []
        for _ in range(2):
            next_result(session)
            folders.append(session.start_recording(RecordOptions(tmp_path)))
            wait_until(lambda: (r := session.status().recording) is not None and r.folder == folders[-1] and r.frames > 3)
    assert folders[0] != folders[1]
    for folder in folders:
        assert lines(folder)[0] == {**lines(folder)[0], "frame": 0, "t": 0.0}
        assert json.loads((folder / "session.json").read_text())["finished"] is True


def test_an_output_folder_that_cannot_be_written_leaves_the_session_running(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with running(MarkerSource()) as session:
        next_result(session)
        with pytest.raises(RecordError, match="cannot be written"):
            session.start_recording(RecordOptions(tmp_path / "file" / "below"))
        assert session.status().recording is None
        next_result(session)
        assert session.status().state == "running"


def test_a_source_that_is_left_while_the_folder_is_made_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(MarkerSource()) as session:

        def slow_disk(*arguments: Any, **options: Any) -> Recorder:
            session.set_source(MarkerSource((480, 480)))
            return Recorder(*arguments, **options)

        monkeypatch.setattr(session_module, "Recorder", slow_disk)
        with pytest.raises(RecordError, match=r"the source was changed just now\. Start the recording again\."):
            session.start_recording(RecordOptions(tmp_path))
        assert session.status().recording is None
    wait_until(lambda: not any(tmp_path.iterdir()))  # nothing was recorded, so nothing stays


def test_an_ended_source_cannot_be_recorded(tmp_path: Path) -> None:
    with running(MarkerSource(seconds=0.1)) as session:
        wait_until(in_state(session, "ended"))
        with pytest.raises(RecordError, match=r"^recording: marker figure gives no pictures \(ended\)\. Choose a source first"):
            session.start_recording(RecordOptions(tmp_path / "out"))
        assert not (tmp_path / "out").exists()


# -- memory ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path) -> None:
    source = MarkerSource((720, 1280), fps=500)
    source.open()
    images = [source.picture(i / 30) for i in range(8)]

    class Fast(MarkerSource):
        def picture(self, t: float) -> ImageArray:
            return images[round(t * 500) % len(images)].copy()

    process = psutil.Process()
    with running(Fast((720, 1280), fps=500), record=tmp_path) as session:
        rss: list[float] = []
        begun = time.monotonic()
        while time.monotonic() - begun < 20:
            session.take()
            time.sleep(0.005)
            if time.monotonic() - begun > 5 + len(rss):
                rss.append(process.memory_info().rss / 2**20)
    # The encoder and the queue fill in the first seconds; from then on nothing may grow.
    assert max(rss[-5:]) - max(rss[:5]) < 20
    assert len(rss) >= 14
