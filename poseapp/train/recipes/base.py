"""What a training recipe is: one frozen dataclass, with fields that the command line can change."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from poseapp.core.errors import DataError
from poseapp.core.heatmap import Decode
from poseapp.core.heatmap import Mapping as CellMapping
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.spec import Family
from poseapp.train.data.augment import Augment
from poseapp.train.data.image_index import Scenes

Optimiser = Literal["adamw", "adam", "rmsprop"]
Schedule = Literal["cosine", "step", "constant"]
Precision = Literal["fp32", "bf16", "fp16"]
Supervision = Literal["everywhere", "final", "stagewise", "stagewise-joint"]
TaskName = Literal["person", "bottom-up", "detection"]


@dataclass(frozen=True)
class Phase:
    """A part of a training at one input size. ``share`` of all steps; sizes may grow from phase to phase."""

    input_hw: tuple[int, int]
    share: float


@dataclass(frozen=True)
class Recipe:
    """All that makes a training.

    Data and targets: ``phases`` run one after the other, the last at the size that is deployed. ``sigma_px`` is the targets'
    spread at the deployed heatmap size; in smaller phases it shrinks with the map, so that a target covers the same
    part of the body. ``min_joints`` labelled joints make a person worth training on. ``sampling_weight``: people of pictures in
    folders (not in tars) whose names begin so are seen so many times an epoch; at 0.5, every second of them. ``task`` says what
    there is to learn (train/tasks): the joints of the "person" in a crop, those of everybody ("bottom-up"), or where people
    are ("detection"); ``scenes`` says how the samples of the latter two are made.

    Loss: ``far_joint_weights`` counts elbows, knees, wrists and ankles more; ``hardest`` > 0 takes that many hardest
    joints of each sample; ``background`` and ``fields`` add the maps of CPM and OpenPose, limbs ``limb_width_px``
    to each side of their line in heatmap px. ``supervision`` is one of the
    four strategies of Wei et al. 2016, Sec. 4.2.1: a loss after every stage; after the last alone; stage by stage,
    earlier ones frozen; or stage by stage in the first half and jointly in the second. ``distil`` is the teacher's share
    of the loss when there is a teacher.

    Steps: a step takes ``batch`` × ``accumulate`` people on each process. ``schedule`` after ``warmup_steps`` is half a cosine
    to zero, times ``lr_drop_factor`` at each of ``lr_drops`` (shares of the training), or constant. A trunk, which starts from
    published weights, learns at ``trunk_lr`` times that; its stem and first ``frozen_blocks`` blocks stay as they are, for a
    training that goes on from weights that know people: their pictures are the largest, so a step is a fifth quicker.
    ``clip_norm`` 0 does not clip.
    """

    name: str
    family: Family
    net: Callable[[], nn.Module]
    phases: tuple[Phase, ...]
    paper: str
    skeleton: Skeleton = COCO_17
    stride: int = 4
    sigma_px: float = 2.0
    decode: Decode = "dark"
    mapping: CellMapping = "udp"
    augment: Augment = field(default_factory=Augment)
    task: TaskName = "person"
    scenes: Scenes = field(default_factory=Scenes)
    min_joints: int = 5
    sampling_weight: tuple[tuple[str, float], ...] = ()
    far_joint_weights: bool = False
    hardest: int = 0
    background: bool = False
    fields: bool = False
    limb_width_px: float = 1.0
    supervision: Supervision = "everywhere"
    distil: float = 0.5
    epochs: float = 140.0
    batch: int = 32
    accumulate: int = 1
    optimiser: Optimiser = "adamw"
    schedule: Schedule = "cosine"
    lr_drops: tuple[float, ...] = (0.81, 0.95)
    lr_drop_factor: float = 0.1
    lr: float = 1.5e-3
    trunk_lr: float = 1.0
    frozen_blocks: int = 0
    weight_decay: float = 1e-2
    warmup_steps: int = 300
    clip_norm: float = 1.0
    ema: float = 0.999
    precision: Precision = "fp32"
    sync_batchnorm: bool = False
    seed: int = 0

    @property
    def input_hw(self) -> tuple[int, int]:
        """The size that is deployed."""
        return self.phases[-1].input_hw

    @property
    def heatmap_hw(self) -> tuple[int, int]:
        """The size of the deployed heatmaps."""
        return self.input_hw[0] // self.stride, self.input_hw[1] // self.stride


def override(recipe: Recipe, changes: Mapping[str, str]) -> Recipe:
    """*recipe* with fields changed from text, such as ``{"lr": "1e-3", "augment.rotation_deg": "30"}``.

    Raises DataError on a field that does not exist or a value of another type.
    """
    for key, text in changes.items():
        if key.startswith("augment."):
            inner = _changed(recipe.augment, key.partition(".")[2], text, key)
            recipe = dataclasses.replace(recipe, augment=inner)
        else:
            recipe = _changed(recipe, key, text, key)
    return recipe


T = typing.TypeVar("T", Recipe, Augment)

_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false"}
_POSITIVE = ("epochs", "batch", "accumulate", "lr", "stride", "sigma_px")


def _changed(holder: T, name: str, text: str, key: str) -> T:
    hints = typing.get_type_hints(type(holder))
    simple = [n for n, hint in hints.items() if hint in (int, float, bool) or typing.get_origin(hint) is Literal]
    simple = [n for n in simple if n not in ("family", "task")]
    if name not in simple:
        raise DataError(f"recipe: there is no {key} to change. There are: {', '.join(simple)}.")
    hint = hints[name]
    try:
        value = _parsed(text, hint)
        if hint in (int, float) and not (0 < value < math.inf or (value == 0 and name not in _POSITIVE)):
            raise DataError(f"recipe: {key}: expected a number {'above' if name in _POSITIVE else 'of at least'} 0, got {text}.")
    except ValueError:
        wanted = " or ".join(map(str, typing.get_args(hint))) or _EXPECTED[hint]
        raise DataError(f"recipe: {key}: expected {wanted}, got {text!r}.") from None
    changed: dict[str, Any] = {name: value}
    return dataclasses.replace(holder, **changed)


def _parsed(text: str, hint: Any) -> Any:
    if hint is bool:
        if text not in ("true", "false"):
            raise ValueError
        return text == "true"
    if typing.get_origin(hint) is Literal:
        if text not in typing.get_args(hint):
            raise ValueError
        return text
    return int(text) if hint is int else float(text)
