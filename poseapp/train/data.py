"""The dataset of augmented crops and their targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from poseapp.core import heatmap, transform
from poseapp.core.heatmap import Mapping, input_px_per_cell
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, ImageArray
from poseapp.train.augment import Augment
from poseapp.train.people import BOX_PADDING, Person, read_image


@dataclass(frozen=True)
class Target:
    """How joints become training targets: input size, heatmap size and spread, coordinate mapping."""

    input_hw: tuple[int, int]
    heatmap_hw: tuple[int, int]
    sigma_px: float
    mapping: Mapping

    def encode(self, joints: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Targets (K, h, w) and weights (K,) for joints (K, 3) in input px.

        A joint that is not labelled has weight 0: nobody said that it is absent. A labelled joint
        that lies outside the input is taught as an empty map, so that the score says so.
        """
        labelled = joints[:, 2] > 0
        cell = input_px_per_cell(self.input_hw, self.heatmap_hw, self.mapping)
        xy = (joints[:, :2] / cell).astype(np.float32)
        return heatmap.encode(xy, self.heatmap_hw, self.sigma_px), labelled.astype(np.float32)


class PoseDataset(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Augmented crops: item i is ``crop`` (H, W, 3) uint8 BGR, ``target`` (K, h, w), ``weight`` (K,).

    One affine takes each sample straight from the original picture to the network's input. The random
    numbers of a sample depend on (seed, epoch, index) alone, so any number of loader processes, and a
    resumed run, see the same data.
    """

    def __init__(self, people: list[Person], skeleton: Skeleton, target: Target, augment: Augment | None, seed: int = 0) -> None:
        self.people, self.skeleton, self.target, self.augment, self.seed = people, skeleton, target, augment, seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor, Tensor]:
        person = self.people[i]
        random = np.random.default_rng((self.seed, self.epoch, i))
        crop, joints = self.sample(person, random)
        target, weight = self.target.encode(joints)
        return torch.from_numpy(crop), torch.from_numpy(target), torch.from_numpy(weight * np.float32(person.weight))

    def sample(self, person: Person, random: np.random.Generator) -> tuple[ImageArray, FloatArray]:
        """The crop (H, W, 3) and the joints (K, 3) in input px."""
        image = read_image(person.path)
        box: NDArray[np.floating] = transform.fit_aspect(person.box, self.target.input_hw, BOX_PADDING)
        if self.augment is None:
            affine, flip = transform.crop_affine(box, self.target.input_hw), False
        else:
            affine, flip = self.augment.geometry(box, person.joints, self.skeleton, self.target.input_hw, random)
        joints = person.joints.copy()
        joints[:, :2] = transform.apply(affine, joints[:, :2])
        if flip:
            joints = joints[self.skeleton.flip_index]
        crop = transform.crop(image, affine, self.target.input_hw)
        if self.augment is not None:
            crop = self.augment.appearance(crop, random)
        return crop, joints
