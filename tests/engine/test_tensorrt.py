"""The TensorRT engine around the network: buffers, graphs, two in flight, failures. On a fake GPU; tests/gpu has the real one."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tiny_model
from fake_gpu import FakeDevice, FakeNetwork, open_fake

from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine.base import Backend
from poseapp.engine.driver import find_gpu
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.tensorrt import engine as trt
from poseapp.engine.tensorrt import plans
from poseapp.engine.tensorrt.engine import TrtEngine, rejected_because
from poseapp.engine.tensorrt.gpu_engine import GpuEngine

no_gpu_here = pytest.mark.skipif(not isinstance(find_gpu(), str), reason="this machine has an NVIDIA GPU")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model.write_model(tmp_path / "tiny")


def crops(n: int, seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (n, *tiny_model.HW, 3), dtype=np.uint8)


def wanted(folder: Path, given: ImageArray) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    engine = OrtEngine(folder / "model.onnx", ModelSpec.read(folder / "model.json"), 1)
    found = engine.infer(given).keypoints
    engine.close()
    return found


@pytest.mark.parametrize("no_graphs", [False, True], ids=["graphs", "no graphs"])
@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 21])
def test_any_number_of_crops_gives_what_onnx_runtime_gives(n: int, no_graphs: bool, folder: Path) -> None:
    engine, device, _ = open_fake(folder, device=FakeDevice(no_graphs))
    assert engine.captured is not no_graphs
    output = engine.infer(crops(n), heatmaps=True)
    engine.close()
    np.testing.assert_allclose(output.keypoints, wanted(folder, crops(n)), atol=1e-6)
    assert output.heatmaps is not None
    assert output.heatmaps.shape == (n, 16, *tiny_model.CELLS)
    assert (device.launches > 0) is not no_graphs


def test_a_network_that_makes_its_own_graphs_is_not_captured(folder: Path) -> None:
    device = FakeDevice()
    network = FakeNetwork(folder, device, own_graphs=True)
    engine = GpuEngine(ModelSpec.read(folder / "model.json"), device, network, Backend("TensorRT 1.0", "Fake GPU", "FP32"))
    assert not engine.captured
    np.testing.assert_allclose(engine.infer(crops(3)).keypoints, wanted(folder, crops(3)), atol=1e-6)
    assert device.launches == 0
    engine.close()


def test_a_batch_is_filled_up_to_the_next_size_that_was_captured(folder: Path) -> None:
    engine, _, network = open_fake(folder, batch=6)
    network.sizes.clear()
    for n in (1, 2, 3, 4, 5, 6, 7):
        engine.infer(crops(n))
    engine.close()
    assert network.sizes == [1, 2, 4, 4, 6, 6, 6, 1]


def test_two_are_in_flight_and_come_back_in_order(folder: Path) -> None:
    engine, _, _ = open_fake(folder)
    given = [crops(2, seed) for seed in range(5)]
    found = []
    for one in given:
        engine.submit(one.copy())
        if one is not given[0]:
            found.append(engine.collect().keypoints)
    found.append(engine.collect().keypoints)
    engine.close()
    for one, keypoints in zip(given, found, strict=True):
        np.testing.assert_allclose(keypoints, wanted(folder, one), atol=1e-6)


def test_a_crop_may_be_changed_as_soon_as_it_was_submitted(folder: Path) -> None:
    engine, _, _ = open_fake(folder)
    given = crops(1)
    want = wanted(folder, given)
    engine.submit(given)
    given[:] = 0
    np.testing.assert_allclose(engine.collect().keypoints, want, atol=1e-6)
    engine.close()


def test_results_outlive_the_next_and_the_engine(folder: Path) -> None:
    engine, device, _ = open_fake(folder)
    first = engine.infer(crops(1), heatmaps=True)
    kept = first.keypoints.copy()
    engine.infer(crops(1, seed=5), heatmaps=True)
    engine.infer(crops(1, seed=6), heatmaps=True)
    engine.close()
    np.testing.assert_array_equal(first.keypoints, kept)
    assert device.released


def test_more_than_two_or_none_in_flight_is_an_error(folder: Path) -> None:
    engine, _, _ = open_fake(folder)
    with pytest.raises(EngineError, match=r"^tiny: nothing is in flight"):
        engine.collect()
    engine.submit(crops(1))
    with pytest.raises(EngineError, match=r"^tiny: a crop is in flight"):
        engine.infer(crops(1))
    engine.submit(crops(1))
    with pytest.raises(EngineError, match=r"^tiny: 2 are in flight"):
        engine.submit(crops(1))
    with pytest.raises(EngineError, match=r"^tiny: expected at most 8 crops at once, got 9"):
        engine.submit(crops(9))
    engine.collect()
    engine.collect()
    engine.close()


def test_nothing_is_allocated_after_loading(folder: Path) -> None:
    engine, device, _ = open_fake(folder)
    made = device.allocations
    given = crops(5)
    for heatmaps in (False, True):
        for _ in range(20):
            engine.infer(given, heatmaps)
    assert device.allocations == made
    tracemalloc.start()
    try:
        engine.infer(given)
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            engine.infer(given)
        assert tracemalloc.get_traced_memory()[0] - before < 20_000  # nothing is kept either
    finally:
        tracemalloc.stop()
    engine.close()


@pytest.mark.parametrize("when", ["before", "in flight"])
def test_a_lost_gpu_is_an_engine_error_and_stays_one(when: str, folder: Path) -> None:
    engine, device, network = open_fake(folder)
    if when == "in flight":
        engine.submit(crops(1))
    device.lost = True
    reason = r"^tiny: the GPU failed \(CUDA: CUDA_ERROR_[A-Z_]+\)\. Go on with the CPU, or load the model again\.$"
    with pytest.raises(EngineError, match=reason):
        engine.collect() if when == "in flight" else engine.infer(crops(1))
    device.lost = False
    with pytest.raises(EngineError, match=reason):  # what a GPU says after that cannot be trusted
        engine.infer(crops(1))
    engine.close()
    assert network.closed
    assert device.released


def test_closing_a_lost_gpu_is_quiet(folder: Path) -> None:
    engine, device, network = open_fake(folder)
    engine.submit(crops(1))
    device.lost = True
    engine.close()
    engine.close()
    assert network.closed
    assert device.released


def test_an_inference_that_tensorrt_refuses_is_an_engine_error(folder: Path) -> None:
    engine, _, network = open_fake(folder, device=FakeDevice(no_graphs=True))
    network.breaks = True
    with pytest.raises(EngineError, match=r"^tiny: the GPU failed \(TensorRT failed \(no reason given\)\)"):
        engine.infer(crops(1))
    engine.close()


def test_a_full_memory_gives_back_what_was_taken(folder: Path) -> None:
    device = FakeDevice(buffers=2)
    network = FakeNetwork(folder, device)
    with pytest.raises(EngineError, match="CUDA_ERROR_OUT_OF_MEMORY"):
        GpuEngine(ModelSpec.read(folder / "model.json"), device, network, Backend("TensorRT 1.0", "Fake GPU", "FP32"))
    assert network.closed
    assert device.released


# --- the check of a new plan ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("precision", "difference_px", "ok"),
    [("FP16", 0.5, True), ("FP16", 0.51, False), ("INT8", 1.5, True), ("INT8", 1.6, False), ("FP32", float("nan"), False)],
)
def test_how_far_a_plan_may_be_from_onnx_runtime(precision: str, difference_px: float, ok: bool) -> None:
    reason = rejected_because("tiny", precision, difference_px, 32)
    assert (reason == "") is ok
    if not ok:
        assert reason.startswith(
            f"tiny {precision}: rejected: its joints are {difference_px:.2f} px from ONNX Runtime's (mean over"
        )


def a_plan(folder: Path) -> plans.Plan:
    """A file and its description, as if it had been built for the engine of the fake GPU."""
    key = plans.PlanKey("0" * 64, "TensorRT 1.0", "Fake GPU", "8.6", "1.0", "fp32", tiny_model.HW, (), ())
    path = folder / "fake-gpu.trt.fp32.b8.plan"
    path.write_bytes(b"a plan")
    info = plans.PlanInfo(key, "0" * 64, 6, (), (), 1.0)
    plans.info_path(path).write_text(info.to_json(), encoding="utf-8")
    return plans.Plan(path, info, b"a plan", "asked for")


def test_a_plan_that_computes_what_onnx_runtime_does_is_kept(folder: Path) -> None:
    engine, _, network = open_fake(folder)
    plan = a_plan(folder)
    network.shift_px = 0.25
    assert trt.verify(engine, folder, plan, lambda _text, _share: True) == pytest.approx(0.25, abs=1e-5)
    engine.close()
    assert plan.path.exists()
    assert plans.read_info(plan.path).difference_px == pytest.approx(0.25, abs=1e-5)


def test_a_plan_that_computes_something_else_is_thrown_away_with_the_figures(folder: Path) -> None:
    engine, _, network = open_fake(folder)
    plan = a_plan(folder)
    network.shift_px = 0.75
    reason = (
        r"^tiny FP32: rejected: its joints are 0\.75 px from ONNX Runtime's \(mean over 32 crops\), the limit is 0\.5 px\. "
        r"Use another precision, or the CPU\.$"
    )
    with pytest.raises(EngineError, match=reason):
        trt.verify(engine, folder, plan, lambda _text, _share: True)
    engine.close()
    assert not plan.path.exists()
    assert "0.75 px" in plans.read_info(plan.path).rejected


def test_the_check_can_be_cancelled(folder: Path) -> None:
    engine, _, _ = open_fake(folder)
    plan = a_plan(folder)
    with pytest.raises(EngineError, match=r"^tiny FP32: building cancelled"):
        trt.verify(engine, folder, plan, lambda _text, _share: False)
    engine.close()
    assert plan.path.exists()
    assert plans.read_info(plan.path).difference_px is None


# --- without a GPU --------------------------------------------------------------------------------------------


@no_gpu_here
def test_without_a_driver_it_says_so(folder: Path) -> None:
    assert trt.unavailable() in (
        "TensorRT: no NVIDIA driver on this machine. It needs an NVIDIA GPU and its driver.",
        "TensorRT: the NVIDIA driver finds no GPU. It needs an NVIDIA GPU and its driver.",
    )
    with pytest.raises(EngineError, match=r"^TensorRT: .*It needs an NVIDIA GPU and its driver\.$"):
        TrtEngine(folder, ModelSpec.read(folder / "model.json"))
    assert not plans.is_fresh(folder, ModelSpec.read(folder / "model.json"), "fp32")


@no_gpu_here
def test_asking_loads_nothing_and_the_process_ends_well() -> None:
    code = (
        "import sys; from poseapp.engine.tensorrt import engine; assert engine.unavailable(); "
        "assert not {'tensorrt', 'tensorrt_rtx', 'pycuda', 'cuda'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
