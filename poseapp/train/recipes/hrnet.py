"""Recipes of HRNets: ours, and those of the paper."""

from __future__ import annotations

import dataclasses

from poseapp.nets.hrnet import HRNet
from poseapp.train.recipes.base import Phase, Recipe
from poseapp.train.recipes.shared import GEOMETRY, MILD, MIXED_SETS, MODERATE

SUN = "Sun, Xiao, Liu & Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019"


def _hrnet(width: int, input_hw: tuple[int, int]) -> Recipe:
    """Sec. 4.1: Adam at 1e-3, ×1/10 at epochs 170 and 200 of 210; ±45°, 0.65-1.35, flip, half body; sigma 2 (3 at 384×288)."""
    return Recipe(
        name=f"hrnet-w{width}-{input_hw[0]}x{input_hw[1]}",
        family="hrnet",
        net=lambda: HRNet(width),
        phases=(Phase(input_hw, 1.0),),
        paper=SUN,
        sigma_px=2.0 * input_hw[0] / 256,
        decode="quarter",
        mapping="stride",
        augment=dataclasses.replace(GEOMETRY, rotation_deg=45, scale=(0.65, 1.35), half_body_p=0.3),
        min_joints=1,
        far_joint_weights=True,
        epochs=210,
        batch=32,
        optimiser="adam",
        schedule="step",
        lr_drops=(170 / 210, 200 / 210),
        lr=1e-3,
        weight_decay=0,
        warmup_steps=0,
        clip_norm=0,
    )


RECIPES = (
    # 28.5 M and 7.1 G, from nothing: the teacher of the others. With --resident a data-centre GPU does it in minutes.
    Recipe(
        name="hrnet-w32",
        family="hrnet",
        net=lambda: HRNet(32),
        phases=(Phase((128, 96), 0.4), Phase((256, 192), 0.6)),
        paper=SUN,
        far_joint_weights=True,
        augment=MODERATE,
        sampling_weight=MIXED_SETS,
        epochs=17,
        batch=256,
        lr=2e-3,
        weight_decay=0.05,
        precision="bf16",
    ),
    # 2.5 M and 0.86 G, from nothing: the small HRNet that a CPU can train, for its dense convolutions do five times the
    # work a second of depthwise ones, and bf16 half as much again. Small pictures cost a quarter.
    Recipe(
        name="hrnet-s",
        family="hrnet",
        net=lambda: HRNet(16, modules=(1, 2, 2), blocks=2, bottlenecks=(2, 32)),
        phases=(Phase((128, 96), 0.8), Phase((256, 192), 0.2)),
        paper=SUN,
        far_joint_weights=True,
        augment=MODERATE,
        sampling_weight=MIXED_SETS,
        epochs=10,
        lr=2e-3,
        precision="bf16",
    ),
    # Goes on from there at the deployed size alone, with the milder variation that pays at the end.
    Recipe(
        name="hrnet-s-refine",
        family="hrnet",
        net=lambda: HRNet(16, modules=(1, 2, 2), blocks=2, bottlenecks=(2, 32)),
        phases=(Phase((256, 192), 1.0),),
        paper=SUN,
        far_joint_weights=True,
        augment=MILD,
        sampling_weight=MIXED_SETS,
        epochs=2,
        lr=1e-3,
        warmup_steps=100,
        precision="bf16",
    ),
    _hrnet(32, (256, 192)),
    _hrnet(48, (256, 192)),
    _hrnet(32, (384, 288)),
    _hrnet(48, (384, 288)),
)
