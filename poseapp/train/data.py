"""Labelled people: COCO-format annotations and the dataset of augmented crops."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from poseapp.core import heatmap, transform
from poseapp.core.errors import DataError
from poseapp.core.heatmap import Mapping, input_px_per_cell
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, ImageArray
from poseapp.train.augment import Augment

BOX_PADDING = 1.25  # margin around a ground-truth box (Sun et al. 2019, Sec. 4.1)


@dataclass(frozen=True, eq=False)
class Person:
    """One labelled person.

    ``box`` (4,) x, y, width, height in px; ``joints`` (K, 3) x, y in px and v: 0 not labelled,
    1 labelled but hidden, 2 visible; ``area`` in px²; ``weight`` how much the labels are trusted.
    """

    annotation_id: int
    image_id: int
    path: Path
    box: FloatArray
    joints: FloatArray
    area: float
    weight: float = 1.0


def read_coco(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1) -> list[Person]:
    """People with at least *min_joints* labelled joints in a COCO keypoint file.

    Crowds and boxes without area are left out. Raises DataError when the file cannot be read, is
    not in COCO's format, names no person, or names a picture that is not in *images*.
    """
    try:
        content = json.loads(annotations.read_text(encoding="utf-8"))
        files = {image["id"]: images / image["file_name"] for image in content["images"]}
        entries = content["annotations"]
    except OSError as error:
        raise DataError(f"{annotations}: cannot be read ({error.strerror}). Give the path of a COCO keypoint file.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{annotations}: not a COCO keypoint file ({error!r}).") from None
    people = []
    for entry in entries:
        joints = np.asarray(entry.get("keypoints", ()), np.float32)
        if joints.size != skeleton.k * 3:
            raise DataError(
                f"{annotations}: annotation {entry.get('id')}: expected {skeleton.k * 3} keypoint numbers, got {joints.size}. "
                f"These must be {skeleton.name} labels."
            )
        joints = joints.reshape(skeleton.k, 3)
        box = np.asarray(entry["bbox"], np.float32)
        if entry.get("iscrowd", 0) or np.count_nonzero(joints[:, 2]) < min_joints or box[2] <= 1 or box[3] <= 1:
            continue
        # COCO counts a pixel's left edge as its coordinate; here an integer is its centre.
        box = box - np.array([0.5, 0.5, 0, 0], np.float32)
        joints[:, :2] = np.where(joints[:, 2:] > 0, joints[:, :2], np.nan)
        people.append(Person(entry["id"], entry["image_id"], files[entry["image_id"]], box, joints, float(entry["area"])))
    if not people:
        raise DataError(f"{annotations}: no person with {min_joints} or more labelled joints. Check that it is a keypoint file.")
    missing = next((p.path for p in people if not p.path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: picture not found. Give the folder that holds the pictures of {annotations.name}.")
    return people


def read_image(path: Path) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR at *path*; DataError when it cannot be decoded."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None or image.size == 0:
        raise DataError(f"{path}: not a readable picture. Remove it or its annotations.")
    return image.astype(np.uint8, copy=False)


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
