"""The training loop, top to bottom: data, schedule, step, average, validation, checkpoint."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from poseapp.core.errors import DataError
from poseapp.train import checkpoint
from poseapp.train.checkpoint import Training
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.order import Loading, process_rank
from poseapp.train.distil import Teacher
from poseapp.train.ema import Ema
from poseapp.train.optimiser import freeze, make_optimiser
from poseapp.train.recipes import Recipe
from poseapp.train.schedule import learning_rate, phases
from poseapp.train.step import Stepper
from poseapp.train.tasks import Items, Score, task_of

log = logging.getLogger(__name__)

WRITING_SHARE = 1 / 50  # of the time, at most, that writing last.pt may take


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


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a training runs and what it begins with, as opposed to what it is, which the recipe says.

    ``stop`` is asked between steps. A validation is made every ``validate_every`` epochs and at the end. last.pt is written
    every ``save_every_s``, less often when writing would take more than a fiftieth of the time. ``compiled`` has torch compile
    the network: each input size takes a minute first, then a step is quicker; it changes rounding. ``workers`` are loading
    processes; with tar shards the order of the samples depends on how many there are.

    ``resume`` goes on from last.pt: same step, same data order, same numbers as a run without the break. ``start_from`` begins
    with another run's weights. ``teacher`` takes the recipe's share of the loss. ``overrides`` is what was changed in the
    recipe, and ``command`` the command line, kept for the model card.
    """

    device: str = "cpu"
    workers: int = 1
    save_every_s: float = 60.0
    compiled: bool = False
    validate_every: float = 1.0
    max_minutes: float = math.inf
    stop: Callable[[], bool] = lambda: False
    resume: bool = False
    start_from: Path | None = None
    teacher: Teacher | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    command: str = ""


def train(
    recipe: Recipe, items: Items, folder: Path, options: Options = Options(), validation: Sequence[Any] = ()
) -> Generator[Progress, None, None]:
    """Train *recipe* on *items*, yielding progress every step; checkpoints go to *folder*: last.pt, and best.pt by the first
    figure of the scores on *validation*.

    Stopping, closing the iterator and running out of time save first. In a process group that torchrun has made, each
    process takes its share of every step and the first one writes.

    Raises CheckpointError on a checkpoint that does not fit or cannot be written, DataError on items that make no batch
    or a loss that is not a number: last.pt is then the one from before, and bad-batch.pt (one a process) holds the batch.
    """
    trainer = Trainer(recipe, items, folder, options, validation)
    with trainer.saved_at_the_end(), lost_workers_reported(options):
        for input_hw, batches in trainer.batches():
            lr = trainer.set_learning_rate()
            loss, stop = trainer.make_step(batches)
            score = trainer.validate_when_due()
            yield Progress(trainer.training.step, trainer.steps, input_hw, loss, lr, trainer.images_per_s, score)
            trainer.save_when_due()
            if stop:
                return


class Trainer:
    """The parts of a training, in the order in which ``train`` calls them: made, then for each step ``set_learning_rate``,
    ``make_step``, ``validate_when_due``, ``save_when_due``; all inside ``saved_at_the_end``.
    """

    def __init__(self, recipe: Recipe, items: Items, folder: Path, options: Options, validation: Sequence[Any]) -> None:
        seed_everything(recipe.seed)
        self.recipe, self.items, self.folder, self.options, self.validation = recipe, items, folder, options, validation
        self.rank, self.world = process_rank()
        self.device = torch.device(options.device)
        # A phase has one input size, so it pays to try out which kernels are the quickest.
        torch.backends.cudnn.benchmark = self.device.type == "cuda"
        if self.rank == 0:
            make_folder(folder)
        self.task = task_of(recipe)
        self.items_per_step = recipe.batch * recipe.accumulate * self.world
        self.steps_per_epoch = self._count_steps_per_epoch()
        self.steps = max(1, round(recipe.epochs * self.steps_per_epoch))
        self.training = self._begin()
        self.first_step = self.training.step
        self.stepper = Stepper(self.training, self._runner(), options.teacher)
        self.images_per_s = 0.0  # of the last step
        self._healthy = True
        self._started_s = self._step_began_s = self._saved_s = time.monotonic()
        self._writing_s = 0.0

    # --- before the first step --------------------------------------------------------------------------------

    def _count_steps_per_epoch(self) -> int:
        steps: int = len(self.items) // self.items_per_step
        if steps == 0:
            fits = max(1, len(self.items) // (self.recipe.accumulate * self.world))
            raise DataError(
                f"training: expected at least {self.items_per_step} {self.task.items} (one step), got {len(self.items)}. "
                f"Use a smaller batch: --set batch={fits}."
            )
        return steps

    def _begin(self) -> Training:
        """A fresh training; with weights of another run, or at the step of the checkpoint that it goes on from."""
        recipe, options = self.recipe, self.options
        net = new_network(recipe, self.device, self.world)
        training = new_training(recipe, net, self.steps)
        training.overrides, training.command, training.processes = options.overrides, options.command, self.world
        if options.start_from is not None:
            fresh = checkpoint.start_from(options.start_from, training)
            if fresh and self.rank == 0:
                log.warning("%s: %d of %d weights do not fit and start afresh, %s first.",
                            options.start_from, len(fresh), len(net.state_dict()), fresh[0])  # fmt: skip
        if options.resume:
            checkpoint.restore(self.folder / "last.pt", training)
        net.train()
        freeze(net, recipe.frozen_blocks)
        return training

    def _runner(self) -> nn.Module:
        """The network as the steps run it: compiled where that is asked for, and spread over the processes."""
        net = self.training.net
        runner = compiled(net, self.device) if self.options.compiled else net
        if self.world > 1:
            runner = DistributedDataParallel(runner, find_unused_parameters=self.recipe.supervision != "everywhere")
        return runner

    # --- each step --------------------------------------------------------------------------------------------

    def batches(self) -> Iterator[tuple[tuple[int, int], list[Batch]]]:
        """The input size and the batches of each step that is left."""
        for phase, begin, end in phases(self.recipe, self.steps):
            if self.training.step >= end:
                continue
            loading = Loading(
                range(max(begin, self.training.step), end), self.steps_per_epoch, self.rank, self.world, self.options.workers
            )
            for batches in self.task.steps(self.items, phase.input_hw, loading):
                yield phase.input_hw, batches

    def set_learning_rate(self) -> float:
        """Put the learning rate of this step into the optimiser, and return it."""
        lr = learning_rate(self.recipe, self.training.step, self.steps)
        for group in self.training.optimiser.param_groups:
            group["lr"] = lr * group.get("share", 1.0)  # runs from before it have none
        return lr

    def make_step(self, batches: list[Batch]) -> tuple[float, bool]:
        """Move the weights and their average; returns the loss, and whether to stop after this step."""
        options, training = self.options, self.training
        stop = options.stop() or time.monotonic() - self._started_s > options.max_minutes * 60
        try:
            loss, stop = self.stepper.step(batches, stop)
        except FloatingPointError as error:
            self._healthy = False
            raise self._bad_batch(batches, error) from None
        training.ema.update(training.net, training.step)
        training.step += 1
        self.images_per_s = self.items_per_step / (time.monotonic() - self._step_began_s)
        return loss, stop

    def _bad_batch(self, batches: list[Batch], error: FloatingPointError) -> DataError:
        """The error that ends a training at *batches*, which are kept beside the checkpoints."""
        path = self.folder / ("bad-batch.pt" if self.world == 1 else f"bad-batch-{self.rank}.pt")
        with contextlib.suppress(OSError, RuntimeError):  # a full disk must not hide what went wrong
            torch.save(batches, path)
        return DataError(
            f"training: {error} at step {self.training.step}. {f'The batch is in {path}; ' if path.exists() else ''}"
            "a lower learning rate or bf16 in place of fp16 may help."
        )

    # --- after a step -----------------------------------------------------------------------------------------

    def validate_when_due(self) -> Score | None:
        """The score of the averaged network after the steps that have one; the best so far goes to best.pt."""
        training, every = self.training, max(1, round(self.options.validate_every * self.steps_per_epoch))
        if not self.validation or (training.step % every and training.step != self.steps):
            return None
        if self.world > 1:  # BatchNorm's statistics are each process' own: all score the network that is written
            for buffer in training.ema.net.buffers():
                distributed.broadcast(buffer, 0)
        score = self.task.validate(training.ema.net, self.validation, self.device, self.options.workers)
        best = next(iter(score.figures.values()))
        if best > training.best:
            training.best = best
            self._save("best.pt")
        return score

    def save_when_due(self) -> None:
        """Write last.pt when it is time to."""
        self._step_began_s = time.monotonic()
        if self._step_began_s - self._saved_s > max(self.options.save_every_s, self._writing_s / WRITING_SHARE):
            self._save("last.pt")
            self._saved_s = time.monotonic()
            self._writing_s = self._saved_s - self._step_began_s

    @contextlib.contextmanager
    def saved_at_the_end(self) -> Iterator[None]:
        """Inside, the steps are made; however they end, last.pt holds them, but for a step that is not a number."""
        try:
            yield
        finally:
            if self._healthy and self.training.step > self.first_step:
                self._save("last.pt")

    def _save(self, name: str) -> None:
        if self.rank == 0:
            self.training.state().write(self.folder / name)


def seed_everything(seed: int) -> None:
    """Begin the random numbers of Python, NumPy and torch anew."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def make_folder(folder: Path) -> None:
    """Make the folder of a run; DataError when that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}). Give another folder for the run.") from None


def new_network(recipe: Recipe, device: torch.device, processes: int = 1) -> nn.Module:
    """The recipe's network with fresh weights on *device*; DataError when it asks for what *device* cannot do."""
    net = recipe.net().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if recipe.sync_batchnorm and device.type == "cpu":
        raise DataError("training: sync_batchnorm needs GPUs, got cpu. Leave it out, or train on CUDA devices.")
    if recipe.sync_batchnorm and processes > 1:
        net = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    return cast(nn.Module, net)


def new_training(recipe: Recipe, net: nn.Module, steps: int) -> Training:
    """A training of *net* that has not begun."""
    device = next(net.parameters()).device
    scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16")
    return Training(recipe, net, Ema(net, recipe.ema), make_optimiser(recipe, net), scaler, steps)


@contextlib.contextmanager
def lost_workers_reported(options: Options) -> Iterator[None]:
    """Inside, a loading process that somebody has ended is a DataError; it is none where the training is to stop anyway."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        if not options.stop():  # a signal to all processes of the terminal ends the loading ones, too
            raise DataError(
                "training: a loading process was ended from outside, perhaps for memory. Use fewer --workers."
            ) from None


def compiled(net: nn.Module, device: torch.device) -> nn.Module:
    """*net* as torch compiles it, one program for each input size; DataError where there is no compiler to do it."""
    compilers = (os.environ.get("CXX") or "g++", "clang++", "cl")
    if device.type == "cpu" and not any(map(shutil.which, compilers)):
        raise DataError("training: --compile needs a C++ compiler such as g++, found none. Install one, or leave --compile out.")
    return cast(nn.Module, torch.compile(net, dynamic=False))
