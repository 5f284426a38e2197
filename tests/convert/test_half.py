"""Giving a model of the store its FP16 form."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from poseapp.cli.main import main
from poseapp.convert.half import halve
from poseapp.core.errors import ModelError
from poseapp.core.spec import ModelSpec
from poseapp.engine.model_folder import ModelFolder


@pytest.fixture
def folder(repo_root: Path, tmp_path: Path) -> Path:
    """A model that has no FP16 form yet."""
    folder = tmp_path / "engines" / "hourglass-s"
    shutil.copytree(repo_root / "engines" / "hourglass-s", folder)
    (folder / "model.fp16.onnx").unlink(missing_ok=True)
    spec = ModelSpec.read(folder / "model.json")
    whole = replace(spec, variants={name: sha for name, sha in spec.variants.items() if name != "fp16"})
    (folder / "model.json").write_text(whole.to_json(), encoding="utf-8")
    return folder


@pytest.mark.parametrize("command", [["convert", "--precision", "fp16"], ["halve"]], ids=["convert", "its former name"])
def test_a_model_is_halved_and_entered(folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    before = ModelSpec.read(folder / "model.json")
    assert main(["models", *command, "hourglass-s", "--engines-dir", str(folder.parent)]) == 0
    assert "model.fp16.onnx: joints move by 0.0" in capsys.readouterr().err
    after = ModelSpec.read(folder / "model.json")
    assert after.variants.items() >= before.variants.items()
    half = ModelFolder(folder).graph(after, "fp16")
    assert half.stat().st_size < 0.6 * (folder / "model.onnx").stat().st_size
    assert not list(folder.glob(".making-*"))


def test_a_model_that_is_damaged_is_left_alone(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"model\.onnx: expected SHA-256"):
        halve(folder)
    assert not (folder / "model.fp16.onnx").exists()


def test_a_network_is_in_fp16_from_end_to_end(repo_root: Path) -> None:
    """Each operator between two convolutions that is left in FP32 costs two conversions."""
    nodes = onnx.load(repo_root / "engines" / "hourglass-s" / "model.fp16.onnx").graph.node
    conversions = [node.name for node in nodes if node.name.startswith("/cast/")]
    assert len(conversions) <= 4, conversions  # in front of the network, behind it, and to ask for a shape
