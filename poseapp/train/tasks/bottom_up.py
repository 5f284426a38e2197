"""Learning the joints of everybody in a picture, and which belong together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from poseapp.core import heatmap, metrics, paf, transform
from poseapp.core.types import FloatArray, ImageArray, Poses
from poseapp.nets.deploy import Normalise
from poseapp.render import DrawOptions, draw_poses
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import Picture, read_pictures
from poseapp.train.data.loader import loaded
from poseapp.train.data.order import Loading
from poseapp.train.data.scene_dataset import CropPoses, SceneDataset, WholePictures, visible
from poseapp.train.data.targets import Target, target_of
from poseapp.train.losses import summed_weight, supervise
from poseapp.train.recipes import Recipe
from poseapp.train.tasks.base import require_pictures, scene_steps

SMALLEST_CELLS = 4.0  # of somebody who is smaller in the maps nothing is taught: joints would fall on each other
_SHOWN = 8


class BottomUpTask:
    """The joints of everybody in a picture, and which belong together: confidence maps and part affinity fields. See Task."""

    items = "pictures"
    figures: tuple[str, ...] = ("mean_oks", "recall")

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def read(self, part: LabelledSet, min_joints: int) -> Sequence[Picture]:
        """Pictures."""
        return read_pictures(part, self.recipe.skeleton)

    def samples(self, items: Sequence[Picture], input_hw: tuple[int, int]) -> SceneDataset:
        """Scenes made of *items*. A joint covers as many px at every input size: a small input shows less, not smaller."""
        target = dataclasses.replace(target_of(self.recipe, input_hw), sigma_px=self.recipe.sigma_px)
        encoder = SceneEncoder(target, self.recipe.stride, self.recipe.skeleton.k)
        return SceneDataset.of_recipe(items, self.recipe, encoder, input_hw)

    def steps(self, items: Any, input_hw: tuple[int, int], loading: Loading) -> Iterator[list[Batch]]:
        """Scenes."""
        return scene_steps(self.samples(require_pictures(items, self.recipe), input_hw), self.recipe, loading)

    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """The weight of the maps that count."""
        return summed_weight(weight, self.recipe.hardest)

    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """Mean squared error where it is known what is there."""
        return supervise(stages, target, weight, total, self.recipe.hardest)

    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> BottomUpScore:
        """Mean OKS and recall in whole pictures."""
        return validate_scenes(net, self.recipe, items, device, workers)


@dataclass(frozen=True)
class SceneEncoder:
    """Confidence maps, background and fields of everybody in a tile, as *target* has them.

    Weight 0, pixel by pixel, where it is not known what is there: in the boxes of crowds, of people too small to tell their
    joints apart, and, map by map, of people who lack that label (Cao et al. 2017, Sec. 2.1: the mask W).
    """

    target: Target
    stride: int
    joints: int

    def encode(
        self, people: Sequence[CropPoses], crowds: Sequence[FloatArray], tile_hw: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """See Encoder."""
        h, w = tile_hw[0] // self.stride, tile_hw[1] // self.stride
        target = dataclasses.replace(self.target, input_hw=tile_hw, heatmap_hw=(h, w))
        seen = [person for person in people if visible(person.box, tile_hw)[2:].min() > 0]
        small = [person.box for person in seen if person.box[2:].max() < SMALLEST_CELLS * self.stride]
        large = [person for person in seen if person.box[2:].max() >= SMALLEST_CELLS * self.stride]
        if not large:  # somebody far away, of whom nothing is known
            large = [CropPoses(np.zeros((self.joints, 3), np.float32), np.array([1e6, 1e6, 1, 1], np.float32))]
        maps, weight = target.encode_all([person.joints for person in large], [_corners(person.box) for person in large])
        for box in (*crowds, *small):
            low = np.floor(target.cells(box[:2])).astype(int).clip(0)
            high = np.ceil(target.cells(box[:2] + box[2:])).astype(int).clip(0) + 1
            weight[:, low[1] : high[1], low[0] : high[0]] = 0
        return maps, weight


def _corners(box: FloatArray) -> NDArray[np.float64]:
    x, y, w, h = box.astype(np.float64)
    return np.array([[x, y], [x + w, y + h]])


@dataclass(frozen=True, eq=False)
class BottomUpScore:
    """Over the people with five or more labelled joints in whole pictures, 0..1: mean OKS of the pose that fits each best,
    0 for those who were not found, and the share with OKS of 0.5 or more. ``shown`` (H, W, 3) is to look at.
    """

    mean_oks: float
    recall: float
    shown: ImageArray | None = None

    @property
    def figures(self) -> dict[str, float]:
        """By name; the first is the one that best.pt goes by."""
        return {"mean_oks": self.mean_oks, "recall": self.recall}

    def pictures(self) -> dict[str, ImageArray]:
        """Pictures to look at, by name."""
        return {} if self.shown is None else {"poses": self.shown}


@torch.no_grad()
def validate_scenes(
    net: nn.Module, recipe: Recipe, pictures: Sequence[Picture], device: torch.device, workers: int = 0
) -> BottomUpScore:
    """Score *net*, in eval mode, on whole *pictures* fitted into the recipe's input."""
    was_training = net.training
    net.eval()
    normalise = Normalise().to(device)
    skeleton, joints = recipe.skeleton, recipe.skeleton.k
    to_input = heatmap.input_from_cells(recipe.input_hw, recipe.heatmap_hw, recipe.mapping)
    best: list[float] = []
    shown: list[ImageArray] = []
    number = 0
    for (crops, affines), readable in loaded(WholePictures(pictures, recipe.input_hw), workers, batch_size=8):
        x = normalise(crops.to(device)).contiguous(memory_format=torch.channels_last)
        out = net(x)
        maps = (out if isinstance(out, Tensor) else out[-1]).float().cpu().numpy()
        for crop, values, affine, known in zip(crops.numpy(), maps, affines.numpy(), readable, strict=True):
            number += 1
            if not known:
                continue
            people, _ = paf.decode(values[:joints], values[-2 * len(skeleton.limbs) :], skeleton)
            people[..., :2] = transform.apply(to_input, people[..., :2])
            if len(shown) < _SHOWN:
                shown.append(_drawn(crop, people, recipe))
            people[..., :2] = transform.apply(transform.invert(affine), people[..., :2])
            for person in pictures[number - 1].people:
                if metrics.labelled(person.joints).sum() >= metrics.MIN_OKS_JOINTS:
                    xy = np.nan_to_num(people[..., :2], nan=-1e6)  # a joint that was not found is far off
                    similarity = metrics.oks(
                        xy, np.repeat(person.joints[None], len(xy), axis=0), [person.area] * len(xy), skeleton.sigmas
                    )
                    best.append(float(similarity.max(initial=0.0)))
    net.train(was_training)
    scores = np.array(best) if best else np.zeros(1)
    return BottomUpScore(float(scores.mean()), float((scores >= 0.5).mean()), np.hstack(shown) if shown else None)


def _drawn(crop: ImageArray, people: FloatArray, recipe: Recipe) -> ImageArray:
    picture = crop.copy()
    n = len(people)
    poses = Poses(
        xy=people[..., :2],
        score=people[..., 2],
        person_score=np.ones(n, np.float32),
        ids=np.arange(n, dtype=np.int64),
        skeleton=recipe.skeleton,
    )
    draw_poses(picture, poses, DrawOptions(threshold=0.1))
    return picture
