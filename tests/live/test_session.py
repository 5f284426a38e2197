"""Session: its states, its end, and everything at once."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from clips import Server, decoded, grey_clip
from fakes import FlakyCamera, HungCamera, Loader, MarkerSource, wait_until
from sessions import (
    QUICK_S,
    A,
    B,
    C,
    in_state,
    lines,
    next_result,
    running,
    seen,
    the_recording,
)

from poseapp.core.errors import ModelError, RecordError
from poseapp.core.types import ImageArray
from poseapp.live import capture as capture_module
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.sources import Mode, StreamSource
from poseapp.live.sources import stream as stream_module
from poseapp.live.status import ModelRequest


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
        session.start_recording(RecordOptions(folder=tmp_path))
    assert session.status().state == "stopped"
    assert list(tmp_path.iterdir()) == []


def test_results_are_the_newest_and_the_rest_are_counted() -> None:
    with running(MarkerSource(fps=200), Loader(delay_s=0.05)) as session:
        indices: list[int] = []

        def far_on() -> bool:
            indices.append(next_result(session).frame.index)
            return indices[-1] - indices[0] > len(indices) + 10

        wait_until(far_on)
        assert indices == sorted(set(indices))
        seen(session, lambda s: s.stats.drops["capture"] > 5)


def test_a_painted_result_is_counted_with_its_age() -> None:
    with running(MarkerSource()) as session:
        for _ in range(5):
            session.painted(next_result(session), 1.25)
        stats = session.status().stats
        assert stats.ms["draw"][0] == 1.25
        assert 0 < stats.ms["total"][0] < 10_000
        assert stats.fps["display"] > 0


@pytest.mark.parametrize("unblocks", [True, False])
def test_a_hung_camera_does_not_keep_the_app_from_closing(unblocks: bool, tmp_path: Path) -> None:
    camera = HungCamera(unblocks)
    session = Session(camera, ModelRequest(A), load=Loader())
    session.start_recording(RecordOptions(folder=tmp_path))
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
    assert content["counts"]["written"] == len(lines(folder)) == len(decoded(folder / "annotated.mkv")) > 5


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
        lambda rng: session.start_recording(RecordOptions(folder=tmp_path)) if rng.random() < 0.3 else session.stop_recording(),
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
