"""Training recipes: one frozen dataclass each, overridden from the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from poseapp.core.heatmap import Decode, Mapping
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.spec import Family
from poseapp.nets.hourglass import StackedHourglass
from poseapp.train.augment import Augment


@dataclass(frozen=True)
class Phase:
    """A part of a training at one input size. ``share`` of all steps; sizes may grow from phase to phase."""

    input_hw: tuple[int, int]
    share: float


@dataclass(frozen=True)
class Recipe:
    """All that makes a training.

    ``phases`` run one after the other, the last at the size that is deployed; one cosine with warm-up goes
    over all of them. ``sigma_px`` is the targets' spread at the deployed heatmap size; in smaller phases it
    shrinks with the map, so that a target covers the same part of the body.
    """

    name: str
    family: Family
    net: Callable[[], nn.Module]
    phases: tuple[Phase, ...]
    paper: str
    skeleton: Skeleton = COCO_17
    stride: int = 4
    sigma_px: float = 2.0
    decode: Decode = "dark"
    mapping: Mapping = "udp"
    augment: Augment = field(default_factory=Augment)
    epochs: float = 140.0
    batch: int = 32
    lr: float = 1.5e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 300
    clip_norm: float = 1.0
    ema: float = 0.999
    bf16: bool = False
    seed: int = 0

    @property
    def input_hw(self) -> tuple[int, int]:
        """The size that is deployed."""
        return self.phases[-1].input_hw


NEWELL = "Newell, Yang & Deng: Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016"

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="hourglass-s",
            family="hourglass",
            net=lambda: StackedHourglass(stacks=2, features=96, stem=32),
            # Small pictures first: a step at 128×96 costs half of one at 192×144.
            phases=(Phase((128, 96), 0.85), Phase((192, 144), 0.15)),
            # Few epochs on a CPU: milder variation than the papers', which pays only in long trainings.
            augment=Augment(rotation_deg=30, half_body_p=0.15, colour_p=0.5, erase_p=0.15, noise_p=0.1, jpeg_p=0.1, blur_p=0.1),
            epochs=8.5,
            batch=16,
            sigma_px=1.5,
            paper=NEWELL,
        ),
    )
}
