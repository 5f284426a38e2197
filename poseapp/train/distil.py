"""Teachers: bigger models whose heatmaps a smaller one learns from (Hinton et al. 2015; Zhang et al., CVPR 2019)."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from poseapp.core.errors import CheckpointError
from poseapp.core.heatmap import Mapping
from poseapp.core.skeleton import Skeleton
from poseapp.engine.base import Engine
from poseapp.engine.load import load_engine
from poseapp.nets.deploy import Normalise
from poseapp.train import checkpoint
from poseapp.train.recipes import Recipe


class Teacher(Protocol):
    """Gives heatmaps (N, K, h, w) of the asked size for crops (N, H, W, 3) uint8 BGR of any size."""

    def __call__(self, crops: Tensor, heatmap_hw: tuple[int, int]) -> Tensor:
        """The heatmaps, on the device of *crops*."""
        ...


class NetworkTeacher:
    """A network of this code with its averaged weights, from a checkpoint; it runs where the crops are."""

    def __init__(self, path: Path, student: Recipe, device: torch.device) -> None:
        trained = checkpoint.read_network(path)
        self.recipe = trained.recipe
        _check(str(path), self.recipe.skeleton, self.recipe.mapping, student)
        self.net = trained.net.to(device).requires_grad_(False)
        self.normalise = Normalise().to(device)

    @torch.no_grad()
    def __call__(self, crops: Tensor, heatmap_hw: tuple[int, int]) -> Tensor:
        """See Teacher."""
        x = _resized(self.normalise(crops), self.recipe.input_hw, self.recipe.mapping)
        # A GPU is many times as quick in bf16; a teacher that learned in it loses nothing.
        with torch.autocast(crops.device.type, torch.bfloat16, enabled=crops.is_cuda and self.recipe.precision == "bf16"):
            out = self.net(x)
        maps: Tensor = out if isinstance(out, Tensor) else out[-1]
        return _resized(maps[:, : self.recipe.skeleton.k].float(), heatmap_hw, self.recipe.mapping)


class EngineTeacher:
    """Any model of the store, published weights included; it runs in the engine's own device."""

    def __init__(self, engine: Engine, student: Recipe) -> None:
        _check(engine.spec.name, engine.spec.skeleton, engine.spec.mapping, student)
        self.engine = engine

    @torch.no_grad()
    def __call__(self, crops: Tensor, heatmap_hw: tuple[int, int]) -> Tensor:
        """See Teacher."""
        spec = self.engine.spec
        scaled = _resized(crops.permute(0, 3, 1, 2).float(), spec.input_hw, spec.mapping)
        pictures = scaled.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
        maps = self.engine.infer(pictures, heatmaps=True).heatmaps
        assert maps is not None
        return _resized(torch.from_numpy(maps).to(crops.device), heatmap_hw, spec.mapping)


def load_teacher(path: Path, student: Recipe, device: torch.device) -> Teacher:
    """The teacher at *path*: a checkpoint (.pt) or a folder of the model store. CheckpointError when it does not suit."""
    if path.suffix == ".pt":
        return NetworkTeacher(path, student, device)
    return EngineTeacher(load_engine(path), student)


def _check(name: str, skeleton: Skeleton, mapping: Mapping, student: Recipe) -> None:
    if skeleton.name != student.skeleton.name or mapping != student.mapping:
        raise CheckpointError(
            f"teacher {name}: expected {student.skeleton.name} joints and mapping {student.mapping}, "
            f"got {skeleton.name} and {mapping}. Choose a teacher of the same convention."
        )


def _resized(x: Tensor, hw: tuple[int, int], mapping: Mapping) -> Tensor:
    """(N, C, h, w) at size *hw*, pixel centres meeting as *mapping* has it."""
    if x.shape[2:] == hw:
        return x
    return F.interpolate(x, hw, mode="bilinear", align_corners=mapping == "udp")
