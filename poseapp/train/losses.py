"""Losses on heatmaps. Joints without labels have weight 0: they add nothing and get no gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def masked_mse(heatmaps: Tensor, target: Tensor, weight: Tensor, total: Tensor | None = None, hardest: int = 0) -> Tensor:
    """Mean squared error of (N, C, h, w) maps, weighted by *weight* (N, C) or (N, C, h, w); 0 where it is all 0.

    The sum over maps is divided by *total*, the summed weight of the whole step (all processes, all accumulated
    batches; default: of this batch), so that a step's loss does not depend on how it is cut into batches.
    With *hardest*, only so many joints of each sample count, those with the largest error: online hard keypoint
    mining (Chen et al., CVPR 2018, Sec. 3.3).
    """
    error = (heatmaps.float() - target).square()
    per_pixel = weight.ndim == 4
    per_map = (error * weight).mean(dim=(2, 3)) if per_pixel else error.mean(dim=(2, 3)) * weight  # (N, C)
    if hardest:
        per_map = per_map.topk(min(hardest, per_map.shape[1]), dim=1).values
    if total is None:
        total = summed_weight(weight, hardest)
    return per_map.sum() / total.clamp(min=1.0)


def summed_weight(weight: Tensor, hardest: int = 0) -> Tensor:
    """What ``masked_mse`` divides by: the weight of the maps that count, () float32."""
    per_map = weight.mean(dim=(2, 3)) if weight.ndim == 4 else weight  # (N, C)
    if hardest:
        per_map = per_map.topk(min(hardest, per_map.shape[1]), dim=1).values
    return per_map.sum()


def supervise(stages: Sequence[Tensor], target: Tensor, weight: Tensor, total: Tensor | None = None, hardest: int = 0) -> Tensor:
    """The same loss after each of *stages*, added up: intermediate supervision.

    Newell et al. 2016, Sec. 3.4; Wei et al. 2016, Sec. 3.3; Cao et al. 2017, Sec. 2.2. Which stages are given is the
    training strategy's choice.
    """
    return torch.stack([masked_mse(heatmaps, target, weight, total, hardest) for heatmaps in stages]).sum()


def distil(stages: Sequence[Tensor], teacher: Tensor) -> Tensor:
    """Mean squared error to the teacher's maps (N, C, h, w) after each of *stages*, added up.

    A teacher sees every joint, so nothing is masked: it also fills in what nobody labelled (Zhang et al., Fast Human
    Pose Estimation, CVPR 2019, Sec. 3.2).
    """
    return torch.stack([(heatmaps.float() - teacher).square().mean() for heatmaps in stages]).sum()
