"""Recipes of hourglasses: ours of a published trunk, and those of the paper."""

from __future__ import annotations

import dataclasses
from typing import Any

from poseapp.core.skeleton import MPII_16
from poseapp.nets.hourglass import LiteHourglass, StackedHourglass
from poseapp.train.recipes.base import Phase, Recipe
from poseapp.train.recipes.shared import GEOMETRY, MILD, MIXED_SETS, MODERATE, long_training

NEWELL = "Newell, Yang & Deng: Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016"


def _hourglass(stacks: int) -> Recipe:
    """Sec. 4.1: 256×256, RMSprop at 2.5e-4, ×1/5 once, rotation ±30°, scale 0.75-1.25, sigma 1 px."""
    return Recipe(
        name=f"hourglass-{stacks}",
        family="hourglass",
        net=lambda: StackedHourglass(stacks=stacks, joints=16),
        phases=(Phase((256, 256), 1.0),),
        paper=NEWELL,
        skeleton=MPII_16,
        sigma_px=1.0,
        decode="quarter",
        mapping="stride",
        augment=dataclasses.replace(GEOMETRY, rotation_deg=30, scale=(0.75, 1.25)),
        epochs=220,
        batch=6,
        optimiser="rmsprop",
        schedule="step",
        lr_drops=(0.75,),
        lr_drop_factor=0.2,
        lr=2.5e-4,
        weight_decay=0,
        warmup_steps=0,
        clip_norm=0,
    )


def _short(name: str, *phases: Phase, **changes: Any) -> Recipe:
    """Our short trainings, for a CPU, of a network that begins with trained weights: --start-from, see CONTRIBUTING.md."""
    recipe = Recipe(
        name=name,
        family="hourglass",
        net=LiteHourglass,
        phases=phases,
        paper=NEWELL,
        sigma_px=1.5,
        far_joint_weights=True,
        augment=MODERATE,
        # The few street pictures and webcams are what the app will see; LSP's own labels are cleaner than LSP extended's.
        sampling_weight=(("coco_", 4), ("lsp_", 5), ("asl_", 3)),
        epochs=6,
        batch=16,
    )
    return dataclasses.replace(recipe, **changes)


def _refined(name: str, input_hw: tuple[int, int], **changes: Any) -> Recipe:
    """The end of a short training, from the weights of its beginning.

    People seen sixty times were no better known by then than new ones. So there is nothing to guard against by strong
    variation, and less of what is learned last: the gymnasts of LSP extended were 37 % of all.
    """
    refined = {
        "sigma_px": 1.5 * input_hw[0] / 192,
        "augment": MILD,
        "sampling_weight": MIXED_SETS,
        "frozen_blocks": 3,
        "epochs": 1,
        "lr": 7e-4,
        "warmup_steps": 100,
    }
    return _short(name, Phase(input_hw, 1.0), **refined | changes)


RECIPES = (
    # From a trunk that knows ImageNet. Small pictures first: a step at 128×96 costs half of one at 192×144.
    _short("hourglass-s", Phase((128, 96), 0.75), Phase((192, 144), 0.25)),
    # Goes on from there, and then smaller for old laptops and larger for better joints: the same network, from its weights.
    _refined("hourglass-s-refine", (192, 144), epochs=4.5, lr=1e-3, warmup_steps=300),
    _refined("hourglass-t", (128, 96)),
    # The larger has a second hourglass as well, which begins from nothing.
    _refined("hourglass-l", (256, 192), net=lambda: LiteHourglass(stacks=2), epochs=2.5, lr=1e-3),
    # 1.7 M and 1.6 G, from nothing: for a GPU.
    long_training("hourglass-s-256x192", "hourglass", lambda: StackedHourglass(stacks=2, features=128, stem=32), NEWELL),
    _hourglass(2),
    _hourglass(8),
)
