"""Checkpoints: written atomically, read without running code, refused when they do not fit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from poseapp.convert.checkpoints import read_content, read_state
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

    def state(self) -> TrainingState:
        """What a checkpoint of this moment holds."""
        return TrainingState(
            recipe=self.recipe.name,
            step=self.step,
            steps=self.steps,
            net=self.net.state_dict(),
            ema=self.ema.net.state_dict(),
            optimiser=self.optimiser.state_dict(),
            scaler=self.scaler.state_dict(),
            best=self.best,
            overrides=dict(self.overrides),
            command=self.command,
            processes=self.processes,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingState:
    """The content of a checkpoint: its fields are the keys of the file.

    ``net`` are the weights and ``ema`` their averages, by name. A stripped checkpoint has no ``net``, ``optimiser`` and
    ``scaler``; the first checkpoints of this code lack the fields that have a default here.
    """

    recipe: str
    step: int
    steps: int
    net: Mapping[str, Tensor]
    ema: Mapping[str, Tensor]
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    scaler: Mapping[str, Any] = field(default_factory=dict)
    best: float = -1.0
    overrides: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    processes: int = 1

    def write(self, path: Path) -> None:
        """Write the checkpoint beside *path*, then rename it: a full disk or a kill leaves the old one whole.

        Raises CheckpointError when it cannot be written.
        """
        try:
            with atomic_path(path) as part:
                torch.save(dict(vars(self)), part)
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


_REQUIRED = {"recipe": str, "step": int, "steps": int, "net": dict, "ema": dict}


def read(path: Path) -> TrainingState:
    """The content of a training checkpoint, tensors only; CheckpointError when it is not one."""
    if not path.exists():
        raise CheckpointError(f"{path}: not found. Give a run's folder or one of its checkpoints (.pt).")
    try:
        state = _tensors(read_content(path))
    except CheckpointError:
        why = "damaged, or of something else"
        raise CheckpointError(
            f"{path}: cannot be read as a checkpoint ({why}). Give a run's folder or one of its checkpoints."
        ) from None
    if not isinstance(state, dict) or not all(isinstance(state.get(key), kind) for key, kind in _REQUIRED.items()):
        raise CheckpointError(f"{path}: not a checkpoint of this training code. Give one that `poseapp train` wrote.")
    return TrainingState(**{each.name: state[each.name] for each in fields(TrainingState) if each.name in state})


def _tensors(value: Any) -> Any:
    """*value* with tensors in place of arrays, which share their memory."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, dict):
        return {key: _tensors(item) for key, item in value.items()}
    return type(value)(map(_tensors, value)) if isinstance(value, list | tuple) else value


def restore(path: Path, training: Training) -> None:
    """Put the content of the checkpoint at *path* into *training*; CheckpointError when it belongs to another run."""
    if not path.exists():
        raise CheckpointError(f"{path}: not found. Start without --resume, or give the folder of an earlier run.")
    state = read(path)
    _check_same_run(path, state, training)
    _load(training.net, state.net, path, training.recipe.name)
    _load(training.ema.net, state.ema, path, training.recipe.name)
    try:
        training.optimiser.load_state_dict(dict(state.optimiser))
    except (ValueError, KeyError):
        raise CheckpointError(f"{path}: was written with another optimiser. Resume with the same recipe.") from None
    if state.scaler:
        training.scaler.load_state_dict(dict(state.scaler))
    training.step, training.best = state.step, state.best


def _check_same_run(path: Path, state: TrainingState, training: Training) -> None:
    recipe = training.recipe
    if not state.net:
        raise CheckpointError(f"{path}: holds averaged weights alone: a run cannot go on from it. Begin with --start-from.")
    if state.recipe != recipe.name:
        raise CheckpointError(f"{path}: expected a checkpoint of {recipe.name}, got {state.recipe}. Give its own folder.")
    if state.overrides != dict(training.overrides):
        before = " ".join(f"--set {key}={value}" for key, value in state.overrides.items()) or "no --set"
        raise CheckpointError(f"{path}: was trained with {before}. Resume with the same changes of the recipe.")
    if state.steps != training.steps:
        raise CheckpointError(
            f"{path}: expected a run of {training.steps} steps, got {state.steps}. "
            "Resume with the same epochs, batch, data and number of processes."
        )


def start_from(path: Path, training: Training) -> list[str]:
    """Begin *training* with the averaged weights of another run, or a trunk's published ones: fine-tuning.

    Returns the weights that were left out: those whose shape differs, such as the heads of another skeleton, keep their
    fresh values. Raises CheckpointError when nothing fits.
    """
    mine = training.net.state_dict()
    trunk = getattr(training.net, "trunk", None)
    try:
        weights = read(path).ema
    except CheckpointError as error:
        try:
            published = _tensors(read_state(path)) if isinstance(trunk, EfficientNetLite) else {}
        except CheckpointError:
            published = {}
        if trunk is None or not published:
            raise error from None
        weights = {f"trunk.{name}": value for name, value in published_weights(published, trunk, str(path)).items()}
    fitting = {name: value for name, value in weights.items() if name in mine and mine[name].shape == value.shape}
    if not fitting:
        raise CheckpointError(f"{path}: nothing in it fits the network of {training.recipe.name}. Start from the same family.")
    training.net.load_state_dict(fitting, strict=False)
    training.ema.net.load_state_dict(fitting, strict=False)
    return sorted(mine.keys() - fitting.keys())


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A checkpoint's network with its averaged weights, on the CPU in eval mode, and the recipe as the run changed it."""

    recipe: Recipe
    net: nn.Module
    state: TrainingState

    @classmethod
    def of(cls, state: TrainingState, path: Path) -> TrainedNetwork:
        """The network in *state*, which was read from *path*.

        Raises CheckpointError on an unknown recipe, or weights that do not fit its network.
        """
        recipe = RECIPES.get(state.recipe)
        if recipe is None:
            raise CheckpointError(f"{path}: unknown recipe {state.recipe!r}. There are: {', '.join(RECIPES)}.")
        recipe = override(recipe, state.overrides)
        net = recipe.net().eval()
        _load(net, state.ema, path, recipe.name)
        return cls(recipe, net, state)

    @property
    def samples_per_step(self) -> int:
        """Samples that a step of the training took, over all processes."""
        return self.recipe.batch * self.recipe.accumulate * self.state.processes


def read_network(path: Path) -> TrainedNetwork:
    """The trained network in the checkpoint at *path*. Raises CheckpointError as ``read`` and ``TrainedNetwork.of`` do."""
    return TrainedNetwork.of(read(path), path)


def _load(net: nn.Module, weights: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Put *weights* into *net*; CheckpointError when they are not exactly those of its shape."""
    mine = net.state_dict()
    differ = [key for key, value in mine.items() if key not in weights or weights[key].shape != value.shape]
    differ += sorted(weights.keys() - mine.keys())
    if differ:
        raise CheckpointError(
            f"{path}: does not fit the network of {name}: {len(differ)} weights differ, {differ[0]} first. "
            "The recipe may have changed since; begin a training with --start-from."
        )
    net.load_state_dict(weights)
