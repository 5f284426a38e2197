"""Which samples make up each step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import distributed

from poseapp.train.recipes import Recipe


def process_rank() -> tuple[int, int]:
    """This process' number and how many there are: (0, 1) outside a process group."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


@dataclass(frozen=True)
class Loading:
    """Which ``steps`` are loaded, and who does it.

    ``steps_per_epoch`` of them make an epoch. Process ``rank`` of ``world`` takes its share of each, with ``workers`` loading
    processes (0: it loads by itself).
    """

    steps: range
    steps_per_epoch: int
    rank: int = 0
    world: int = 1
    workers: int = 0


class Order:
    """Which (epoch, item) are in each batch of the steps of *loading*, of *count* items.

    An epoch is one permutation of the items, cut into steps; a step into ``world`` equal shares, and a share into
    ``accumulate`` batches. It depends on seed and step alone, so a resumed run goes on where it was.
    """

    def __init__(self, count: int, recipe: Recipe, loading: Loading) -> None:
        self.count, self.recipe, self.loading = count, recipe, loading

    def __len__(self) -> int:
        return len(self.loading.steps) * self.recipe.accumulate

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        batch, share = self.recipe.batch, self.recipe.batch * self.recipe.accumulate
        shuffled, order = -1, np.empty(0, np.int64)
        for step in self.loading.steps:
            epoch, number = divmod(step, self.loading.steps_per_epoch)
            if epoch != shuffled:
                shuffled, order = epoch, np.random.default_rng((self.recipe.seed, epoch)).permutation(self.count)
            begin = (number * self.loading.world + self.loading.rank) * share
            for i in range(begin, begin + share, batch):
                yield [(epoch, int(n)) for n in order[i : i + batch]]
