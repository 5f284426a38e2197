"""Key maps of published Convolutional Pose Machines: MMPose; ports that keep the layer names of the authors' Caffe release."""

from __future__ import annotations

import re

from poseapp.convert.checkpoints.layout import CMU_LICENCE, Arch, Layout, State, mmpose
from poseapp.convert.templates import Network
from poseapp.core.pixels import CAFFE_BGR

WEI = "Wei et al.: Convolutional Pose Machines, CVPR 2016"


def _cpm() -> Arch:
    def of_mmpose(state: State, _joints: int) -> Network:
        stages = len({k.split(".")[2] for k in state if k.startswith("backbone.cpm_stages.")}) + 1
        return Network("cpm-mmpose", stages)

    def of_caffe(state: State, joints: int) -> Network:
        stages = max((int(m.group(1)) for k in state if (m := re.match(r"Mconv5_stage(\d{1,3})\.", k))), default=1)
        first = state.get("Mconv1_stage2.weight")
        centre = first is None or first.ndim < 2 or first.shape[1] > 32 + joints + 1
        return Network("cpm-centre" if centre else "cpm", stages)

    heads = ("backbone.stem.9.conv", *(f"backbone.out_convs.{i}.1.conv" for i in range(5)))
    # The stages of 0.x and 1.x carry the same names: the heads of both are empty.
    theirs = mmpose("0.x and 1.x", of_mmpose, _mmpose_cpm, heads)
    released = Layout(
        "Caffe names", of_caffe, _caffe_cpm, ("conv7_stage1", *(f"Mconv5_stage{i}" for i in range(2, 7))), CAFFE_BGR, "centre",
        21 / 8, CMU_LICENCE, "https://github.com/shihenw/convolutional-pose-machines-release", background=1,
        skeletons=(),
    )  # fmt: skip
    return Arch("cpm", "cpm", WEI, 8, (368, 368), 8, 17, (theirs, released))


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


ARCHS = (_cpm(),)
