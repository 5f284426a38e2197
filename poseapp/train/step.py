"""One training step: batches in, gradients added up, weights moved."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from poseapp.nets.deploy import Normalise
from poseapp.train.checkpoint import Training
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.order import process_rank
from poseapp.train.distil import Teacher
from poseapp.train.losses import distil
from poseapp.train.schedule import supervised
from poseapp.train.tasks import Task, task_of

_AUTOCAST = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Stepper:
    """Makes the steps of *training*.

    *runner* is the network, or what compiles it or spreads it over processes. *teacher* takes its share of the loss.
    """

    def __init__(self, training: Training, runner: nn.Module | None = None, teacher: Teacher | None = None) -> None:
        self.training, self.runner, self.teacher = training, training.net if runner is None else runner, teacher
        self.task: Task = task_of(training.recipe)
        self.device = next(training.net.parameters()).device
        self.normalise = Normalise().to(self.device)

    def step(self, batches: Sequence[Batch], stop: bool = False) -> tuple[float, bool]:
        """One optimiser step on *batches* of (crops, targets, weights), whose gradients are added up.

        Returns the loss, and whether any process wants to *stop*. Raises FloatingPointError, before anything is changed,
        when the loss or its gradient is not a number.
        """
        training = self.training
        batches = [(c.to(self.device), t.to(self.device), w.to(self.device)) for c, t, w in batches]
        total = self._total(batches)
        loss = torch.zeros((), device=self.device)
        training.optimiser.zero_grad(set_to_none=True)
        stages = range(0)
        for i, batch in enumerate(batches):
            with self._gradients_shared(last=i == len(batches) - 1):
                part, stages = self._loss(batch, total, len(batches))
                training.scaler.scale(part).backward()
            loss += part.detach()
        mean_loss, any_stop = self._over_processes(loss, stop)
        if not math.isfinite(mean_loss):
            raise FloatingPointError(f"the loss is {mean_loss}")
        self._move(stages, mean_loss)
        return mean_loss, any_stop

    def _total(self, batches: Sequence[Batch]) -> Tensor:
        """What the loss of the whole step is divided by, () float32."""
        total = torch.stack([self.task.total(target, weight) for _, target, weight in batches]).sum()
        _, world = process_rank()
        if world > 1:
            distributed.all_reduce(total)
            total /= world  # gradients are averaged over processes, not added up
        return total

    def _gradients_shared(self, last: bool) -> contextlib.AbstractContextManager[None]:
        """Inside, a backward pass shares gradients with the other processes only if it is the *last* of its step."""
        if isinstance(self.runner, DistributedDataParallel) and not last:
            return self.runner.no_sync()
        return contextlib.nullcontext()

    def _loss(self, batch: Batch, total: Tensor, parts: int) -> tuple[Tensor, range]:
        """The loss of one of the *parts* batches of a step, () float32, and the stages of the network that it is taken at."""
        crops, target, weight = batch
        training, recipe = self.training, self.training.recipe
        x = self.normalise(crops).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, _AUTOCAST[recipe.precision], enabled=recipe.precision != "fp32"):
            out = self.runner(x)
        maps = [out] if isinstance(out, Tensor) else out
        stages = supervised(recipe.supervision, len(maps), training.step / training.steps)
        maps = [maps[s] for s in stages]
        loss = self.task.loss(maps, target, weight, total)
        if self.teacher is not None:
            soft = self.teacher(crops, (target.shape[2], target.shape[3]))
            soft_loss = distil([m[:, : soft.shape[1]] for m in maps], soft) / parts
            loss = (1 - recipe.distil) * loss + recipe.distil * soft_loss
        return loss, stages

    def _over_processes(self, loss: Tensor, stop: bool) -> tuple[float, bool]:
        """The mean loss of all processes, and whether any of them wants to stop."""
        _, world = process_rank()
        both = torch.stack([loss, loss.new_tensor(float(stop))])
        if world > 1:
            distributed.all_reduce(both)
            both /= world
        return float(both[0]), float(both[1]) > 0

    def _move(self, stages: range, mean_loss: float) -> None:
        """Move the weights along their gradients, which come from a loss at *stages* of the network."""
        recipe, net = self.training.recipe, self.training.net
        optimiser, scaler = self.training.optimiser, self.training.scaler
        if recipe.supervision.startswith("stagewise") and len(stages) == 1:
            for parameter in earlier_parameters(net, recipe.phases[0].input_hw, stages[0]):
                parameter.grad = None  # what belongs to earlier stages stays as it is
        scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm or math.inf)
        if recipe.precision != "fp16" and not torch.isfinite(norm):  # in fp16 the scaler skips such a step and scales less
            raise FloatingPointError(f"the loss is {mean_loss:.3g} but its gradient is {float(norm)}")
        scaler.step(optimiser)
        scaler.update()


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
