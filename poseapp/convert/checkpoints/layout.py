"""What a published file of weights looks like: networks by the names that users give, and the layouts of their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from poseapp.convert.templates import Network
from poseapp.core.heatmap import Decode
from poseapp.core.heatmap import Mapping as HeatmapMapping
from poseapp.core.pixels import IMAGENET_RGB, Pixels
from poseapp.core.skeleton import COCO_17, MPII_16, Skeleton
from poseapp.core.spec import Family

State = Mapping[str, NDArray[Any]]
_COCO_OR_MPII = (COCO_17, MPII_16)
CMU_LICENCE = "CMU: academic and non-profit, non-commercial research use only"
_MMPOSE = "https://github.com/open-mmlab/mmpose"


@dataclass(frozen=True)
class Layout:
    """One published form of the weights of a network.

    ``key`` gives the file's name of one of our parameters. ``network`` tells which network the file is for. ``heads`` are the
    parameters of the file whose first dimension is the number of maps. ``background`` maps follow the joints. ``skeletons`` are
    the possible joint orders of such files; the number of joints decides which one a file has.
    """

    name: str
    network: Callable[[State, int], Network]
    key: Callable[[str], str]
    heads: tuple[str, ...]
    pixels: Pixels
    mapping: HeatmapMapping
    sigma_px: float
    licence: str
    url: str
    background: int = 0
    skeletons: tuple[Skeleton, ...] = _COCO_OR_MPII
    decode: Decode = "quarter"


@dataclass(frozen=True)
class Arch:
    """A network to import weights into, as named on the command line.

    ``stride`` is input px per heatmap px; the sides of ``input_hw`` are multiples of ``multiple`` px; ``joints`` is the number
    in a file without a last layer.
    """

    name: str
    family: Family
    paper: str
    stride: int
    input_hw: tuple[int, int]
    multiple: int
    joints: int
    layouts: tuple[Layout, ...]


Rules = tuple[tuple[str, str], ...]


def by_rules(rules: Rules) -> Callable[[str], str]:
    """A key map that applies, in order, every rule (pattern, replacement) of *rules*."""
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def key(own: str) -> str:
        for pattern, replacement in compiled:
            own = pattern.sub(replacement, own)
        return own

    return key


def mmpose(version: str, network: Callable[[State, int], Network], key: Callable[[str], str], heads: tuple[str, ...]) -> Layout:
    """The layout of a file of MMPose *version*, which uses the same pixels and targets for all networks."""
    return Layout(f"MMPose {version}", network, key, heads, IMAGENET_RGB, "stride", 2.0, "Apache-2.0", _MMPOSE)
