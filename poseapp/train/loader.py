"""Which samples make up each step, and the processes that load them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from poseapp.train.data import Batch, PoseDataset
from poseapp.train.people import Person
from poseapp.train.recipes import Recipe
from poseapp.train.resident import Resident
from poseapp.train.shards import ShardDataset, Shards
from poseapp.train.targets import Target

Data = Sequence[Person] | Shards | Resident


class Order:
    """Which (epoch, person) are in each batch of the steps *position*, for process *rank* of *world*.

    An epoch is one permutation of the people, cut into steps; a step into *world* equal shares, and a share into
    ``accumulate`` batches. It depends on seed and step alone, so a resumed run goes on where it was.
    """

    def __init__(self, people: int, recipe: Recipe, position: range, steps_per_epoch: int, rank: int, world: int) -> None:
        self.people, self.recipe, self.position, self.steps_per_epoch = people, recipe, position, steps_per_epoch
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return len(self.position) * self.recipe.accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        batch, share = self.recipe.batch, self.recipe.batch * self.recipe.accumulate
        shuffled, order = -1, np.empty(0, np.int64)
        for step in self.position:
            epoch, number = divmod(step, self.steps_per_epoch)
            if epoch != shuffled:
                shuffled, order = epoch, np.random.default_rng((self.recipe.seed, epoch)).permutation(self.people)
            begin = (number * self.world + self.rank) * share
            for i in range(begin, begin + share, batch):
                yield [(epoch, int(n)) for n in order[i : i + batch]]


def steps_of(
    data: Data, recipe: Recipe, target: Target, position: range, steps_per_epoch: int, rank: int, world: int, workers: int
) -> Iterator[list[Batch]]:
    """The batches of each step of *position*, ``accumulate`` of them a step, loaded by *workers* processes (0: this one)."""
    batches: Iterable[Any]
    if isinstance(data, Shards):
        stream = ShardDataset(data, recipe, target, position, rank, world)
        batches = DataLoader(stream, batch_size=None, **loader_options(workers))
    elif isinstance(data, Resident):
        batches = data.batches(Order(len(data), recipe, position, steps_per_epoch, rank, world), target, position.start, rank)
    else:
        dataset = PoseDataset(data, recipe.skeleton, target, recipe.augment, recipe.seed)
        order: Any = Order(len(data), recipe, position, steps_per_epoch, rank, world)
        batches = DataLoader(dataset, batch_sampler=order, **loader_options(workers))
    step: list[Batch] = []
    for crops, targets, weights in batches:
        step.append((crops, targets, weights))
        if len(step) == recipe.accumulate:
            yield step
            step = []


def loader_options(workers: int) -> dict[str, Any]:
    """DataLoader's settings for *workers* processes."""
    if workers == 0:
        return {"num_workers": 0}
    return {
        "num_workers": workers,
        "worker_init_fn": _one_thread,
        # A forked worker would inherit OpenCV's and PyTorch's locks without the threads that hold them, and hang.
        "multiprocessing_context": "forkserver" if os.name == "posix" else "spawn",
        "pin_memory": torch.cuda.is_available(),
    }


def _one_thread(_worker: int) -> None:
    cv2.setNumThreads(1)
