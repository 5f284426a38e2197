"""What model.json and the card say of a published graph: which joints it finds, how, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poseapp.convert.ready.network import Network
from poseapp.convert.ready.package import Package
from poseapp.convert.ready.wrap import STRIDE
from poseapp.core.errors import CheckpointError
from poseapp.core.pixels import IMAGENET_RGB, Pixels
from poseapp.core.skeleton import COCO_17, COCO_23, Skeleton
from poseapp.core.spec import NO_SHA256, Family, JointRule, ModelSpec, Source

_MMPOSE = "https://github.com/open-mmlab/mmpose/tree/main/projects/"
_SIGMA_BINS = 5.3  # of RTMPose's targets, where no file tells it: 4.9 along x and 5.66 along y for 256 × 192 px
# The joints of the networks by their number. COCO-WholeBody's further ones are of face and hands (Jin et al., ECCV 2020). Halpe's
# (Li et al., PaStaNet, CVPR 2020) are in the order of MMPose.
_ORDERS: Mapping[int, tuple[str, ...]] = {
    17: COCO_17.keypoints,
    26: (
        *(*COCO_17.keypoints, "head", "neck", "hip", "left_big_toe", "right_big_toe"),
        *("left_small_toe", "right_small_toe", "left_heel", "right_heel"),
    ),
    133: COCO_23.keypoints,
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What all published graphs of a family have in common."""

    label: str
    paper: str
    url: str
    stride: int
    decode: JointRule
    pixels: Pixels


KINDS: Mapping[Family, Kind] = {
    "rtmpose": Kind(
        label="RTMPose",
        paper="Jiang et al.: RTMPose: Real-Time Multi-Person Pose Estimation based on MMPose, 2023",
        url=f"{_MMPOSE}rtmpose",
        stride=STRIDE,
        decode="simcc",
        pixels=IMAGENET_RGB,
    ),
    "rtmo": Kind(
        label="RTMO",
        paper="Lu et al.: RTMO: Towards High-Performance One-Stage Real-Time Multi-Person Pose Estimation, CVPR 2024",
        url=f"{_MMPOSE}rtmo",
        stride=32,
        decode="network",
        pixels=Pixels((0.0,) * 3, (1 / 255,) * 3, bgr=True),  # 0 to 255 as they are
    ),
}


def joints_of(network: Network, package: Package, name: str | None, where: str) -> tuple[Skeleton, tuple[int, ...]]:
    """The skeleton to find, the one called *name* if given, and where its joints are among those of *network*.

    CheckpointError where the joints are not those of a person, or *network* does not find them; *where* names the file.
    """
    order = _ORDERS.get(network.joints)
    if order is None or "animal" in package.config or "ap10k" in package.config:
        raise CheckpointError(
            f"{where}: expected the joints of a person's body (17 of COCO, 26 of Halpe or 133 of COCO-WholeBody), got "
            f"{network.joints}{f' of {package.config}' if package.config else ''}. Get another network."
        )
    fitting = {skeleton.name: skeleton for skeleton in (COCO_23, COCO_17) if set(skeleton.keypoints) <= set(order)}
    skeleton = fitting.get(name) if name is not None else next(iter(fitting.values()))
    if skeleton is None:
        raise CheckpointError(
            f"{where}: expected joints that the network finds, got --skeleton {name}. Use {' or '.join(fitting)}."
        )
    return skeleton, tuple(order.index(joint) for joint in skeleton.keypoints)


def pixels_of(network: Network, package: Package) -> Pixels:
    """How *network* wants its pictures."""
    return package.pixels or KINDS[network.family].pixels


def described(network: Network, package: Package, name: str, skeleton: Skeleton, source: Source) -> ModelSpec:
    """What model.json says of *network* as a model called *name*, but for the graph's hash."""
    kind = KINDS[network.family]
    return ModelSpec(
        name=name,
        family=network.family,
        skeleton=skeleton,
        input_hw=network.input_hw,
        stride=kind.stride,
        decode=kind.decode,
        mapping="centre",  # of the heatmaps that are made for people to look at
        sigma_px=_sigma_px(network, package),
        weights_sha256=NO_SHA256,
        parameters=network.parameters,
        macs=network.macs,
        source=source,
        metrics={},
        variants={},
    )


def facts(network: Network, package: Package, skeleton: Skeleton) -> dict[str, str]:
    """The facts of the card that are of published graphs alone."""
    kind, pixels = KINDS[network.family], pixels_of(network, package)
    maker = f", written by {package.maker}" if package.maker else ""
    config = f", configuration {package.config}" if package.config else ""
    mean, std = (" ".join(f"{255 * value:g}" for value in values) for values in (pixels.mean, pixels.std))
    border = "grey 114" if network.family == "rtmo" else "black"
    left_out = network.joints - skeleton.k
    rule = {
        "rtmpose": "SimCC: the highest value along x and along y, the lower of the two heights is the score",
        "rtmo": "by the network itself; a joint's score is its visibility times the person's score",
    }[network.family]
    return {
        "Network": f"{kind.label}{config}, published ready to run{maker}",
        "Pixels": f"{'BGR' if pixels.bgr else 'RGB'}, mean {mean}, standard deviation {std}, {border} outside the picture",
        "Joints": f"{skeleton.name}: {', '.join(skeleton.keypoints)}{f'; {left_out} others are left out' if left_out else ''}",
        "Decoding": rule,
    }


def _sigma_px(network: Network, package: Package) -> float:
    """The spread of the targets in px of the heatmaps; 1 where there are none."""
    if network.family == "rtmo":
        return 1.0
    sigma = sum(package.sigma_bins) / 2 if package.sigma_bins else _SIGMA_BINS
    bins_per_px = network.shapes[0][2] / network.input_hw[1]
    return sigma / (bins_per_px * STRIDE) if sigma > 0 else 1.0
