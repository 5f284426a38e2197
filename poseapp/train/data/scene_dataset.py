"""Samples of several people: one picture, or several side by side, and whole pictures to validate on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from poseapp.core import transform
from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import Affine
from poseapp.core.types import FloatArray, ImageArray
from poseapp.train.data.annotations import Person, read_image
from poseapp.train.data.augment import Augment
from poseapp.train.data.crop_dataset import Sample
from poseapp.train.data.image_index import Picture, Scenes
from poseapp.train.recipes import Recipe


@dataclass(frozen=True, eq=False)
class CropPoses:
    """A person in a tile: ``joints`` (K, 3) and ``box`` (4,) in px of the tile; both may reach beyond it."""

    joints: FloatArray
    box: FloatArray


class Encoder(Protocol):
    """Makes training targets of what is in a tile."""

    @property
    def stride(self) -> int:
        """Px of a tile per cell of the targets."""
        ...

    def encode(
        self, people: Sequence[CropPoses], crowds: Sequence[FloatArray], tile_hw: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """Targets (C, h, w) and weights (C', h, w) for a tile of *tile_hw* px; *crowds* are boxes (4,) of people not labelled."""
        ...


class SceneDataset(Dataset[Sample]):
    """Scenes: item (epoch, i) shows picture i: ``crop`` (H, W, 3) uint8 BGR, ``target`` (C, h, w), ``weight`` (C', h, w).

    Each tile is a crop of its own with targets of its own, so nobody's reach into a neighbouring tile. A sample's random
    numbers depend on (seed, epoch, i) alone, as CropDataset's. A picture that cannot be read raises DataError.
    """

    @classmethod
    def of_recipe(cls, pictures: Sequence[Picture], recipe: Recipe, encoder: Encoder, input_hw: tuple[int, int]) -> SceneDataset:
        """The scenes that *recipe* trains on at one input size."""
        deployed_h = recipe.input_hw[0]
        return cls(pictures, recipe.skeleton, encoder, input_hw, deployed_h, recipe.scenes, recipe.augment, recipe.seed)

    def __init__(
        self,
        pictures: Sequence[Picture],
        skeleton: Skeleton,
        encoder: Encoder,
        input_hw: tuple[int, int],
        deployed_h: int,
        scenes: Scenes | None,
        augment: Augment | None,
        seed: int = 0,
    ) -> None:
        self.pictures, self.skeleton, self.encoder, self.input_hw, self.deployed_h = (
            pictures, skeleton, encoder, input_hw, deployed_h
        )  # fmt: skip
        self.scenes, self.augment, self.seed = scenes, augment, seed
        self._groups = np.cumsum([max(0, len(picture.people) - 1) for picture in pictures])

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, i = key
        random = np.random.default_rng((self.seed, epoch, i))
        rows, columns = self.scenes.grid(random) if self.scenes is not None else (1, 1)
        chosen = self._chosen(i, rows * columns, random)
        ys, xs = (cuts(side, n, self.encoder.stride, random) for side, n in zip(self.input_hw, (rows, columns), strict=True))
        strips = []
        for row in range(rows):
            tiles = []
            for column in range(columns):
                hw = int(ys[row + 1] - ys[row]), int(xs[column + 1] - xs[column])
                tiles.append(self.tile(chosen[row * columns + column], hw, random))
            strips.append(
                [np.concatenate(parts, axis=axis) for parts, axis in zip(zip(*tiles, strict=True), (1, 2, 2), strict=True)]
            )
        crop, target, weight = (
            np.concatenate(parts, axis=axis) for parts, axis in zip(zip(*strips, strict=True), (0, 1, 1), strict=True)
        )
        if self.augment is not None:
            crop = self.augment.appearance(crop, random)
        return torch.from_numpy(crop), torch.from_numpy(target), torch.from_numpy(weight)

    def placeholder(self) -> Sample:
        """A black sample whose weight is 0."""
        target, weight = self.encoder.encode((), (), self.input_hw)
        crop = np.zeros((*self.input_hw, 3), np.uint8)
        return torch.from_numpy(crop), torch.from_numpy(target), torch.from_numpy(weight * 0)

    def _chosen(self, i: int, count: int, random: np.random.Generator) -> list[Picture]:
        """The pictures of a scene: picture i and any others; some of them give their place to a group."""
        numbers = random.integers(len(self.pictures), size=count)
        numbers[0] = i
        if self.scenes is not None and self._groups[-1] > 0:
            grouped = random.random(count) < self.scenes.group_p
            drawn = np.searchsorted(self._groups, random.random(count) * self._groups[-1], side="right")
            numbers = np.where(grouped, drawn, numbers)
        return [self.pictures[n] for n in numbers.tolist()]

    def tile(
        self, picture: Picture, tile_hw: tuple[int, int], random: np.random.Generator
    ) -> tuple[ImageArray, FloatArray, FloatArray]:
        """The crop, target and weight of one picture in one tile."""
        image = read_image(picture.path)
        hw = (image.shape[0], image.shape[1])
        if self.scenes is None:
            affine, flip = transform.crop_affine(transform.whole_box(hw), tile_hw), False
        else:
            affine, flip = self.scenes.placed(picture, hw, tile_hw, self.deployed_h, random)
        people = [self._seen(person, affine, flip) for person in picture.people]
        crowds = [moved_box(box, affine) for box in picture.crowds]
        return transform.crop(image, affine, tile_hw), *self.encoder.encode(people, crowds, tile_hw)

    def _seen(self, person: Person, affine: Affine, flip: bool) -> CropPoses:
        joints = person.joints.copy()
        joints[:, :2] = transform.apply(affine, joints[:, :2])
        return CropPoses(joints[self.skeleton.flip_index] if flip else joints, moved_box(person.box, affine))


class WholePictures(Dataset[tuple[Tensor, Tensor]]):
    """Item i: picture i fitted into the input, (H, W, 3) uint8 BGR, and the affine (2, 3) from its px to the input's.

    A picture that cannot be read raises DataError.
    """

    def __init__(self, pictures: Sequence[Picture], input_hw: tuple[int, int]) -> None:
        self.pictures, self.input_hw = pictures, input_hw

    def __len__(self) -> int:
        return len(self.pictures)

    def placeholder(self) -> tuple[Tensor, Tensor]:
        """A black picture."""
        return torch.zeros((*self.input_hw, 3), dtype=torch.uint8), torch.eye(2, 3, dtype=torch.float64)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        image = read_image(self.pictures[i].path)
        affine = transform.crop_affine(transform.whole_box((image.shape[0], image.shape[1])), self.input_hw)
        return torch.from_numpy(transform.crop(image, affine, self.input_hw)), torch.from_numpy(affine)


def cuts(side: int, parts: int, stride: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Where *side* px are cut into *parts* of about the same size: parts + 1 places, multiples of *stride*."""
    even = np.arange(parts + 1) * side / parts
    even[1:-1] += random.uniform(-0.3, 0.3, parts - 1) * side / parts
    places: NDArray[np.int64] = (even / stride).round().astype(np.int64) * stride
    return places


def moved_box(box: FloatArray, affine: Affine) -> FloatArray:
    """The box (4,) around *box* (4,) after *affine*."""
    x, y, w, h = box.astype(np.float64)
    corners = transform.apply(affine, np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.concatenate([low, high - low]).astype(np.float32)


def visible(box: FloatArray, hw: tuple[int, int]) -> FloatArray:
    """The part of *box* (4,) within a picture of *hw*; without an area where they do not meet."""
    edge = np.array([hw[1], hw[0]]) - 0.5
    low, high = np.clip(box[:2], -0.5, edge), np.clip(box[:2] + box[2:], -0.5, edge)
    return np.concatenate([low, high - low]).astype(np.float32)
