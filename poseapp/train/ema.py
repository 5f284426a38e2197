"""The moving average of a network's weights, which is what gets exported."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Ema(nn.Module):
    """Exponential moving average of a network's weights; BatchNorm statistics are averaged too."""

    def __init__(self, net: nn.Module, decay: float) -> None:
        super().__init__()
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Move a little toward *net*; faster in the first steps, whose weights mean little."""
        decay = min(self.decay, (1 + step) / (10 + step))
        pairs = list(zip(self.net.state_dict().values(), net.state_dict().values(), strict=True))
        moving = [(mine, theirs) for mine, theirs in pairs if mine.is_floating_point()]
        # All at once: a GPU would wait for the hundreds of small calls.
        get_ema_multi_avg_fn(decay)([mine for mine, _ in moving], [theirs for _, theirs in moving], 0)
        for mine, theirs in pairs:
            if not mine.is_floating_point():
                mine.copy_(theirs)
