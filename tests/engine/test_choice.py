"""Choosing between CPU backends, and what is loaded when something else was asked for."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_model import write_model

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.spec import ModelSpec
from poseapp.engine import backends, choice, machine
from poseapp.engine.choice import Option, Timing
from poseapp.engine.load import builds_first, load_engine

ORT, ORT_INT8 = Option("onnxruntime", "fp32"), Option("onnxruntime", "int8")
OPENVINO, OPENVINO_INT8 = Option("openvino", "fp32"), Option("openvino", "int8")
ALL = (ORT, OPENVINO, ORT_INT8, OPENVINO_INT8)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own for each test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "poseapp" / "choice"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny")


def spec_of(folder: Path) -> ModelSpec:
    return ModelSpec.read(folder / "model.json")


def go_on(text: str, done: float) -> bool:
    return True


def timing(option: Option, ms: float, px: float = 0.0) -> Timing:
    return Timing(option.runtime, option.precision, ms, px)


def add_int8(folder: Path, shift_px: float) -> None:
    """Give the tiny model an "INT8" file that is fast and finds every joint *shift_px* too far to the right and below."""
    graph = onnx.load(folder / "model.onnx")
    half = next(i for i in graph.graph.initializer if i.name == "half")
    half.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(half) + np.float32(shift_px)).astype(np.float32), "half"))
    onnx.helper.set_model_props(graph, {"precision": "INT8"})
    content = graph.SerializeToString()
    (folder / "model.int8.onnx").write_bytes(content)
    spec = replace(spec_of(folder), variants={"int8": hashlib.sha256(content).hexdigest()})
    (folder / "model.json").write_text(spec.to_json())


def test_what_the_model_has_and_what_is_installed_can_be_chosen(folder: Path) -> None:
    assert choice.options(spec_of(folder)) == (ORT, OPENVINO)
    add_int8(folder, 0)
    spec = spec_of(folder)
    assert choice.options(spec) == ALL
    assert choice.options(spec, "int8") == (ORT_INT8, OPENVINO_INT8)
    assert choice.options(spec, "auto", "openvino") == (OPENVINO, OPENVINO_INT8)
    assert choice.options(spec, "fp16") == ()


def test_int8_is_the_file_for_cpus(folder: Path) -> None:
    for variants, chosen in (
        ({"int8-gpu": "1" * 64}, (ORT, OPENVINO)),
        ({"int8-gpu": "1" * 64, "int8-cpu": "2" * 64}, ALL),
    ):
        assert choice.options(replace(spec_of(folder), variants=variants)) == chosen


@pytest.mark.parametrize(
    ("ms", "px", "best"),
    [
        ((10, 9, 8, 4), (0, 0, 0.4, 0.4), OPENVINO_INT8),
        ((10, 9, 8, 4), (0, 0, 0.4, 1.6), ORT_INT8),  # it moves the joints
        ((10, 9, 8, 4), (0, 0.6, 1.6, 1.6), ORT),
        ((10, 9.8, 9.7, 9.6), (0, 0, 0, 0), ORT),  # not worth it
        ((10, float("inf"), 9, 8.9), (0, 0, 0, 0), ORT_INT8),
        ((10, 5, 9, float("nan")), (0, float("inf"), 0, 0), ORT_INT8),
    ],
)
def test_the_fastest_that_computes_the_same_is_taken(ms: tuple[float, ...], px: tuple[float, ...], best: Option) -> None:
    timings = [timing(*one) for one in zip(ALL, ms, px, strict=True)]
    assert choice.fastest(ALL, timings[::-1]) == best


def test_nothing_is_fastest_before_it_was_timed() -> None:
    assert choice.fastest(ALL, []) is None
    assert choice.fastest((OPENVINO,), [timing(ORT, 1)]) is None


def test_a_timing_is_kept_and_read_again(folder: Path, cache: Path) -> None:
    spec = spec_of(folder)
    told: list[float] = []
    among = choice.options(spec)

    def tell(text: str, done: float) -> bool:
        told.append(done)
        return True

    measured = choice.measure(folder, spec, among, 1, tell)
    assert {t.option for t in measured} == set(among)
    assert all(0 < t.ms < 1000 and t.px < 0.01 for t in measured)
    assert told == sorted(told)
    assert told[-1] == 1
    assert choice.read(spec, 1, among) == measured
    assert choice.read(spec, 2, among) is None
    assert choice.read(replace(spec, weights_sha256="1" * 64), 1, among) is None
    assert choice.read(replace(spec, variants={"int8": "1" * 64}), 1, among) is None
    assert choice.read(spec, 1, ALL) is None
    assert len(list(cache.iterdir())) == 1


def test_timings_of_other_options_are_kept(folder: Path) -> None:
    spec = spec_of(folder)
    first, second = timing(ORT, 5.0), timing(OPENVINO, 4.0)
    choice._write(spec, 1, (ORT,), [first])
    choice._write(spec, 1, (OPENVINO,), [second])
    assert choice.read(spec, 1, (ORT, OPENVINO)) == (first, second)
    choice._write(spec, 1, (ORT,), [timing(ORT, 3.0)])
    assert choice.read(spec, 1, (ORT, OPENVINO)) == (second, timing(ORT, 3.0))


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "null"])
def test_a_damaged_cache_is_as_good_as_none(folder: Path, cache: Path, damage: str) -> None:
    spec = spec_of(folder)
    choice.measure(folder, spec, (ORT,), 1, go_on)
    next(cache.iterdir()).write_text(damage)
    assert choice.read(spec, 1, (ORT,)) is None


def test_a_timing_of_other_versions_does_not_count(folder: Path, cache: Path) -> None:
    spec = spec_of(folder)
    choice.measure(folder, spec, (ORT,), 1, go_on)
    path = next(cache.iterdir())
    content = json.loads(path.read_text())
    content["key"]["onnxruntime"] = "1.0"
    path.write_text(json.dumps(content))
    assert choice.read(spec, 1, (ORT,)) is None


def test_a_timing_with_other_instructions_does_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    spec = spec_of(folder)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    measured = choice.measure(folder, spec, (ORT,), 1, go_on)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert choice.read(spec, 1, (ORT,)) is None
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    assert choice.read(spec, 1, (ORT,)) == measured
    kept = json.loads(next(cache.iterdir()).read_text())["key"]["instructions"]
    assert kept == machine.instruction_sets() != ""


def test_a_cache_that_cannot_be_written_is_no_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    measured = choice.measure(folder, spec_of(folder), (ORT,), 1, go_on)
    assert measured[0].option == ORT
    assert choice.read(spec_of(folder), 1, (ORT,)) is None


def test_timing_can_be_cancelled(folder: Path, cache: Path) -> None:
    with pytest.raises(EngineError, match=r"^tiny: the timing of CPU backends was cancelled\.$"):
        load_engine(folder, "cpu", 1, lambda text, done: done < 0.4)
    assert not cache.exists()


def test_with_nobody_to_tell_onnx_runtime_serves_at_once(folder: Path, cache: Path) -> None:
    engine = load_engine(folder, "cpu", 1)
    engine.close()
    assert engine.backend.runtime.startswith("ONNX Runtime")
    assert engine.backend.precision == "FP32"
    assert not cache.exists()


def test_with_nobody_to_tell_openvino_does_not_serve_even_where_it_is_the_fastest(folder: Path) -> None:
    """Compiling for it takes a second, and the one who asked wants a picture at once."""
    add_int8(folder, 0)
    spec = spec_of(folder)
    for best, at_once in ((OPENVINO, ORT), (OPENVINO_INT8, ORT_INT8)):
        ms = {ORT: 10.0, OPENVINO: 9.9, ORT_INT8: 10.0} | {at_once: 5.0, best: 1.0}
        choice._write(spec, 1, ALL, [timing(option, ms.get(option, 20.0)) for option in ALL])
        for progress, wanted in ((None, at_once), (go_on, best)):
            engine = load_engine(folder, "cpu", 1, progress)
            engine.close()
            assert (engine.backend.runtime.partition(" 1")[0].partition(" 2")[0], engine.backend.precision) == (
                str(wanted).rpartition(" ")[0],
                wanted.precision.upper(),
            )


def test_a_precision_that_moves_the_joints_is_never_taken(folder: Path) -> None:
    add_int8(folder, 2.0)
    engine = load_engine(folder, "cpu", 1, go_on)
    engine.close()
    assert engine.backend.precision == "FP32"
    found = choice.read(spec_of(folder), 1, ALL)
    assert found is not None
    assert [round(t.px, 2) for t in sorted(found, key=lambda t: ALL.index(t.option))] == [0, 0, 2.83, 2.83]


@pytest.mark.parametrize(("device", "runtime"), [("cpu", "ONNX Runtime"), ("openvino", "OpenVINO")])
def test_a_precision_that_is_asked_for_and_moves_the_joints_is_replaced_and_says_so(
    folder: Path, device: str, runtime: str
) -> None:
    add_int8(folder, 2.0)
    engine = load_engine(folder, device, 1, go_on, precision="int8")
    engine.close()
    assert engine.backend.precision == "FP32"
    assert engine.backend.fallback == (
        f"tiny: {runtime} INT8 moves joints by 2.8 px on this processor, 1.5 is the most, so this is FP32."
    )
    add_int8(folder, 0)
    assert builds_first(folder, device, "int8")
    agreeing = load_engine(folder, device, 1, go_on, precision="int8")
    agreeing.close()
    assert (agreeing.backend.precision, agreeing.backend.fallback) == ("INT8", "")


def test_building_comes_first_until_the_cpu_was_timed(folder: Path) -> None:
    assert builds_first(folder, "cpu")
    choice.measure(folder, spec_of(folder), choice.options(spec_of(folder)), 0, go_on)
    best = choice.fastest(choice.options(spec_of(folder)), choice.read(spec_of(folder), 0, (ORT, OPENVINO)) or ())
    assert builds_first(folder, "cpu") == (best == OPENVINO)  # OpenVINO takes a second to compile
    assert builds_first(folder, "openvino")
    assert not builds_first(folder.parent / "nowhere", "auto")


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_a_device_that_is_not_there_is_replaced_and_says_so(folder: Path, device: str) -> None:
    missing = backends.unavailable(device)
    if not missing:
        pytest.skip(f"{device} can be used here")
    engine = load_engine(folder, device, 1)
    engine.close()
    assert engine.backend.device == "CPU"
    assert engine.backend.fallback == missing
    assert "\n" not in missing


@pytest.mark.parametrize(
    ("precision", "reason"), [("int8", "tiny has no INT8 file. Make one with"), ("fp16", "FP16 gains nothing")]
)
def test_a_precision_that_is_not_there_is_replaced_and_says_so(folder: Path, precision: str, reason: str) -> None:
    engine = load_engine(folder, "cpu", 1, precision=precision)
    engine.close()
    assert engine.backend.precision == "FP32"
    assert engine.backend.fallback.startswith(reason)


def test_an_int8_file_that_is_not_the_models_is_replaced_and_says_so(folder: Path) -> None:
    add_int8(folder, 0)
    (folder / "model.int8.onnx").write_bytes(b"damaged")
    engine = load_engine(folder, "cpu", 1, precision="int8")
    engine.close()
    assert engine.backend.precision == "FP32"
    assert "model.int8.onnx: expected SHA-256" in engine.backend.fallback


def test_an_unknown_precision(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"^precision 'int4': expected one of auto, fp32, fp16, int8\.$"):
        load_engine(folder, "cpu", 1, precision="int4")


def test_openvino_reads_files_that_do_not_tell_their_precision(folder: Path) -> None:
    graph = onnx.load(folder / "model.onnx")
    onnx.helper.set_model_props(graph, {"made by": "somebody else"})
    content = graph.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    (folder / "model.json").write_text(replace(spec_of(folder), weights_sha256=hashlib.sha256(content).hexdigest()).to_json())
    engine = load_engine(folder, "openvino", 1)
    engine.close()
    assert (engine.backend.runtime[:8], engine.backend.precision, engine.backend.fallback) == ("OpenVINO", "FP32", "")


def test_openvino_runs_where_its_cache_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    engine = load_engine(folder, "openvino", 1)
    engine.close()
    assert engine.backend.runtime.startswith("OpenVINO")
    assert engine.backend.fallback == ""


def test_an_openvino_that_cannot_be_imported_is_replaced_and_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken" / "openvino").mkdir(parents=True)
    (tmp_path / "broken" / "openvino" / "__init__.py").write_text("raise ImportError('libopenvino.so: no such file')")
    for name in [name for name in sys.modules if name.partition(".")[0] == "openvino"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path / "broken"))
    engine = load_engine(folder, "openvino", 1)
    engine.close()
    assert engine.backend.runtime.startswith("ONNX Runtime")
    assert engine.backend.fallback == "tiny: OpenVINO cannot be imported (libopenvino.so: no such file). Install it again."
    timed = load_engine(folder, "cpu", 1, go_on)
    timed.close()
    assert timed.backend.runtime.startswith("ONNX Runtime")
