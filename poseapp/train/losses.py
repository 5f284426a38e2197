"""Losses on heatmaps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def masked_mse(heatmaps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error of (N, K, h, w) heatmaps, weighted by *weight* (N, K); 0 where it is all 0.

    A joint of weight 0 is not labelled: it adds nothing to the loss and gets no gradient.
    """
    per_joint = (heatmaps.float() - target).square().mean(dim=(2, 3))  # (N, K)
    return (per_joint * weight).sum() / weight.sum().clamp(min=1.0)


def supervise(stages: Sequence[Tensor], target: Tensor, weight: Tensor) -> Tensor:
    """The same loss after every stage, added up: intermediate supervision (Newell et al. 2016, Sec. 3.4)."""
    return torch.stack([masked_mse(heatmaps, target, weight) for heatmaps in stages]).sum()
