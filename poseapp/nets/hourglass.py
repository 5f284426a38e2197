"""Stacked Hourglass Networks for Human Pose Estimation (Newell, Yang & Deng, ECCV 2016).

Structure after the paper, Sec. 3, and the authors' release (princeton-vl/pose-hg-train,
src/models/hg.lua): 7×7 stem, pre-activation bottlenecks, max-pooling down, nearest-neighbour up, one
skip branch at every scale, intermediate supervision after every stack.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from poseapp.nets.blocks import Residual, initialise
from poseapp.nets.efficientnet import EfficientNetLite


class Hourglass(nn.Module):
    """One hourglass of the given order: *order* times down, and up again (Figure 3).

    ``skip`` keeps the features of this scale; ``down`` → ``inner`` → ``up`` works at half of it.
    Each place has *blocks* residuals, one in the paper.
    """

    def __init__(self, order: int, features: int, blocks: int = 1) -> None:
        super().__init__()
        self.skip = _residuals(features, blocks)
        self.down = _residuals(features, blocks)
        self.inner: nn.Module = Hourglass(order - 1, features, blocks) if order > 1 else _residuals(features, blocks)
        self.up = _residuals(features, blocks)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[2:]
        low = F.max_pool2d(x, 2, ceil_mode=True)  # (N, C, h/2, w/2)
        low = self.up(self.inner(self.down(low)))
        # Odd sizes are rounded up on the way down; what juts out on the way up is cut.
        up = F.interpolate(low, scale_factor=2.0, mode="nearest")
        if up.shape[2:] != x.shape[2:]:
            up = up[:, :, :h, :w]
        out: Tensor = self.skip(x) + up
        return out


class StackedHourglass(nn.Module):
    """*stacks* hourglasses end to end; heatmaps after each, the last ones are the answer.

    The published network is ``stacks=8, features=256, stem=64``; small variants differ in these numbers
    only. Input (N, 3, H, W), H and W multiples of 4; output a list of *stacks* tensors (N, K, H/4, W/4).

    Two options are for weights of the widespread PyTorch port (bearpaw/pytorch-pose, pose/models/hourglass.py):
    *blocks* residuals in place of one, and *wide_stem*, whose residuals go stem → 2 stem → 4 stem → 4 stem.
    """

    def __init__(
        self,
        stacks: int,
        joints: int = 17,
        features: int = 256,
        stem: int = 64,
        order: int = 4,
        blocks: int = 1,
        wide_stem: bool = False,
    ) -> None:
        super().__init__()
        first, second = (2 * stem, 4 * stem) if wide_stem else (features // 2, features // 2)
        self.stem_conv = nn.Conv2d(3, stem, 7, stride=2, padding=3)
        self.stem_bn = nn.BatchNorm2d(stem)
        self.stem_residual1 = Residual(stem, first)
        self.stem_residual2 = Residual(first, second)
        self.stem_residual3 = Residual(second, features)
        self.hourglasses = nn.ModuleList(Hourglass(order, features, blocks) for _ in range(stacks))
        self.residuals = nn.ModuleList(_residuals(features, blocks) for _ in range(stacks))
        self.linears = nn.ModuleList(_linear(features) for _ in range(stacks))
        self.heads = nn.ModuleList(nn.Conv2d(features, joints, 1) for _ in range(stacks))
        # No feature is handed on after the last stack.
        self.remap_features = nn.ModuleList(nn.Conv2d(features, features, 1) for _ in range(stacks - 1))
        self.remap_heatmaps = nn.ModuleList(nn.Conv2d(joints, features, 1) for _ in range(stacks - 1))
        initialise(self, heads=lambda name: name.startswith("heads."))

    def forward(self, image: Tensor) -> list[Tensor]:
        x = F.relu(self.stem_bn(self.stem_conv(image)))  # (N, stem, H/2, W/2)
        x = F.max_pool2d(self.stem_residual1(x), 2)  # (N, C/2, H/4, W/4)
        x = self.stem_residual3(self.stem_residual2(x))  # (N, C, H/4, W/4)
        heatmaps: list[Tensor] = []
        last = len(self.heads) - 1
        for i in range(last + 1):
            y = self.linears[i](self.residuals[i](self.hourglasses[i](x)))  # (N, C, H/4, W/4)
            heatmaps.append(self.heads[i](y))  # (N, K, H/4, W/4)
            if i < last:
                x = x + self.remap_features[i](y) + self.remap_heatmaps[i](heatmaps[i])
        return heatmaps


class LiteHourglass(nn.Module):
    """Hourglasses, the first of which has EfficientNet-Lite of the given *size* as its way down, with weights from ImageNet.

    As in Figure 3 of the paper every scale has a skip branch to the way up, here a 1×1 convolution to *features*
    channels, and one residual on the way up; the largest scale has *blocks*. Each of the *stacks* - 1 further hourglasses
    corrects the heatmaps of the one before. Input (N, 3, H, W), H and W multiples of 4; output a list of *stacks* tensors
    (N, K, H/4, W/4).
    """

    def __init__(self, joints: int = 17, features: int = 96, size: int = 0, blocks: int = 2, stacks: int = 1) -> None:
        super().__init__()
        self.trunk = EfficientNetLite(size)
        self.skips = nn.ModuleList(nn.Conv2d(width, features, 1) for width in self.trunk.widths)
        self.ups = nn.ModuleList(_residuals(features, n) for n in (blocks, 1, 1, 1))
        self.linear = _linear(features)
        self.head = nn.Conv2d(features, joints, 1)
        self.corrections = nn.ModuleList(Correction(joints, features) for _ in range(stacks - 1))
        initialise(self, heads=lambda name: name.endswith("head"))

    def forward(self, image: Tensor) -> list[Tensor]:
        scales = [skip(x) for skip, x in zip(self.skips, self.trunk(image), strict=True)]
        x = self.ups[-1](scales[-1])  # (N, C, H/32, W/32)
        for scale, up in zip(scales[-2::-1], self.ups[-2::-1], strict=True):
            h, w = scale.shape[2:]
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            if x.shape[2:] != scale.shape[2:]:  # odd sizes were rounded up
                x = x[:, :, :h, :w]
            x = up(scale + x)
        y = self.linear(x)  # (N, C, H/4, W/4)
        heatmaps = [self.head(y)]  # (N, K, H/4, W/4)
        for correct in self.corrections:
            x, y, corrected = correct(x, y, heatmaps[-1])
            heatmaps.append(corrected)
        return heatmaps


class Correction(nn.Module):
    """One more hourglass (Sec. 3.3), which sees where the one before found the joints, and corrects its heatmaps.

    Its head starts at zero, so a trained network that gets one more is no worse at first.
    It takes and gives the features before and after the linear layer, (N, C, h, w), and the heatmaps (N, K, h, w).
    """

    def __init__(self, joints: int, features: int, order: int = 4) -> None:
        super().__init__()
        self.remap_features = nn.Conv2d(features, features, 1)
        self.remap_heatmaps = nn.Conv2d(joints, features, 1)
        self.hourglass = Hourglass(order, features)
        self.residual = Residual(features, features)
        self.linear = _linear(features)
        self.head = nn.Conv2d(features, joints, 1)

    def forward(self, x: Tensor, y: Tensor, heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = x + self.remap_features(y) + self.remap_heatmaps(heatmaps)
        y = self.linear(self.residual(self.hourglass(x)))
        return x, y, heatmaps + self.head(y)


def _residuals(features: int, blocks: int) -> nn.Module:
    if blocks == 1:
        return Residual(features, features)
    return nn.Sequential(*(Residual(features, features) for _ in range(blocks)))


def _linear(features: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU(inplace=True))
