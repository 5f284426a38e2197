"""The training loop, top to bottom: data, schedule, step, average, checkpoint."""

from __future__ import annotations

import copy
import logging
import math
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from poseapp.core.errors import CheckpointError, DataError
from poseapp.nets.deploy import Normalise
from poseapp.train.data import PoseDataset, Target
from poseapp.train.losses import supervise
from poseapp.train.people import Person
from poseapp.train.recipes import Phase, Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where a training stands, for whoever shows it."""

    step: int
    steps: int
    input_hw: tuple[int, int]
    loss: float
    lr: float
    images_per_s: float


class Ema(nn.Module):
    """Exponential moving average of a network's weights; BatchNorm statistics are averaged too."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Move a little toward *net*; faster in the first steps, whose weights mean little."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    if step < recipe.warmup_steps:
        return recipe.lr * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train_step(
    net: nn.Module,
    normalise: Normalise,
    optimiser: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor, Tensor],
    recipe: Recipe,
) -> float:
    """One optimiser step on (crops, targets, weights); returns the loss."""
    crops, target, weight = batch
    device = next(net.parameters()).device
    x = normalise(crops.to(device)).contiguous(memory_format=torch.channels_last)
    with torch.autocast(device.type, torch.bfloat16, enabled=recipe.bf16):
        stages = net(x)
    loss = supervise(stages, target.to(device), weight.to(device))
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
    optimiser.step()
    return float(loss.detach())


def phase_at(recipe: Recipe, step: int, steps: int) -> Phase:
    """The phase that *step* of *steps* belongs to."""
    end = 0.0
    for phase in recipe.phases:
        end += phase.share * steps
        if step < round(end):
            return phase
    return recipe.phases[-1]


def target_of(recipe: Recipe, input_hw: tuple[int, int]) -> Target:
    """The targets of *recipe* at one input size."""
    heatmap_hw = (input_hw[0] // recipe.stride, input_hw[1] // recipe.stride)
    sigma = recipe.sigma_px * input_hw[0] / recipe.input_hw[0]
    return Target(input_hw, heatmap_hw, sigma, recipe.mapping)


def train(
    recipe: Recipe,
    people: list[Person],
    folder: Path,
    *,
    resume: bool = False,
    workers: int = 1,
    save_every_s: float = 300.0,
    max_minutes: float = math.inf,
    device: str = "cpu",
) -> Iterator[Progress]:
    """Train *recipe* on *people*, yielding progress every step; checkpoints go to *folder*/last.pt.

    With *resume* the run goes on from the last checkpoint: same step, same data order, same numbers as a run
    without the break. Stops early, with a checkpoint, after *max_minutes*. Closing the iterator (Ctrl-C) saves too.
    Raises CheckpointError on a checkpoint of another recipe, DataError on a loss that is not a number.
    """
    random.seed(recipe.seed)
    np.random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "last.pt"
    steps_per_epoch = len(people) // recipe.batch
    if steps_per_epoch == 0:
        raise DataError(f"training: expected at least {recipe.batch} people (one batch), got {len(people)}.")
    steps = max(1, round(recipe.epochs * steps_per_epoch))

    net = recipe.net().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    normalise = Normalise().to(device)
    optimiser = torch.optim.AdamW(_parameter_groups(net, recipe.weight_decay), lr=recipe.lr)
    ema = Ema(net, recipe.ema)
    step = 0
    if resume:
        step = _load(path, recipe, net, ema, optimiser, steps)

    started = saved = time.monotonic()
    net.train()
    try:
        while step < steps:
            phase = phase_at(recipe, step, steps)
            epoch, first = divmod(step, steps_per_epoch)
            batches = _batches(recipe, people, phase, epoch, first, steps_per_epoch, workers)
            tick = time.monotonic()
            for batch in batches:
                if step == steps or phase_at(recipe, step, steps) != phase:
                    break
                lr = learning_rate(recipe, step, steps)
                for group in optimiser.param_groups:
                    group["lr"] = lr
                loss = train_step(net, normalise, optimiser, batch, recipe)
                if not math.isfinite(loss):
                    torch.save(batch, folder / "bad-batch.pt")
                    raise DataError(f"training: the loss is {loss} at step {step}. The batch is in {folder / 'bad-batch.pt'}.")
                ema.update(net, step)
                step += 1
                now = time.monotonic()
                yield Progress(step, steps, phase.input_hw, loss, lr, recipe.batch / (now - tick))
                tick = now
                if now - saved > save_every_s:
                    _save(path, recipe, net, ema, optimiser, step, steps)
                    saved = now
                if now - started > max_minutes * 60:
                    return
    finally:
        _save(path, recipe, net, ema, optimiser, step, steps)


def _batches(
    recipe: Recipe, people: list[Person], phase: Phase, epoch: int, first: int, steps_per_epoch: int, workers: int
) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
    """The batches of one epoch from number *first* on; order and samples depend on seed and epoch alone."""
    dataset = PoseDataset(people, recipe.skeleton, target_of(recipe, phase.input_hw), recipe.augment, recipe.seed)
    dataset.epoch = epoch
    order = np.random.default_rng((recipe.seed, epoch)).permutation(len(people))
    order = order[first * recipe.batch : steps_per_epoch * recipe.batch]
    # A forked worker would inherit OpenCV's and PyTorch's locks without the threads that hold them, and hang.
    context = "forkserver" if workers else None
    return DataLoader(
        dataset,
        recipe.batch,
        sampler=order.tolist(),
        num_workers=workers,
        worker_init_fn=_one_thread,
        multiprocessing_context=context,
    )


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)


def _parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on convolution weights alone: on biases and BatchNorm it only shifts the scale."""
    decayed = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _save(path: Path, recipe: Recipe, net: nn.Module, ema: Ema, optimiser: torch.optim.Optimizer, step: int, steps: int) -> None:
    """Write the checkpoint beside *path*, then rename it: a full disk or a kill leaves the old one whole."""
    state = {
        "recipe": recipe.name,
        "step": step,
        "steps": steps,
        "net": net.state_dict(),
        "ema": ema.net.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    temporary = path.with_suffix(".tmp")
    try:
        torch.save(state, temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path}: cannot be written ({error}). Free some disk space; the last checkpoint is whole."
        ) from None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a training checkpoint, tensors only; CheckpointError when it is not one."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: not found. Start without --resume, or give the folder of an earlier run.") from None
    except Exception as error:
        raise CheckpointError(f"{path}: cannot be read as a checkpoint ({type(error).__name__}).") from None
    if not isinstance(state, dict) or not {"recipe", "step", "net", "ema"} <= state.keys():
        raise CheckpointError(f"{path}: not a checkpoint of this training code.")
    return state


def _load(path: Path, recipe: Recipe, net: nn.Module, ema: Ema, optimiser: torch.optim.Optimizer, steps: int) -> int:
    state = read_checkpoint(path)
    if state["recipe"] != recipe.name:
        raise CheckpointError(f"{path}: expected a checkpoint of {recipe.name}, got {state['recipe']}. Give its own folder.")
    if state["steps"] != steps:
        raise CheckpointError(
            f"{path}: expected a run of {steps} steps, got {state['steps']}. Resume with the same epochs, batch and data."
        )
    try:
        net.load_state_dict(state["net"])
        ema.net.load_state_dict(state["ema"])
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not fit the network of {recipe.name} ({str(error).splitlines()[0]}).") from None
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])
