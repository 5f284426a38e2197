"""TensorRT on a real GPU: parity, graphs, memory that stays as it is, a plan that is kept, and switching under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_model
from fp16_copy import with_fp16

from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine import cuda
from poseapp.engine.comparator import TOLERANCE_PX, difference_px, sample_crops
from poseapp.engine.cuda import CudaError, Layer
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.tensorrt import engine as trt
from poseapp.engine.tensorrt import plans
from poseapp.engine.tensorrt.engine import TrtEngine

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900)]

MIB = 2**20


@pytest.fixture(scope="module")
def folder(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    reason = trt.unavailable()
    if reason:
        pytest.skip(reason)
    return with_fp16(repo_root / "engines" / "hourglass-s", tmp_path_factory.mktemp("models") / "hourglass-s")


@pytest.fixture(scope="module")
def spec(folder: Path) -> ModelSpec:
    return ModelSpec.read(folder / "model.json")


@pytest.fixture(scope="module", params=cuda.LAYERS)
def engine(request: pytest.FixtureRequest, folder: Path, spec: ModelSpec) -> Iterator[TrtEngine]:
    layer: Layer = request.param
    if layer not in cuda.installed_layers():
        pytest.skip(f"{layer} is not installed")
    opened = TrtEngine(folder, spec, plans.precision_for(spec), layer=layer)
    yield opened
    opened.close()


def crops(spec: ModelSpec, n: int, seed: int = 0) -> ImageArray:
    return np.random.default_rng(seed).integers(0, 256, (n, *spec.input_hw, 3), dtype=np.uint8)


def test_parity_with_onnx_runtime_on_the_stored_crops(engine: TrtEngine, folder: Path, spec: ModelSpec) -> None:
    reference = OrtEngine(folder / "model.onnx", spec)
    difference = difference_px(engine, reference, sample_crops(spec.input_hw))
    reference.close()
    assert difference <= TOLERANCE_PX[engine.backend.precision]
    assert plans.read_info(engine.plan.path).difference_px == pytest.approx(difference, abs=1e-3)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 11])
def test_a_batch_gives_what_one_by_one_gives(n: int, engine: TrtEngine, spec: ModelSpec) -> None:
    given = np.resize(sample_crops(spec.input_hw), (n, *spec.input_hw, 3))
    together = engine.infer(given).keypoints
    single = np.concatenate([engine.infer(given[i : i + 1]).keypoints for i in range(n)])
    np.testing.assert_allclose(together[..., 2], single[..., 2], atol=0.02)
    sure = single[..., 2] > 0.2
    assert np.linalg.norm((together - single)[..., :2], axis=2)[sure].mean() < TOLERANCE_PX[engine.backend.precision]


def test_every_batch_is_one_graph(engine: TrtEngine) -> None:
    assert engine.captured


def test_graphs_replay_what_is_up_now(engine: TrtEngine, spec: ModelSpec) -> None:
    stored = sample_crops(spec.input_hw)
    want = [engine.infer(stored[i : i + 1]).keypoints for i in range(6)]
    found = []
    engine.submit(stored[0:1])
    for i in range(1, 6):
        engine.submit(stored[i : i + 1])
        found.append(engine.collect().keypoints)
    found.append(engine.collect().keypoints)
    np.testing.assert_array_equal(found, want)
    assert not np.array_equal(want[0], want[1])


def test_ten_thousand_inferences_take_no_memory(engine: TrtEngine, spec: ModelSpec) -> None:
    given = crops(spec, 8)
    for n in (1, 8):
        engine.infer(given[:n], heatmaps=True)
    made = engine.device.allocations
    with engine.device:
        before = engine.device.free_memory()[0]
    for i in range(10_000):
        engine.infer(given[: 1 + i % 8], heatmaps=i % 100 == 0)
    with engine.device:
        after = engine.device.free_memory()[0]
    assert engine.device.allocations == made
    assert abs(before - after) <= 2 * MIB


def test_two_in_flight_are_faster_than_one_by_one(engine: TrtEngine, spec: ModelSpec) -> None:
    given = crops(spec, 1)

    def one_by_one() -> None:
        for _ in range(500):
            given[0, 0, 0, 0] ^= 1
            engine.infer(given)

    def overlapped() -> None:
        engine.submit(given)
        for _ in range(499):
            given[0, 0, 0, 0] ^= 1
            engine.submit(given)
            engine.collect()
        engine.collect()

    times = {}
    for work in (one_by_one, overlapped):
        work()
        start = time.perf_counter()
        work()
        times[work.__name__] = time.perf_counter() - start
    assert times["overlapped"] < 1.05 * times["one_by_one"]


def test_the_second_loading_uses_the_plan(engine: TrtEngine, folder: Path, spec: ModelSpec) -> None:
    heard: list[str] = []

    def listen(text: str, _share: float) -> bool:
        heard.append(text)
        return True

    again = TrtEngine(folder, spec, plans.precision_for(spec), progress=listen)
    again.close()
    assert again.plan.built_because == ""
    assert not [text for text in heard if "building" in text]
    assert plans.is_fresh(folder, spec, plans.precision_for(spec))


def test_a_truncated_plan_is_built_again(tmp_path: Path, folder: Path) -> None:
    tiny = tiny_model.write_model(tmp_path / "tiny")
    spec = ModelSpec.read(tiny / "model.json")
    first = TrtEngine(tiny, spec, "fp32")
    first.close()
    first.plan.path.write_bytes(first.plan.content[:-100])
    second = TrtEngine(tiny, spec, "fp32")
    second.close()
    assert second.plan.built_because.startswith("it is truncated (expected ")


def test_switching_models_while_another_works(folder: Path, spec: ModelSpec, tmp_path: Path) -> None:
    """A new engine is loaded beside one that works, twenty times; the old one's results stay the same, and memory too."""
    tiny = tiny_model.write_model(tmp_path / "tiny")
    tiny_spec = ModelSpec.read(tiny / "model.json")
    TrtEngine(tiny, tiny_spec, "fp32").close()  # its plan is built
    working = TrtEngine(folder, spec, plans.precision_for(spec))
    stored = sample_crops(spec.input_hw)[:1]
    want = working.infer(stored).keypoints
    free: list[int] = []
    for i in range(20):
        working.submit(stored)
        beside = TrtEngine(tiny, tiny_spec, "fp32") if i % 2 else TrtEngine(folder, spec, plans.precision_for(spec))
        np.testing.assert_array_equal(working.collect().keypoints, want)
        beside.infer(crops(beside.spec, 2))
        working.close()
        working = TrtEngine(folder, spec, plans.precision_for(spec))
        beside.close()
        np.testing.assert_array_equal(working.infer(stored).keypoints, want)
        with working.device:
            free.append(working.device.free_memory()[0])
    working.close()
    assert free[2] - free[-1] <= 16 * MIB


def test_a_cancelled_build_says_so(tmp_path: Path, folder: Path) -> None:
    tiny = tiny_model.write_model(tmp_path / "tiny")
    with pytest.raises(EngineError, match=r"^tiny FP32: building cancelled"):
        TrtEngine(tiny, ModelSpec.read(tiny / "model.json"), "fp32", progress=lambda _text, share: share < 0.3)
    assert not list(tiny.glob("*.plan"))


@pytest.mark.parametrize("layer", cuda.LAYERS)
def test_a_device_copies_and_replays(layer: Layer) -> None:
    if layer not in cuda.installed_layers():
        pytest.skip(f"{layer} is not installed")
    device = cuda.open_device(layer)
    with device:
        stream = device.stream()
        event = device.event(stream)
        up, down = device.pinned((3, 4), np.uint8), device.pinned((3, 4), np.uint8)
        address = device.buffer(up.nbytes)
        up[:], down[:] = 5, 0

        def there_and_back() -> None:
            device.upload(address, up, stream)
            device.download(down, address, stream)

        graph = device.capture(stream, there_and_back)
        stream.wait()
        assert not down.any()
        for value in (5, 6):
            up[:] = value
            graph.launch()
            event.record()
            event.wait()
            np.testing.assert_array_equal(down, value)
        with pytest.raises(CudaError, match="CUDA: "):
            device.buffer(2**50)
    device.close()
