"""The training loop, top to bottom: data, schedule, step, average, validation, checkpoint."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from poseapp.core.errors import DataError
from poseapp.nets.deploy import Normalise
from poseapp.nets.efficientnet import EfficientNetLite
from poseapp.train import checkpoint
from poseapp.train.checkpoint import Training
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.loader import process_rank
from poseapp.train.distil import Teacher
from poseapp.train.ema import Ema
from poseapp.train.losses import distil
from poseapp.train.recipes import Phase, Recipe, Supervision
from poseapp.train.tasks.base import Items, Score, task_of

log = logging.getLogger(__name__)

_AUTOCAST = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Progress:
    """Where a training stands after a step, for whoever shows it. ``validation`` is there after the steps that had one."""

    step: int
    steps: int
    input_hw: tuple[int, int]
    loss: float
    lr: float
    images_per_s: float
    validation: Score | None = None


@dataclass(frozen=True)
class Options:
    """How a training runs, as opposed to what it is: nothing here changes its numbers, but for rounding with *compiled*, and
    the order in which shards are read with *workers*.

    *stop* is asked between steps. A validation is made every *validate_every* epochs and at the end. last.pt is written
    every *save_every_s*, less often when writing would take more than a fiftieth of the time. *compiled* has torch compile
    the network: each input size takes a minute first, then a step is quicker.
    """

    device: str = "cpu"
    workers: int = 1
    save_every_s: float = 60.0
    compiled: bool = False
    validate_every: float = 1.0
    max_minutes: float = math.inf
    stop: Callable[[], bool] = lambda: False


def train(
    recipe: Recipe,
    data: Items,
    folder: Path,
    options: Options = Options(),
    *,
    validation: Sequence[Any] = (),
    teacher: Teacher | None = None,
    start_from: Path | None = None,
    resume: bool = False,
    overrides: dict[str, str] | None = None,
    command: str = "",
) -> Generator[Progress, None, None]:
    """Train *recipe* on *data*, yielding progress every step; checkpoints go to *folder*: last.pt, and best.pt by mean OKS.

    With *resume* the run goes on from last.pt: same step, same data order, same numbers as a run without the break.
    Stopping, closing the iterator and running out of time save first. *start_from* begins with another run's weights.
    *overrides* is what was changed in the recipe, and *command* the command line, kept for the model card. In a process
    group that torchrun has made, each process takes its share of every step and the first one writes.

    Raises CheckpointError on a checkpoint that does not fit or cannot be written, DataError on data that make no batch
    or a loss that is not a number: last.pt is then the one from before, and bad-batch.pt (one a process) holds the batch.
    """
    random.seed(recipe.seed)
    np.random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    rank, world = process_rank()
    device = torch.device(options.device)
    first = rank == 0  # the one that writes
    if first:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be made ({error.strerror}). Give another folder for the run.") from None

    task = task_of(recipe)
    people_per_step = recipe.batch * recipe.accumulate * world
    steps_per_epoch = len(data) // people_per_step
    if steps_per_epoch == 0:
        fits = max(1, len(data) // (recipe.accumulate * world))
        raise DataError(
            f"training: expected at least {people_per_step} {task.items} (one step), got {len(data)}. "
            f"Use a smaller batch: --set batch={fits}."
        )
    steps = max(1, round(recipe.epochs * steps_per_epoch))
    validate_every = max(1, round(options.validate_every * steps_per_epoch))

    net = recipe.net().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.sync_batchnorm and device.type == "cpu":
        raise DataError("training: sync_batchnorm needs GPUs, got cpu. Leave it out, or train on CUDA devices.")
    if recipe.sync_batchnorm and world > 1:
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    normalise = Normalise().to(device)
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
    training = Training(recipe, net, Ema(net, recipe.ema), make_optimiser(recipe, net), scaler, steps)
    training.overrides, training.command, training.processes = overrides or {}, command, world
    if start_from is not None:
        fresh = checkpoint.start_from(start_from, training)
        if fresh and first:
            log.warning("%s: %d of %d weights do not fit and start afresh, %s first.",
                        start_from, len(fresh), len(net.state_dict()), fresh[0])  # fmt: skip
    if resume:
        checkpoint.restore(folder / "last.pt", training)
    begun = training.step
    net.train()
    freeze(net, recipe.frozen_blocks)
    runner = compiled(net, device) if options.compiled else net
    if world > 1:
        runner = DistributedDataParallel(runner, find_unused_parameters=recipe.supervision != "everywhere")

    def save(name: str) -> None:
        if first:
            checkpoint.save(folder / name, training)

    started = saved = tick = time.monotonic()
    writing_s = 0.0
    healthy = True
    try:
        for phase, begin, end in phases(recipe, steps):
            if training.step >= end:
                continue
            position = range(max(begin, training.step), end)
            for batches in task.steps(data, phase.input_hw, position, steps_per_epoch, rank, world, options.workers):
                lr = learning_rate(recipe, training.step, steps)
                for group in training.optimiser.param_groups:
                    group["lr"] = lr * group.get("share", 1.0)  # runs from before it have none
                wish = options.stop() or time.monotonic() - started > options.max_minutes * 60
                try:
                    loss, stop = train_step(training, runner, normalise, batches, teacher, wish)
                except FloatingPointError as error:
                    healthy = False
                    bad = folder / ("bad-batch.pt" if world == 1 else f"bad-batch-{rank}.pt")
                    with contextlib.suppress(OSError, RuntimeError):  # a full disk must not hide what went wrong
                        torch.save(batches, bad)
                    raise DataError(
                        f"training: {error} at step {training.step}. {f'The batch is in {bad}; ' if bad.exists() else ''}"
                        "a lower learning rate or bf16 in place of fp16 may help."
                    ) from None
                training.ema.update(net, training.step)
                training.step += 1
                now = time.monotonic()
                result = None
                if validation and (training.step % validate_every == 0 or training.step == steps):
                    if world > 1:  # BatchNorm's statistics are each process' own: all score the network that is written
                        for buffer in training.ema.net.buffers():
                            distributed.broadcast(buffer, 0)
                    result = task.validate(training.ema.net, validation, device, options.workers)
                    best = next(iter(result.figures.values()))
                    if best > training.best:
                        training.best = best
                        save("best.pt")
                yield Progress(training.step, steps, phase.input_hw, loss, lr, people_per_step / (now - tick), result)
                tick = time.monotonic()
                if tick - saved > max(options.save_every_s, 50 * writing_s):
                    save("last.pt")
                    saved = time.monotonic()
                    writing_s = saved - tick
                if stop:
                    return
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        if not options.stop():  # a signal to all processes of the terminal ends the loading ones, too
            raise DataError(
                "training: a loading process was ended from outside, perhaps for memory. Use fewer --workers."
            ) from None
    finally:
        if healthy and training.step > begun:
            save("last.pt")


def train_step(
    training: Training,
    runner: nn.Module,
    normalise: Normalise,
    batches: Sequence[Batch],
    teacher: Teacher | None = None,
    stop: bool = False,
) -> tuple[float, bool]:
    """One optimiser step on *batches* of (crops, targets, weights), whose gradients are added up.

    Returns the loss, and whether any process wants to *stop*. *runner* is the network, or what spreads it over processes.
    Raises FloatingPointError, before anything is changed, when the loss or its gradient is not a number.
    """
    recipe, net, optimiser, scaler = training.recipe, training.net, training.optimiser, training.scaler
    task = task_of(recipe)
    device = next(net.parameters()).device
    _, world = process_rank()
    batches = [(c.to(device), t.to(device), w.to(device)) for c, t, w in batches]
    total = torch.stack([task.total(target, weight) for _, target, weight in batches]).sum()
    if world > 1:
        distributed.all_reduce(total)
        total /= world  # gradients are averaged over processes, not added up
    loss = torch.zeros((), device=device)
    chosen = range(0)
    optimiser.zero_grad(set_to_none=True)
    for i, (crops, target, weight) in enumerate(batches):
        last = i == len(batches) - 1
        wait = runner.no_sync() if isinstance(runner, DistributedDataParallel) and not last else contextlib.nullcontext()
        with wait:
            x = normalise(crops).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, _AUTOCAST[recipe.precision], enabled=recipe.precision != "fp32"):
                stages = runner(x)
            if isinstance(stages, Tensor):
                stages = [stages]
            chosen = supervised(recipe.supervision, len(stages), training.step / training.steps)
            stages = [stages[s] for s in chosen]
            part = task.loss(stages, target, weight, total)
            if teacher is not None:
                soft = teacher(crops, (target.shape[2], target.shape[3]))
                soft_loss = distil([s[:, : soft.shape[1]] for s in stages], soft) / len(batches)
                part = (1 - recipe.distil) * part + recipe.distil * soft_loss
            scaler.scale(part).backward()
            loss += part.detach()
    wishes = torch.stack([loss, loss.new_tensor(float(stop))])
    if world > 1:
        distributed.all_reduce(wishes)
        wishes /= world
    mean_loss, any_stop = float(wishes[0]), float(wishes[1]) > 0
    if not math.isfinite(mean_loss):
        raise FloatingPointError(f"the loss is {mean_loss}")
    if recipe.supervision.startswith("stagewise") and len(chosen) == 1:
        for parameter in earlier_parameters(net, recipe.phases[0].input_hw, chosen[0]):
            parameter.grad = None  # what belongs to earlier stages stays as it is
    scaler.unscale_(optimiser)
    norm = nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm or math.inf)
    if recipe.precision != "fp16" and not torch.isfinite(norm):  # in fp16 the scaler skips such a step and scales less
        raise FloatingPointError(f"the loss is {mean_loss:.3g} but its gradient is {float(norm)}")
    scaler.step(optimiser)
    scaler.update()
    return mean_loss, any_stop


def compiled(net: nn.Module, device: torch.device) -> nn.Module:
    """*net* as torch compiles it, one program for each input size; DataError where there is no compiler to do it."""
    compilers = (os.environ.get("CXX") or "g++", "clang++", "cl")
    if device.type == "cpu" and not any(map(shutil.which, compilers)):
        raise DataError("training: --compile needs a C++ compiler such as g++, found none. Install one, or leave --compile out.")
    return cast(nn.Module, torch.compile(net, dynamic=False))


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero, a drop at each of the recipe's shares, or no change.

    The warm-up takes at most a tenth of the run: a few hundred pictures make few steps.
    """
    warmup = min(recipe.warmup_steps, steps // 10)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    if recipe.schedule == "constant":
        return recipe.lr
    if recipe.schedule == "step":
        return recipe.lr * recipe.lr_drop_factor ** sum(step >= round(share * steps) for share in recipe.lr_drops)
    done = (step - warmup) / max(1, steps - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def make_optimiser(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser. Weight decay acts on convolution weights alone: elsewhere it only shifts the scale."""
    groups: list[dict[str, Any]] = []
    for share, here in ((1.0, False), (recipe.trunk_lr, True)):
        parameters = [p for name, p in net.named_parameters() if name.startswith("trunk.") == here]
        decayed, others = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
        if parameters:
            groups.append({"params": decayed, "share": share, "weight_decay": recipe.weight_decay})
            groups.append({"params": others, "share": share, "weight_decay": 0.0})
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr)
    return torch.optim.RMSprop(groups, lr=recipe.lr)


def freeze(net: nn.Module, blocks: int) -> None:
    """Keep the stem and the first *blocks* blocks of *net*'s trunk as they are, statistics of BatchNorm too; 0 keeps nothing.

    Raises DataError on a network without so many.
    """
    if blocks == 0:
        return
    trunk = getattr(net, "trunk", None)
    if not isinstance(trunk, EfficientNetLite) or blocks >= len(trunk.blocks):
        there = len(trunk.blocks) - 1 if isinstance(trunk, EfficientNetLite) else 0
        raise DataError(f"training: frozen_blocks: this network has {there} blocks to keep as they are, got {blocks}.")
    for part in (trunk.stem, *trunk.blocks[:blocks]):
        part.eval().requires_grad_(False)


def supervised(strategy: Supervision, stages: int, done: float) -> range:
    """Which of *stages* get a loss when *done* (0..1) of the training is behind: the four strategies of Wei et al."""
    if strategy == "final":
        return range(stages - 1, stages)
    if strategy == "stagewise-joint":
        done *= 2
    if strategy == "everywhere" or done >= 1:
        return range(stages)
    now = min(stages - 1, int(done * stages))
    return range(now, now + 1)


def earlier_parameters(net: nn.Module, input_hw: tuple[int, int], stage: int) -> list[nn.Parameter]:
    """The parameters that the outputs of the stages before *stage* depend on."""
    if stage == 0:
        return []
    parameters = [p for p in net.parameters() if p.requires_grad]
    training = [module for module in net.modules() if module.training]
    net.eval()  # no BatchNorm statistics from an empty picture
    before = net(torch.zeros(1, 3, *input_hw, device=parameters[0].device))[stage - 1]
    for module in training:  # not all at once: frozen blocks stay in evaluation
        module.training = True
    gradients: tuple[Tensor | None, ...] = torch.autograd.grad(before.sum(), parameters, allow_unused=True)
    return [p for p, gradient in zip(parameters, gradients, strict=True) if gradient is not None]


def phases(recipe: Recipe, steps: int) -> list[tuple[Phase, int, int]]:
    """Each phase with its first step and the step after its last."""
    out, share, begin = [], 0.0, 0
    for phase in recipe.phases:
        share += phase.share
        end = steps if phase is recipe.phases[-1] else round(share * steps)
        out.append((phase, begin, end))
        begin = end
    return out
