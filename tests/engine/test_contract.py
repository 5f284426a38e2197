"""What every engine promises, tried on each of them. A new backend joins by a line in ENGINES."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny_model

from poseapp.core.errors import EngineError
from poseapp.core.heatmap import decode, input_from_cells
from poseapp.core.pictures import read_picture
from poseapp.core.roi import search_boxes
from poseapp.core.spec import ModelSpec
from poseapp.core.transform import apply, crop, crop_affine
from poseapp.core.types import ImageArray
from poseapp.engine.base import Engine
from poseapp.engine.comparator import difference_px, sample_crops
from poseapp.engine.load import load_engine
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.torch.engine import TorchEngine

Open = Callable[[Path], Engine]


def onnx_runtime_cpu(folder: Path) -> Engine:
    return load_engine(folder, "cpu", threads=1, precision="fp32")


def onnx_runtime_int8(folder: Path) -> Engine:
    return load_engine(folder, "cpu", threads=1, precision="int8")


def openvino(folder: Path) -> Engine:
    return load_engine(folder, "openvino", threads=1, precision="fp32")


def openvino_int8(folder: Path) -> Engine:
    return load_engine(folder, "openvino", threads=1, precision="int8")


def torch_on_cpu(folder: Path) -> Engine:
    return TorchEngine(folder, ModelSpec.read(folder / "model.json"), "fp32", device="cpu")


# What opens it, and what its backend then says. The tiny model has no INT8 file.
ENGINES: list[tuple[Open, str, str]] = [
    (onnx_runtime_cpu, "ONNX Runtime 1.", "FP32"),
    (onnx_runtime_int8, "ONNX Runtime 1.", "INT8"),
    (openvino, "OpenVINO 20", "FP32"),
    (openvino_int8, "OpenVINO 20", "INT8"),
    (torch_on_cpu, "PyTorch 2.", "FP32"),
]
MODELS = ("tiny", "hourglass-s")
Case = tuple[Open, Path, str, str]


def cases() -> Iterator[object]:
    """Every engine on every model. PyTorch on a CPU, which nobody runs the app on, takes long for a whole network."""
    for model, (open_, runtime, precision) in itertools.product(MODELS, ENGINES):
        if model != "tiny" or precision == "FP32":
            marks = [pytest.mark.slow] if model != "tiny" and open_ is torch_on_cpu else []
            yield pytest.param((model, open_, runtime, precision), id=f"{model}-{open_.__name__}", marks=marks)


@pytest.fixture(scope="module", params=cases())
def case(request: pytest.FixtureRequest, repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """What opens an engine, the model's folder, and the runtime and precision that it must be."""
    name, open_, runtime, precision = request.param
    folder = tiny_model.write_model(tmp_path_factory.mktemp("tiny")) if name == "tiny" else repo_root / "engines" / name
    if precision == "INT8" and "int8" not in ModelSpec.read(folder / "model.json").precisions:
        pytest.skip(f"{name} has no INT8 file")
    return open_, folder, runtime, precision


@pytest.fixture(scope="module")
def engine(case: Case) -> Iterator[Engine]:
    opened = case[0](case[1])
    yield opened
    opened.close()


def crops(engine: Engine, n: int) -> ImageArray:
    return np.random.default_rng(n).integers(0, 256, (n, *engine.spec.input_hw, 3), dtype=np.uint8)


@pytest.mark.parametrize("n", [1, 3])
def test_shapes_types_and_ranges(engine: Engine, n: int) -> None:
    k, hw = engine.spec.skeleton.k, engine.spec.input_hw
    output = engine.infer(crops(engine, n), heatmaps=True)
    assert output.keypoints.shape == (n, k, 3)
    assert output.keypoints.dtype == np.float32
    assert output.heatmaps is not None
    assert output.heatmaps.shape == (n, k, *engine.spec.heatmap_hw)
    assert output.heatmaps.dtype == np.float32
    x, y, score = np.moveaxis(output.keypoints, 2, 0)
    assert ((score >= 0) & (score <= 1)).all()
    stride = engine.spec.stride
    assert ((x >= -stride) & (x < hw[1] + stride)).all()
    assert ((y >= -stride) & (y < hw[0] + stride)).all()


def test_heatmaps_come_only_when_asked_for(engine: Engine) -> None:
    assert engine.infer(crops(engine, 1)).heatmaps is None


def test_keypoints_do_not_depend_on_asking_for_heatmaps(engine: Engine) -> None:
    given = crops(engine, 1)
    np.testing.assert_array_equal(engine.infer(given).keypoints.copy(), engine.infer(given, heatmaps=True).keypoints)


def test_the_same_crops_give_the_same_joints(engine: Engine) -> None:
    given = crops(engine, 2)
    first = engine.infer(given).keypoints.copy()
    np.testing.assert_array_equal(engine.infer(given).keypoints, first)


def test_a_crop_does_not_see_its_neighbours(engine: Engine) -> None:
    given = crops(engine, 3)
    together = engine.infer(given).keypoints.copy()
    for i in range(3):
        np.testing.assert_allclose(engine.infer(given[i : i + 1]).keypoints[0], together[i], atol=2e-3)


def test_keypoints_are_what_the_spec_says_the_heatmaps_decode_to(engine: Engine, sample_picture: Path) -> None:
    spec = engine.spec
    picture = read_picture(sample_picture)
    box = search_boxes((picture.shape[0], picture.shape[1]), spec.input_hw)[0]
    given = crop(picture, crop_affine(box, spec.input_hw), spec.input_hw)
    output = engine.infer(given[None], heatmaps=True)
    assert output.heatmaps is not None
    cells = decode(output.heatmaps, spec.heatmap_decode, spec.sigma_px)
    want = apply(input_from_cells(spec.input_hw, spec.heatmap_hw, spec.mapping), cells[..., :2])
    sure = cells[..., 2] > 0.1  # of an empty map every place is the highest
    assert np.count_nonzero(sure) >= 5
    np.testing.assert_allclose(output.keypoints[..., :2][sure], want[sure], atol=0.05)
    height = np.clip(cells[..., 2], 0, 0.9999)
    odds = spec.score_odds * height / (1 - height)
    np.testing.assert_allclose(output.keypoints[..., 2], odds / (1 + odds), atol=1e-4)


def test_it_says_what_really_runs(engine: Engine, case: Case) -> None:
    _, _, runtime, precision = case
    backend = engine.backend
    assert backend.runtime.startswith(runtime)
    assert backend.device == "CPU"
    assert backend.precision == precision
    assert backend.fallback == ""
    assert str(backend) == f"{backend.runtime} · CPU · {precision}"


def test_it_computes_what_onnx_runtime_does(engine: Engine, case: Case) -> None:
    spec, folder, precision = engine.spec, case[1], case[3]
    reference = OrtEngine(folder / "model.onnx", spec, 1)
    difference = difference_px(engine, reference, sample_crops(spec.input_hw))
    reference.close()
    assert difference <= (1.5 if precision == "INT8" else 0.01)


@pytest.mark.parametrize("wrong", ["float", "no batch", "another size", "four channels", "empty"])
def test_crops_of_another_kind_are_refused(engine: Engine, wrong: str) -> None:
    good = crops(engine, 1)
    h, w = engine.spec.input_hw
    bad = {
        "float": good.astype(np.float32),
        "no batch": good[0],
        "another size": np.zeros((1, h + 1, w, 3), np.uint8),
        "four channels": np.zeros((1, h, w, 4), np.uint8),
        "empty": good[:0],
    }[wrong]
    with pytest.raises(ValueError, match=rf"^{engine.spec.name}: expected crops N×{h}×{w}×3 uint8, got"):
        engine.infer(bad)


def test_closed_twice_and_then_of_no_use(case: Case) -> None:
    engine = case[0](case[1])
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match=rf"^{engine.spec.name}: the engine is closed"):
        engine.infer(crops(engine, 1))


def test_a_known_place_is_found_in_x_y_order(tmp_path: Path) -> None:
    engine = onnx_runtime_cpu(tiny_model.write_model(tmp_path / "tiny"))
    crop = np.zeros((1, *tiny_model.HW, 3), np.uint8)
    crop[0, 40:44, 8:12] = 255
    found = engine.infer(crop).keypoints
    engine.close()
    np.testing.assert_allclose(found[0], np.tile([9.5, 41.5, 1.0], (16, 1)), atol=1e-5)
