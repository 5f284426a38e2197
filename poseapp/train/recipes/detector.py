"""The recipe of the person detector."""

from __future__ import annotations

import dataclasses

from poseapp.nets.detector import PersonDetector
from poseapp.train.data.augment import PLAIN
from poseapp.train.recipes.base import Phase, Recipe

ZHOU = "Zhou, Wang & Krähenbühl: Objects as Points, 2019"

RECIPES = (
    Recipe(
        name="person-detector",
        family="hourglass",
        net=PersonDetector,
        # First small pieces of what the deployed network sees: a step there costs a quarter.
        phases=(Phase((160, 160), 0.54), Phase((256, 256), 0.27), Phase((320, 320), 0.19)),
        paper=ZHOU,
        stride=8,
        mapping="centre",
        augment=dataclasses.replace(PLAIN, colour_p=0.5, blur_p=0.1, noise_p=0.1, jpeg_p=0.1, dark_p=0.05),
        task="detection",
        epochs=7.4,
        batch=32,
        lr=2e-3,
        warmup_steps=200,
        clip_norm=10,
    ),
)
