"""Sources in a session: they end, they fail, they are changed, and the recording survives."""

from __future__ import annotations

import gc
import json
import re
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from clips import decoded, grey_clip, packets
from fakes import FlakyCamera, Loader, MarkerSource, wait_until
from sessions import (
    A,
    B,
    in_state,
    lines,
    next_result,
    running,
    seen,
    the_recording,
)

from poseapp.core.types import ImageArray, Result
from poseapp.live import capture as capture_module
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.sources import CameraSource, FolderSource, Mode, PictureSource, VideoSource
from poseapp.live.status import ModelRequest


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "FIRST_RETRY_S", 0.02)
    monkeypatch.setattr(capture_module, "LONGEST_RETRY_S", 0.1)


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
    assert [m["model"]["name"] for m in models] == ["a", "b"]
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
    session.start_recording(RecordOptions(folder=tmp_path / "out"))
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
