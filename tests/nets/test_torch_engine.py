"""The graph of every family run node by node in PyTorch, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from test_deploy_parity import NETS, deploy_for

from poseapp.convert.export import export_onnx
from poseapp.core.errors import EngineError
from poseapp.core.heatmap import Decode
from poseapp.core.spec import ModelSpec
from poseapp.engine.graph_nodes import HALF_OPERATORS
from poseapp.engine.torch import engine as torch_cuda
from poseapp.engine.torch.graph import Graph
from poseapp.engine.torch.operators import OPERATORS

CASES: list[tuple[str, bool, Decode]] = [(name, False, "dark") for name in NETS]
CASES += [("hourglass", True, "quarter"), ("hourglass", False, "argmax")]


@pytest.mark.parametrize(("name", "flip", "decode"), CASES)
def test_it_computes_what_onnx_runtime_does_and_asks_the_gpu_for_nothing(
    name: str, flip: bool, decode: Decode, tmp_path: Path
) -> None:
    deploy, spec = deploy_for(name, flip, decode)
    path = tmp_path / "model.onnx"
    export_onnx(deploy, spec.input_hw, path)
    crops = np.random.default_rng(2).integers(0, 256, (2, *spec.input_hw, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    want = dict(zip(names, session.run(names, {"crops": crops}), strict=True))
    with torch.inference_mode():
        found = Graph(path, torch.device("cpu"), torch.float32)(torch.from_numpy(crops))
    assert list(found) == names
    scale = float(np.abs(want["heatmaps"]).max())
    np.testing.assert_allclose(found["heatmaps"].numpy(), want["heatmaps"], atol=1e-5 * max(1.0, scale))
    np.testing.assert_allclose(found["keypoints"].numpy(), want["keypoints"], atol=0.02)
    # On the meta device there are no values: a node that reads one, which would stop a captured graph, fails there.
    shapes = Graph(path, torch.device("meta"), torch.float16)(torch.zeros(crops.shape, dtype=torch.uint8, device="meta"))
    assert {key: tuple(value.shape) for key, value in shapes.items()} == {key: value.shape for key, value in want.items()}


def test_it_knows_every_operator_that_may_be_halved() -> None:
    assert OPERATORS.keys() >= HALF_OPERATORS


@pytest.mark.parametrize(("precision", "rounds"), [("fp32", False), ("fp16", True)])
def test_what_it_calls_fp32_is_not_tf32(precision: str, rounds: bool, repo_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's convolutions round FP32 to TF32's 10 bits unless they are told not to."""

    def graph(*_: object) -> None:
        raise EngineError("this is how far it goes without a GPU")

    monkeypatch.setattr(torch_cuda, "unavailable", lambda: "")
    monkeypatch.setattr(torch_cuda, "Graph", graph)
    folder = repo_root / "engines" / "hourglass-s"
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=True):
        with pytest.raises(EngineError, match="this is how far"):
            torch_cuda.TorchEngine(folder, ModelSpec.read(folder / "model.json"), precision)
        assert torch.backends.cudnn.allow_tf32 is rounds
