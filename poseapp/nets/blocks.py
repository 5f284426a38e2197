"""Pieces that several networks share, and counting of parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """Pre-activation bottleneck: (BN, ReLU, conv) × 3 with 1×1, 3×3, 1×1, plus the input.

    The middle has half the output's channels; the input passes a 1×1 convolution where the
    number of channels changes (Newell et al. 2016, Sec. 3.2 and Figure 4; He et al., ECCV 2016).
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        middle = channels_out // 2
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, middle, 1)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, padding=1)
        self.bn3 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, channels_out, 1)
        self.relu = nn.ReLU(inplace=True)
        self.project = nn.Identity() if channels_in == channels_out else nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu(self.bn1(x)))  # (N, middle, h, w)
        y = self.conv2(self.relu(self.bn2(y)))
        y = self.conv3(self.relu(self.bn3(y)))  # (N, out, h, w)
        out: Tensor = y + self.project(x)
        return out


class BasicBlock(nn.Module):
    """3×3, 3×3 with BatchNorm after each, plus the input, which a 1×1 convolution projects where size or width change.

    He et al., CVPR 2016.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False), nn.BatchNorm2d(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + self.downsample(x))


def conv_relu(channels_in: int, channels_out: int, kernel: int, batch_norm: bool) -> list[nn.Module]:
    """A convolution that keeps the size, and ReLU; between them BatchNorm, where *batch_norm* puts it in place of the bias."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=not batch_norm)
    return [conv, *([nn.BatchNorm2d(channels_out)] if batch_norm else []), nn.ReLU()]


def count_parameters(net: nn.Module) -> int:
    """Number of learnable values (BatchNorm's running statistics are not counted)."""
    return sum(p.numel() for p in net.parameters())


def count_macs(net: nn.Module, input_hw: tuple[int, int]) -> int:
    """Multiply-accumulates of the convolutions for one (3, H, W) input.

    Convolutions alone, as the figures in Sun et al. 2019 are counted; additions, activations and
    resizing are left out.
    """
    total = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d)
        per_output = module.weight[0].numel()
        total += per_output * output[0].numel()

    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, nn.Conv2d)]
    was_training = net.training
    device = next(net.parameters()).device
    try:
        net.eval()
        with torch.no_grad():
            net(torch.zeros(1, 3, *input_hw, device=device))
    finally:
        net.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def initialise(net: nn.Module, heads: Callable[[str], bool]) -> None:
    """He initialisation of every convolution; zeros in those whose name *heads* accepts.

    A head that starts at zero predicts "no joint anywhere", which is right for 99 % of the pixels:
    the loss then begins near its plateau and early steps are spent on joints instead.
    """
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            if heads(name):
                nn.init.zeros_(module.weight)
            else:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
