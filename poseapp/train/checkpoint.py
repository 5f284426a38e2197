"""Checkpoints: written atomically, read without running code, refused when they do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from poseapp.convert.checkpoints import read_state
from poseapp.core.errors import CheckpointError
from poseapp.core.files import atomic_path
from poseapp.nets.efficientnet import EfficientNetLite, published_weights
from poseapp.train.ema import Ema
from poseapp.train.recipes import RECIPES, Recipe, override


@dataclass
class Training:
    """All that changes while a training runs, and so all that a checkpoint holds."""

    recipe: Recipe
    net: nn.Module
    ema: Ema
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    steps: int
    step: int = 0
    best: float = -1.0  # mean OKS of best.pt
    overrides: Mapping[str, str] = field(default_factory=dict)  # what the command line changed in the recipe
    command: str = ""  # the command line itself, for the model card
    processes: int = 1  # that share each step


def save(path: Path, training: Training) -> None:
    """Write the checkpoint beside *path*, then rename it: a full disk or a kill leaves the old one whole.

    Raises CheckpointError when it cannot be written.
    """
    state = {
        "recipe": training.recipe.name,
        "overrides": dict(training.overrides),
        "command": training.command,
        "step": training.step,
        "steps": training.steps,
        "processes": training.processes,
        "best": training.best,
        "net": training.net.state_dict(),
        "ema": training.ema.net.state_dict(),
        "optimiser": training.optimiser.state_dict(),
        "scaler": training.scaler.state_dict(),
    }
    try:
        with atomic_path(path) as part:
            torch.save(state, part)
    except (OSError, RuntimeError) as error:
        # torch says of a full disk only where it noticed that.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{_free_mib(path.parent)} MiB free"
        whole = "; the last one is whole" if path.exists() else ""
        raise CheckpointError(f"{path}: cannot be written ({reason}). Free some disk space{whole}.") from None


def _free_mib(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 2**20:.0f}"
    except OSError:
        return "?"


def read(path: Path) -> dict[str, Any]:
    """The content of a training checkpoint, tensors only; CheckpointError when it is not one."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: not found. Give a run's folder or one of its checkpoints (.pt).") from None
    except Exception as error:
        raise CheckpointError(
            f"{path}: cannot be read as a checkpoint ({type(error).__name__}). Give a run's folder or one of its checkpoints."
        ) from None
    if not isinstance(state, dict) or not {"recipe", "step", "steps", "net", "ema"} <= state.keys():
        raise CheckpointError(f"{path}: not a checkpoint of this training code. Give one that `poseapp train` wrote.")
    return state


def restore(path: Path, training: Training) -> None:
    """Put the content of the checkpoint at *path* into *training*; CheckpointError when it belongs to another run."""
    if not path.exists():
        raise CheckpointError(f"{path}: not found. Start without --resume, or give the folder of an earlier run.")
    state = read(path)
    recipe = training.recipe
    if not state["net"]:
        raise CheckpointError(f"{path}: holds averaged weights alone: a run cannot go on from it. Begin with --start-from.")
    if state["recipe"] != recipe.name:
        raise CheckpointError(f"{path}: expected a checkpoint of {recipe.name}, got {state['recipe']}. Give its own folder.")
    if state.get("overrides", {}) != dict(training.overrides):
        before = " ".join(f"--set {key}={value}" for key, value in state.get("overrides", {}).items()) or "no --set"
        raise CheckpointError(f"{path}: was trained with {before}. Resume with the same changes of the recipe.")
    if state["steps"] != training.steps:
        raise CheckpointError(
            f"{path}: expected a run of {training.steps} steps, got {state['steps']}. "
            "Resume with the same epochs, batch, data and number of processes."
        )
    _fit(training.net, state["net"], path, recipe.name)
    _fit(training.ema.net, state["ema"], path, recipe.name)
    try:
        training.optimiser.load_state_dict(state["optimiser"])
    except (ValueError, KeyError):
        raise CheckpointError(f"{path}: was written with another optimiser. Resume with the same recipe.") from None
    if state.get("scaler"):
        training.scaler.load_state_dict(state["scaler"])
    training.step, training.best = int(state["step"]), float(state.get("best", -1.0))


def start_from(path: Path, training: Training) -> list[str]:
    """Begin *training* with the averaged weights of another run, or a trunk's published ones: fine-tuning.

    Returns the weights that were left out: those whose shape differs, such as the heads of another skeleton, keep their
    fresh values. Raises
    CheckpointError when nothing fits.
    """
    mine = training.net.state_dict()
    trunk = getattr(training.net, "trunk", None)
    try:
        state = read(path)["ema"]
    except CheckpointError as error:
        try:
            published = read_state(path) if isinstance(trunk, EfficientNetLite) else {}
        except CheckpointError:
            published = {}
        if trunk is None or not published:
            raise error from None
        state = {f"trunk.{name}": value for name, value in published_weights(published, trunk, str(path)).items()}
    fitting = {name: value for name, value in state.items() if name in mine and mine[name].shape == value.shape}
    if not fitting:
        raise CheckpointError(f"{path}: nothing in it fits the network of {training.recipe.name}. Start from the same family.")
    training.net.load_state_dict(fitting, strict=False)
    training.ema.net.load_state_dict(fitting, strict=False)
    return sorted(mine.keys() - fitting.keys())


def averaged_network(path: Path) -> tuple[Recipe, nn.Module, dict[str, Any]]:
    """The recipe, the network with its averaged weights, on the CPU in eval mode, and the rest of the checkpoint."""
    state = read(path)
    recipe = RECIPES.get(state["recipe"])
    if recipe is None:
        raise CheckpointError(f"{path}: unknown recipe {state['recipe']!r}. There are: {', '.join(RECIPES)}.")
    recipe = override(recipe, state.get("overrides", {}))
    net = recipe.net().eval()
    _fit(net, state["ema"], path, recipe.name)
    return recipe, net, state


def _fit(net: nn.Module, state: dict[str, Any], path: Path, name: str) -> None:
    mine = net.state_dict()
    differ = [key for key, value in mine.items() if key not in state or state[key].shape != value.shape]
    differ += sorted(state.keys() - mine.keys())
    if differ:
        raise CheckpointError(
            f"{path}: does not fit the network of {name}: {len(differ)} weights differ, {differ[0]} first. "
            "The recipe may have changed since; begin a training with --start-from."
        )
    net.load_state_dict(state)
