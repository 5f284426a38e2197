"""How many threads: timed once for what runs beside, kept, and used."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tiny_model import write_model

from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.engine import choice, thread_count
from poseapp.engine.choice import Option
from poseapp.engine.comparator import sample_crops
from poseapp.engine.load import load_engine
from poseapp.engine.machine import most_threads
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.thread_count import SITUATIONS, Situation, best, candidates, chosen, measure

ORT = Option("onnxruntime", "fp32")
several_cores = pytest.mark.skipif(len(candidates()) == 1, reason="with one core there is nothing to choose")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own for each test, which may run beside other programs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(thread_count, "MOST_OTHERS", math.inf)
    return tmp_path / "cache" / "poseapp" / "threads"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny")


def spec_of(folder: Path) -> ModelSpec:
    return ModelSpec.read(folder / "model.json")


def go_on(text: str, done: float) -> bool:
    return True


def ms(alone: float, recording: float) -> dict[Situation, float]:
    return {"alone": alone, "recording": recording}


@pytest.mark.parametrize(
    ("all_cores", "one_less", "count"),
    [
        ((12, 17), (20, 22), 2),  # two cores, a network that fills them
        ((12, 17), (11, 14), 1),
        ((12, 30), (15, 17), 1),  # what it loses alone it gains while recording
        ((12, 17), (15, 16), 2),  # and here it does not
        ((10, 10), (9.5, 9.5), 2),  # not worth it: timings vary
    ],
)
def test_the_number_that_is_best_over_all_situations_is_taken(
    all_cores: tuple[float, float], one_less: tuple[float, float], count: int
) -> None:
    assert best({2: ms(*all_cores), 1: ms(*one_less)}) == count


def test_all_cores_and_one_less_are_tried() -> None:
    assert candidates()[0] == most_threads()
    assert candidates()[1:] == ((most_threads() - 1,) if most_threads() > 1 else ())


def test_each_number_is_timed_alone_and_beside_a_recording(folder: Path) -> None:
    opened: list[int] = []

    def open_engine(count: int) -> OrtEngine:
        opened.append(count)
        return OrtEngine(folder / "model.onnx", spec_of(folder), count)

    measured = measure(open_engine, go_on)
    assert tuple(opened) == candidates()
    assert set(measured) == set(candidates())
    assert all(set(of) == set(SITUATIONS) and all(0 < one < 10_000 for one in of.values()) for of in measured.values())


def test_the_recording_beside_is_one_picture_behind_at_most() -> None:
    with thread_count._Recording(sample_crops((180, 128))) as beside:
        for given in range(5):
            beside.next_frame()
            assert beside.frames >= given  # the one before is done
        beside.finish()
        assert beside.frames == 5


@several_cores
def test_the_number_is_kept_and_timed_again_where_the_model_or_the_option_differs(folder: Path, cache: Path) -> None:
    spec = spec_of(folder)
    said: list[str] = []

    def tell(text: str, done: float) -> bool:
        said.append(text)
        return True

    count = chosen(folder, spec, ORT, tell)
    assert count in candidates()
    assert said
    said.clear()
    assert chosen(folder, spec, ORT, tell) == count == chosen(folder, spec, ORT, None)
    assert not said
    assert chosen(folder, spec, Option("openvino", "fp32"), None) == 0, "another option was not timed"
    assert len(list(cache.iterdir())) == 1


@several_cores
@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"key": 1}', '{"key": {}, "threads": 1}', "[" * 100_000, '"\\ud800"'])
def test_a_damaged_cache_is_as_good_as_none(folder: Path, cache: Path, damage: str) -> None:
    spec = spec_of(folder)
    chosen(folder, spec, ORT, go_on)
    next(cache.iterdir()).write_text(damage)
    assert chosen(folder, spec, ORT, None) == 0


@several_cores
def test_a_number_that_is_no_candidate_is_not_taken(folder: Path, cache: Path) -> None:
    spec = spec_of(folder)
    for wrong in (0, -1, 10_000):
        thread_count._write(thread_count._key(spec, ORT), {wrong: ms(1.0, 1.0)})
        assert chosen(folder, spec, ORT, None) == 0


@several_cores
def test_a_timing_with_other_instructions_does_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    spec, less = spec_of(folder), candidates()[1]
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    thread_count._write(thread_count._key(spec, ORT), {less: ms(1.0, 1.0)})
    assert chosen(folder, spec, ORT, None) == less
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert chosen(folder, spec, ORT, None) == 0


@several_cores
def test_what_was_timed_beside_other_programs_is_not_kept(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_count, "MOST_OTHERS", -math.inf)
    assert chosen(folder, spec_of(folder), ORT, go_on) == 0
    assert not cache.exists()


def test_what_others_use_of_the_processor_is_told_from_our_own() -> None:
    """Half a second of our own is none of theirs, and half a second of a child's is; others may be at work meanwhile."""
    theirs, start = thread_count._used_s()
    end = time.thread_time() + 0.5
    while time.thread_time() < end:
        pass
    later, now = thread_count._used_s()
    assert later - theirs <= (now - start) * (os.cpu_count() or 1) - 0.4
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert thread_count._used_s()[0] - later >= 0.3


@pytest.mark.skipif(sys.platform == "darwin", reason="threads cannot be told apart there")
def test_what_other_threads_of_the_app_use_counts_too() -> None:
    """As the model that serves while this one is timed. The thread that asks and those that it starts are the timing itself."""
    go, done, leave = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        end = time.thread_time() + 0.5
        while time.thread_time() < end:
            pass

    def serve() -> None:
        go.wait()
        work()
        done.set()
        leave.wait()

    serving = threading.Thread(target=serve)
    serving.start()
    others = thread_count._Others()
    mine = serving.native_id
    assert mine is not None
    assert threading.get_native_id() not in others._threads
    work()
    assert thread_count._threads_s()[mine] < 0.1
    go.set()
    assert done.wait(60)
    assert thread_count._threads_s()[mine] >= 0.4
    assert others.cores() >= 0.4 / (time.monotonic() - others._since)
    leave.set()
    serving.join()


def test_with_nobody_to_tell_nothing_is_timed(folder: Path, cache: Path) -> None:
    assert chosen(folder, spec_of(folder), ORT, None) == 0
    assert not cache.exists()


@several_cores
def test_timing_can_be_cancelled(folder: Path, cache: Path) -> None:
    with pytest.raises(EngineError, match=r"^tiny: the timing of numbers of threads was cancelled\.$"):
        chosen(folder, spec_of(folder), ORT, lambda text, done: False)
    assert not cache.exists()


def test_a_model_that_cannot_be_opened_gets_the_usual_number(folder: Path, cache: Path) -> None:
    (folder / "model.onnx").write_bytes(b"nothing")
    assert chosen(folder, spec_of(folder), ORT, go_on) == 0
    assert not cache.exists()


@several_cores
def test_the_engine_that_is_loaded_has_the_number_that_was_best(folder: Path) -> None:
    less = candidates()[1]
    spec = spec_of(folder)
    choice.measure(folder, spec, (ORT,), 0, go_on)
    thread_count._write(thread_count._key(spec, ORT), {less: ms(1.0, 1.0), most_threads(): ms(9.0, 9.0)})
    for threads, expected in ((0, less), (most_threads(), most_threads())):  # a number that is asked for is kept to
        engine = load_engine(folder, "cpu", threads)
        assert isinstance(engine, OrtEngine)
        assert engine._session is not None
        assert engine._session.get_session_options().intra_op_num_threads == expected
        engine.close()
