"""Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields (Cao, Simon, Wei & Sheikh, CVPR 2017).

Structure after Sec. 2 and Figure 3 of the paper, and the authors' body model for COCO
(CMU-Perceptual-Computing-Lab/openpose, models/pose/coco/pose_deploy_linevec.prototxt): the first ten layers of
VGG-19, two more that narrow them to 128 features, then stages of two branches, one for the fields and one
for the confidence maps; every stage ≥ 2 sees the features and both outputs of the stage before.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from poseapp.nets.blocks import conv_relu, initialise

LIMBS = 19  # part affinity fields of the COCO body model, two channels each
WIDTH = 128  # features of the published network
_VGG = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512)  # 0: max-pooling


class OpenPose(nn.Module):
    """Confidence maps and part affinity fields, after each of *stages* stages; the last ones are the answer.

    The published network has 6 stages and *width* 128; 2 stages are the lighter form. *joints* does not count the background.
    *batch_norm*, not in the published network, puts BatchNorm in place of the biases: a small network then trains from random
    weights, without VGG's.
    Input (N, 3, H, W), H and W multiples of 8; output a list of *stages* tensors
    (N, joints + 1 + 2 · limbs, H/8, W/8): confidence maps, background, then the x and y of each field.

    *relu_last* cuts the confidence maps of the last stage at 0. The published network does not; the common
    PyTorch port (Hzzone/pytorch-openpose) does, which changes no peak.
    """

    def __init__(
        self,
        stages: int = 6,
        joints: int = 18,
        limbs: int = LIMBS,
        relu_last: bool = False,
        width: int = WIDTH,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.relu_last = relu_last
        heat, fields = joints + 1, 2 * limbs
        self.features = _features(width, batch_norm)
        self.field_stages = nn.ModuleList(_stage(i, heat + fields, fields, width, batch_norm) for i in range(stages))
        self.heat_stages = nn.ModuleList(_stage(i, heat + fields, heat, width, batch_norm) for i in range(stages))
        ends = {id(stage[-1]) for stage in (*self.field_stages, *self.heat_stages)}
        names = {name for name, module in self.named_modules() if id(module) in ends}
        initialise(self, heads=lambda name: name in names)

    def forward(self, image: Tensor) -> list[Tensor]:
        features = self.features(image)  # (N, width, H/8, W/8)
        seen = features
        maps: list[Tensor] = []
        last = len(self.heat_stages) - 1
        for i, (field_stage, heat_stage) in enumerate(zip(self.field_stages, self.heat_stages, strict=True)):
            fields, heat = field_stage(seen), heat_stage(seen)  # (N, 38, H/8, W/8), (N, 19, H/8, W/8)
            seen = torch.cat([fields, heat, features], dim=1)
            maps.append(torch.cat([heat.relu() if self.relu_last and i == last else heat, fields], dim=1))
        return maps


def _features(width: int, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for out in _VGG:
        if out == 0:
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += conv_relu(channels, out * width // WIDTH, 3, batch_norm)
            channels = out * width // WIDTH
    return nn.Sequential(*layers, *conv_relu(channels, 2 * width, 3, batch_norm), *conv_relu(2 * width, width, 3, batch_norm))


def _stage(index: int, maps: int, out: int, width: int, batch_norm: bool) -> nn.Sequential:
    """One branch of one stage: 3×3 convolutions on the features in the first stage, 7×7 on all inputs in later stages."""
    kernels = [3] * 3 if index == 0 else [7] * 5
    first, wide = (width, 4 * width) if index == 0 else (width + maps, width)
    layers: list[nn.Module] = []
    for kernel in kernels:
        layers += conv_relu(first, width, kernel, batch_norm)
        first = width
    return nn.Sequential(*layers, *conv_relu(width, wide, 1, batch_norm), nn.Conv2d(wide, out, 1))
