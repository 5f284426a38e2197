"""Weights that other people published, read into our networks by explicit key maps.

A *layout* is one way of naming the weights of one network: it says which network the file holds, under which
name each of our parameters lies in it, and how its pictures were normalised and its heatmaps made.
An *arch* is what a user names on the command line; it has one or more layouts, and the file decides which.

==============  =======================================================================================
arch            reads
==============  =======================================================================================
hrnet-w32/w48   leoxiaobin/deep-high-resolution-net.pytorch; MMPose 0.x and 1.x
hourglass-N     princeton-vl/pytorch_stacked_hourglass; bearpaw/pytorch-pose, anibali/pytorch-stacked-hourglass
hourglass52     MMPose 0.x and 1.x
cpm             MMPose 0.x and 1.x; ports that keep the layer names of the authors' Caffe release
openpose        ports of CMU's COCO body model: Caffe layer names, alone or in blocks, or numbered layers
==============  =======================================================================================
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from poseapp.core.errors import CheckpointError
from poseapp.core.heatmap import Decode
from poseapp.core.heatmap import Mapping as HeatmapMapping
from poseapp.core.skeleton import COCO_17, MPII_16, OPENPOSE_18, SKELETONS, Skeleton
from poseapp.core.spec import Family
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.deploy import CAFFE_BGR, IMAGENET_RGB, MPII_MEAN_RGB, UNIT_RGB, Pixels
from poseapp.nets.hourglass import StackedHourglass
from poseapp.nets.hourglass52 import Hourglass52
from poseapp.nets.hrnet import HRNet
from poseapp.nets.openpose import OpenPose

State = Mapping[str, Tensor]
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
_PREFIXES = ("module.", "model.", "ema_model.")
_COMPILED = "_orig_mod."  # torch.compile puts it before the names of whatever it compiles, whole or in part
_COCO_OR_MPII = (COCO_17, MPII_16)


@dataclass(frozen=True)
class Layout:
    """One published way of naming the weights of a network.

    ``key`` gives the file's name of one of our parameters; ``build`` makes the network that the file is for;
    ``heads`` are the files' parameters whose first dimension is the number of maps. ``background`` maps
    follow the joints. ``skeletons`` are the joint orders that such files come in, told apart by their number.
    """

    name: str
    build: Callable[[State, int], nn.Module]
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
    """A network to import weights into, as named on the command line."""

    name: str
    family: Family
    paper: str
    stride: int
    input_hw: tuple[int, int]
    multiple: int
    joints: int
    layouts: tuple[Layout, ...]


@dataclass(frozen=True, eq=False)
class Loaded:
    """A network with the weights of a file. ``extra`` are names in the file that the network does not use."""

    net: nn.Module
    arch: Arch
    layout: Layout
    joints: int
    extra: tuple[str, ...]

    def skeleton(self, name: str | None = None) -> Skeleton:
        """The joint order of the weights: the one called *name*, or the usual one for their number.

        CheckpointError when the number does not fit, or does not tell the order.
        """
        known = {s.name: s for s in (SKELETONS.values() if name else self.layout.skeletons) if s.k == self.joints}
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name in known:
            return known[name]
        fitting = ", ".join(s.name for s in SKELETONS.values() if s.k == self.joints) or "none that is known"
        raise CheckpointError(f"{self.arch.name}: its {self.joints} joints: which order? Name it with --skeleton: {fitting}.")


def read_state(path: Path) -> dict[str, Tensor]:
    """The weights in *path* by name, without wrappers and prefixes that all of them carry, on the CPU.

    Only tensors and plain values are read: CheckpointError on a pickle that names Python code, on a
    damaged file, on one without weights, and on weights that are all zero or not finite.
    """
    try:
        with torch.serialization.safe_globals(_plain_types()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickle protocols; a file that cannot be read raises
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such file. Give the path of a .pth or .pt file.") from None
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code is None:
            raise CheckpointError(f"{path}: not a PyTorch checkpoint, or damaged. Download it again.") from None
        raise CheckpointError(
            f"{path}: expected weights alone, got Python code ({code.group(1)}), which is not run. "
            'Where you trust the file, save it again as torch.save({"state_dict": model.state_dict()}, …).'
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"{path}: cannot be read ({error.strerror or error}). Give the path of a .pth or .pt file."
        ) from None
    except Exception:  # what a damaged file raises depends on where it is damaged
        raise CheckpointError(f"{path}: not a PyTorch checkpoint, or damaged. Download it again.") from None
    state = _unwrap(content)
    if not state:
        raise CheckpointError(f"{path}: expected a dictionary of weights, found none. Give a checkpoint of one of our networks.")
    _require_sound(state, str(path))
    return state


def load(state: State, arch: Arch, where: str, need_head: bool = True) -> Loaded:
    """A network of *arch* in evaluation mode with the weights *state*; *where* names the file in errors.

    Names in the file that the network does not use are left out and told in ``Loaded.extra``. Without
    *need_head* a file may lack the last layer (a backbone to train on); it then starts at zero.
    Raises CheckpointError with the first names that are missing, unexpected or of another shape.
    """
    # A head names its layout; a file without one is tried as all of them.
    layouts = [layout for layout in arch.layouts if _has_head(state, layout)] or arch.layouts
    best = max((_attempt(state, arch, layout) for layout in layouts), key=lambda a: len(a.weights) + len(a.shapes))
    only_head = bool(best.missing) and all(k.startswith(best.layout.heads) for k in best.missing)
    if best.shapes or (best.missing and (need_head or not only_head)):
        raise CheckpointError(_mismatch(best, state, arch, where, only_head))
    for key, parameter in best.net.state_dict().items():
        # Old files lack BatchNorm's counter, which only matters while training with momentum=None.
        best.weights.setdefault(key, torch.zeros(parameter.shape, dtype=parameter.dtype))
    best.net.load_state_dict(best.weights, assign=True)
    return Loaded(best.net.eval(), arch, best.layout, best.joints, tuple(sorted(best.extra)))


def fitting(state: State) -> list[str]:
    """Names of the archs that *state* fits."""
    found = []
    for arch in ARCHS.values():
        for layout in arch.layouts:
            if not _has_head(state, layout):
                continue  # building a network to compare with takes a moment
            attempt = _attempt(state, arch, layout)
            if not attempt.missing and not attempt.shapes:
                found.append(arch.name)
                break
    return found


def _has_head(state: State, layout: Layout) -> bool:
    return any(f"{head}.weight" in state for head in layout.heads)


@dataclass(frozen=True, eq=False)
class _Attempt:
    """What came of reading a file as one layout; names are those of the file."""

    layout: Layout
    net: nn.Module
    joints: int
    weights: dict[str, Tensor]
    missing: list[str]
    shapes: list[str]
    extra: set[str]


def _attempt(state: State, arch: Arch, layout: Layout) -> _Attempt:
    rows = next((len(state[f"{h}.weight"]) for h in layout.heads if f"{h}.weight" in state), arch.joints + layout.background)
    joints = rows - layout.background
    with torch.device("meta"):  # shapes only: the values come from the file
        net = layout.build(state, joints)
    weights: dict[str, Tensor] = {}
    missing, shapes, used = [], [], set()
    for key, own in net.state_dict().items():
        source = layout.key(key)
        used.add(source)
        if source not in state:
            if not source.endswith("num_batches_tracked"):
                missing.append(source)
        elif state[source].shape != own.shape:
            shapes.append(f"{source} expected {_shape(own)}, got {_shape(state[source])}")
        else:
            weights[key] = state[source].to(own.dtype).contiguous()
    return _Attempt(layout, net, joints, weights, missing, shapes, set(state) - used)


def _mismatch(best: _Attempt, state: State, arch: Arch, where: str, only_head: bool) -> str:
    if only_head and not best.shapes:
        return (
            f"{where}: expected a whole {arch.name}, got one without its last layer ({best.missing[0]}). "
            "It is a start for training, not a model to run: import a checkpoint trained for pose."
        )
    told = []
    if best.missing:
        told.append(f"missing {_first(best.missing)}")
    if best.extra:
        told.append(f"unexpected {_first(sorted(best.extra))}")
    if best.shapes:
        told.append(f"shapes differ: {_first(best.shapes, '; ')}")
    others = [name for name in fitting(state) if name != arch.name]
    advice = f"It fits --arch {' or '.join(others)}." if others else f"Known are {', '.join(ARCHS)}."
    return f"{where}: expected {arch.name} ({best.layout.name}), got another network: {'; '.join(told)}. {advice}"


def _first(items: list[str], separator: str = ", ", n: int = 3) -> str:
    more = f" and {len(items) - n} more" if len(items) > n else ""
    return separator.join(items[:n]) + more


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a number"


class _Ignored:
    """Stands in for a training log in a checkpoint: takes whatever state it is given and does nothing."""

    def __setstate__(self, state: object) -> None:
        pass


def _plain_types() -> list[Any]:
    """What a checkpoint may hold beside tensors: numpy values, and logs of MMEngine, which are not looked at."""
    import numpy as np

    reconstruct = np.array(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    types: list[Any] = [np.ndarray, np.dtype, *{type(np.dtype(c)) for c in "?bBhHiIlLqQefdSU"}]
    # numpy 1 and 2 name the same functions differently; files carry either name.
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        types += [(reconstruct, f"{module}._reconstruct"), (scalar, f"{module}.scalar")]
    return [*types, (_Ignored, "mmengine.logging.history_buffer.HistoryBuffer")]


def _unwrap(content: Any) -> dict[str, Tensor]:
    while isinstance(content, dict):
        inner = next((content[w] for w in _WRAPPERS if isinstance(content.get(w), dict)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, dict):
        return {}
    state = {str(k).replace(_COMPILED, ""): v for k, v in content.items() if isinstance(v, Tensor)}
    # A counter beside the weights, such as that of averaged ones, has no dot.
    while named := [k for k in state if "." in k]:
        prefix = next((p for p in _PREFIXES if all(k.startswith(p) for k in named)), None)
        if prefix is None:
            break
        state = {k.removeprefix(prefix): v for k, v in state.items()}
    return state


def _require_sound(state: State, where: str) -> None:
    """Raise CheckpointError unless *state* are plain numbers, finite, and not all of them zero."""
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
            raise CheckpointError(f"{where}: {name[:80]}: expected plain numbers. Save the weights in float32.")
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{where}: {name[:80]}: expected finite numbers, got NaN or infinity. The file is damaged.")
    weights = [tensor for tensor in state.values() if tensor.ndim >= 2]
    if weights and not any(bool(tensor.any()) for tensor in weights):
        raise CheckpointError(f"{where}: expected trained weights, got zeros alone. The file holds no training: get another.")


# ---- key maps: our name → the name in the file -------------------------------------------------------------

Rules = tuple[tuple[str, str], ...]


def _by_rules(rules: Rules) -> Callable[[str], str]:
    """A key map that applies, in order, every rule (pattern, replacement) of *rules*."""
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def key(own: str) -> str:
        for pattern, replacement in compiled:
            own = pattern.sub(replacement, own)
        return own

    return key


def _mmpose_hrnet(head: str) -> Callable[[str], str]:
    # Our names are those of the official release, and MMPose kept them for its backbone.
    return lambda own: f"{head}.{own}" if own.startswith("final_layer.") else f"backbone.{own}"


PRINCETON: Rules = (
    (r"^stem_conv\.", "pre.0.conv."),
    (r"^stem_bn\.", "pre.0.bn."),
    (r"^stem_residual1\.", "pre.1."),
    (r"^stem_residual2\.", "pre.3."),
    (r"^stem_residual3\.", "pre.4."),
    (r"^hourglasses\.(\d+)\.", r"hgs.\1.0."),
    (r"\.skip\.", ".up1."),
    (r"\.down\.", ".low1."),
    (r"\.inner(?=\.)", ".low2"),
    (r"\.up\.", ".low3."),
    (r"^residuals\.(\d+)\.", r"features.\1.0."),
    (r"^linears\.(\d+)\.0\.", r"features.\1.1.conv."),
    (r"^linears\.(\d+)\.1\.", r"features.\1.1.bn."),
    (r"^heads\.(\d+)\.", r"outs.\1.conv."),
    (r"^remap_features\.(\d+)\.", r"merge_features.\1.conv.conv."),
    (r"^remap_heatmaps\.(\d+)\.", r"merge_preds.\1.conv.conv."),
    (r"\.(conv[123])\.", r".\1.conv."),
    (r"\.project\.", ".skip_layer.conv."),
)


def _bearpaw(own: str) -> str:
    own = _BEARPAW(own)
    # Ours nests the scales, theirs lists them from the smallest: three "inner" above a place make it hg.0.
    match = re.match(r"hourglasses\.(\d+)\.((?:inner\.)*)(skip\.|down\.|up\.|)(?:(\d+)\.)?(.*)$", own)
    if match is None:
        return own
    stack, inner, place, block, rest = match.groups()
    scale = 3 - inner.count("inner") if place else 0
    return f"hg.{stack}.hg.{scale}.{_BEARPAW_PLACES[place]}.{block or 0}.{rest}"


_BEARPAW_PLACES = {"skip.": 0, "down.": 1, "up.": 2, "": 3}
_BEARPAW = _by_rules(
    (
        (r"^stem_conv\.", "conv1."),
        (r"^stem_bn\.", "bn1."),
        (r"^stem_residual(\d)\.", r"layer\1.0."),
        (r"^residuals\.(\d+)\.(?=[a-z])", r"res.\1.0."),
        (r"^residuals\.(\d+)\.(\d+)\.", r"res.\1.\2."),
        (r"^linears\.", "fc."),
        (r"^heads\.", "score."),
        (r"^remap_features\.", "fc_."),
        (r"^remap_heatmaps\.", "score_."),
        (r"\.project\.", ".downsample.0."),
    )
)


def _mmpose_hourglass52(head: str) -> Callable[[str], str]:
    return _by_rules(
        (
            (r"^stem_(conv|bn)\.", r"backbone.stem.0.\1."),
            (r"^stem_block\.", "backbone.stem.1.0."),
            (r"^hourglass\.", "backbone.hourglass_modules.0."),
            (r"^out_(conv|bn)\.", r"backbone.out_convs.0.\1."),
            (r"^head\.", f"{head}.multi_final_layers.0."),
        )
    )


def _mmpose_cpm(own: str) -> str:
    part, rest = own.split(".", 1)
    index, _, name = rest.rpartition(".")
    numbers = [int(i) for i in index.split(".")]
    if part == "stage1":
        place, kind = _CPM_STEM[numbers[0]]
        return f"backbone.stem.{place}.{kind}.{name}"
    if part == "features":
        place, kind = _CPM_STEM[numbers[0]]
        return f"backbone.middle.{place}.{kind}.{name}"
    if part == "reductions":
        return f"backbone.middle_conv.{numbers[0]}.0.{'conv' if numbers[1] == 0 else 'bn'}.{name}"
    place, offset = divmod(numbers[1], 3)
    layer = "conv" if offset == 0 else "bn"
    if place < 3:
        return f"backbone.cpm_stages.{numbers[0]}.model.{place}.{layer}.{name}"
    return f"backbone.out_convs.{numbers[0]}.{place - 3}.{layer}.{name}"


# Index in our Sequential → (index in theirs, part of it): theirs counts a convolution with its BatchNorm and ReLU as one.
_CPM_STEM = {
    **{4 * i: (2 * i, "conv") for i in range(3)},
    **{4 * i + 1: (2 * i, "bn") for i in range(3)},
    **{12 + 3 * i: (6 + i, "conv") for i in range(4)},
    **{13 + 3 * i: (6 + i, "bn") for i in range(3)},
}


def _caffe_cpm(own: str) -> str:
    part, rest = own.split(".", 1)
    index, _, name = rest.rpartition(".")
    numbers = [int(i) for i in index.split(".")]
    if part == "stage1":
        return f"conv{_CAFFE_STAGE1.index(numbers[0]) + 1}_stage1.{name}"
    if part == "features":
        return f"conv{numbers[0] // 3 + 1}_stage2.{name}"
    stage = numbers[0] + 2
    if part == "reductions":
        return f"conv{4 if stage == 2 else 1}_stage{stage}.{name}"
    return f"Mconv{numbers[1] // 2 + 1}_stage{stage}.{name}"


_CAFFE_STAGE1 = (0, 3, 6, 9, 11, 13, 15)

_OPENPOSE_FEATURES = {
    0: "conv1_1", 2: "conv1_2", 5: "conv2_1", 7: "conv2_2", 10: "conv3_1", 12: "conv3_2", 14: "conv3_3", 16: "conv3_4",
    19: "conv4_1", 21: "conv4_2", 23: "conv4_3_CPM", 25: "conv4_4_CPM",
}  # fmt: skip


def _openpose_names(own: str) -> tuple[str, str, str]:
    """The block, the Caffe layer and the kind (weight or bias) of one of our parameters."""
    part, rest = own.split(".", 1)
    index, _, name = rest.rpartition(".")
    if part == "features":
        return "model0", _OPENPOSE_FEATURES[int(index)], name
    stage, layer = (int(i) for i in index.split("."))
    branch = 1 if part == "field_stages" else 2
    n = layer // 2 + 1
    caffe = f"conv5_{n}_CPM_L{branch}" if stage == 0 else f"Mconv{n}_stage{stage + 1}_L{branch}"
    return f"model{stage + 1}_{branch}", caffe, name


def _openpose_caffe(own: str) -> str:
    _, caffe, name = _openpose_names(own)
    return f"{caffe}.{name}"


def _openpose_blocks(own: str) -> str:
    return ".".join(_openpose_names(own))


def _openpose_numbered(own: str) -> str:
    block, _, name = _openpose_names(own)
    return f"{block}.{own.split('.')[-2]}.{name}"


# ---- what there is to import -------------------------------------------------------------------------------

SUN = "Sun et al.: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019"
NEWELL = "Newell, Yang & Deng: Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016"
WEI = "Wei et al.: Convolutional Pose Machines, CVPR 2016"
CAO = "Cao et al.: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017"
LAW = "Law & Deng: CornerNet, ECCV 2018 (backbone), after Newell et al., ECCV 2016"
CMU_LICENCE = "CMU: academic and non-profit, non-commercial research use only"
_MMPOSE = "https://github.com/open-mmlab/mmpose"


def _mmpose(
    version: str,
    build: Callable[[State, int], nn.Module],
    key: Callable[[str], str],
    heads: tuple[str, ...],
    sigma_px: float = 2.0,
) -> Layout:
    return Layout(f"MMPose {version}", build, key, heads, IMAGENET_RGB, "stride", sigma_px, "Apache-2.0", _MMPOSE)


def _hrnet(width: int) -> Arch:
    def build(_state: State, joints: int) -> nn.Module:
        return HRNet(width, joints)

    official = Layout(
        "official", build, lambda own: own, ("final_layer",), IMAGENET_RGB, "stride", 2.0, "MIT",
        "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch",
    )  # fmt: skip
    mmpose = (
        _mmpose("1.x", build, _mmpose_hrnet("head"), ("head.final_layer",)),
        _mmpose("0.x", build, _mmpose_hrnet("keypoint_head"), ("keypoint_head.final_layer",)),
    )
    return Arch(f"hrnet-w{width}", "hrnet", SUN, 4, (256, 192), 32, 17, (official, *mmpose))


def _hourglass(stacks: int) -> Arch:
    def plain(_state: State, joints: int) -> nn.Module:
        return StackedHourglass(stacks, joints)

    def wide(state: State, joints: int) -> nn.Module:
        blocks = len({k.split(".")[5] for k in state if k.startswith("hg.0.hg.0.0.") and k.count(".") > 5}) or 1
        return StackedHourglass(stacks, joints, blocks=blocks, wide_stem=True)

    heads = range(stacks)
    princeton = Layout(
        "princeton-vl", plain, _by_rules(PRINCETON), tuple(f"outs.{i}.conv" for i in heads), UNIT_RGB, "centre", 1.0,
        "BSD-3-Clause", "https://github.com/princeton-vl/pytorch_stacked_hourglass",
    )  # fmt: skip
    bearpaw = Layout(
        "bearpaw", wide, _bearpaw, tuple(f"score.{i}" for i in heads), MPII_MEAN_RGB, "centre", 1.0,
        "Apache-2.0 (anibali), GPL-3.0 (bearpaw)", "https://github.com/anibali/pytorch-stacked-hourglass",
    )  # fmt: skip
    return Arch(f"hourglass-{stacks}", "hourglass", NEWELL, 4, (256, 256), 64, 16, (princeton, bearpaw))


def _hourglass52() -> Arch:
    def build(_state: State, joints: int) -> nn.Module:
        return Hourglass52(joints)

    layouts = tuple(
        _mmpose(version, build, _mmpose_hourglass52(head), (f"{head}.multi_final_layers.0",))
        for version, head in (("1.x", "head"), ("0.x", "keypoint_head"))
    )
    return Arch("hourglass52", "hourglass", LAW, 4, (256, 256), 128, 17, layouts)


def _cpm() -> Arch:
    def mmpose(state: State, joints: int) -> nn.Module:
        stages = len({k.split(".")[2] for k in state if k.startswith("backbone.cpm_stages.")}) + 1
        return ConvolutionalPoseMachine(joints, stages, batch_norm=True)

    def caffe(state: State, joints: int) -> nn.Module:
        stages = max((int(m.group(1)) for k in state if (m := re.match(r"Mconv5_stage(\d+)\.", k))), default=1)
        first = state.get("Mconv1_stage2.weight")
        centre = first is None or first.shape[1] > 32 + joints + 1
        return ConvolutionalPoseMachine(joints + 1, stages, centre_map=centre)

    heads = ("backbone.stem.9.conv", *(f"backbone.out_convs.{i}.1.conv" for i in range(5)))
    # The stages of 0.x and 1.x carry the same names: the heads of both are empty.
    ours = _mmpose("0.x and 1.x", mmpose, _mmpose_cpm, heads)
    released = Layout(
        "Caffe names", caffe, _caffe_cpm, ("conv7_stage1", *(f"Mconv5_stage{i}" for i in range(2, 7))), CAFFE_BGR, "centre",
        21 / 8, CMU_LICENCE, "https://github.com/shihenw/convolutional-pose-machines-release", background=1,
        skeletons=(),
    )  # fmt: skip
    return Arch("cpm", "cpm", WEI, 8, (368, 368), 8, 17, (ours, released))


def _openpose() -> Arch:
    def build(state: State, joints: int) -> nn.Module:
        numbers = [int(m.group(1)) for k in state if (m := re.search(r"(?:_stage|^model)(\d+)_(?:L)?[12]\.", k))]
        return OpenPose(max(numbers, default=6), joints)

    layouts = tuple(
        Layout(name, build, key, heads, CAFFE_BGR, "centre", 7 / 8, CMU_LICENCE,
               "https://github.com/CMU-Perceptual-Computing-Lab/openpose", background=1, skeletons=(OPENPOSE_18,))
        for name, key, heads in (
            ("Caffe names", _openpose_caffe, ("conv5_5_CPM_L2",)),
            ("Caffe names in blocks", _openpose_blocks, ("model1_2.conv5_5_CPM_L2",)),
            ("numbered layers", _openpose_numbered, ("model1_2.8",)),
        )
    )  # fmt: skip
    return Arch("openpose", "openpose", CAO, 8, (368, 368), 8, 18, layouts)


ARCHS: dict[str, Arch] = {
    arch.name: arch
    for arch in (_hrnet(32), _hrnet(48), *(_hourglass(s) for s in (1, 2, 4, 8)), _hourglass52(), _cpm(), _openpose())
}
