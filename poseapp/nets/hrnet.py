"""Deep High-Resolution Representation Learning for Human Pose Estimation (Sun, Xiao, Liu & Wang, CVPR 2019).

Structure after the authors' release (leoxiaobin/deep-high-resolution-net.pytorch, lib/models/pose_hrnet.py),
Sec. 3 of the paper. Where the two differ, this file follows the release, because the weights come from it: a new
branch comes from the lowest branch alone by one strided convolution, while Figure 1 fuses all branches.
State-dict names are those of the release, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from poseapp.nets.blocks import BasicBlock, initialise

STEM = 64
EXPANSION = 4  # of a bottleneck


class HRNet(nn.Module):
    """*width* channels at 1/4, twice as many at each further halving; heatmaps from the 1/4 branch.

    The published networks are ``width=32`` (28.5 M parameters, 7.1 G multiply-accumulates at 256×192)
    and ``width=48`` (63.6 M, 14.6 G); 16 and 18 are small variants of the same structure. *modules* are the
    exchange modules of the stages with 2, 3 and 4 branches, *blocks* the basic blocks of each of their branches, and
    *bottlenecks* says how many begin the network and how many channels their 3×3 convolutions have. The small networks of the
    authors' classification release have 2 blocks, and 1 × 32 or 2 × 64 bottlenecks.
    Input (N, 3, H, W), H and W multiples of 32; output (N, K, H/4, W/4).
    """

    def __init__(
        self,
        width: int,
        joints: int = 17,
        modules: tuple[int, int, int] = (1, 4, 3),
        blocks: int = 4,
        bottlenecks: tuple[int, int] = (4, 64),
    ) -> None:
        super().__init__()
        count, channels = bottlenecks
        widths = [width * 2**i for i in range(4)]
        self.conv1 = nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM)
        self.conv2 = nn.Conv2d(STEM, STEM, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM)
        wide = channels * EXPANSION
        self.layer1 = nn.Sequential(Bottleneck(STEM, channels), *(Bottleneck(wide, channels) for _ in range(count - 1)))
        self.transition1 = _transition([wide], widths[:2])
        self.stage2 = nn.ModuleList(Exchange(widths[:2], blocks) for _ in range(modules[0]))
        self.transition2 = _transition(widths[:2], widths[:3])
        self.stage3 = nn.ModuleList(Exchange(widths[:3], blocks) for _ in range(modules[1]))
        self.transition3 = _transition(widths[:3], widths)
        last = modules[2] - 1
        self.stage4 = nn.ModuleList(Exchange(widths, blocks, outputs=1 if i == last else 4) for i in range(modules[2]))
        self.final_layer = nn.Conv2d(width, joints, 1)
        initialise(self, heads=lambda name: name == "final_layer")

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(image)))  # (N, 64, H/2, W/2)
        x = F.relu(self.bn2(self.conv2(x)))  # (N, 64, H/4, W/4)
        branches = [self.layer1(x)]  # (N, 4 × the bottlenecks' channels, H/4, W/4)
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            branches = _add_branch(transition, branches)
            for module in stage:
                branches = module(branches)  # branch i: (N, width · 2^i, H/4/2^i, W/4/2^i)
        heatmaps: Tensor = self.final_layer(branches[0])  # (N, K, H/4, W/4)
        return heatmaps


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 with BatchNorm after each, added to the input (He et al., CVPR 2016)."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        channels_out = channels * EXPANSION
        self.conv1 = nn.Conv2d(channels_in, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels_out)
        self.downsample = nn.Identity() if channels_in == channels_out else _conv_bn(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + self.downsample(x))


class Exchange(nn.Module):
    """*blocks* basic blocks on each branch, then every output branch is the sum of all branches (Sec. 3, Figure 3).

    ``fuse_layers[i][j]`` brings branch j to the size and width of branch i. The last module of the network
    has *outputs* 1: only the 1/4 branch is needed.
    """

    def __init__(self, widths: Sequence[int], blocks: int, outputs: int | None = None) -> None:
        super().__init__()
        n = len(widths)
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(c, c) for _ in range(blocks))) for c in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse(widths, source=j, target=i) for j in range(n)) for i in range(n if outputs is None else outputs)
        )

    def forward(self, branches: list[Tensor]) -> list[Tensor]:
        features = [branch(x) for branch, x in zip(self.branches, branches, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            assert isinstance(layers, nn.ModuleList)
            total = layers[0](features[0])
            for layer, x in zip(layers[1:], features[1:], strict=True):
                total = total + layer(x)
            fused.append(F.relu(total))
        return fused


def _conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(channels_out)
    )


def _fuse(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """Branch *source* at the size of branch *target*: 1×1 and nearest up, 3×3/2 chain down, or as it is."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            *_conv_bn(widths[source], widths[target], 1), nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        )
    # The width changes in the last step only, which has no ReLU: the sum of all branches gets it.
    halvings = [nn.Sequential(*_conv_bn(widths[source], widths[source], 3, 2), nn.ReLU()) for _ in range(target - source - 1)]
    return nn.Sequential(*halvings, _conv_bn(widths[source], widths[target], 3, 2))


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """From the branches of one stage to those of the next, which has one more."""
    kept = [
        nn.Identity() if a == b else nn.Sequential(*_conv_bn(a, b, 3), nn.ReLU()) for a, b in zip(before, after, strict=False)
    ]
    added = nn.Sequential(nn.Sequential(*_conv_bn(before[-1], after[-1], 3, 2), nn.ReLU()))
    return nn.ModuleList([*kept, added])


def _add_branch(transition: nn.ModuleList, branches: list[Tensor]) -> list[Tensor]:
    # Its last entry makes the new branch out of the lowest old one.
    return [layer(x) for layer, x in zip(transition, [*branches, branches[-1]], strict=True)]
