"""How much gradient reaches each layer under two kinds of supervision: Figure 5 of Wei et al. 2016."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from poseapp.bench.training import a_batch, a_training
from poseapp.core.types import ImageArray
from poseapp.nets.deploy import Normalise
from poseapp.train.losses import supervise
from poseapp.train.recipes import Recipe, Supervision
from poseapp.train.schedule import supervised


@dataclass(frozen=True)
class LayerGradient:
    """The size of one layer's gradient: root of the mean square over its weights."""

    layer: str
    rms: float


def gradient_by_depth(recipe: Recipe, supervision: Supervision, steps: int, batch: int) -> list[LayerGradient]:
    """Gradients of the convolutions, first layer first, after *steps* training steps under one strategy."""
    stepper = a_training(replace(recipe, supervision=supervision, warmup_steps=0), torch.device("cpu"))
    net, normalise = stepper.training.net, Normalise()
    crops, target, weight = a_batch(recipe, batch, recipe.phases[0].input_hw)
    for _ in range(steps):
        stepper.step([(crops, target, weight)])
    net.zero_grad()
    out = net(normalise(crops))
    stages = [out] if isinstance(out, torch.Tensor) else out
    chosen = supervised(supervision, len(stages), 1.0 if supervision != "final" else 0.0)
    supervise([stages[s] for s in chosen], target, weight).backward()
    return [
        LayerGradient(name.removesuffix(".weight"), float(p.grad.square().mean().sqrt()))
        for name, p in net.named_parameters()
        if p.ndim == 4 and p.grad is not None
    ]


def draw_gradients(everywhere: list[LayerGradient], final: list[LayerGradient]) -> ImageArray:
    """Both curves against depth, logarithmic, uint8 BGR."""
    w, h, edge = 960, 420, 60
    image = np.full((h, w, 3), 255, np.uint8)
    both = [np.log10(np.maximum([g.rms for g in curve], 1e-12)) for curve in (everywhere, final)]
    low, high = math.floor(min(map(np.min, both))), math.ceil(max(map(np.max, both)))
    for power in range(low, high + 1):
        y = round(h - edge - (h - 2 * edge) * (power - low) / max(1, high - low))
        cv2.line(image, (edge, y), (w - edge, y), (225, 225, 225), 1)
        cv2.putText(image, f"1e{power}", (8, y + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
    labels = ("loss after every stage", "loss at the end only")
    for row, (curve, colour, label) in enumerate(zip(both, ((200, 90, 20), (20, 120, 240)), labels, strict=True)):
        x = np.linspace(edge, w - edge, len(curve))
        y = h - edge - (h - 2 * edge) * (curve - low) / max(1, high - low)
        points = np.stack([x, y], axis=1).round().astype(np.int32)
        cv2.polylines(image, [points[:, None]], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
        cv2.putText(image, label, (edge, 20 + 18 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
    axis = "RMS gradient by layer: input on the left, output on the right"
    cv2.putText(image, axis, (edge, h - 20), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (60, 60, 60), 1, cv2.LINE_AA)
    return image
