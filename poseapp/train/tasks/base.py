"""What a recipe learns: where its samples come from, its loss, and the figures that say how far it is."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from poseapp.core.errors import DataError
from poseapp.core.types import ImageArray
from poseapp.train.data.annotations import Person
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import Picture, read_pictures
from poseapp.train.data.loader import Data, Order, loaded, steps_of
from poseapp.train.data.scene_dataset import Encoder, SceneDataset
from poseapp.train.data.targets import target_of
from poseapp.train.losses import summed_weight, supervise
from poseapp.train.recipes import Recipe
from poseapp.train.tasks.bottom_up import SceneEncoder, validate_scenes
from poseapp.train.tasks.detection import BoxEncoder, box_loss, centres, validate_boxes
from poseapp.train.validate import validate

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


class Task(ABC):
    """What *recipe* learns. Items are what an epoch goes through once: people, or pictures."""

    items: str
    figures: tuple[str, ...]

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @abstractmethod
    def read(self, part: LabelledSet, min_joints: int) -> Sequence[Any]:
        """The items of *part*; people need *min_joints* labelled joints. Raises DataError as ``LabelledSet.read`` does."""

    @abstractmethod
    def steps(
        self, items: Any, input_hw: tuple[int, int], position: range, steps_per_epoch: int, rank: int, world: int, workers: int
    ) -> Iterator[list[Batch]]:
        """The batches of each step of *position* at one input size; see ``loader.steps_of``."""

    @abstractmethod
    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """What a batch adds to the divisor of its step's loss, () float32."""

    @abstractmethod
    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """The loss after each of *stages*, added up and divided by *total*, that of the whole step; () float32."""

    @abstractmethod
    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> Score:
        """How good *net* is at items that it does not train on."""


class OnePerson(Task):
    """The joints of the person in a crop: heatmaps, and fields where the recipe has some."""

    items = "people"
    figures = ("mean_oks", "pck")

    def read(self, part: LabelledSet, min_joints: int) -> Sequence[Any]:
        """People, some of them several times."""
        people = part.read(self.recipe.skeleton, min_joints)
        if part.split != "train":
            return people
        return _sampled(people, self.recipe.repeat)

    def steps(
        self, items: Data, input_hw: tuple[int, int], position: range, steps_per_epoch: int, rank: int, world: int, workers: int
    ) -> Iterator[list[Batch]]:
        """Crops of one person each."""
        return steps_of(items, self.recipe, target_of(self.recipe, input_hw), position, steps_per_epoch, rank, world, workers)

    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """The weight of the maps that count."""
        return summed_weight(weight, self.recipe.hardest)

    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """Mean squared error."""
        return supervise(stages, target, weight, total, self.recipe.hardest)

    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> Score:
        """Mean OKS and PCK from annotated boxes."""
        return validate(net, self.recipe, items, device, workers)


def _sampled(people: Sequence[Person], repeat: tuple[tuple[str, float], ...]) -> list[Person]:
    """*people*, each as often as *repeat* says for the beginning of its picture's name; once where it says nothing."""
    out: list[Person] = []
    owed = {beginning: 0.0 for beginning, _ in repeat}  # by fractions: 0.4 is the third and the fifth of five
    for person in people:
        beginning, times = next((each for each in repeat if person.path.name.startswith(each[0])), ("", 1.0))
        owed[beginning] = owed.get(beginning, 0.0) + times
        whole = int(owed[beginning] + 1e-9)
        owed[beginning] -= whole
        out.extend([person] * whole)
    return out


class Scene(Task):
    """The joints of everybody in a picture, and which belong together: confidence maps and part affinity fields."""

    items = "pictures"
    figures = ("mean_oks", "recall")

    def read(self, part: LabelledSet, min_joints: int) -> Sequence[Picture]:
        """Pictures."""
        return read_pictures(part, self.recipe.skeleton)

    def samples(self, items: Sequence[Picture], input_hw: tuple[int, int]) -> SceneDataset:
        """Scenes made of *items*. A joint covers as many px at every input size: a small input shows less, not smaller."""
        target = dataclasses.replace(target_of(self.recipe, input_hw), sigma_px=self.recipe.sigma_px)
        return self._scenes(items, SceneEncoder(target, self.recipe.stride, self.recipe.skeleton.k), input_hw)

    def steps(
        self, items: Any, input_hw: tuple[int, int], position: range, steps_per_epoch: int, rank: int, world: int, workers: int
    ) -> Iterator[list[Batch]]:
        """Scenes."""
        if not isinstance(items, Sequence):
            raise DataError(f"{self.recipe.name}: expected pictures in a folder. Its scenes need any of them at any time.")
        order = Order(len(items), self.recipe, position, steps_per_epoch, rank, world)
        batches = loaded(self.samples(items, input_hw), workers, batch_sampler=order)
        for _ in position:
            yield [(crops, targets, weights) for (crops, targets, weights), _ in islice(batches, self.recipe.accumulate)]

    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """The weight of the maps that count."""
        return summed_weight(weight, self.recipe.hardest)

    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """Mean squared error where it is known what is there."""
        return supervise(stages, target, weight, total, self.recipe.hardest)

    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> Score:
        """Mean OKS and recall in whole pictures."""
        return validate_scenes(net, self.recipe, items, device, workers)

    def _scenes(self, items: Sequence[Picture], encoder: Encoder, input_hw: tuple[int, int]) -> SceneDataset:
        recipe = self.recipe
        return SceneDataset(
            items, recipe.skeleton, encoder, input_hw, recipe.input_hw[0], recipe.scenes, recipe.augment, recipe.seed
        )


class Boxes(Scene):
    """Where people are."""

    figures = ("ap50", "recall")

    def samples(self, items: Sequence[Picture], input_hw: tuple[int, int]) -> SceneDataset:
        """Scenes with boxes."""
        return self._scenes(items, BoxEncoder(self.recipe.stride), input_hw)

    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """People."""
        return centres(target, weight)

    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """Focal loss of the centres, L1 of the boxes."""
        return torch.stack([box_loss(maps, target, weight, total) for maps in stages]).sum()

    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> Score:
        """AP50 and recall in whole pictures."""
        return validate_boxes(net, items, self.recipe.input_hw, device, workers)


def task_of(recipe: Recipe) -> Task:
    """What *recipe* learns."""
    kinds: Mapping[str, type[Task]] = {"person": OnePerson, "scene": Scene, "boxes": Boxes}
    return kinds[recipe.learns](recipe)
