"""Training recipes: one frozen dataclass each, overridden from the command line."""

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
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18, Skeleton
from poseapp.core.spec import Family
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.detector import PersonDetector
from poseapp.nets.hourglass import LiteHourglass, StackedHourglass
from poseapp.nets.hrnet import HRNet
from poseapp.nets.openpose import OpenPose
from poseapp.train.data.augment import PLAIN, Augment
from poseapp.train.data.image_index import Scenes

Optimiser = Literal["adamw", "adam", "rmsprop"]
Schedule = Literal["cosine", "step", "constant"]
Precision = Literal["fp32", "bf16", "fp16"]
Supervision = Literal["everywhere", "final", "stagewise", "stagewise-joint"]
Learns = Literal["person", "scene", "boxes"]


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
    part of the body. ``min_joints`` labelled joints make a person worth training on. ``repeat``: people of pictures in folders
    (not in tars) whose names begin so are seen so many times an epoch; at 0.5, every second of them. ``learns`` says what
    there is to learn (train/tasks/base.py): the "person" in a crop, everybody in a "scene", or their "boxes"; ``scenes`` how the
    latter two are made.

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
    learns: Learns = "person"
    scenes: Scenes = field(default_factory=Scenes)
    min_joints: int = 5
    repeat: tuple[tuple[str, float], ...] = ()
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
    simple = [n for n in simple if n not in ("family", "learns")]
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


NEWELL = "Newell, Yang & Deng: Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016"
SUN = "Sun, Xiao, Liu & Wang: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019"
WEI = "Wei, Ramakrishna, Kanade & Sheikh: Convolutional Pose Machines, CVPR 2016"
ZHOU = "Zhou, Wang & Krähenbühl: Objects as Points, 2019"
CAO = "Cao, Simon, Wei & Sheikh: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017"

# Geometry alone, as the papers vary their pictures.
_PLAIN = dataclasses.replace(PLAIN, half_body_p=0, shift=0)

# About half of the variation, for a network that does not learn its people by heart.
_MILD = Augment(
    rotation_deg=30, scale=(0.8, 1.25), half_body_p=0.1, colour_p=0.4, blur_p=0.05, noise_p=0.05, jpeg_p=0.05,
    erase_p=0.05, dark_p=0.04, coarse_p=0.04, occlude_p=0.1, cut_p=0.05,
)  # fmt: skip

# Few epochs: milder variation than in long trainings.
_MODERATE = Augment(half_body_p=0.15, colour_p=0.5, erase_p=0.15, noise_p=0.1, jpeg_p=0.1, blur_p=0.1)

# People of street pictures and webcams are what the app will see; LSP's own labels are cleaner than LSP extended's.
_MIXED = (("coco_", 4), ("street_", 2), ("lsp_", 5), ("asl_", 3), ("parse_", 3), ("exercise_", 0.5), ("lspet_", 0.5))


def _hourglass(stacks: int) -> Recipe:
    """Sec. 4.1: 256×256, RMSprop at 2.5e-4, ×1/5 once, rotation ±30°, scale 0.75-1.25, sigma 1 px."""
    return Recipe(
        name=f"hourglass-{stacks}",
        family="hourglass",
        net=lambda: StackedHourglass(stacks=stacks, joints=16),
        phases=(Phase((256, 256), 1.0),),
        paper=NEWELL,
        skeleton=MPII_16,
        sigma_px=1.0,
        decode="quarter",
        mapping="stride",
        augment=dataclasses.replace(_PLAIN, rotation_deg=30, scale=(0.75, 1.25)),
        epochs=220,
        batch=6,
        optimiser="rmsprop",
        schedule="step",
        lr_drops=(0.75,),
        lr_drop_factor=0.2,
        lr=2.5e-4,
        weight_decay=0,
        warmup_steps=0,
        clip_norm=0,
    )


def _hrnet(width: int, input_hw: tuple[int, int]) -> Recipe:
    """Sec. 4.1: Adam at 1e-3, ×1/10 at epochs 170 and 200 of 210; ±45°, 0.65-1.35, flip, half body; sigma 2 (3 at 384×288)."""
    return Recipe(
        name=f"hrnet-w{width}-{input_hw[0]}x{input_hw[1]}",
        family="hrnet",
        net=lambda: HRNet(width),
        phases=(Phase(input_hw, 1.0),),
        paper=SUN,
        sigma_px=2.0 * input_hw[0] / 256,
        decode="quarter",
        mapping="stride",
        augment=dataclasses.replace(_PLAIN, rotation_deg=45, scale=(0.65, 1.35), half_body_p=0.3),
        min_joints=1,
        far_joint_weights=True,
        epochs=210,
        batch=32,
        optimiser="adam",
        schedule="step",
        lr_drops=(170 / 210, 200 / 210),
        lr=1e-3,
        weight_decay=0,
        warmup_steps=0,
        clip_norm=0,
    )


def _long(name: str, family: Family, net: Callable[[], nn.Module], paper: str, **changes: Any) -> Recipe:
    """Our long trainings at 256×192, for a GPU: small pictures first, all the variation, bf16, averaged weights."""
    recipe = Recipe(
        name=name,
        family=family,
        net=net,
        phases=(Phase((128, 96), 0.4), Phase((256, 192), 0.6)),
        paper=paper,
        far_joint_weights=True,
        epochs=200,
        batch=64,
        lr=2e-3,
        warmup_steps=500,
        ema=0.9995,
        precision="bf16",
    )
    return dataclasses.replace(recipe, **changes)


def _short(name: str, *phases: Phase, **changes: Any) -> Recipe:
    """Our short trainings, for a CPU, of a network that begins with trained weights: --start-from, see CONTRIBUTING.md."""
    recipe = Recipe(
        name=name,
        family="hourglass",
        net=LiteHourglass,
        phases=phases,
        paper=NEWELL,
        sigma_px=1.5,
        far_joint_weights=True,
        augment=_MODERATE,
        # The few street pictures and webcams are what the app will see; LSP's own labels are cleaner than LSP extended's.
        repeat=(("coco_", 4), ("lsp_", 5), ("asl_", 3)),
        epochs=6,
        batch=16,
    )
    return dataclasses.replace(recipe, **changes)


def _refined(name: str, input_hw: tuple[int, int], **changes: Any) -> Recipe:
    """The end of a short training, from the weights of its beginning.

    People seen sixty times were no better known by then than new ones. So there is nothing to guard against by strong
    variation, and less of what is learned last: the gymnasts of LSP extended were 37 % of all.
    """
    refined = {
        "sigma_px": 1.5 * input_hw[0] / 192,
        "augment": _MILD,
        "repeat": (("coco_", 4), ("lsp_", 8), ("asl_", 3), ("parse_", 3), ("lspet_", 0.4)),
        "frozen_blocks": 3,
        "epochs": 1,
        "lr": 7e-4,
        "warmup_steps": 100,
    }
    return _short(name, Phase(input_hw, 1.0), **refined | changes)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        # From a trunk that knows ImageNet. Small pictures first: a step at 128×96 costs half of one at 192×144.
        _short("hourglass-s", Phase((128, 96), 0.75), Phase((192, 144), 0.25)),
        # Goes on from there, and then smaller for old laptops and larger for better joints: the same network, from its weights.
        _refined("hourglass-s-refine", (192, 144), epochs=4.5, lr=1e-3, warmup_steps=300),
        _refined("hourglass-t", (128, 96)),
        # The larger has a second hourglass as well, which begins from nothing.
        _refined("hourglass-l", (256, 192), net=lambda: LiteHourglass(stacks=2), epochs=2.5, lr=1e-3),
        # 1.7 M and 1.6 G, from nothing: for a GPU.
        _long("hourglass-s-256x192", "hourglass", lambda: StackedHourglass(stacks=2, features=128, stem=32), NEWELL),
        # 28.5 M and 7.7 G: the teacher of the others.
        _long("hrnet-w32", "hrnet", lambda: HRNet(32), SUN, epochs=120, lr=1e-3, weight_decay=0.05),
        # 2.5 M and 0.86 G, from nothing: the small HRNet that a CPU can train, for its dense convolutions do five times the
        # work a second of depthwise ones, and bf16 half as much again. Small pictures cost a quarter.
        Recipe(
            name="hrnet-s",
            family="hrnet",
            net=lambda: HRNet(16, modules=(1, 2, 2), blocks=2, bottlenecks=(2, 32)),
            phases=(Phase((128, 96), 0.8), Phase((256, 192), 0.2)),
            paper=SUN,
            far_joint_weights=True,
            augment=_MODERATE,
            repeat=_MIXED,
            epochs=10,
            lr=2e-3,
            precision="bf16",
        ),
        # Goes on from there at the deployed size alone, with the milder variation that pays at the end.
        Recipe(
            name="hrnet-s-refine",
            family="hrnet",
            net=lambda: HRNet(16, modules=(1, 2, 2), blocks=2, bottlenecks=(2, 32)),
            phases=(Phase((256, 192), 1.0),),
            paper=SUN,
            far_joint_weights=True,
            augment=_MILD,
            repeat=_MIXED,
            epochs=2,
            lr=1e-3,
            warmup_steps=100,
            precision="bf16",
        ),
        Recipe(
            name="cpm-s",
            family="cpm",
            net=lambda: ConvolutionalPoseMachine(18, stages=3, batch_norm=True, width=32),
            phases=(Phase((256, 192), 1.0),),
            paper=WEI,
            stride=8,
            sigma_px=1.5,
            background=True,
        ),
        Recipe(
            name="openpose-s",
            family="openpose",
            # The stages of two hourglasses in place of VGG's and the 7×7 ones: finer maps at a tenth of the cost, and its
            # weights began with those of a network of the same shape for single people. Maps: joints, background, fields.
            net=lambda: StackedHourglass(stacks=2, joints=OPENPOSE_18.k + 1 + 2 * len(OPENPOSE_18.limbs), features=96, stem=32),
            phases=(Phase((160, 160), 0.75), Phase((256, 256), 0.25)),
            paper=CAO,
            skeleton=OPENPOSE_18,
            sigma_px=1.5,
            mapping="centre",
            augment=dataclasses.replace(PLAIN, colour_p=0.5, blur_p=0.1, noise_p=0.1, jpeg_p=0.1),
            learns="scene",
            scenes=Scenes(grids=((1, 1, 0.75), (1, 2, 0.2), (2, 2, 0.05)), group_p=0.4, heights=(0.25, 1.0), rotation_deg=30),
            background=True,
            fields=True,
            limb_width_px=1.5,
            epochs=2,
            batch=16,
            warmup_steps=100,
        ),
        Recipe(
            name="person-detector",
            family="hourglass",
            net=PersonDetector,
            # First small pieces of what the deployed network sees: a step there costs a quarter.
            phases=(Phase((160, 160), 0.54), Phase((256, 256), 0.27), Phase((320, 320), 0.19)),
            paper=ZHOU,
            stride=8,
            mapping="centre",
            augment=dataclasses.replace(PLAIN, colour_p=0.5, blur_p=0.1, noise_p=0.1, jpeg_p=0.1, dark_p=0.05),
            learns="boxes",
            epochs=7.4,
            batch=32,
            lr=2e-3,
            warmup_steps=200,
            clip_norm=10,
        ),
        _hourglass(2),
        _hourglass(8),
        _hrnet(32, (256, 192)),
        _hrnet(48, (256, 192)),
        _hrnet(32, (384, 288)),
        _hrnet(48, (384, 288)),
        # Sec. 4.2: LSP with LSP extended, 368×368, 6 stages, supervision after every stage; schedule of the released code.
        Recipe(
            name="cpm-6",
            family="cpm",
            net=lambda: ConvolutionalPoseMachine(15, stages=6, centre_map=True),
            phases=(Phase((368, 368), 1.0),),
            paper=WEI,
            skeleton=LSP_14,
            stride=8,
            sigma_px=21 / 8,  # 21 px in the 368 px input, as released
            decode="argmax",
            mapping="stride",
            augment=dataclasses.replace(_PLAIN, rotation_deg=40, scale=(0.7, 1.3), shift=0.1),
            min_joints=1,
            background=True,
            epochs=140,
            batch=16,
            optimiser="adam",
            schedule="step",
            lr_drops=(1 / 3, 2 / 3),
            lr=1e-4,
            weight_decay=5e-4,
            warmup_steps=0,
        ),
        # Sec. 3: 368×368, 6 stages of two branches; confidence sigma 7 px and limbs 1 cell wide, as released.
        Recipe(
            name="openpose-6",
            family="openpose",
            net=lambda: OpenPose(stages=6),
            phases=(Phase((368, 368), 1.0),),
            paper=CAO,
            skeleton=OPENPOSE_18,
            stride=8,
            sigma_px=7 / 8,
            decode="quarter",
            mapping="stride",
            augment=dataclasses.replace(_PLAIN, rotation_deg=40, scale=(0.5, 1.1), shift=0.1),
            min_joints=1,
            background=True,
            fields=True,
            epochs=100,
            batch=10,
            optimiser="adam",
            schedule="step",
            lr_drops=(1 / 3, 2 / 3),
            lr=1e-4,
            weight_decay=5e-4,
            warmup_steps=0,
        ),
    )
}
