"""A small person detector: Objects as Points (Zhou, Wang & Krähenbühl, 2019) on one hourglass.

After the paper, Sec. 3 and 4: a map of people's centres, and at each cell the box's size and how far the centre lies from the
cell. Unlike there, sizes are logarithms, so that an error counts by its share of a small or a large person, and cells
around the centre answer too (Liu et al., Training-Time-Friendly Network, AAAI 2020, Sec. 3): a short training suffices.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from poseapp.nets.blocks import Residual, initialise
from poseapp.nets.deploy import Normalise
from poseapp.nets.hourglass import Hourglass

STRIDE = 8
CHANNELS = 5  # the centre's logit; log width and height in cells; x and y from the cell to the centre in cells
_PRIOR = 0.01  # share of cells that hold a centre, about: the first steps are then not spent on learning that
_LARGEST = 6.0  # e⁶ cells: no box is larger, and a net that is still untrained gives no infinities


class PersonDetector(nn.Module):
    """Centres and boxes of people. Input (N, 3, H, W), H and W multiples of 8; output (N, 5, H/8, W/8), see CHANNELS."""

    def __init__(self, features: int = 64, stem: int = 16, order: int = 3) -> None:
        super().__init__()
        half = features // 2
        self.stem_conv = nn.Conv2d(3, stem, 5, stride=2, padding=2)
        self.stem_bn = nn.BatchNorm2d(stem)
        self.narrow = nn.Sequential(Residual(stem, half), Residual(half, features))
        self.wide = Residual(features, features)
        self.hourglass = Hourglass(order, features)
        self.residual = Residual(features, features)
        self.linear = nn.Sequential(nn.Conv2d(features, features, 1), nn.BatchNorm2d(features), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(features, CHANNELS, 1)
        initialise(self, heads=lambda name: name == "head")
        with torch.no_grad():
            assert self.head.bias is not None
            self.head.bias[0] = math.log(_PRIOR / (1 - _PRIOR))  # Lin et al., ICCV 2017, Sec. 3.3
            self.head.bias[1:3] = math.log(8.0)

    def forward(self, image: Tensor) -> Tensor:
        x = F.relu(self.stem_bn(self.stem_conv(image)))  # (N, stem, H/2, W/2)
        x = self.narrow(F.max_pool2d(x, 2))  # (N, C, H/4, W/4)
        x = self.wide(F.max_pool2d(x, 2))  # (N, C, H/8, W/8)
        x = self.linear(self.residual(self.hourglass(x)))  # (N, C, H/8, W/8)
        maps: Tensor = self.head(x)
        return maps


class BoxDecoder(nn.Module):
    """(N, 5, h, w) maps → (N, M, 5) boxes x, y, width, height in input px and score in 0..1, best first.

    A centre is a cell that is the highest of its 3×3 neighbours; the best *boxes* of them are taken (Zhou et al. 2019, Sec. 4).
    The maps need as many cells.
    """

    def __init__(self, boxes: int, stride: int = STRIDE) -> None:
        super().__init__()
        self.boxes, self.stride = boxes, stride

    def forward(self, maps: Tensor) -> Tensor:
        n, _, h, w = maps.shape
        centre = maps[:, :1].sigmoid()  # (N, 1, h, w)
        highest = F.max_pool2d(centre, 3, stride=1, padding=1)
        peaks = (centre * (centre == highest).to(centre.dtype)).reshape(n, h * w)
        score, best = peaks.topk(self.boxes, dim=1)  # (N, M)
        at = best.unsqueeze(1).expand(n, 4, best.shape[1])
        values = maps[:, 1:].reshape(n, 4, h * w).gather(2, at)  # (N, 4, M)
        size = values[:, :2].clamp(max=_LARGEST).exp() * self.stride
        cell = torch.stack([best % w, torch.div(best, w, rounding_mode="floor")], dim=1).to(maps.dtype)  # (N, 2, M)
        middle = (cell + values[:, 2:] + 0.5) * self.stride - 0.5  # a cell is the middle of its input px
        found = torch.cat([middle - size / 2, size, score.unsqueeze(1)], dim=1)  # (N, 5, M)
        return found.transpose(1, 2).reshape(-1, self.boxes, 5)  # M written out, so that the graph's output has a fixed size


class DeployDetector(nn.Module):
    """A detector with its normalisation before it and its decoding behind it: ``crops`` (N, H, W, 3) uint8 BGR → ``boxes``."""

    outputs = ("boxes",)

    def __init__(self, net: nn.Module, boxes: int) -> None:
        super().__init__()
        self.normalise, self.net, self.decoder = Normalise(), net, BoxDecoder(boxes)

    def forward(self, crops: Tensor) -> Tensor:
        boxes: Tensor = self.decoder(self.net(self.normalise(crops)))
        return boxes
