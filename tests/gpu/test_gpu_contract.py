"""The contract of every engine, on TensorRT: in each precision the bundled model has, through PyCUDA and cuda-python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny_model

from poseapp.core.spec import ModelSpec
from poseapp.engine import cuda, trt
from poseapp.engine.build import Precision
from poseapp.engine.cuda import Layer
from poseapp.engine.trt import TrtEngine

if TYPE_CHECKING:
    from poseapp.engine.base import Engine
else:
    # Collected here as tests of this file's engines.
    from test_contract import (  # noqa: F401
        test_a_crop_does_not_see_its_neighbours,
        test_closed_twice_and_then_of_no_use,
        test_crops_of_another_kind_are_refused,
        test_heatmaps_come_only_when_asked_for,
        test_it_computes_what_onnx_runtime_does,
        test_keypoints_are_what_the_spec_says_the_heatmaps_decode_to,
        test_keypoints_do_not_depend_on_asking_for_heatmaps,
        test_shapes_types_and_ranges,
        test_the_same_crops_give_the_same_joints,
    )

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Opens:
    """Opens a model of a folder."""

    precision: Precision
    layer: Layer

    def __call__(self, folder: Path) -> TrtEngine:
        return TrtEngine(folder, ModelSpec.read(folder / "model.json"), self.precision, layer=self.layer)


MODELS: dict[str, tuple[Precision, ...]] = {"tiny": ("fp32",), "hourglass-s": ("fp32", "fp16", "int8")}
CASES = [(name, precision, layer) for name, precisions in MODELS.items() for precision in precisions for layer in cuda.LAYERS]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def case(
    request: pytest.FixtureRequest, repo_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Callable[[Path], TrtEngine], Path, str, str]:
    """What opens an engine, the model's folder, and the runtime and precision that it must be."""
    reason = trt.unavailable()
    if reason:
        pytest.skip(reason)
    name, precision, layer = request.param
    if layer not in cuda.installed_layers():
        pytest.skip(f"{layer} is not installed")
    folder = tiny_model.write_model(tmp_path_factory.mktemp("tiny")) if name == "tiny" else repo_root / "engines" / name
    if precision != "fp32" and precision not in ModelSpec.read(folder / "model.json").variants:
        pytest.skip(f"{name} has no {precision.upper()} file")
    return Opens(precision, layer), folder, "TensorRT", precision.upper()


@pytest.fixture(scope="module")
def engine(case: tuple[Callable[[Path], TrtEngine], Path, str, str]) -> Iterator[Engine]:
    opened = case[0](case[1])
    yield opened
    opened.close()


def test_it_says_what_really_runs(engine: Engine, case: tuple[Callable[[Path], TrtEngine], Path, str, str]) -> None:
    gpu = cuda.find_gpu()
    assert isinstance(gpu, cuda.Gpu)
    backend = engine.backend
    assert backend.runtime.startswith("TensorRT")
    assert (backend.device, backend.precision, backend.fallback) == (gpu.name, case[3], "")
