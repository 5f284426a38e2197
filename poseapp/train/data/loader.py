"""The batches of each step, and the processes that load them."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from poseapp.core.errors import DataError
from poseapp.train.data.annotations import GONE, Person
from poseapp.train.data.crop_dataset import Batch, CropDataset
from poseapp.train.data.order import Loading, Order
from poseapp.train.data.resident import Resident
from poseapp.train.data.shards import ShardDataset, Shards
from poseapp.train.data.targets import Target
from poseapp.train.recipes import Recipe

Data = Sequence[Person] | Shards | Resident

log = logging.getLogger(__name__)


def steps_of(data: Data, recipe: Recipe, target: Target, loading: Loading) -> Iterator[list[Batch]]:
    """The batches of each step of *loading*, ``accumulate`` of them a step."""
    batches: Iterable[Any]
    order = Order(len(data), recipe, loading)
    if isinstance(data, Shards):
        stream = ShardDataset(data, recipe, target, loading)
        batches = (batch for batch, _ in _reported(DataLoader(stream, batch_size=None, **loader_options(loading.workers))))
    elif isinstance(data, Resident):
        batches = data.batches(order, target, loading.steps.start, loading.rank)
    else:
        dataset = CropDataset(data, recipe.skeleton, target, recipe.augment, recipe.seed)
        batches = (batch for batch, _ in loaded(dataset, loading.workers, batch_sampler=order))
    step: list[Batch] = []
    for crops, targets, weights in batches:
        step.append((crops, targets, weights))
        if len(step) == recipe.accumulate:
            yield step
            step = []


class Samples(Protocol):
    """A map-style dataset of tuples that raises DataError for a picture that cannot be read."""

    def __getitem__(self, key: Any) -> tuple[Any, ...]:
        """One sample."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def placeholder(self) -> tuple[Any, ...]:
        """What stands in for a sample without a picture."""
        ...


class _WithPlaceholders(Dataset[tuple[Any, ...]]):
    """*samples*, each followed by ""; or by what is wrong with its picture, behind ``placeholder()``.

    One bad picture among thousands must not end a night's run.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Any) -> tuple[Any, ...]:
        try:
            return *self.samples[key], ""
        except DataError as error:
            return *self.samples.placeholder(), str(error)


def loaded(samples: Samples, workers: int, **batching: Any) -> Iterator[tuple[list[Any], NDArray[np.bool_]]]:
    """The batches of *samples*, and which of each (N,) have a picture; *batching* is DataLoader's.

    A picture that cannot be read is reported once. Raises DataError when none can be read any more.
    """
    return _reported(DataLoader(_WithPlaceholders(samples), **batching, **loader_options(workers)))


def _reported(batches: Iterable[Any]) -> Iterator[tuple[list[Any], NDArray[np.bool_]]]:
    """*batches* without their last part, which says what is wrong with each picture: that is reported, and given as (N,) bool.

    A batch that is an error is raised.
    """
    in_a_row = 0
    for loaded_batch in batches:
        if isinstance(loaded_batch, DataError):
            raise loaded_batch
        *batch, faults = loaded_batch
        for fault in faults:
            in_a_row = in_a_row + 1 if fault else 0
            if fault:
                report_once(fault)
            if in_a_row >= GONE:
                raise DataError(f"training: {GONE} pictures in a row cannot be read, the last: {fault}")
        yield batch, np.array([not fault for fault in faults])


@functools.cache
def report_once(fault: str) -> None:
    """Warn of a picture that cannot be read, the first time in this process."""
    log.warning("%s Until then it is left out.", fault)


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
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error says it
