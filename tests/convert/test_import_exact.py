"""Each key map: random weights in the published layout, imported, give the published forward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import published_layouts as published
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_side import network, numbers

from poseapp.convert.catalogue import CATALOGUE
from poseapp.convert.checkpoints import ARCHS, Loaded, load
from poseapp.convert.fill import write_filled
from poseapp.convert.importing import ImportOptions, described
from poseapp.core.heatmap import Decode, Mapping
from poseapp.core.skeleton import Skeleton
from poseapp.core.spec import ModelSpec
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.deploy import Deploy


@dataclass(frozen=True)
class Case:
    arch: str
    layout: str
    hw: tuple[int, int]
    forward: Callable[[published.Tape, Tensor], Tensor]
    joints: int


def _openpose(stages: int, naming: str) -> Callable[[published.Tape, Tensor], Tensor]:
    def forward(tape: published.Tape, image: Tensor) -> Tensor:
        fields, heat = published.openpose(tape, image, stages, naming)[-1]
        return torch.cat([heat, fields], 1)

    return forward


CASES = {
    "hrnet-w32 official": Case("hrnet-w32", "official", (64, 96), lambda t, x: published.hrnet(t, x, 32, 17), 17),
    "hrnet-w32 official MPII": Case("hrnet-w32", "official", (64, 64), lambda t, x: published.hrnet(t, x, 32, 16), 16),
    "hrnet-w48 official": Case("hrnet-w48", "official", (64, 64), lambda t, x: published.hrnet(t, x, 48, 17), 17),
    "hrnet-w32 MMPose 0.x": Case(
        "hrnet-w32", "MMPose 0.x", (64, 64), lambda t, x: published.hrnet(t, x, 32, 17, "backbone.", "keypoint_head."), 17
    ),
    "hrnet-w48 MMPose 1.x": Case(
        "hrnet-w48", "MMPose 1.x", (64, 64), lambda t, x: published.hrnet(t, x, 48, 17, "backbone.", "head."), 17
    ),
    "hourglass-2 princeton": Case(
        "hourglass-2", "princeton-vl", (128, 128), lambda t, x: published.princeton(t, x, 2, 16)[-1], 16
    ),
    "hourglass-8 princeton": Case("hourglass-8", "princeton-vl", (64, 64), lambda t, x: published.princeton(t, x, 8, 16)[-1], 16),
    "hourglass-1 bearpaw": Case("hourglass-1", "bearpaw", (64, 64), lambda t, x: published.bearpaw(t, x, 1, 16)[-1], 16),
    "hourglass-8 bearpaw": Case("hourglass-8", "bearpaw", (64, 64), lambda t, x: published.bearpaw(t, x, 8, 16)[-1], 16),
    "hourglass-2 bearpaw, 4 blocks": Case(
        "hourglass-2", "bearpaw", (64, 64), lambda t, x: published.bearpaw(t, x, 2, 16, blocks=4)[-1], 16
    ),
    "hourglass52 MMPose 0.x": Case(
        "hourglass52", "MMPose 0.x", (128, 128), lambda t, x: published.mmpose_hourglass52(t, x, 17, "keypoint_head"), 17
    ),
    "hourglass52 MMPose 1.x": Case(
        "hourglass52", "MMPose 1.x", (128, 128), lambda t, x: published.mmpose_hourglass52(t, x, 17, "head"), 17
    ),
    "cpm MMPose": Case("cpm", "MMPose 0.x and 1.x", (64, 48), lambda t, x: published.mmpose_cpm(t, x, 17, 6)[-1], 17),
    "cpm Caffe": Case("cpm", "Caffe names", (64, 80), lambda t, x: published.caffe_cpm(t, x, 10, 4)[-1], 9),
    "openpose Caffe": Case("openpose", "Caffe names", (64, 48), _openpose(6, "caffe"), 18),
    "openpose blocks": Case("openpose", "Caffe names in blocks", (48, 48), _openpose(6, "blocks"), 18),
    "openpose numbers": Case("openpose", "numbered layers", (48, 48), _openpose(6, "numbers"), 18),
    "openpose 2 stages": Case("openpose", "Caffe names in blocks", (48, 48), _openpose(2, "blocks"), 18),
}


# The large ones, of which a smaller network or another source of the same family is there, too.
LARGE = ("hrnet-w48 official", "hrnet-w48 MMPose 1.x", "hourglass-8 princeton", "hourglass-8 bearpaw", "hourglass52 MMPose 0.x")


def last(output: Tensor | list[Tensor]) -> Tensor:
    return output[-1] if isinstance(output, list) else output


@pytest.fixture(scope="module", params=[pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in CASES])
def imported(request: pytest.FixtureRequest) -> tuple[Case, Loaded, dict[str, Tensor], Tensor, Tensor]:
    case = CASES[request.param]
    tape = published.Tape(seed=len(request.param), gain=0.3 if case.arch == "hourglass-8" else 2.0)
    image = torch.rand(2, 3, *case.hw, generator=torch.Generator().manual_seed(1)) - 0.5
    with torch.no_grad():
        expected = case.forward(tape, image)
    return case, load(numbers(tape.state), ARCHS[case.arch], "the file"), tape.state, image, expected


def test_an_import_computes_what_was_published(imported: tuple[Case, Loaded, dict[str, Tensor], Tensor, Tensor]) -> None:
    case, loaded, _, image, expected = imported
    assert loaded.layout.name == case.layout
    assert loaded.joints == case.joints
    with torch.no_grad():
        found = last(network(loaded)(image))
    assert found.shape == expected.shape
    scale = expected.abs().max()
    assert 1e-2 < scale < 1e3  # neither dead nor blown up: the comparison means something
    assert (found - expected).abs().max() < 1e-4 * max(1.0, float(scale))


def test_each_value_of_a_file_lands_once(imported: tuple[Case, Loaded, dict[str, Tensor], Tensor, Tensor]) -> None:
    _, loaded, state, _, _ = imported
    own = {key: value for key, value in network(loaded).state_dict().items() if not key.endswith("num_batches_tracked")}
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    sources = [loaded.layout.key(key) for key in own]
    assert len(set(sources)) == len(sources)
    extra = {key for key in loaded.extra if not key.endswith("num_batches_tracked")}
    assert set(sources) | extra == set(state)
    for key, source in zip(own, sources, strict=True):
        assert torch.equal(own[key], state[source]), key
    # The only weights left over are those that the published network does not use either.
    assert all(".skip_layer." in k or k.startswith("backbone.inters.") for k in loaded.extra)


FLIC = Skeleton(
    name="flic-9",
    keypoints=tuple(f"joint{i}" for i in range(9)),
    limbs=((0, 1),),
    flip=tuple(range(9)),
    sigmas=(0.0,) * 9,
)


def deployed(
    loaded: Loaded, spec: ModelSpec, flip: bool, path: Path, n: int = 2
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """What the filled graph and the torch path give for the same *n* crops."""
    crops = np.random.default_rng(0).integers(0, 256, (n, *spec.input_hw, 3), np.uint8)
    write_filled(loaded, spec, flip, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    deploy = Deploy.of(network(loaded), spec, loaded.layout.pixels, flip).eval()
    with torch.no_grad():
        expected = [one.numpy() for one in deploy(torch.from_numpy(crops))]
    assert [o.name for o in session.get_outputs()] == list(deploy.outputs)
    return session.run(None, {"crops": crops}), expected


def same(found: list[NDArray[Any]], expected: list[NDArray[Any]]) -> None:
    for ours, torchs in zip(found[1:], expected[1:], strict=True):
        assert np.abs(ours - torchs).max() <= 1e-5 * max(1.0, float(np.abs(torchs).max()))
    # A joint may lie a whole cell off only where two cells are as high as each other.
    assert np.median(np.abs(found[0] - expected[0])) < 1e-3
    assert np.mean(np.abs(found[0] - expected[0]) < 0.01) > 0.95


def test_a_filled_graph_computes_what_the_torch_path_does(
    imported: tuple[Case, Loaded, dict[str, Tensor], Tensor, Tensor], tmp_path: Path
) -> None:
    case, loaded, _, _, _ = imported
    hw = tuple(max(side, loaded.arch.multiple) for side in case.hw)
    if case.joints == 9:
        loaded = dataclasses.replace(loaded, layout=dataclasses.replace(loaded.layout, skeletons=(FLIC,)))
    spec = described(loaded, "net", ImportOptions((hw[0], hw[1])))
    same(*deployed(loaded, spec, False, tmp_path / "a.onnx"))
    assert spec.parameters == count_parameters(network(loaded))
    assert spec.macs == count_macs(network(loaded), spec.input_hw)
    onnx.checker.check_model(str(tmp_path / "a.onnx"), full_check=True)


# Each network that the catalogue has, at each of its sizes there.
REAL = [
    *((name, hw) for name in ("hrnet-w32 official", "hrnet-w48 official") for hw in ((256, 192), (384, 288))),
    *(("hourglass52 MMPose 1.x", hw) for hw in ((256, 256), (384, 384))),
    *((name, (256, 256)) for name in ("hourglass-1 bearpaw", "hourglass-2 princeton", "hourglass-8 princeton")),
    *(("cpm MMPose", hw) for hw in ((256, 192), (384, 288))),
    ("openpose Caffe", (368, 368)),
]


def test_the_real_sizes_are_those_of_the_catalogue() -> None:
    sizes = {(CASES[name].arch, hw) for name, hw in REAL}
    sizes |= {(arch, (256, 256)) for arch in ("hrnet-w32", "hrnet-w48")}  # MPII's, between the two others
    assert sizes == {(entry.arch, entry.input_hw) for entry in CATALOGUE.values() if entry.arch in ARCHS}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "hw"), REAL, ids=lambda value: value if isinstance(value, str) else f"{value[0]}x{value[1]}")
def test_at_the_real_size_too(name: str, hw: tuple[int, int], tmp_path: Path) -> None:
    case = CASES[name]
    tape = published.Tape(seed=3, gain=0.3 if case.arch == "hourglass-8" else 2.0)
    with torch.no_grad():
        case.forward(tape, torch.zeros(1, 3, *case.hw))  # makes the weights, which no size changes
    loaded = load(numbers(tape.state), ARCHS[case.arch], "the file")
    same(*deployed(loaded, described(loaded, "net", ImportOptions(hw)), False, tmp_path / "a.onnx", n=1))


@pytest.fixture(scope="module")
def openpose() -> Loaded:
    tape = published.Tape(3)
    with torch.no_grad():
        published.openpose(tape, torch.zeros(1, 3, 48, 48), 2, "caffe")
    return load(numbers(tape.state), ARCHS["openpose"], "the file")


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("decode", ["argmax", "quarter", "dark"])
@pytest.mark.parametrize("mapping", ["udp", "stride", "centre"])
def test_every_way_to_decode_is_that_of_the_torch_path(
    mapping: Mapping, decode: Decode, flip: bool, openpose: Loaded, tmp_path: Path
) -> None:
    options = ImportOptions((64, 80), mapping=mapping, decode=decode, sigma_px=1.5)
    same(*deployed(openpose, described(openpose, "net", options), flip, tmp_path / "a.onnx"))
