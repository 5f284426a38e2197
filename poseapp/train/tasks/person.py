"""Learning the joints of the person in a crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.utils.data import Dataset

from poseapp.core import metrics, transform
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import FloatArray, ImageArray, Poses
from poseapp.nets.deploy import HeatmapDecoder, Normalise
from poseapp.render import DrawOptions, draw_poses
from poseapp.train.data.annotations import BOX_PADDING, Person, read_image
from poseapp.train.data.crop_dataset import Batch
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.loader import Data, loaded, steps_of
from poseapp.train.data.order import Loading, process_rank
from poseapp.train.data.targets import target_of
from poseapp.train.losses import summed_weight, supervise
from poseapp.train.recipes import Recipe

SHOWN = 8  # pictures kept for TensorBoard


class PersonTask:
    """The joints of the person in a crop: heatmaps, and fields where the recipe has some. See Task."""

    items = "people"
    figures: tuple[str, ...] = ("mean_oks", "pck")

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def read(self, part: LabelledSet, min_joints: int) -> Sequence[Any]:
        """People; those to train on as often as the recipe's sampling weights say."""
        people = part.read(self.recipe.skeleton, min_joints)
        return resampled(people, self.recipe.sampling_weight) if part.split == "train" else people

    def steps(self, items: Data, input_hw: tuple[int, int], loading: Loading) -> Iterator[list[Batch]]:
        """Crops of one person each."""
        return steps_of(items, self.recipe, target_of(self.recipe, input_hw), loading)

    def total(self, target: Tensor, weight: Tensor) -> Tensor:
        """The weight of the maps that count."""
        return summed_weight(weight, self.recipe.hardest)

    def loss(self, stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor) -> Tensor:
        """Mean squared error."""
        return supervise(stages, target, weight, total, self.recipe.hardest)

    def validate(self, net: nn.Module, items: Sequence[Any], device: torch.device, workers: int) -> PersonScore:
        """Mean OKS and PCK from annotated boxes."""
        return validate(net, self.recipe, items, device, workers)


def resampled(people: Sequence[Person], sampling_weight: tuple[tuple[str, float], ...]) -> list[Person]:
    """*people*, each as often as *sampling_weight* says for the beginning of the picture's name; once where it says nothing."""
    out: list[Person] = []
    owed = {beginning: 0.0 for beginning, _ in sampling_weight}  # by fractions: 0.4 is the third and the fifth of five
    for person in people:
        beginning, times = next((each for each in sampling_weight if person.path.name.startswith(each[0])), ("", 1.0))
        owed[beginning] = owed.get(beginning, 0.0) + times
        whole = int(owed[beginning] + 1e-9)
        owed[beginning] -= whole
        out.extend([person] * whole)
    return out


@dataclass(frozen=True, eq=False)
class PersonScore:
    """Mean OKS (people with five or more labelled joints) and PCK@0.2 from annotated boxes, no flip test, 0..1.

    ``crops`` (n, H, W, 3) uint8 BGR, ``keypoints`` (n, K, 3) in input px and ``heatmaps`` (n, K, h, w) are the first few
    people's; empty on all processes but the first.
    """

    mean_oks: float
    pck: float
    crops: ImageArray
    keypoints: FloatArray
    heatmaps: FloatArray
    skeleton: Skeleton = COCO_17

    @property
    def figures(self) -> dict[str, float]:
        """By name; the first is the one that best.pt goes by."""
        return {"mean_oks": self.mean_oks, "pck": self.pck}

    def pictures(self) -> dict[str, ImageArray]:
        """The first few people with their poses, and with the maximum over their heatmaps, (H, W, 3) uint8 BGR."""
        return {"predictions": _overlays(self), "heatmaps": _heat(self)} if len(self.crops) else {}


class _ValidationCrops(Dataset[tuple[Tensor, Tensor]]):
    """Item i: the crop (H, W, 3) uint8 BGR of person i, and the affine (2, 3) from its px to the picture's."""

    def __init__(self, people: Sequence[Person], input_hw: tuple[int, int]) -> None:
        self.people, self.input_hw = people, input_hw

    def __len__(self) -> int:
        return len(self.people)

    def placeholder(self) -> tuple[Tensor, Tensor]:
        """A black crop."""
        return torch.zeros((*self.input_hw, 3), dtype=torch.uint8), torch.eye(2, 3, dtype=torch.float64)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        person = self.people[i]
        affine = transform.crop_affine(transform.fit_aspect(person.box, self.input_hw, BOX_PADDING), self.input_hw)
        crop = transform.crop(read_image(person.path), affine, self.input_hw)
        return torch.from_numpy(crop), torch.from_numpy(transform.invert(affine))


@torch.no_grad()
def validate(net: nn.Module, recipe: Recipe, people: Sequence[Person], device: torch.device, workers: int = 0) -> PersonScore:
    """Score *net*, in eval mode, on *people*; in a process group each process takes its share of them.

    People whose picture cannot be read are left out.
    """
    rank, world = process_rank()
    mine = people[rank::world]
    was_training = net.training
    net.eval()
    normalise = Normalise().to(device)
    decoder = HeatmapDecoder(recipe.input_hw, recipe.heatmap_hw, recipe.decode, recipe.mapping, recipe.sigma_px).to(device)
    predicted: list[NDArray[np.floating]] = []
    shown: list[Any] = []
    known: list[NDArray[np.bool_]] = []
    for (crops, to_picture), readable in loaded(_ValidationCrops(mine, recipe.input_hw), workers, batch_size=16):
        known.append(readable)
        x = normalise(crops.to(device)).contiguous(memory_format=torch.channels_last)
        out = net(x)
        maps = (out if isinstance(out, Tensor) else out[-1])[:, : recipe.skeleton.k].float()  # (N, K, h, w)
        joints = decoder(maps).cpu()  # (N, K, 3)
        if not shown:
            shown = [values[:SHOWN].cpu().numpy() for values in (crops, joints, maps)]
        for xy, affine in zip(joints[..., :2].double().numpy(), to_picture.numpy(), strict=True):
            predicted.append(transform.apply(affine, xy))
    net.train(was_training)
    mine = [person for person, there in zip(mine, np.concatenate(known), strict=True) if there] if known else []
    predicted = [joints for joints, there in zip(predicted, np.concatenate(known), strict=True) if there] if known else []
    xy = np.stack(predicted) if predicted else np.zeros((0, recipe.skeleton.k, 2))
    truth = np.stack([p.joints for p in mine]) if mine else np.zeros((0, recipe.skeleton.k, 3))
    enough = metrics.labelled(truth).sum(axis=1) >= metrics.MIN_OKS_JOINTS
    similarity = metrics.oks(xy, truth, [p.area for p in mine], recipe.skeleton.sigmas)[enough]
    similarity = similarity[np.isfinite(similarity)]  # skeletons without published sigmas have no OKS
    pck = metrics.pck(xy, truth, metrics.torso_size(truth, recipe.skeleton), 0.2)
    joints_counted = int(pck.joints.sum())
    hits = float(np.nansum(pck.by_joint * pck.joints))
    sums = torch.tensor([float(similarity.sum()), float(len(similarity)), hits, float(joints_counted)], dtype=torch.float64)
    if world > 1:
        sums = sums.to(device)
        distributed.all_reduce(sums)
    oks_sum, people_counted, hits, joints_total = sums.tolist()
    if not shown:
        shown = [np.zeros((0, *recipe.input_hw, 3), np.uint8), np.zeros((0, recipe.skeleton.k, 3)), np.zeros((0, 0, 0, 0))]
    pck_total = hits / max(1.0, joints_total)
    mean_oks = oks_sum / people_counted if people_counted else pck_total
    crops, joints, maps = shown
    return PersonScore(mean_oks, pck_total, crops, joints, maps, recipe.skeleton)


def _overlays(result: PersonScore) -> ImageArray:
    """The first few people side by side with their predicted poses, uint8 BGR."""
    pictures = []
    for crop, joints in zip(result.crops, result.keypoints.astype(np.float32), strict=True):
        picture = crop.copy()
        pose = Poses(
            xy=joints[None, :, :2],
            score=joints[None, :, 2],
            person_score=np.ones(1, np.float32),
            ids=np.zeros(1, np.int64),
            skeleton=result.skeleton,
        )
        draw_poses(picture, pose, DrawOptions(threshold=0.1))
        pictures.append(picture)
    return np.hstack(pictures).astype(np.uint8, copy=False)


def _heat(result: PersonScore) -> ImageArray:
    """The same people with the maximum over their heatmaps in colours, uint8 BGR."""
    pictures = []
    for crop, maps in zip(result.crops, result.heatmaps, strict=True):
        strength = cv2.resize(np.clip(maps.max(axis=0), 0, 1), (crop.shape[1], crop.shape[0]))
        coloured = cv2.applyColorMap((strength * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
        pictures.append(cv2.addWeighted(crop, 0.5, coloured, 0.5, 0))
    return np.hstack(pictures).astype(np.uint8, copy=False)
