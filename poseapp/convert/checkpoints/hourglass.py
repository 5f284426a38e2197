"""Key maps of published stacked hourglasses: princeton-vl; bearpaw/pytorch-pose and anibali; and MMPose's Hourglass-52."""

from __future__ import annotations

import re
from collections.abc import Callable

from poseapp.convert.checkpoints.layout import Arch, Layout, Rules, State, by_rules, mmpose
from poseapp.convert.templates import Network
from poseapp.core.pixels import MPII_MEAN_RGB, UNIT_RGB

NEWELL = "Newell, Yang & Deng: Stacked Hourglass Networks for Human Pose Estimation, ECCV 2016"
LAW = "Law & Deng: CornerNet, ECCV 2018 (backbone), after Newell et al., ECCV 2016"


def _hourglass(stacks: int) -> Arch:
    def plain(_state: State, _joints: int) -> Network:
        return Network("hourglass", stacks)

    def wide(state: State, _joints: int) -> Network:
        blocks = len({k.split(".")[5] for k in state if k.startswith("hg.0.hg.0.0.") and k.count(".") > 5}) or 1
        return Network(f"hourglass-wide-{blocks}", stacks)

    heads = range(stacks)
    princeton = Layout(
        "princeton-vl", plain, by_rules(PRINCETON), tuple(f"outs.{i}.conv" for i in heads), UNIT_RGB, "centre", 1.0,
        "BSD-3-Clause", "https://github.com/princeton-vl/pytorch_stacked_hourglass",
    )  # fmt: skip
    bearpaw = Layout(
        "bearpaw", wide, _bearpaw, tuple(f"score.{i}" for i in heads), MPII_MEAN_RGB, "centre", 1.0,
        "Apache-2.0 (anibali), GPL-3.0 (bearpaw)", "https://github.com/anibali/pytorch-stacked-hourglass",
    )  # fmt: skip
    return Arch(f"hourglass-{stacks}", "hourglass", NEWELL, 4, (256, 256), 64, 16, (princeton, bearpaw))


def _hourglass52() -> Arch:
    def network(_state: State, _joints: int) -> Network:
        return Network("hourglass52")

    layouts = tuple(
        mmpose(version, network, _mmpose_hourglass52(head), (f"{head}.multi_final_layers.0",))
        for version, head in (("1.x", "head"), ("0.x", "keypoint_head"))
    )
    return Arch("hourglass52", "hourglass", LAW, 4, (256, 256), 128, 17, layouts)


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
_BEARPAW = by_rules(
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
    return by_rules(
        (
            (r"^stem_(conv|bn)\.", r"backbone.stem.0.\1."),
            (r"^stem_block\.", "backbone.stem.1.0."),
            (r"^hourglass\.", "backbone.hourglass_modules.0."),
            (r"^out_(conv|bn)\.", r"backbone.out_convs.0.\1."),
            (r"^head\.", f"{head}.multi_final_layers.0."),
        )
    )


ARCHS = (*(_hourglass(stacks) for stacks in (1, 2, 4, 8)), _hourglass52())
