"""Key maps of ports of CMU's body model for COCO: Caffe layer names, alone or in blocks, or numbered layers."""

from __future__ import annotations

import re

from poseapp.convert.checkpoints.layout import CMU_LICENCE, Arch, Layout, State
from poseapp.convert.templates import Network
from poseapp.core.pixels import CAFFE_BGR
from poseapp.core.skeleton import OPENPOSE_18

CAO = "Cao et al.: Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields, CVPR 2017"


def _openpose() -> Arch:
    def network(state: State, _joints: int) -> Network:
        numbers = [int(m.group(1)) for k in state if (m := re.search(r"(?:_stage|^model)(\d{1,3})_(?:L)?[12]\.", k))]
        return Network("openpose", max(numbers, default=6))

    layouts = tuple(
        Layout(name, network, key, heads, CAFFE_BGR, "centre", 7 / 8, CMU_LICENCE,
               "https://github.com/CMU-Perceptual-Computing-Lab/openpose", background=1, skeletons=(OPENPOSE_18,))
        for name, key, heads in (
            ("Caffe names", _openpose_caffe, ("conv5_5_CPM_L2",)),
            ("Caffe names in blocks", _openpose_blocks, ("model1_2.conv5_5_CPM_L2",)),
            ("numbered layers", _openpose_numbered, ("model1_2.8",)),
        )
    )  # fmt: skip
    return Arch("openpose", "openpose", CAO, 8, (368, 368), 8, 18, layouts)


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


ARCHS = (_openpose(),)
