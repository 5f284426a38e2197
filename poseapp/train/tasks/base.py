"""What a task is: where its samples come from, its loss, and the figures that say how far a network is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from poseapp.core.errors import DataError
from poseapp.core.types import ImageArray
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import Picture
from poseapp.train.data.loader import Data, loaded
from poseapp.train.data.order import Loading, Order
from poseapp.train.data.scene_dataset import SceneDataset
from poseapp.train.recipes import Recipe

Items = Data | Sequence[Picture]


class Score(Protocol):
    """What a validation says."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Figures by name, larger is better; the first is the one that best.pt goes by."""
        ...

    def pictures(self) -> Mapping[str, ImageArray]:
        """Pictures (H, W, 3) uint8 BGR to look at, by name."""
        ...


class Task(Protocol):
    """What a recipe learns. Items are what an epoch goes through once: people, or pictures.

    Who calls what, in which order: the command line calls ``read`` for each set, once. The loop calls ``steps`` once for each
    phase; for each step of it ``total`` for every batch, then ``loss`` for every batch; and ``validate`` now and then.
    """

    items: str  # what they are called
    figures: tuple[str, ...]  # the names in a Score of this task

    def read(self, part: LabelledSet, min_joints: int) -> Sequence[Any]:
        """The items of *part*; people need *min_joints* labelled joints. Raises DataError as ``LabelledSet.read`` does."""
        ...

    def steps(self, items: Any, input_hw: tuple[int, int], loading: Loading) -> Iterator[list[Batch]]:
        """The batches of each step of *loading*, ``accumulate`` of them a step, at one input size."""
        ...

    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """What a batch adds to the divisor of its step's loss, () float32."""
        ...

    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """The loss after each of *stages*, added up and divided by *total*, that of the whole step; () float32."""
        ...

    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> Score:
        """How good *net* is at items that it does not train on."""
        ...


def scene_steps(samples: SceneDataset, recipe: Recipe, loading: Loading) -> Iterator[list[Batch]]:
    """``Task.steps`` of the tasks whose samples are scenes."""
    batches = loaded(samples, loading.workers, batch_sampler=Order(len(samples), recipe, loading))
    for _ in loading.steps:
        yield [(crops, targets, weights) for (crops, targets, weights), _ in islice(batches, recipe.accumulate)]


def require_pictures(items: Any, recipe: Recipe) -> Sequence[Picture]:
    """*items*; DataError where they come from tars, in an order of their own."""
    if not isinstance(items, Sequence):
        raise DataError(f"{recipe.name}: expected pictures in a folder. Its scenes need any of them at any time.")
    return items
