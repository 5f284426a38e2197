"""The networks that are measured."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18
from poseapp.core.spec import ModelSpec, Source
from poseapp.engine.store import list_models
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.hourglass import LiteHourglass, StackedHourglass
from poseapp.nets.hrnet import HRNet

FIELDS = 2 * len(OPENPOSE_18.limbs)  # maps of a bottom-up network beside its joints' and the background's


@dataclass(frozen=True)
class Subject:
    """A network to measure: how it is deployed, how to make it (its weights do not matter for speed), and where it is
    stored if the app has it.
    """

    spec: ModelSpec
    make: Callable[[], nn.Module]
    folder: Path | None = None


def subjects(engines_dir: Path) -> list[Subject]:
    """Every bundled model whose network is known here, and the published networks that the table is about."""
    small: dict[str, Callable[[], nn.Module]] = {
        "hourglass-t": LiteHourglass,
        "hourglass-s": LiteHourglass,
        "hourglass-l": lambda: LiteHourglass(stacks=2),
        "hrnet-s": lambda: HRNet(16, modules=(1, 2, 2), blocks=2, bottlenecks=(2, 32)),
        "cpm-s": lambda: ConvolutionalPoseMachine(18, stages=3, batch_norm=True, width=32),
        "openpose-s": lambda: StackedHourglass(stacks=2, joints=OPENPOSE_18.k + 1 + FIELDS, features=96, stem=32),
    }
    stored = [m for m in list_models(engines_dir) if m.spec is not None and m.name in small]
    found = [Subject(m.spec, small[m.name], m.folder) for m in stored if m.spec is not None]
    hrnets = [Subject(published(f"hrnet-w{width}", (256, 192)), functools.partial(HRNet, width)) for width in (32, 48)]
    hourglasses = [
        Subject(
            replace(published(f"hourglass-{n}", (256, 256)), family="hourglass", skeleton=MPII_16, mapping="centre"),
            functools.partial(StackedHourglass, n, 16),
        )
        for n in (1, 2, 8)
    ]
    cpm = replace(published("cpm", (368, 368)), family="cpm", skeleton=LSP_14, mapping="centre", stride=8, sigma_px=21 / 8)
    return [*found, *hrnets, *hourglasses, Subject(cpm, lambda: ConvolutionalPoseMachine(15, stages=6, centre_map=True))]


def published(name: str, input_hw: tuple[int, int]) -> ModelSpec:
    """The spec of a published HRNet of that name; its weights are made up."""
    return ModelSpec(
        name=name, family="hrnet", skeleton=COCO_17, input_hw=input_hw, stride=4, decode="quarter", mapping="stride",
        sigma_px=2.0, weights_sha256="0" * 64, parameters=0, macs=0, source=Source("none", "none", "none"), metrics={},
        variants={},
    )  # fmt: skip


def made_up_crops(spec: ModelSpec, batch: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """(batch, H, W, 3) uint8 noise."""
    return np.random.default_rng(0).integers(0, 256, (batch, *spec.input_hw, 3), dtype=np.uint8)
