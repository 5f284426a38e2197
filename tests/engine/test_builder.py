"""Plans for TensorRT: really built here with TensorRT for RTX, which needs no GPU for it. Where it is missing they skip."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import tiny_model
from onnx import helper

from poseapp.convert.half import write_half
from poseapp.core.errors import EngineError, ModelError
from poseapp.core.spec import ModelSpec, Precision
from poseapp.core.types import ImageArray
from poseapp.engine.comparator import sample_crops
from poseapp.engine.driver import Gpu
from poseapp.engine.tensorrt import builder as build
from poseapp.engine.tensorrt.builder import (
    BuildShare,
    Plan,
    PlanInfo,
    PlanKey,
    Shapes,
    Tensor,
    ensure_plan,
    info_path,
    make_key,
    plan_path,
    plans_dir,
    profiles_for,
    prune,
    read_info,
    stale_because,
)

pytestmark = pytest.mark.skipif(build.tensorrt() is None, reason="TensorRT is not installed: pip install tensorrt-rtx")

GPU = Gpu("NVIDIA GeForce RTX 3060", (8, 6), "580.65.06")


def always(_text: str, _share: float) -> bool:
    return True


def accepts(_content: bytes) -> bool:
    return True


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.shares: list[float] = []

    def __call__(self, text: str, share: float) -> bool:
        self.texts.append(text)
        self.shares.append(share)
        return True


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


def ensure(folder: Path, *, gpu: Gpu = GPU, batch: int = 1, **more: object) -> Plan:
    spec = ModelSpec.read(folder / "model.json")
    options = {"progress": always, "accepts": accepts, **more}
    return ensure_plan(folder, spec, "fp32", batch, gpu, **options)  # type: ignore[arg-type]


# --- every bundled model in every precision -------------------------------------------------------------------


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
    plan = ensure_plan(folder, spec, precision, 1, GPU, progress=always, accepts=accepts)
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


# --- hit, miss, and every reason to build again ---------------------------------------------------------------


def test_a_plan_that_is_there_is_used_and_not_built(folder: Path) -> None:
    first = ensure(folder)
    heard = Heard()
    again = ensure(folder, progress=heard)
    assert again.built_because == ""
    assert heard.texts == []
    assert (again.content, again.info) == (first.content, first.info)


def test_what_it_was_made_for_can_be_read(folder: Path, spec: ModelSpec) -> None:
    plan = ensure(folder)
    key = json.loads(info_path(plan.path).read_text(encoding="utf-8"))["key"]
    trt = build.tensorrt()
    assert key == {
        "onnx_sha256": spec.weights_sha256,
        "runtime": f"TensorRT-RTX {trt.__version__}",
        "gpu": "NVIDIA GeForce RTX 3060",
        "compute": "8.6",
        "driver": "580.65.06",
        "precision": "fp32",
        "input_hw": [64, 48],
        "profiles": [{"smallest": 1, "tuned": 1, "largest": 1}],
        "flags": ["strongly typed", "no TF32", "user allocation"],
    }


CHANGES: dict[str, tuple[Callable[[PlanKey], PlanKey], str]] = {
    "model": (lambda k: replace(k, onnx_sha256="ab" * 32), "the model changed from abababab… to "),
    "tensorrt": (lambda k: replace(k, runtime="TensorRT-RTX 1.0"), "TensorRT changed from TensorRT-RTX 1.0 to TensorRT-RTX "),
    "gpu": (lambda k: replace(k, gpu="NVIDIA RTX A2000"), "the GPU changed from NVIDIA RTX A2000 to NVIDIA GeForce RTX 3060"),
    "compute": (lambda k: replace(k, compute="7.5"), "the compute capability changed from 7.5 to 8.6"),
    "driver": (lambda k: replace(k, driver="570.1"), "the driver changed from 570.1 to 580.65.06"),
    "precision": (lambda k: replace(k, precision="fp16"), "the precision changed from fp16 to fp32"),
    "size": (lambda k: replace(k, input_hw=(256, 192)), "the input size changed from 256, 192 to 64, 48"),
    "profile": (
        lambda k: replace(k, profiles=(Shapes(1, 2, 4),)),
        "the shape profile changed from 1–4 tuned for 2 to 1–1 tuned for 1",
    ),
    "flags": (lambda k: replace(k, flags=("none",)), "the builder flags changed from none to strongly typed, no TF32"),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_differs_is_a_reason_to_build(what: str, folder: Path, spec: ModelSpec) -> None:
    change, text = CHANGES[what]
    key = make_key(folder, spec, "fp32", 1, GPU)
    path = write_plan(folder, key)
    assert stale_because(path, key) == ""
    write_plan(folder, change(key), path)
    assert stale_because(path, key).startswith(text)
    assert "\n" not in stale_because(path, key)


def write_plan(folder: Path, key: PlanKey, path: Path | None = None, content: bytes = b"a plan") -> Path:
    """A file that passes for a plan as long as nobody deserialises it."""
    path = path or plan_path(folder, key)
    path.write_bytes(content)
    info = PlanInfo(key, hashlib.sha256(content).hexdigest(), len(content), (), (), 1.0)
    info_path(path).write_text(info.to_json(), encoding="utf-8")
    return path


def test_a_new_driver_builds_again_and_says_so(folder: Path) -> None:
    ensure(folder)
    heard = Heard()
    plan = ensure(folder, gpu=replace(GPU, driver="590.1"), progress=heard)
    assert plan.built_because == "the driver changed from 580.65.06 to 590.1"
    assert "building tiny FP32: the driver changed from 580.65.06 to 590.1" in heard.texts
    assert read_info(plan.path).key.driver == "590.1"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (truncate, "it is truncated (expected "),
        (flip_a_byte, "it is damaged (expected SHA-256 "),
        (lambda path: path.unlink(), "the file is gone"),
        (lambda path: info_path(path).unlink(), "nvidia-geforce-rtx-3060.rtx.fp32.b1.plan.json is missing"),
        (lambda path: info_path(path).write_text("{"), "nvidia-geforce-rtx-3060.rtx.fp32.b1.plan.json is damaged"),
        (lambda path: info_path(path).write_text('{"key": 1}'), "nvidia-geforce-rtx-3060.rtx.fp32.b1.plan.json is damaged"),
    ],
)
def test_a_spoilt_plan_is_built_again(spoil: Callable[[Path], None], reason: str, folder: Path, spec: ModelSpec) -> None:
    key = make_key(folder, spec, "fp32", 1, GPU)
    path = ensure(folder).path
    spoil(path)
    again = ensure(folder)
    assert again.built_because.startswith(reason)
    assert stale_because(path, key) == ""


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
    build.jit_path(plan.path).write_bytes(b"kernels")
    ensure(folder)
    assert build.jit_path(plan.path).exists()
    ensure(folder, rebuild=True)
    assert not build.jit_path(plan.path).exists()


def test_tensorrt_for_rtx_is_not_offered_in_int8() -> None:
    assert "no convolutions in INT8" in build.not_offered_because("int8")
    assert build.not_offered_because("fp16") == build.not_offered_because("fp32") == ""


@pytest.mark.parametrize(("serves", "ok"), [((12, 8), False), ((13, 0), True), ((13, 3), True), ((0, 0), True)])
def test_a_driver_that_is_too_old_is_told_before_anything_is_built(serves: tuple[int, int], ok: bool) -> None:
    reason = build.unserved_because(replace(GPU, cuda=serves))
    assert (reason == "") is ok
    if not ok:
        assert re.fullmatch(
            r"TensorRT-RTX \S+ needs a driver for CUDA 13, driver 580\.65\.06 serves CUDA 12\.8\. Update the NVIDIA driver\.",
            reason,
        )


def test_a_rejected_plan_is_not_built_again_unless_asked(folder: Path) -> None:
    plan = ensure(folder)
    build.reject(plan, "tiny FP32: rejected: its joints are 3.20 px from ONNX Runtime's.")
    assert not plan.path.exists()
    with pytest.raises(EngineError, match=r"3\.20 px from ONNX Runtime's\. Build it again with: poseapp models build tiny"):
        ensure(folder)
    assert ensure(folder, rebuild=True).built_because == "asked for"
    assert ensure(folder).built_because == ""


def test_the_check_is_written_down(folder: Path) -> None:
    plan = ensure(folder)
    build.record_verified(plan, 0.03)
    again = ensure(folder)
    assert (again.built_because, again.info.difference_px) == ("", 0.03)


# --- what can go wrong ----------------------------------------------------------------------------------------


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


def test_a_file_that_is_not_the_models_is_not_built(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"model\.onnx: expected SHA-256 "):
        ensure(folder)


def test_a_precision_the_model_does_not_have_says_how_to_make_it(folder: Path, spec: ModelSpec) -> None:
    with pytest.raises(ModelError, match=r"^tiny has no FP16 file\. Make one with: poseapp models halve tiny$"):
        make_key(folder, spec, "fp16", 1, GPU)
    with pytest.raises(ModelError, match=r"^tiny has no INT8 file\. Make one with: poseapp models quantise tiny --images DIR$"):
        make_key(folder, spec, "int8", 1, GPU)


def test_fp16_is_the_choice_where_the_model_has_it(spec: ModelSpec) -> None:
    assert build.precision_for(spec) == "fp32"
    assert build.precision_for(replace(spec, variants={"int8": "0" * 64})) == "fp32"
    assert build.precision_for(replace(spec, variants={"fp16": "0" * 64})) == "fp16"
    assert build.precision_for(spec, "int8") == "int8"
    with pytest.raises(EngineError, match=r"^tiny: precision: expected one of fp32, fp16, int8, got 'fp8'"):
        build.precision_for(spec, "fp8")


@pytest.mark.parametrize("batch", [0, 9])
def test_batches_outside_the_range_are_refused(batch: int, folder: Path) -> None:
    with pytest.raises(EngineError, match=rf"^tiny: batch: expected 1 to 8, got {batch}\.$"):
        ensure(folder, batch=batch)


def test_a_gpu_that_tensorrt_for_rtx_does_not_serve(folder: Path) -> None:
    old = Gpu("Tesla P100", (6, 0), "580.65.06")
    assert build.unserved_because(GPU) == ""
    with pytest.raises(EngineError, match=r"not serve the Tesla P100 \(compute capability 6\.0\)\. Install the full"):
        ensure(folder, gpu=old)


def test_a_full_or_broken_disk_is_one_line(open_place: Path) -> None:
    folder, blocked = tiny_model.write_model(open_place / "engines" / "tiny"), open_place / "file"
    blocked.write_text("not a folder")
    with not_writable(folder), pytest.raises(EngineError, match=r"the plan cannot be written or read \(.+\)\. Free some space"):
        ensure(folder, cache_dir=blocked)


class not_writable:  # noqa: N801  # reads as a with statement
    """*folder* cannot be written, neither by its owner nor, where the system lets us, by root."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._uid = folder, os.geteuid() if hasattr(os, "geteuid") else -1

    def __enter__(self) -> None:
        self._folder.chmod(0o555)
        if self._uid == 0:  # root may write everywhere: be somebody else for a moment
            for parent in self._folder.parents:
                if parent.stat().st_mode & 0o005 != 0o005:
                    parent.chmod(parent.stat().st_mode | 0o055)
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        if self._uid == 0:
            os.seteuid(0)
        self._folder.chmod(0o755)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that others may read; pytest closes its own to them whenever another run of it begins on the machine."""
    with tempfile.TemporaryDirectory(prefix="poseapp-test-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.mark.skipif(os.name == "nt", reason="folders are made read-only in another way there")
def test_the_users_cache_serves_where_the_models_folder_cannot_be_written(open_place: Path) -> None:
    folder, open_cache = tiny_model.write_model(open_place / "engines" / "tiny"), open_place / "cache"
    open_cache.mkdir()
    open_cache.chmod(0o777)
    with not_writable(folder):
        place = plans_dir(folder, open_cache)
        first = ensure(folder, cache_dir=open_cache)
        again = ensure(folder, cache_dir=open_cache)
    assert place.parent == open_cache
    assert place.name.startswith("tiny-")
    assert first.path.parent == place
    assert (first.built_because, again.built_because) == ("there is none yet", "")
    assert not list(folder.glob("nvidia*"))
    assert plans_dir(folder, open_cache) == folder


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
    assert stale_because(plan_path(folder, make_key(folder, spec, "fp32", 1, GPU)), make_key(folder, spec, "fp32", 1, GPU)) == ""
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


# --- progress from nested phases ------------------------------------------------------------------------------


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


# --- prune ----------------------------------------------------------------------------------------------------


def test_prune_takes_what_nothing_can_use(folder: Path, spec: ModelSpec, tmp_path: Path) -> None:
    key = make_key(folder, spec, "fp32", 1, GPU)
    cache = tmp_path / "cache"
    (cache / "gone-12345678").mkdir(parents=True)
    good = write_plan(folder, key)
    made = {
        "old driver": write_plan(folder, replace(key, driver="500.1"), folder / "a.plan"),
        "old model": write_plan(folder, replace(key, onnx_sha256="0" * 64), folder / "b.plan"),
        "old TensorRT": write_plan(folder, replace(key, runtime="TensorRT-RTX 0.9"), folder / "c.plan"),
        "other GPU": write_plan(folder, replace(key, gpu="NVIDIA RTX A2000"), folder / "d.plan"),
        "model gone": write_plan(folder, key, cache / "gone-12345678" / "e.plan"),
    }
    (folder / "f.plan").write_bytes(b"nothing says what this is")
    killed, fresh = folder / "g.plan.x1.tmp", folder / "h.plan.x2.tmp"
    for file in (killed, fresh):
        file.write_bytes(b"half")
    os.utime(killed, (1e9, 1e9))
    removed = prune([(folder, spec)], GPU, cache_dir=cache)
    why = {one.path.name: one.because for one in removed if one.path.suffix != ".json"}
    assert why == {
        "a.plan": "made for NVIDIA GeForce RTX 3060 with driver 500.1",
        "b.plan": "its model changed",
        "c.plan": f"made by TensorRT-RTX 0.9, {key.runtime} is installed",
        "d.plan": "made for NVIDIA RTX A2000 with driver 580.65.06",
        "e.plan": "its model is gone",
        "f.plan": "nothing says what it was made for",
        "g.plan.x1.tmp": "left over from a build that did not end",
    }
    for path in made.values():
        assert not path.exists()
        assert not info_path(path).exists()
    assert good.exists()
    assert info_path(good).exists()
    assert fresh.exists()
    assert sum(one.nbytes for one in removed if one.path.name == "a.plan") == len(b"a plan")
    assert prune([(folder, spec)], GPU, cache_dir=cache) == []


def test_prune_without_a_gpu_keeps_what_it_cannot_judge(folder: Path, spec: ModelSpec, tmp_path: Path) -> None:
    key = make_key(folder, spec, "fp32", 1, GPU)
    kept = write_plan(folder, replace(key, driver="500.1"))
    assert prune([(folder, spec)], None, cache_dir=tmp_path / "none") == []
    assert kept.exists()
    assert len(prune([(folder, spec)], None, everything=True, cache_dir=tmp_path / "none")) == 2
    assert not kept.exists()
    assert (folder / "model.onnx").exists()
