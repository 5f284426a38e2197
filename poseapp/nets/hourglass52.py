"""Hourglass-52: the hourglass of CornerNet (Law & Deng, ECCV 2018) as MMPose uses it for pose, under MMPose's name.

The network differs from that of Newell et al. 2016: basic residual blocks in place of pre-activation bottlenecks, strided
convolutions in place of pooling, and five halvings with growing width. MMPose publishes weights of it
(mmpose/models/backbones/hourglass.py with one stack and a 1×1 head).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from poseapp.nets.blocks import BasicBlock, initialise

WIDTHS = (256, 256, 384, 384, 384, 512)
BLOCKS = (2, 2, 2, 2, 2, 4)


class Hourglass52(nn.Module):
    """7×7/2 stem and a strided block, one hourglass, 3×3 convolution, 1×1 head.

    Input (N, 3, H, W), H and W multiples of 128; output (N, K, H/4, W/4). *widths* and *blocks* of the
    scales, largest first; *stem* channels after the first convolution.
    """

    def __init__(
        self, joints: int = 17, stem: int = 128, widths: tuple[int, ...] = WIDTHS, blocks: tuple[int, ...] = BLOCKS
    ) -> None:
        super().__init__()
        self.stem_conv = nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)
        self.stem_bn = nn.BatchNorm2d(stem)
        self.stem_block = BasicBlock(stem, widths[0], stride=2)
        self.hourglass = _Hourglass(widths, blocks)
        self.out_conv = nn.Conv2d(widths[0], widths[0], 3, padding=1, bias=False)
        self.out_bn = nn.BatchNorm2d(widths[0])
        self.head = nn.Conv2d(widths[0], joints, 1)
        initialise(self, heads=lambda name: name == "head")

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.stem_bn(self.stem_conv(image)))  # (N, 128, H/2, W/2)
        x = self.hourglass(self.stem_block(x))  # (N, 256, H/4, W/4)
        x = F.relu(self.out_bn(self.out_conv(x)))
        heatmaps: Tensor = self.head(x)  # (N, K, H/4, W/4)
        return heatmaps


class _Hourglass(nn.Module):
    def __init__(self, widths: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        here, below, n = widths[0], widths[1], blocks[0]
        self.up1 = nn.Sequential(*(BasicBlock(here, here) for _ in range(n)))
        self.low1 = nn.Sequential(BasicBlock(here, below, stride=2), *(BasicBlock(below, below) for _ in range(n - 1)))
        self.low2: nn.Module = (
            _Hourglass(widths[1:], blocks[1:])
            if len(widths) > 2
            else nn.Sequential(*(BasicBlock(below, below) for _ in range(blocks[1])))
        )
        # The width changes back in the last block.
        self.low3 = nn.Sequential(*(BasicBlock(below, below) for _ in range(n - 1)), BasicBlock(below, here))

    def forward(self, x: Tensor) -> Tensor:
        low = self.low3(self.low2(self.low1(x)))
        out: Tensor = self.up1(x) + F.interpolate(low, scale_factor=2.0, mode="nearest")
        return out
