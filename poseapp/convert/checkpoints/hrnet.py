"""Key maps of published HRNets: the authors' release (leoxiaobin/deep-high-resolution-net.pytorch); MMPose 0.x and 1.x."""

from __future__ import annotations

from collections.abc import Callable

from poseapp.convert.checkpoints.layout import Arch, Layout, State, mmpose
from poseapp.convert.templates import Network
from poseapp.core.pixels import IMAGENET_RGB

SUN = "Sun et al.: Deep High-Resolution Representation Learning for Human Pose Estimation, CVPR 2019"


def _hrnet(width: int) -> Arch:
    def network(_state: State, _joints: int) -> Network:
        return Network(f"hrnet-w{width}")

    official = Layout(
        "official", network, lambda own: own, ("final_layer",), IMAGENET_RGB, "stride", 2.0, "MIT",
        "https://github.com/leoxiaobin/deep-high-resolution-net.pytorch",
    )  # fmt: skip
    theirs = (
        mmpose("1.x", network, _mmpose_hrnet("head"), ("head.final_layer",)),
        mmpose("0.x", network, _mmpose_hrnet("keypoint_head"), ("keypoint_head.final_layer",)),
    )
    return Arch(f"hrnet-w{width}", "hrnet", SUN, 4, (256, 192), 32, 17, (official, *theirs))


def _mmpose_hrnet(head: str) -> Callable[[str], str]:
    # Our names are those of the official release, and MMPose kept them for its backbone.
    return lambda own: f"{head}.{own}" if own.startswith("final_layer.") else f"backbone.{own}"


ARCHS = (_hrnet(32), _hrnet(48))
