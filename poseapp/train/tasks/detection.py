"""Learning where people are: targets, loss and score of boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poseapp.core.detection_metrics import MatchInput, at_threshold, average_precision
from poseapp.core.types import FloatArray, ImageArray
from poseapp.nets.deploy import Normalise
from poseapp.nets.detector import STRIDE, BoxDecoder
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import Picture, read_pictures
from poseapp.train.data.loader import loaded
from poseapp.train.data.order import Loading
from poseapp.train.data.scene_dataset import CropPoses, SceneDataset, WholePictures, moved_box, visible
from poseapp.train.recipes import Recipe
from poseapp.train.tasks.base import require_pictures, scene_steps

VISIBLE = 0.3  # share of a person that must be in the picture; of somebody with less nothing is taught
SMALLEST_PX = 10.0  # the same for people who are less high and wide than this
_SPREAD = 0.54 / 6  # of the Gaussian around a centre, by the box's sides (Liu et al., AAAI 2020, Sec. 3.2)
BOXES = 50  # that the graph gives
_SHOWN = 8  # pictures kept for TensorBoard
_NEAR = 0.5  # cells from that height of the Gaussian on answer for the box


class DetectionTask:
    """Where people are. See Task."""

    items = "pictures"
    figures: tuple[str, ...] = ("ap50", "recall")

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def read(self, part: LabelledSet, min_joints: int) -> Sequence[Picture]:
        """Pictures."""
        return read_pictures(part, self.recipe.skeleton)

    def samples(self, items: Sequence[Picture], input_hw: tuple[int, int]) -> SceneDataset:
        """Scenes with boxes, made of *items*."""
        return SceneDataset.of_recipe(items, self.recipe, BoxEncoder(self.recipe.stride), input_hw)

    def steps(self, items: Any, input_hw: tuple[int, int], loading: Loading) -> Iterator[list[Batch]]:
        """Scenes."""
        return scene_steps(self.samples(require_pictures(items, self.recipe), input_hw), self.recipe, loading)

    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """People."""
        return centres(target, weight)

    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """Focal loss of the centres, L1 of the boxes."""
        return torch.stack([box_loss(maps, target, weight, total) for maps in stages]).sum()

    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> DetectionScore:
        """AP50 and recall in whole pictures."""
        return validate_boxes(net, items, self.recipe.input_hw, device, workers)


@dataclass(frozen=True)
class BoxEncoder:
    """Targets (5, h, w): height of the centre's Gaussian; log width and height, and way to the centre, in cells.

    Weights (2, h, w): of the centre map, 0 where nobody knows, and of the box, which add up to 1 for each person.
    """

    stride: int = STRIDE

    def encode(
        self, people: Sequence[CropPoses], crowds: Sequence[FloatArray], tile_hw: tuple[int, int]
    ) -> tuple[FloatArray, FloatArray]:
        """See Encoder. Boxes are cut at the tile's edges: what cannot be seen is not taught."""
        h, w = tile_hw[0] // self.stride, tile_hw[1] // self.stride
        target, weight = np.zeros((5, h, w), np.float32), np.zeros((2, h, w), np.float32)
        weight[0] = 1
        y, x = np.mgrid[:h, :w].astype(np.float32)
        cut = [(visible(seen.box, tile_hw), seen.box) for seen in people]
        unknown = [inside for inside, whole in cut if not _taught(inside, whole)]
        for box in [*(visible(crowd, tile_hw) for crowd in crowds), *unknown]:
            left, top = np.floor((box[:2] + 0.5) / self.stride).astype(int)
            right, bottom = np.ceil((box[:2] + box[2:] + 0.5) / self.stride).astype(int)
            weight[0, max(0, top) : bottom, max(0, left) : right] = 0
        # The largest first: where people overlap, the cell answers for the smaller one, which has fewer.
        for box in sorted((inside for inside, whole in cut if _taught(inside, whole)), key=lambda b: -float(b[2] * b[3])):
            size = box[2:] / self.stride
            middle = (box[:2] + box[2:] / 2 + 0.5) / self.stride - 0.5  # in cells
            column, row = np.clip(np.rint(middle).astype(int), 0, (w - 1, h - 1))
            sigma = np.maximum(_SPREAD * size, 0.5)
            bump = np.exp(-np.square((x - column) / sigma[0]) / 2 - np.square((y - row) / sigma[1]) / 2)
            target[0] = np.maximum(target[0], bump)
            weight[0][bump > 0.1] = 1
            near = bump >= _NEAR
            values = np.log(size[0]), np.log(size[1]), middle[0] - x, middle[1] - y
            for channel, value in enumerate(values, 1):
                target[channel] = np.where(near, value, target[channel])
            weight[1] = np.where(near, bump / bump[near].sum(), weight[1])
        return target, weight


def _taught(inside: FloatArray, whole: FloatArray) -> bool:
    area = float(inside[2] * inside[3])
    return area >= VISIBLE * float(whole[2] * whole[3]) and area > 0 and float(inside[2:].max()) >= SMALLEST_PX


def centres(target: Tensor, weight: Tensor) -> Tensor:
    """How many people (N, 5, h, w) *target* holds, () float32: what the loss is divided by."""
    return ((target[:, 0] == 1) & (weight[:, 0] > 0)).sum().float()


def box_loss(maps: Tensor, target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
    """Penalty-reduced focal loss on the centres and L1 on the boxes, over *total* people (Zhou et al. 2019, Eq. 1 to 3)."""
    logit, height = maps[:, 0].float(), target[:, 0]
    p = logit.sigmoid()
    found = F.logsigmoid(logit) * (1 - p).square()
    empty = F.logsigmoid(-logit) * p.square() * (1 - height).pow(4)
    focal = -(torch.where(height == 1, found, empty) * weight[:, 0]).sum()
    error = (maps[:, 1:].float() - target[:, 1:]).abs().sum(dim=1)
    return (focal + (error * weight[:, 1]).sum()) / total.clamp(min=1.0)


@dataclass(frozen=True, eq=False)
class DetectionScore:
    """AP50, and recall at IoU 0.5 among all boxes that the graph gives, of whole pictures; ``shown`` (H, W, 3) to look at."""

    ap50: float
    recall: float
    shown: ImageArray | None = None

    @property
    def figures(self) -> dict[str, float]:
        """By name; the first is the one that best.pt goes by."""
        return {"ap50": self.ap50, "recall": self.recall}

    def pictures(self) -> dict[str, ImageArray]:
        """Pictures to look at, by name."""
        return {} if self.shown is None else {"boxes": self.shown}


@torch.no_grad()
def validate_boxes(
    net: nn.Module, pictures: Sequence[Picture], input_hw: tuple[int, int], device: torch.device, workers: int = 0
) -> DetectionScore:
    """Score *net*, in eval mode, on whole *pictures* fitted into *input_hw*."""
    was_training = net.training
    net.eval()
    normalise, decoder = Normalise().to(device), BoxDecoder(BOXES).to(device)
    found: list[MatchInput] = []
    shown: list[ImageArray] = []
    number = 0
    for (crops, affines), readable in loaded(WholePictures(pictures, input_hw), workers, batch_size=8):
        x = normalise(crops.to(device)).contiguous(memory_format=torch.channels_last)
        boxes = decoder(net(x)).cpu().numpy()  # (N, M, 5)
        for crop, best, affine, known in zip(crops.numpy(), boxes, affines.numpy(), readable, strict=True):
            picture = pictures[number]
            number += 1
            if not known:
                continue
            truth = np.array([moved_box(p.box, affine) for p in picture.people], np.float32).reshape(-1, 4)
            crowds = np.array([moved_box(box, affine) for box in picture.crowds], np.float32).reshape(-1, 4)
            found.append(MatchInput(best[:, :4], best[:, 4], truth, crowds))
            if len(shown) < _SHOWN:
                shown.append(_drawn(crop, best, truth))
    net.train(was_training)
    recall = at_threshold(found, 0.0).recall
    return DetectionScore(average_precision(found), recall, np.hstack(shown).astype(np.uint8) if shown else None)


def _drawn(crop: ImageArray, boxes: FloatArray, truth: FloatArray) -> ImageArray:
    """*crop* with what is there in green, and what is found, the surer the brighter, in red."""
    picture = crop.copy()
    for box in truth:
        cv2.rectangle(picture, box.round().astype(int).tolist(), (0, 200, 0), 1)
    for box in boxes[boxes[:, 4] > 0.2]:
        cv2.rectangle(picture, box[:4].round().astype(int).tolist(), (0, 0, round(255 * float(min(1.0, box[4] + 0.2)))), 1)
    return picture
