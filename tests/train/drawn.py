"""Small sets of drawn figures, and networks small enough to learn them in seconds."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from poseapp.core.skeleton import COCO_17, OPENPOSE_18, Skeleton
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.hourglass import StackedHourglass
from poseapp.nets.hrnet import HRNet
from poseapp.nets.openpose import OpenPose
from poseapp.train.data.augment import PLAIN
from poseapp.train.recipes import Phase, Recipe

# A standing person in a 60×60 square, joints in COCO's order.
STANDING = np.array(
    [[30, 6], [32, 4], [28, 4], [35, 5], [25, 5], [38, 16], [22, 16], [44, 25], [16, 25], [47, 34], [13, 34],
     [35, 34], [25, 34], [36, 45], [24, 45], [37, 56], [23, 56]], np.float64,
)  # fmt: skip


def draw_set(folder: Path, people: int = 8, seed: int = 0, names: tuple[str, ...] = COCO_17.keypoints) -> Path:
    """*people* pictures of one drawn figure each, and person_keypoints_train.json, in *folder*; returns the JSON's path."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for i in range(1, people + 1):
        picture = np.full((96, 96, 3), random.integers(30, 90, 3), np.uint8)
        xy = (STANDING - 30) * random.uniform(0.9, 1.1) + random.normal(0, 2, (17, 2)) + 48
        for a, b in COCO_17.limbs:
            cv2.line(picture, xy[a].round().astype(int).tolist(), xy[b].round().astype(int).tolist(), (150, 150, 150), 2)
        for k, point in enumerate(xy):
            # Every joint in a colour of its own, so that a small network can tell them apart.
            colour = cv2.cvtColor(np.array([[[k * 10, 255, 255]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0].tolist()
            cv2.circle(picture, point.round().astype(int).tolist(), 2, colour, -1)
        cv2.imwrite(str(folder / "images" / f"{i}.png"), picture)
        images.append({"id": i, "file_name": f"{i}.png", "width": 96, "height": 96})
        joints = np.column_stack([xy[: len(names)], np.full(min(17, len(names)), 2)]).round(2)
        low, size = xy.min(0) - 3, np.ptp(xy, axis=0) + 6
        box = [*low.tolist(), *size.tolist()]
        annotations.append(
            {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": box, "area": float(0.53 * size.prod()),
             "keypoints": joints.ravel().tolist(), "num_keypoints": len(joints)}
        )  # fmt: skip
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "keypoints": list(names)}]}
    path = folder / "person_keypoints_train.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


STILL = dataclasses.replace(PLAIN, rotation_p=0, scale=(1, 1), shift=0, flip_p=0, half_body_p=0)

TINY: dict[str, tuple[Callable[[], torch.nn.Module], Skeleton, dict[str, Any]]] = {
    "hourglass": (lambda: StackedHourglass(2, 17, features=32, stem=16, order=2), COCO_17, {}),
    "hrnet": (lambda: HRNet(8, modules=(1, 1, 1)), COCO_17, {}),
    "cpm": (
        lambda: ConvolutionalPoseMachine(18, stages=2, batch_norm=True, width=16), COCO_17, {"stride": 8, "background": True},
    ),
    "openpose": (
        lambda: OpenPose(stages=2, width=16, batch_norm=True), OPENPOSE_18, {"stride": 8, "background": True, "fields": True},
    ),
}  # fmt: skip


def tiny_recipe(family: str = "hourglass", **changes: Any) -> Recipe:
    """A recipe of *family* for drawn figures: 64×64 input, no variation, eight people a step."""
    net, skeleton, extra = TINY[family]
    recipe = Recipe(
        name=f"tiny-{family}",
        family=family,  # type: ignore[arg-type]
        net=net,
        phases=(Phase((96, 96) if extra else (64, 64), 1.0),),
        paper="none",
        skeleton=skeleton,
        augment=STILL,
        sigma_px=1.0 if extra else 1.5,
        epochs=4,
        batch=8,
        lr=5e-3,
        warmup_steps=5,
        ema=0.9,
    )
    return dataclasses.replace(recipe, **{**extra, **changes})


class Small(torch.nn.Module):
    """Two stages of a few strided convolutions without BatchNorm: milliseconds a step."""

    def __init__(self, joints: int = 17) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(3, 8, 5, 2, 2)
        self.second = torch.nn.Conv2d(8, joints, 5, 2, 2)
        self.refine = torch.nn.Conv2d(joints, joints, 3, 1, 1)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        coarse = self.second(self.first(x).relu())  # (N, K, H/4, W/4)
        return [coarse, self.refine(coarse)]
