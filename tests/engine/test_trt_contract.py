"""The contract of every engine, on the TensorRT engine's own part: buffers, batches and graphs, on the fake GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tiny_model
from fake_gpu import open_fake

from poseapp.engine.tensorrt.gpu_engine import GpuEngine

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


def open_one(folder: Path) -> GpuEngine:
    return open_fake(folder, batch=2)[0]


@pytest.fixture(scope="module", params=["tiny", "hourglass-s"])
def case(
    request: pytest.FixtureRequest, repo_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Callable[[Path], GpuEngine], Path, str, str]:
    """What opens an engine, the model's folder, and the runtime and precision that it must be."""
    name = request.param
    folder = tiny_model.write_model(tmp_path_factory.mktemp("tiny")) if name == "tiny" else repo_root / "engines" / name
    return open_one, folder, "TensorRT", "FP32"


@pytest.fixture(scope="module")
def engine(case: tuple[Callable[[Path], GpuEngine], Path, str, str]) -> Iterator[Engine]:
    opened = case[0](case[1])
    yield opened
    opened.close()
