"""Which weights of a network learn, and how fast."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from poseapp.core.errors import DataError
from poseapp.nets.efficientnet import EfficientNetLite
from poseapp.train.recipes import Recipe


def make_optimiser(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser. Weight decay acts on convolution weights alone: elsewhere it only shifts the scale."""
    groups: list[dict[str, Any]] = []
    for share, here in ((1.0, False), (recipe.trunk_lr, True)):
        parameters = [p for name, p in net.named_parameters() if name.startswith("trunk.") == here]
        decayed, others = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
        if parameters:
            groups.append({"params": decayed, "share": share, "weight_decay": recipe.weight_decay})
            groups.append({"params": others, "share": share, "weight_decay": 0.0})
    # On a GPU one kernel moves all weights: hundreds of small ones would take longer to start than to run.
    fused = next(net.parameters()).is_cuda or None
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=fused)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr, fused=fused)
    return torch.optim.RMSprop(groups, lr=recipe.lr)


def freeze(net: nn.Module, blocks: int) -> None:
    """Keep the stem and the first *blocks* blocks of *net*'s trunk as they are, statistics of BatchNorm too; 0 keeps nothing.

    Raises DataError on a network without so many.
    """
    if blocks == 0:
        return
    trunk = getattr(net, "trunk", None)
    if not isinstance(trunk, EfficientNetLite) or blocks >= len(trunk.blocks):
        there = len(trunk.blocks) - 1 if isinstance(trunk, EfficientNetLite) else 0
        raise DataError(f"training: frozen_blocks: this network has {there} blocks to keep as they are, got {blocks}.")
    for part in (trunk.stem, *trunk.blocks[:blocks]):
        part.eval().requires_grad_(False)
