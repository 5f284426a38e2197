"""The contract of every engine, on a GPU: TensorRT through PyCUDA and cuda-python, and PyTorch, in each precision.

Left out are comparisons as sharp as FP32 on a CPU allows; test_gpu_trt.py has those of a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny_model
from fp16_copy import with_fp16

from poseapp.core.spec import ModelSpec
from poseapp.engine import cuda, driver
from poseapp.engine.comparator import TOLERANCE_PX, difference_px, sample_crops
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.tensorrt import engine as trt
from poseapp.engine.tensorrt.plans import precision_for
from poseapp.engine.torch import engine as torch_cuda

if TYPE_CHECKING:
    from poseapp.engine.base import Engine
else:
    # Collected here as tests of this file's engines.
    from test_contract import (  # noqa: F401
        test_closed_twice_and_then_of_no_use,
        test_crops_of_another_kind_are_refused,
        test_heatmaps_come_only_when_asked_for,
        test_keypoints_are_what_the_spec_says_the_heatmaps_decode_to,
        test_keypoints_do_not_depend_on_asking_for_heatmaps,
        test_shapes_types_and_ranges,
        test_the_same_crops_give_the_same_joints,
    )

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]

Case = tuple[Callable[[Path], "Engine"], Path, str, str]
MODELS = {"tiny": ("fp32",), "hourglass-s": ("fp32", "fp16", "int8")}
CASES = [
    *((name, way, precision) for name, each in MODELS.items() for way in cuda.LAYERS for precision in each),
    *(("hourglass-s", "PyTorch", precision) for precision in ("fp32", "fp16", "bf16")),
]


def opener(way: str, precision: str) -> Callable[[Path], Engine]:
    """Opens a model of a folder."""

    def open_(folder: Path) -> Engine:
        spec = ModelSpec.read(folder / "model.json")
        if way == "PyTorch":
            return torch_cuda.TorchEngine(folder, spec, precision)
        layer = next(layer for layer in cuda.LAYERS if layer == way)
        return trt.TrtEngine(folder, spec, precision_for(spec, precision), layer=layer)

    return open_


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(request: pytest.FixtureRequest, repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """What opens an engine, the model's folder, and the runtime and precision that it must be."""
    name, way, precision = request.param
    reason = torch_cuda.unavailable() if way == "PyTorch" else trt.unavailable()
    if not reason and way in cuda.LAYERS and way not in cuda.installed_layers():
        reason = f"{way} is not installed"
    made = tmp_path_factory.mktemp(name) / name
    folder = tiny_model.write_model(made) if name == "tiny" else with_fp16(repo_root / "engines" / name, made)
    stored = ModelSpec.read(folder / "model.json").precisions
    if not reason and way != "PyTorch" and precision not in stored:
        reason = f"{name} has no {precision.upper()} file"
    if reason:
        pytest.skip(reason)
    return opener(way, precision), folder, "PyTorch" if way == "PyTorch" else "TensorRT", precision.upper()


@pytest.fixture(scope="module")
def engine(case: Case) -> Iterator[Engine]:
    opened = case[0](case[1])
    yield opened
    opened.close()


def test_it_says_what_really_runs(engine: Engine, case: Case) -> None:
    gpu = driver.find_gpu()
    assert isinstance(gpu, driver.Gpu)
    backend = engine.backend
    assert backend.runtime.startswith(case[2])
    assert (backend.device, backend.precision, backend.fallback) == (gpu.name, case[3], "")


def test_it_computes_what_onnx_runtime_does(engine: Engine, case: Case) -> None:
    reference = OrtEngine(case[1] / "model.onnx", engine.spec)
    difference = difference_px(engine, reference, sample_crops(engine.spec.input_hw))
    reference.close()
    assert difference <= TOLERANCE_PX[case[3]]
