"""Recipes of Convolutional Pose Machines: a small one, and that of the paper."""

from __future__ import annotations

import dataclasses

from poseapp.core.skeleton import LSP_14
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.train.recipes.base import Phase, Recipe
from poseapp.train.recipes.shared import GEOMETRY

WEI = "Wei, Ramakrishna, Kanade & Sheikh: Convolutional Pose Machines, CVPR 2016"

RECIPES = (
    Recipe(
        name="cpm-s",
        family="cpm",
        net=lambda: ConvolutionalPoseMachine(18, stages=3, batch_norm=True, width=32),
        phases=(Phase((256, 192), 1.0),),
        paper=WEI,
        stride=8,
        sigma_px=1.5,
        background=True,
    ),
    # Sec. 4.2: LSP with LSP extended, 368×368, 6 stages, supervision after every stage; schedule of the released code.
    Recipe(
        name="cpm-6",
        family="cpm",
        net=lambda: ConvolutionalPoseMachine(15, stages=6, centre_map=True),
        phases=(Phase((368, 368), 1.0),),
        paper=WEI,
        skeleton=LSP_14,
        stride=8,
        sigma_px=21 / 8,  # 21 px in the 368 px input, as released
        decode="argmax",
        mapping="stride",
        augment=dataclasses.replace(GEOMETRY, rotation_deg=40, scale=(0.7, 1.3), shift=0.1),
        min_joints=1,
        background=True,
        epochs=140,
        batch=16,
        optimiser="adam",
        schedule="step",
        lr_drops=(1 / 3, 2 / 3),
        lr=1e-4,
        weight_decay=5e-4,
        warmup_steps=0,
    ),
)
