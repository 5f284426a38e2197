"""Parameters and multiply-accumulates against the published figures, counted without allocating a weight."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.hourglass import StackedHourglass
from poseapp.nets.hourglass52 import Hourglass52
from poseapp.nets.hrnet import Exchange, HRNet
from poseapp.nets.openpose import OpenPose
from poseapp.train.recipes import RECIPES

GI = 2**30  # Sun et al. 2019 count in units of 2^30; in 10^9 the same networks are 7.6 and 15.7


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize(
    ("width", "hw", "published_m", "published_gi", "parameters", "macs"),
    [
        (32, (256, 192), 28.5, 7.1, 28_536_113, 7_645_003_776),
        (48, (256, 192), 63.6, 14.6, 63_595_745, 15_691_825_152),
        pytest.param(32, (384, 288), 28.5, 16.0, 28_536_113, 17_201_258_496, marks=pytest.mark.slow),
        pytest.param(48, (384, 288), 63.6, 32.9, 63_595_745, 35_306_606_592, marks=pytest.mark.slow),
    ],
)
def test_hrnet_has_the_size_of_the_paper(
    width: int, hw: tuple[int, int], published_m: float, published_gi: float, parameters: int, macs: int
) -> None:
    net = on_meta(lambda: HRNet(width))
    assert count_parameters(net) == parameters
    assert count_macs(net, hw) == macs
    assert round(parameters / 1e6, 1) == published_m  # Table 1
    assert macs / GI == pytest.approx(published_gi, abs=0.06)


def test_our_small_hrnet_is_as_small_as_its_recipe_says() -> None:
    net = on_meta(RECIPES["hrnet-s"].net)
    assert isinstance(net, HRNet)
    assert count_parameters(net) == 2_518_017
    assert round(count_macs(net, (256, 192)) / 1e9, 2) == 0.86
    assert len(net.layer1) == 2
    stage = net.stage4[0]
    assert isinstance(stage, Exchange)
    assert [len(branch) for branch in stage.branches if isinstance(branch, nn.Sequential)] == [2] * 4


def test_slim_hrnets_are_the_same_network_only_narrower() -> None:
    assert count_parameters(on_meta(lambda: HRNet(18))) == 9_318_215
    assert count_parameters(on_meta(lambda: HRNet(16))) == 7_445_889
    assert on_meta(lambda: HRNet(18)).state_dict().keys() == on_meta(lambda: HRNet(32)).state_dict().keys()


@pytest.mark.parametrize(
    ("stacks", "parameters", "macs"),
    [
        (1, 3_426_448, 5_150_343_168),
        (2, 6_570_400, 8_334_606_336),
        (4, 12_858_304, 14_703_132_672),
        (8, 25_434_112, 27_440_185_344),
    ],
)
def test_hourglass_grows_by_the_same_for_each_stack(stacks: int, parameters: int, macs: int) -> None:
    net = on_meta(lambda: StackedHourglass(stacks, joints=16))
    assert count_parameters(net) == parameters
    assert count_macs(net, (256, 256)) == macs


def test_eight_stacks_have_about_25_million_parameters() -> None:
    """Quoted as 25.1 M (Sun et al. 2019, Table 1), which leaves out biases and BatchNorm or a remap; ours has all."""
    assert count_parameters(on_meta(lambda: StackedHourglass(8, joints=16))) / 25.1e6 == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("stacks", "blocks", "published_m"), [(1, 1, 3.59), (2, 1, 6.73), (8, 1, 25.59)])
def test_the_wide_stem_has_the_sizes_that_its_port_states(stacks: int, blocks: int, published_m: float) -> None:
    net = on_meta(lambda: StackedHourglass(stacks, joints=16, blocks=blocks, wide_stem=True))
    assert round(count_parameters(net) / 1e6, 2) == published_m


def test_openpose_is_as_large_as_the_released_caffemodel() -> None:
    # pose_iter_440000.caffemodel has 209,274,056 bytes, nearly all of them 4-byte weights.
    net = on_meta(lambda: OpenPose(6))
    assert count_parameters(net) == 52_311_446
    assert 0 < 209_274_056 - 4 * 52_311_446 < 40_000
    assert count_macs(net, (368, 368)) == 135_934_006_784
    assert count_parameters(on_meta(lambda: OpenPose(2))) == 17_172_146


def test_other_sizes() -> None:
    assert count_parameters(on_meta(lambda: Hourglass52())) == 93_667_217
    assert count_parameters(on_meta(lambda: ConvolutionalPoseMachine(15, 6, centre_map=True))) == 31_219_866
    assert count_macs(on_meta(lambda: ConvolutionalPoseMachine(15, 6, centre_map=True)), (368, 368)) == 175_437_729_280
    assert count_parameters(on_meta(lambda: ConvolutionalPoseMachine(17, 6, batch_norm=True))) == 31_304_166


@pytest.mark.parametrize(
    ("build", "hw", "shapes"),
    [
        (lambda: HRNet(32), (256, 192), [(2, 17, 64, 48)]),
        (lambda: StackedHourglass(2, joints=16), (256, 256), [(2, 16, 64, 64)] * 2),
        (lambda: Hourglass52(), (384, 384), [(2, 17, 96, 96)]),
        (lambda: ConvolutionalPoseMachine(15, 3), (368, 368), [(2, 15, 46, 46)] * 3),
        (lambda: ConvolutionalPoseMachine(15, 1), (368, 368), [(2, 15, 46, 46)]),
        (lambda: OpenPose(2), (368, 368), [(2, 57, 46, 46)] * 2),
    ],
)
def test_outputs_are_one_tensor_for_each_stage(
    build: Callable[[], nn.Module], hw: tuple[int, int], shapes: list[tuple[int, ...]]
) -> None:
    with torch.device("meta"):
        output = build().eval()(torch.zeros(2, 3, *hw))
    outputs = output if isinstance(output, list) else [output]
    assert [tuple(o.shape) for o in outputs] == shapes


def test_the_answer_of_each_stage_is_trained() -> None:
    """Intermediate supervision: a loss on any one stage alone reaches the first weights."""
    torch.manual_seed(0)
    for net in (StackedHourglass(2, features=16, stem=8), ConvolutionalPoseMachine(3, 2), OpenPose(2)):
        for output_index in (0, 1):
            for parameter in net.parameters():
                torch.nn.init.normal_(parameter, std=0.05)
            net.zero_grad()
            first = next(m for m in net.modules() if isinstance(m, nn.Conv2d))
            net(torch.rand(2, 3, 64, 64))[output_index].square().sum().backward()
            assert first.weight.grad is not None
            assert float(first.weight.grad.abs().sum()) > 0
