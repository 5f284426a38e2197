"""Graphs without weights: they are what the command makes, small, and without weights."""

from __future__ import annotations

import lzma

import onnx
import pytest

from poseapp.convert.checkpoints import ARCHS
from poseapp.convert.make_templates import NETWORKS, made
from poseapp.convert.templates import TEMPLATES_DIR, Network, file_of, template
from poseapp.core.errors import CheckpointError

NAMES = sorted(path.name.removesuffix(".onnx.xz") for path in TEMPLATES_DIR.iterdir())
# The exporter takes half a minute for each of these.
LONG = {"hrnet-w48", "hourglass", "hourglass-wide-1", "hourglass-wide-4"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in NAMES])
def test_each_is_what_the_command_makes(name: str) -> None:
    (content,) = (content for _, content in made([name]))
    assert lzma.decompress(file_of(name).read_bytes()) == content, "run python -m poseapp.convert.make_templates"


def test_the_command_makes_all_of_them_and_no_other() -> None:
    assert set(NAMES) == {*NETWORKS, "decoder-argmax", "decoder-quarter", "decoder-dark"}
    assert sum(path.stat().st_size for path in TEMPLATES_DIR.iterdir()) < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_graph_without_weights(name: str) -> None:
    model = template(name)
    onnx.checker.check_model(model)
    assert not model.graph.initializer
    assert {node.domain for node in model.graph.node} == {""}


def test_a_network_is_cut_off_after_its_stages() -> None:
    one, eight = (Network("hourglass", stages).parameters(16) for stages in (1, 8))
    assert one["heads.0.weight"] == (16, 256, 1, 1)
    assert {"remap_heatmaps.6.weight", "heads.7.bias"} <= eight.keys()
    assert not any(key.split(".")[0].startswith("remap") or ".1." in key.split("weight")[0][:8] for key in one if "heads" in key)
    assert len(one) < len(eight) / 6  # the stem is in both
    for stages in (0, 9):
        with pytest.raises(CheckpointError, match="expected 1 to 8 stages"):
            Network("hourglass", stages).parameters(16)
    with pytest.raises(CheckpointError, match="another form"):
        Network("hourglass-wide-7").parameters(16)


def test_every_arch_has_its_graph() -> None:
    for arch in ARCHS.values():
        for layout in arch.layouts:
            assert layout.network({}, arch.joints).parameters(arch.joints)
