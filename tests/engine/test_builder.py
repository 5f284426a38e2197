"""Building plans: really done here with TensorRT for RTX, which needs no GPU for it. Where it is missing these tests skip."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import threading
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import ready_graphs as ready
import tiny_model
from onnx import helper
from tiny_plans import GPU, Heard, accepts, always, ensure, key_of

from poseapp.convert.half import write_half
from poseapp.convert.importing import ImportOptions, import_file
from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec, Precision
from poseapp.core.types import ImageArray
from poseapp.engine.comparator import sample_crops
from poseapp.engine.driver import Gpu
from poseapp.engine.tensorrt import library
from poseapp.engine.tensorrt.builder import BuildShare, ensure_plan
from poseapp.engine.tensorrt.plans import (
    PlanRequest,
    Shapes,
    Tensor,
    jit_path,
    plan_path,
    profiles_for,
    read_info,
    stale_because,
)

pytestmark = pytest.mark.skipif(library.tensorrt() is None, reason="TensorRT is not installed: pip install tensorrt-rtx")


def add_variant(folder: Path, precision: str) -> ModelSpec:
    """model.json of *folder* with the hash of the variant that lies there."""
    spec = ModelSpec.read(folder / "model.json")
    variant = "int8-gpu" if precision == "int8" else precision
    sha256 = hashlib.sha256((folder / f"model.{variant}.onnx").read_bytes()).hexdigest()
    spec = replace(spec, variants={**spec.variants, variant: sha256})
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return spec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model.write_model(tmp_path / "engines" / "tiny")


@pytest.fixture
def spec(folder: Path) -> ModelSpec:
    return ModelSpec.read(folder / "model.json")


def bundled() -> list[object]:
    """The bundled models' names; those that are built in a second or two are tried each time."""
    store = Path(__file__).resolve().parents[2] / "engines"
    names = sorted(path.parent.name for path in store.glob("*/model.json"))
    return [name if name in ("hourglass-s", "hourglass-t") else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("name", bundled())
def test_bundled_models_really_build(name: str, precision: Precision, repo_root: Path, tmp_path: Path) -> None:
    source, folder = repo_root / "engines" / name, tmp_path / name
    folder.mkdir()
    for file in ("model.onnx", "model.json"):
        (folder / file).write_bytes((source / file).read_bytes())
    spec = ModelSpec.read(folder / "model.json")
    if precision == "fp16":
        write_half(folder / "model.onnx", folder / "model.fp16.onnx")
        spec = add_variant(folder, precision)
    elif precision == "int8":
        if (source / "model.int8-gpu.onnx").is_file():
            (folder / "model.int8-gpu.onnx").write_bytes((source / "model.int8-gpu.onnx").read_bytes())
        else:
            write_quantised(folder / "model.onnx", folder / "model.int8-gpu.onnx", spec.input_hw)
        spec = add_variant(folder, precision)
    plan = ensure_plan(PlanRequest(folder, spec, precision, 1, GPU), always, accepts)
    assert plan.built_because == "there is none yet"
    assert plan.path.read_bytes() == plan.content
    assert len(plan.content) > spec.parameters // 2
    k, hw, maps = spec.skeleton.k, spec.input_hw, spec.heatmap_hw
    info = read_info(plan.path)
    assert info.inputs == (Tensor("crops", (-1, *hw, 3), "uint8"),)
    assert [t for t in info.outputs if t.name != "fields"] == [
        Tensor("keypoints", (-1, k, 3), "float"),
        Tensor("heatmaps", (-1, k, *maps), "float"),
    ]
    assert info.key.profiles == (Shapes(1, 1, 1),)
    assert info.key.precision == precision
    assert info.difference_px is None  # no GPU has run it


@pytest.mark.timeout(300)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_published_rtmpose_really_builds(precision: Precision, tmp_path: Path) -> None:
    (tmp_path / "net.zip").write_bytes(ready.rtmpose_archive(input_hw=(128, 96)))
    spec = import_file(tmp_path / "net.zip", None, "pose", tmp_path, ImportOptions(fp16=precision == "fp16")).spec
    plan = ensure_plan(PlanRequest(tmp_path / "pose", spec, precision, 2, GPU), always, accepts)
    shapes = {tensor.name: tensor.shape for tensor in read_info(plan.path).outputs}
    assert shapes == {"keypoints": (-1, 17, 3), "heatmaps": (-1, 17, 32, 24)}


def test_what_tensorrt_for_rtx_cannot_build_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.zip").write_bytes(ready.rtmo_archive())
    spec = import_file(tmp_path / "net.zip", None, "people", tmp_path).spec
    with pytest.raises(EngineError, match="cannot build it") as caught:
        ensure_plan(PlanRequest(tmp_path / "people", spec, "fp32", 1, GPU), always, accepts)
    assert "\n" not in str(caught.value)


def write_quantised(source: Path, target: Path, input_hw: tuple[int, int]) -> None:
    """A Q/DQ file from four stored crops: enough for the builder, not for accuracy."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
        def __init__(self) -> None:
            self._crops = iter(sample_crops(input_hw)[:4])

        def get_next(self) -> dict[str, ImageArray] | None:
            crop = next(self._crops, None)
            return None if crop is None else {"crops": crop[None]}

    quantize_static(
        str(source), str(target), Reader(), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, per_channel=True,
        extra_options={"ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False},
    )  # fmt: skip


def test_batches_have_a_profile_beside_that_of_one_person(folder: Path) -> None:
    plan = ensure(folder, batch=8)
    assert read_info(plan.path).key.profiles == (Shapes(1, 1, 1), Shapes(1, 8, 8))
    assert plan.path.name == "nvidia-geforce-rtx-3060.rtx.fp32.b8.plan"
    assert profiles_for(1) == (Shapes(1, 1, 1),)


def test_a_plan_that_tensorrt_refuses_is_built_again(folder: Path) -> None:
    answers = iter([True, False, True])
    ensure(folder, accepts=lambda _content: next(answers))
    again = ensure(folder, accepts=lambda _content: next(answers))
    assert again.built_because.endswith("refuses it")
    assert again.built_because.startswith("TensorRT-RTX ")


def test_a_new_plan_that_tensorrt_refuses_is_an_error_and_is_not_built_again(folder: Path) -> None:
    heard: list[str] = []

    def progress(text: str, _share: float) -> bool:
        heard.append(text)
        return True

    refused = r"^tiny: TensorRT-RTX \S+ cannot load the plan it built for the NVIDIA"
    with pytest.raises(EngineError, match=refused):
        ensure(folder, accepts=lambda _content: False, progress=progress)
    assert heard
    heard.clear()
    with pytest.raises(EngineError, match=rf"{refused}.*Build it again with: poseapp models build tiny"):
        ensure(folder, accepts=lambda _content: False, progress=progress)
    assert heard == []
    assert ensure(folder).built_because == ""  # it loads after all: another driver, or more memory


def test_what_was_compiled_at_run_time_goes_with_the_plan_it_was_compiled_from(folder: Path) -> None:
    plan = ensure(folder)
    jit_path(plan.path).write_bytes(b"kernels")
    ensure(folder)
    assert jit_path(plan.path).exists()
    ensure(folder, rebuild=True)
    assert not jit_path(plan.path).exists()


def test_tensorrt_for_rtx_is_not_offered_in_int8() -> None:
    assert "no convolutions in INT8" in library.not_offered_because("int8")
    assert library.not_offered_because("fp16") == library.not_offered_because("fp32") == ""


@pytest.mark.parametrize(("serves", "ok"), [((12, 8), False), ((13, 0), True), ((13, 3), True), ((0, 0), True)])
def test_a_driver_that_is_too_old_is_told_before_anything_is_built(serves: tuple[int, int], ok: bool) -> None:
    reason = library.unserved_because(replace(GPU, cuda=serves))
    assert (reason == "") is ok
    if not ok:
        assert re.fullmatch(
            r"TensorRT-RTX \S+ needs a driver for CUDA 13, driver 580\.65\.06 serves CUDA 12\.8\. Update the NVIDIA driver\.",
            reason,
        )


def test_cancelling_leaves_nothing_and_builds_next_time(folder: Path) -> None:
    heard: list[float] = []

    def stop_early(_text: str, share: float) -> bool:
        heard.append(share)
        return share < 0.3

    with pytest.raises(EngineError, match=r"^tiny FP32: building cancelled\.$"):
        ensure(folder, progress=stop_early)
    assert 0.3 <= heard[-1] < 0.9
    assert not list(folder.glob("*.plan")) + list(folder.glob("*.tmp")) + list(folder.glob("*.json.tmp"))
    assert ensure(folder).built_because == "there is none yet"


def test_progress_goes_forward_only(folder: Path) -> None:
    heard = Heard()
    ensure(folder, progress=heard)
    shares = heard.shares
    assert shares == sorted(shares)
    assert len(shares) > 20
    assert shares[0] == 0.0
    assert 0.8 < shares[-1] <= 1.0


def test_an_error_of_the_listener_is_not_lost(folder: Path) -> None:
    def broken(_text: str, share: float) -> bool:
        if share > 0.1:
            raise RuntimeError("the window is gone")
        return True

    with pytest.raises(RuntimeError, match="the window is gone"):
        ensure(folder, progress=broken)


def test_a_graph_that_tensorrt_cannot_read_is_told_with_the_reason(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    first = next(n for n in model.graph.node if n.input[0] == "crops")
    first.op_type = "Transpose"  # of uint8, which TensorRT can only cast
    del first.attribute[:]
    first.attribute.append(helper.make_attribute("perm", [0, 3, 1, 2]))
    content = model.SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    spec = replace(ModelSpec.read(folder / "model.json"), weights_sha256=hashlib.sha256(content).hexdigest())
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    with pytest.raises(EngineError, match=r"^tiny FP32: TensorRT-RTX \S+ cannot read model\.onnx \(.*UInt8.*Export it with this"):
        ensure(folder)


@pytest.mark.parametrize("flaw", [tiny_model.Flaws(input_name="image"), tiny_model.Flaws(input_hw=(32, 32))])
def test_a_graph_of_another_kind_is_refused(flaw: tiny_model.Flaws, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"^tiny FP32: expected one input crops \(-1, 64, 48, 3\) uint8, got "):
        ensure(tiny_model.write_model(tmp_path / "tiny", flaw))


def test_a_gpu_that_tensorrt_for_rtx_does_not_serve(folder: Path) -> None:
    old = Gpu("Tesla P100", (6, 0), "580.65.06")
    assert library.unserved_because(GPU) == ""
    with pytest.raises(EngineError, match=r"not serve the Tesla P100 \(compute capability 6\.0\)\. Install the full"):
        ensure(folder, gpu=old)


def _build_in_a_process(folder: Path, started: object, results: object) -> None:
    started.wait()  # type: ignore[attr-defined]
    plan = ensure(folder)
    results.put((plan.built_because, hashlib.sha256(plan.content).hexdigest()))  # type: ignore[attr-defined]


def test_two_processes_at_once_build_one_plan(folder: Path, spec: ModelSpec) -> None:
    context = multiprocessing.get_context("spawn")
    started, results = context.Event(), context.Queue()
    processes = [context.Process(target=_build_in_a_process, args=(folder, started, results)) for _ in range(2)]
    for process in processes:
        process.start()
    started.set()
    told = [results.get(timeout=100) for _ in processes]
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    results.close()
    assert sorted(reason for reason, _ in told) == ["", "there is none yet"]
    assert told[0][1] == told[1][1]
    assert stale_because(plan_path(folder, key_of(folder)), key_of(folder)) == ""
    assert not list(folder.glob("*.tmp"))


def _build_until_told(folder: Path, builds: object, let_go: object) -> None:
    def progress(_text: str, _share: float) -> bool:
        builds.set()  # type: ignore[attr-defined]
        return bool(let_go.wait(100))  # type: ignore[attr-defined]

    ensure(folder, progress=progress)


def test_another_process_that_builds_another_model_on_the_gpu_is_waited_for(folder: Path, tmp_path: Path) -> None:
    """Two at once would time each other's kernels and fill the GPU's memory."""
    other = tiny_model.write_model(tmp_path / "engines" / "other", name="other")
    context = multiprocessing.get_context("spawn")
    builds, let_go = context.Event(), context.Event()
    process = context.Process(target=_build_until_told, args=(folder, builds, let_go))
    process.start()
    waited: list[str] = []

    def progress(text: str, _share: float) -> bool:
        if "another process" in text:
            waited.append(text)
            let_go.set()
        return True

    try:
        assert builds.wait(100)
        ensure(other, gpu=replace(GPU, name="NVIDIA GeForce RTX 4090", compute=(8, 9)), progress=progress)
        assert waited == []  # another GPU is free
        assert ensure(other, progress=progress).built_because == "there is none yet"
    finally:
        let_go.set()
        process.join(100)
    assert waited[0] == "other FP32: another process is building"
    assert process.exitcode == 0
    assert ensure(folder).built_because == ""


def test_waiting_for_another_build_can_be_cancelled(folder: Path) -> None:
    holds, let_go = threading.Event(), threading.Event()

    def hold(_text: str, _share: float) -> bool:
        holds.set()
        return let_go.wait(60)

    builder = threading.Thread(target=ensure, args=(folder,), kwargs={"progress": hold})
    builder.start()
    assert holds.wait(60)
    try:
        with pytest.raises(EngineError, match=r"^tiny FP32: building cancelled"):
            ensure(folder, progress=lambda text, _share: "another process" not in text)
    finally:
        let_go.set()
        builder.join(60)
    assert ensure(folder).built_because == ""


def test_share_of_nested_phases() -> None:
    share = BuildShare()
    share.start("all", None, 4)
    assert share.step("all", 0) == 0.25
    share.start("part", "all", 2)
    assert share.step("part", 0) == 0.375
    share.start("piece", "part", 5)
    assert share.step("piece", 3) == pytest.approx(0.25 * (1 + (1 + 0.8) / 2))
    share.finish("piece")
    share.finish("part")
    assert share.step("all", 1) == 0.5
    assert share.step("unheard of", 0) == 0.5


def test_share_never_goes_back() -> None:
    share = BuildShare()
    share.start("all", None, 2)
    share.start("part", "all", 2)
    assert share.step("part", 1) == 0.5
    share.finish("part")
    share.start("part again", "all", 4)
    assert share.step("part again", 0) == 0.5
