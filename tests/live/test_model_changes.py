"""Changes of model and device: stand-ins, builds, failures, and who takes over from whom."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from fakes import FlakyCamera, Loader, MarkerSource, wait_until
from sessions import (
    QUICK_S,
    A,
    B,
    C,
    building,
    device_of,
    in_state,
    lines,
    next_result,
    running,
    running_loaders,
    seen,
    the_recording,
)

from poseapp.core.errors import EngineError, ModelError
from poseapp.live import model_changes as changes_module
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest


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
    assert [m["backend"]["device"] for m in models] == ["CPU", "Fake GPU"]
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


def test_frames_dropped_before_a_change_of_model_stay_counted() -> None:
    load = Loader(delay_s=0.05)
    with running(MarkerSource(fps=200), load) as session:
        before = seen(session, lambda s: s.stats.drops["capture"] > 5).stats.drops["capture"]
        load.delay_s = 0.0
        session.set_model(B)
        assert seen(session, lambda s: s.model == "b").stats.drops["capture"] >= before


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
