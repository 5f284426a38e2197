"""Making an INT8 model: what is written, what is kept in FP32, what is refused. Torch-free but for the network's export."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from poseapp.core.errors import DataError, ModelError
from poseapp.core.spec import ModelSpec
from poseapp.engine.load import load_engine
from poseapp.engine.verify import sample_crops
from poseapp.nets.quantise import RANGES, Calibration, convolutions, quantise
from poseapp.train.quantised import IN_FP32, calibration_crops, quantise_model

HW = (192, 144)


@pytest.fixture(scope="module")
def source(repo_root: Path) -> Path:
    return repo_root / "engines" / "hourglass-s" / "model.onnx"


@pytest.fixture(scope="module")
def calibration(source: Path) -> Calibration:
    return Calibration(source, sample_crops(ModelSpec.read(source.parent / "model.json").input_hw)[::2])


def test_every_convolution_of_the_network_gets_int8_weights_and_a_rounded_input(
    source: Path, calibration: Calibration, tmp_path: Path
) -> None:
    done = quantise(source, tmp_path / "int8.onnx", calibration, "max", keep=("/net/trunk/stem/",))
    before, after = onnx.load(source), onnx.load(tmp_path / "int8.onnx")
    assert done.sha256 == hashlib.sha256((tmp_path / "int8.onnx").read_bytes()).hexdigest()
    assert (done.convolutions, done.kept) == (len(convolutions(before)) - 1, 1)
    assert {p.key: p.value for p in after.metadata_props}["precision"] == "INT8"
    made_by = {name: node for node in after.graph.node for name in node.output}
    values = {i.name: numpy_helper.to_array(i) for i in after.graph.initializer}
    floats = {i.name: numpy_helper.to_array(i) for i in before.graph.initializer}
    for old, node in zip(convolutions(before), convolutions(after), strict=True):
        if "/trunk/stem/" in node.name:
            assert list(node.input) == list(old.input)
            continue
        weight = made_by[node.input[1]]
        assert made_by[node.input[0]].op_type == weight.op_type == "DequantizeLinear"
        whole, scale, zero = (values[name] for name in weight.input)
        assert whole.dtype == zero.dtype == np.int8
        assert not zero.any()
        largest = np.abs(floats[old.input[1]]).reshape(len(whole), -1).max(axis=1)
        assert np.abs(whole).reshape(len(whole), -1).max(axis=1).tolist() == np.where(largest > 1e-10, 127, 0).tolist()
        error = np.abs(whole * scale.reshape(-1, 1, 1, 1) - floats[old.input[1]])
        assert (error <= scale.reshape(-1, 1, 1, 1) * 0.5001).all()
        assert node.input[2] == old.input[2]  # biases stay as they are: TensorRT wants them so
    zeros = {node.input[2] for node in after.graph.node if node.op_type == "QuantizeLinear"}
    assert zeros
    assert all(values[name] == 0 for name in zeros)  # symmetric, as TensorRT wants it
    decoders = [n for n in after.graph.node if n.name.startswith("/decoder")]
    assert all("rounded" not in name and "int8" not in name for n in decoders for name in n.input)


def test_ranges_are_as_large_as_they_say(calibration: Calibration) -> None:
    for tensor in calibration.tensors[:20]:
        largest, percentile, error = (calibration.scale(tensor, ranges) for ranges in RANGES)
        assert largest == pytest.approx(calibration.largest[tensor] / 127)
        assert percentile <= largest * 1.0001
        assert 0.29 * largest < error <= largest * 1.0001


def test_too_few_crops(source: Path) -> None:
    with pytest.raises(
        ModelError, match=r"model\.onnx: expected 16 crops or more to calibrate on, got 3\. Give more pictures\.$"
    ):
        Calibration(source, sample_crops(HW)[:3])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for i, crop in enumerate(sample_crops((256, 256))[:20]):
        cv2.imwrite(str(folder / f"{i}.png"), crop)
    return folder


def test_crops_are_whole_pictures_and_the_people_in_them(repo_root: Path, pictures: Path) -> None:
    engine = load_engine(repo_root / "engines" / "hourglass-s", "cpu", precision="fp32")
    crops = calibration_crops(pictures, (), engine, 24)
    with pytest.raises(DataError, match=r"nowhere: no such folder\."):
        calibration_crops(pictures / "nowhere", (), engine, 24)
    (pictures / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures besides those to score on"):
        calibration_crops(pictures / "empty", (), engine, 24)
    engine.close()
    assert crops.shape == (24, *engine.spec.input_hw, 3)
    assert len({crop.tobytes() for crop in crops}) == 24


def test_a_model_is_quantised_entered_and_run(repo_root: Path, pictures: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(repo_root / "engines" / "hourglass-s", tmp_path / "hourglass-s")
    before = ModelSpec.read(folder / "model.json")
    old_card = (folder / "README.md").read_text()
    report = quantise_model(folder, pictures, command="the command", ranges=("max",))
    after = ModelSpec.read(folder / "model.json")
    assert after.variants["int8"] == report.quantised.sha256
    assert after.variants["int8"] == hashlib.sha256((folder / "model.int8.onnx").read_bytes()).hexdigest()
    assert after.weights_sha256 == before.weights_sha256
    assert after.metrics["int8_px"] == pytest.approx(report.px, abs=1e-3)
    assert report.px <= 1.5
    assert report.quantised.kept == IN_FP32
    rounded = [node.input[0].endswith("_rounded") for node in convolutions(onnx.load(folder / "model.int8.onnx"))]
    assert rounded == [False] * IN_FP32 + [True] * report.quantised.convolutions
    card = (folder / "README.md").read_text()
    assert card.count("## INT8") == 1
    assert report.quantised.sha256 in card
    assert "the command" in card
    assert card.index("## INT8") < card.index("## Known limits")
    assert card[card.index("## Known limits") :] == old_card[old_card.index("## Known limits") :]
    assert sorted(p.name for p in folder.iterdir() if p.suffix == ".tmp") == []
    engine = load_engine(folder, "cpu", precision="int8")
    engine.close()
    assert engine.backend.precision == "INT8"
    assert engine.backend.fallback == ""
