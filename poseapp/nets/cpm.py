"""Convolutional Pose Machines (Wei, Ramakrishna, Kanade & Sheikh, CVPR 2016).

Structure after Sec. 3 and Figure 2 of the paper, and the authors' release
(shihenw/convolutional-pose-machines-release, model/_trained_FLIC/pose_deploy.prototxt): stage 1 looks at the
picture alone with 9×9 convolutions, later stages look at picture features and at the beliefs of the stage
before with three 11×11 convolutions, which widens the receptive field to the whole body.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poseapp.nets.blocks import conv_relu, initialise

CENTRE_SIGMA_PX = 21.0  # spread of the centre map in input px, as released


class ConvolutionalPoseMachine(nn.Module):
    """*stages* belief maps one after the other; the last ones are the answer.

    *maps* counts the joints and, where the weights have it, one background map behind them. Accuracy
    peaks at 5 to 6 stages (Sec. 4.1). *width* is 128 in the published network. *centre_map* adds a Gaussian on the
    person's middle to the input of stages ≥ 2, as the release has it; the crop is centred on the person, so it sits
    in the crop's middle.

    *batch_norm* gives the variant of MMPose (mmpose/models/backbones/cpm.py): BatchNorm in place of biases,
    max-pooling padded by 1 on both sides, and beliefs before features in the concatenation.
    Input (N, 3, H, W), H and W multiples of 8; output a list of *stages* tensors (N, maps, H/8, W/8).
    """

    def __init__(self, maps: int, stages: int = 6, centre_map: bool = False, batch_norm: bool = False, width: int = 128) -> None:
        super().__init__()
        self.centre_map, self.batch_norm = centre_map, batch_norm
        self.stage1 = nn.Sequential(
            *_trunk(width, batch_norm),  # (N, width, H/8, W/8)
            *conv_relu(width, 32, 5, batch_norm),
            *conv_relu(32, 4 * width, 9, batch_norm),
            *conv_relu(4 * width, 4 * width, 1, batch_norm),
            nn.Conv2d(4 * width, maps, 1),
        )
        # Features of the later stages: one trunk for all of them, and a reduction to 32 for each.
        self.features = nn.Sequential(*_trunk(width, batch_norm))
        self.reductions = nn.ModuleList(nn.Sequential(*conv_relu(width, 32, 5, batch_norm)) for _ in range(stages - 1))
        self.refinements = nn.ModuleList(
            nn.Sequential(
                *conv_relu(32 + maps + int(centre_map), width, 11, batch_norm),
                *conv_relu(width, width, 11, batch_norm),
                *conv_relu(width, width, 11, batch_norm),
                *conv_relu(width, width, 1, batch_norm),
                nn.Conv2d(width, maps, 1),
            )
            for _ in range(stages - 1)
        )
        heads = {f"stage1.{len(self.stage1) - 1}"} | {f"refinements.{i}.{len(r) - 1}" for i, r in enumerate(self._refinements())}
        initialise(self, heads=lambda name: name in heads)

    def _refinements(self) -> list[nn.Sequential]:
        return [r for r in self.refinements if isinstance(r, nn.Sequential)]

    def forward(self, image: Tensor) -> list[Tensor]:
        beliefs = [self.stage1(image)]  # (N, maps, H/8, W/8)
        if not len(self.refinements):
            return beliefs
        features = self.features(image)  # (N, width, H/8, W/8)
        centre = [self._centre(image)] if self.centre_map else []  # (N, 1, H/8, W/8)
        for reduce, refine in zip(self.reductions, self.refinements, strict=True):
            reduced = reduce(features)  # (N, 32, H/8, W/8)
            seen = [beliefs[-1], reduced] if self.batch_norm else [reduced, beliefs[-1]]
            beliefs.append(refine(torch.cat([*seen, *centre], dim=1)))
        return beliefs

    def _centre(self, image: Tensor) -> Tensor:
        """A Gaussian on the middle of the crop, averaged down to the maps' size, (N, 1, H/8, W/8)."""
        h, w = (int(side) for side in image.shape[2:])  # a constant in an exported graph
        y = torch.arange(h, dtype=image.dtype, device=image.device) - h / 2
        x = torch.arange(w, dtype=image.dtype, device=image.device) - w / 2
        gaussian = torch.exp(-(y.square()[:, None] + x.square()) / (2 * CENTRE_SIGMA_PX**2))
        pooled = F.avg_pool2d(gaussian[None, None], 9, stride=8, ceil_mode=True)
        return pooled.expand(image.shape[0], -1, -1, -1)


def _trunk(width: int, batch_norm: bool) -> list[nn.Module]:
    """Three 9×9 convolutions, each with a 3×3/2 max-pooling: picture → (N, width, H/8, W/8)."""
    layers: list[nn.Module] = []
    for channels_in in (3, width, width):
        layers += conv_relu(channels_in, width, 9, batch_norm)
        # Caffe lets the last window jut out at the right and bottom; MMPose pads on all sides.
        layers.append(nn.MaxPool2d(3, 2, padding=1) if batch_norm else nn.MaxPool2d(3, 2, ceil_mode=True))
    return layers
