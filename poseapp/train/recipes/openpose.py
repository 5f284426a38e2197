"""Recipes of bottom-up networks with part affinity fields: ours, and that of the paper."""

from __future__ import annotations

import dataclasses

from poseapp.core.skeleton import OPENPOSE_18
from poseapp.nets.hourglass import StackedHourglass
from poseapp.nets.openpose import OpenPose
from poseapp.train.data.augment import PLAIN
from poseapp.train.data.image_index import Scenes
from poseapp.train.recipes.base import Phase, Recipe
from poseapp.train.recipes.shared import GEOMETRY

CAO = "Cao, Simon, Wei & Sheikh: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017"

RECIPES = (
    Recipe(
        name="openpose-s",
        family="openpose",
        # The stages of two hourglasses in place of VGG's and the 7×7 ones: finer maps at a tenth of the cost, and its
        # weights began with those of a network of the same shape for single people. Maps: joints, background, fields.
        net=lambda: StackedHourglass(stacks=2, joints=OPENPOSE_18.k + 1 + 2 * len(OPENPOSE_18.limbs), features=96, stem=32),
        phases=(Phase((160, 160), 0.75), Phase((256, 256), 0.25)),
        paper=CAO,
        skeleton=OPENPOSE_18,
        sigma_px=1.5,
        mapping="centre",
        augment=dataclasses.replace(PLAIN, colour_p=0.5, blur_p=0.1, noise_p=0.1, jpeg_p=0.1),
        task="bottom-up",
        scenes=Scenes(grids=((1, 1, 0.75), (1, 2, 0.2), (2, 2, 0.05)), group_p=0.4, heights=(0.25, 1.0), rotation_deg=30),
        background=True,
        fields=True,
        limb_width_px=1.5,
        epochs=2,
        batch=16,
        warmup_steps=100,
    ),
    # Sec. 3: 368×368, 6 stages of two branches; confidence sigma 7 px and limbs 1 cell wide, as released.
    Recipe(
        name="openpose-6",
        family="openpose",
        net=lambda: OpenPose(stages=6),
        phases=(Phase((368, 368), 1.0),),
        paper=CAO,
        skeleton=OPENPOSE_18,
        stride=8,
        sigma_px=7 / 8,
        decode="quarter",
        mapping="stride",
        augment=dataclasses.replace(GEOMETRY, rotation_deg=40, scale=(0.5, 1.1), shift=0.1),
        min_joints=1,
        background=True,
        fields=True,
        epochs=100,
        batch=10,
        optimiser="adam",
        schedule="step",
        lr_drops=(1 / 3, 2 / 3),
        lr=1e-4,
        weight_decay=5e-4,
        warmup_steps=0,
    ),
)
