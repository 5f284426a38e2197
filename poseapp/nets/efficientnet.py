"""EfficientNet-Lite: a network that names the things in a picture. Here it is the way down of an hourglass.

Tan & Le: EfficientNet, ICML 2019, Table 1; without squeeze-and-excitation and with ReLU6, as Google published it for
small machines in 2020 (EfficientNet-Lite). Its weights were trained on ImageNet's pictures: they know edges, textures and
shapes before they have seen a single joint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from poseapp.core.errors import CheckpointError
from poseapp.nets.deploy import IMAGENET_MEAN, IMAGENET_STD

# Table 1: factor of expansion, channels, blocks, stride of the first, kernel.
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
LAST_OF_SCALE = (1, 2, 4, 6)  # the last stage at each size, from a quarter on
STEM = 32
LITE = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}  # factors of width and depth


class EfficientNetLite(nn.Module):
    """Lite0, Lite1 or Lite2 without the classifier: (N, 3, H, W) → features at a quarter, an 8th, a 16th and a 32nd.

    ``widths`` are the channels of the four.
    """

    def __init__(self, size: int = 0) -> None:
        super().__init__()
        width, depth = LITE[size]
        self.stem = _conv(3, STEM, kernel=3, stride=2)
        self.blocks = nn.ModuleList()
        self.outputs: list[int] = []  # the last block of each scale
        self.widths: list[int] = []
        channels = STEM
        for number, (expansion, stage, repeat, stride, kernel) in enumerate(STAGES):
            after = _eighths(stage * width)
            # The first and the last stage do not grow deeper.
            for i in range(repeat if number in (0, len(STAGES) - 1) else math.ceil(repeat * depth)):
                self.blocks.append(InvertedResidual(channels, after, expansion, kernel, stride if i == 0 else 1))
                channels = after
            if number in LAST_OF_SCALE:
                self.outputs.append(len(self.blocks) - 1)
                self.widths.append(channels)

    def forward(self, image: Tensor) -> list[Tensor]:
        x = self.stem(image)  # (N, 32, H/2, W/2)
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.outputs:
                features.append(x)
        return features


class InvertedResidual(nn.Module):
    """1×1 up to *expansion* times the channels, depthwise, 1×1 down again, plus the input where the shape stays.

    Sandler et al.: MobileNetV2, CVPR 2018, Figure 3.
    """

    def __init__(self, channels_in: int, channels_out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        middle = channels_in * expansion
        self.expand = _conv(channels_in, middle) if expansion > 1 else nn.Identity()
        self.depthwise = _conv(middle, middle, kernel, stride, groups=middle)
        self.project = _conv(middle, channels_out)[:2]  # no activation: it would lose what a few channels hold (Sec. 3.2)
        self.adds = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


def published_weights(state: Mapping[str, Tensor], trunk: EfficientNetLite, where: str) -> dict[str, Tensor]:
    """*trunk*'s weights out of *state*, named as in the widespread PyTorch port (lukemelas/EfficientNet-PyTorch).

    Those networks were trained on (pixel - 127) / 128. The difference to our normalisation goes into the first convolution and
    the mean behind it. Raises CheckpointError, with *where* for the file, when a weight is missing or has another shape.
    """
    weights = {}
    for name, own in trunk.state_dict().items():
        source = _published_name(name)
        if source not in state and name.endswith("num_batches_tracked"):
            continue
        if source not in state or state[source].shape != own.shape:
            raise CheckpointError(
                f"{where}: no weights for this trunk (looked for {source}). Give those of EfficientNet-Lite, of its size."
            )
        weights[name] = state[source].float().clone()
    mean, std = torch.tensor(IMAGENET_MEAN) * 255, torch.tensor(IMAGENET_STD) * 255
    first = weights["stem.0.weight"]  # (32, 3, 3, 3)
    weights["stem.1.running_mean"] -= (first.sum(dim=(2, 3)) * (mean - 127) / 128).sum(dim=1)
    weights["stem.0.weight"] = first * (std / 128)[:, None, None]
    return weights


_NAMES = (
    (r"^stem\.0\.", "_conv_stem."),
    (r"^stem\.1\.", "_bn0."),
    (r"^blocks\.(\d+)\.", r"_blocks.\1."),
    (r"\.expand\.0\.", "._expand_conv."),
    (r"\.expand\.1\.", "._bn0."),
    (r"\.depthwise\.0\.", "._depthwise_conv."),
    (r"\.depthwise\.1\.", "._bn1."),
    (r"\.project\.0\.", "._project_conv."),
    (r"\.project\.1\.", "._bn2."),
)


def _published_name(own: str) -> str:
    for pattern, replacement in _NAMES:
        own = re.sub(pattern, replacement, own)
    return own


def _conv(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out, eps=1e-3), nn.ReLU6(inplace=True))


def _eighths(channels: float) -> int:
    """The multiple of 8 that is nearest, at least nine tenths of *channels*."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
