"""Everything that runs within a captured CUDA graph obeys the rules of a capture, for every network and decoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from capture_rules import GPU, broken_rules, module_up, up
from test_deploy_parity import NETS, deploy_for
from torch import Tensor

from poseapp.bench.gpu.ways import InPrecision
from poseapp.convert.export import export_onnx
from poseapp.core.heatmap import Decode
from poseapp.core.spec import ModelSpec
from poseapp.engine.torch.graph import Graph
from poseapp.nets.deploy import Deploy

CASES: list[tuple[str, bool, Decode]] = [(name, False, "dark") for name in NETS]
CASES += [("hrnet", False, "quarter"), ("hrnet", False, "argmax")]  # decoding does not know what made the maps
CASES += [("hourglass", True, "dark"), ("openpose", True, "quarter")]


def crops_up(hw: tuple[int, int], n: int = 2) -> Tensor:
    return up(torch.randint(0, 256, (n, *hw, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(("name", "flip", "decode"), CASES)
def test_the_benchmark_captures_every_network(name: str, flip: bool, decode: Decode) -> None:
    def make() -> tuple[Callable[..., Any], Tensor]:
        deploy, spec = deploy_for(name, flip, decode)
        half = Deploy(
            InPrecision(deploy.net, torch.bfloat16), deploy.normalise, deploy.decoder, deploy.joints, deploy.flip, deploy.fields
        )
        return module_up(half.eval()), crops_up(spec.input_hw)

    assert broken_rules(make) == []


@pytest.mark.parametrize(("name", "flip", "decode"), CASES)
def test_the_torch_engine_captures_every_exported_graph(name: str, flip: bool, decode: Decode, tmp_path: Path) -> None:
    deploy, spec = deploy_for(name, flip, decode)
    export_onnx(deploy, spec.input_hw, tmp_path / "model.onnx")
    assert broken_rules(lambda: (Graph(tmp_path / "model.onnx", GPU, torch.bfloat16), crops_up(spec.input_hw))) == []


def test_the_torch_engine_captures_every_bundled_model(repo_root: Path) -> None:
    for path in sorted(repo_root.glob("engines/*/model.json")):
        spec = ModelSpec.read(path)
        made = lambda path=path, hw=spec.input_hw: (Graph(path.with_name("model.onnx"), GPU, torch.bfloat16), crops_up(hw))  # noqa: E731
        assert broken_rules(made) == [], spec.name


@pytest.mark.parametrize(
    ("forbidden", "told"),
    [
        (lambda x: x[:, [2, 1]], "a Python list as an index is copied up"),
        (lambda x: x + torch.ones(3), "add takes tensors of the host"),
        (lambda x: x.maximum(torch.tensor(2).to(x.device)), "a copy up"),
        (lambda x: x.cpu(), "a copy down"),
        (lambda x: x.sum().item(), "_local_scalar_dense waits for the GPU"),
        (lambda x: x.where(x > 0, torch.tensor(1.0)), "where copies a number of the host up"),
    ],
)
def test_the_rules_find_what_they_are_for(forbidden: Callable[[Tensor], Any], told: str) -> None:
    assert told in " ".join(broken_rules(lambda: (forbidden, up(torch.arange(6.0).reshape(2, 3)))))
    assert broken_rules(lambda: (lambda x: (x * 2).relu().max(), up(torch.ones(2, 3)))) == []
