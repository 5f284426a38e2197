"""Augmented crops and their targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from poseapp.core import transform
from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import Affine
from poseapp.core.types import FloatArray, ImageArray
from poseapp.train.data.annotations import BOX_PADDING, Person, read_image
from poseapp.train.data.augment import Appearance, Augment
from poseapp.train.data.targets import Target

Sample = tuple[Tensor, Tensor, Tensor]  # crop (H, W, 3) uint8 BGR, target (C, h, w), weight (C,)
Batch = tuple[Tensor, Tensor, Tensor]  # the same with N in front


class CropDataset(Dataset[Sample]):
    """Augmented crops: item (epoch, i) is ``crop`` (H, W, 3) uint8 BGR, ``target`` (C, h, w), ``weight`` (C,).

    One affine takes each sample straight from the original picture to the network's input. The random
    numbers of a sample depend on (seed, epoch, i) alone, so any number of loader processes, and a
    resumed run, see the same data. A picture that cannot be read raises DataError.
    """

    def __init__(
        self, people: Sequence[Person], skeleton: Skeleton, target: Target, augment: Augment | None, seed: int = 0
    ) -> None:
        self.people, self.skeleton, self.target, self.augment, self.seed = people, skeleton, target, augment, seed
        self._together: dict[Path, list[Person]] = defaultdict(list)
        if target.limbs:
            for person in people:
                self._together[person.path].append(person)

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, i = key
        person = self.people[i]
        random = np.random.default_rng((self.seed, epoch, i))
        return self.sample(person, read_image(person.path), random, self._together.get(person.path, ()))

    def placeholder(self) -> Sample:
        """A black sample whose weight is 0."""
        joints = np.zeros((self.skeleton.k, 3), np.float32)
        target, weight = self.target.encode_all([joints], [np.zeros((4, 2))]) if self.target.limbs else self.target.encode(joints)
        crop = np.zeros((*self.target.input_hw, 3), np.uint8)
        return torch.from_numpy(crop), torch.from_numpy(target), torch.from_numpy(weight * 0)

    def sample(self, person: Person, image: ImageArray, random: np.random.Generator, together: Sequence[Person] = ()) -> Sample:
        """The sample of *person* in *image*. *together* are all people of the picture, for targets that show them all."""
        crop, affine, flip, appearance = self.crop(person, image, random)
        joints = self._moved(person, affine, flip, appearance)
        if together:
            everybody = [self._moved(p, affine, flip, appearance) for p in together]
            boxes = [transform.apply(affine, _corners(p.box)) for p in together]
            target, weight = self.target.encode_all(everybody, boxes)
        else:
            target, weight = self.target.encode(joints)
        if person.trust is not None:
            trust = person.trust[self.skeleton.flip_index] if flip else person.trust
            weight[: self.skeleton.k] *= trust.reshape(-1, *[1] * (weight.ndim - 1))
        return torch.from_numpy(crop), torch.from_numpy(target), torch.from_numpy(weight * np.float32(person.weight))

    def crop(
        self, person: Person, image: ImageArray, random: np.random.Generator
    ) -> tuple[ImageArray, Affine, bool, Appearance | None]:
        """The crop (H, W, 3), the affine from the picture to it, whether that mirrors, and what was done to it."""
        input_hw = self.target.input_hw
        box: NDArray[np.floating] = transform.fit_aspect(person.box, input_hw, BOX_PADDING)
        affine, flip = transform.crop_affine(box, input_hw), False
        if self.augment is not None:
            affine, flip = self.augment.geometry(box, person.joints, self.skeleton, input_hw, random)
        crop = transform.crop(image, affine, input_hw)
        if self.augment is None:
            return crop, affine, flip, None
        appearance = self.augment.appearances(1, input_hw, random)
        return appearance.apply(crop), affine, flip, appearance

    def _moved(self, person: Person, affine: Affine, flip: bool, appearance: Appearance | None) -> FloatArray:
        """The joints (K, 3) of *person* in input px; a mirrored left wrist is a right one, one that is cut off is NaN."""
        joints = person.joints.copy()
        joints[:, :2] = transform.apply(affine, joints[:, :2])
        if appearance is not None:
            joints[:, :2] = appearance.without_what_is_cut(joints[:, :2])
        return joints[self.skeleton.flip_index] if flip else joints


def _corners(box: FloatArray) -> NDArray[np.float64]:
    x, y, w, h = box.astype(np.float64)
    return np.array([[x, y], [x + w, y], [x, y + h], [x + w, y + h]])
