"""What recipes of several families have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

from poseapp.core.spec import Family
from poseapp.train.data.augment import PLAIN, Augment
from poseapp.train.recipes.base import Phase, Recipe

# Geometry alone, as the papers vary their pictures.
GEOMETRY = dataclasses.replace(PLAIN, half_body_p=0, shift=0)

# About half of the variation, for a network that does not learn its people by heart.
MILD = Augment(
    rotation_deg=30, scale=(0.8, 1.25), half_body_p=0.1, colour_p=0.4, blur_p=0.05, noise_p=0.05, jpeg_p=0.05,
    erase_p=0.05, dark_p=0.04, coarse_p=0.04, occlude_p=0.1, cut_p=0.05,
)  # fmt: skip

# Few epochs: milder variation than in long trainings.
MODERATE = Augment(half_body_p=0.15, colour_p=0.5, erase_p=0.15, noise_p=0.1, jpeg_p=0.1, blur_p=0.1)

# People of street pictures and webcams are what the app will see; LSP's own labels are cleaner than LSP extended's.
MIXED_SETS = (("coco_", 4), ("street_", 2), ("lsp_", 5), ("asl_", 3), ("parse_", 3), ("exercise_", 0.5), ("lspet_", 0.5))


def long_training(name: str, family: Family, net: Callable[[], nn.Module], paper: str, **changes: Any) -> Recipe:
    """Our long trainings at 256×192, for a GPU: small pictures first, all the variation, bf16, averaged weights."""
    recipe = Recipe(
        name=name,
        family=family,
        net=net,
        phases=(Phase((128, 96), 0.4), Phase((256, 192), 0.6)),
        paper=paper,
        far_joint_weights=True,
        epochs=200,
        batch=64,
        lr=2e-3,
        warmup_steps=500,
        ema=0.9995,
        precision="bf16",
    )
    return dataclasses.replace(recipe, **changes)
