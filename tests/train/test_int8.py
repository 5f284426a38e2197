"""Making an INT8 model: what is written, what is kept in FP32, what is refused. Torch-free but for the network's export."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from poseapp.convert.int8 import FIRST_KEPT, LARGEST_ON_CPU, Quantised, _mean_shift, _whole, quantise
from poseapp.convert.int8_calibration import LARGEST, RANGES, RangeCalibration, affine
from poseapp.convert.int8_graph import convolutions
from poseapp.core.errors import DataError, ModelError
from poseapp.core.spec import ModelSpec
from poseapp.engine.comparator import difference_px, sample_crops
from poseapp.engine.graph_nodes import HALF_OPERATORS, NETWORK
from poseapp.engine.load import load_engine
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.train.eval.int8 import calibration_crops, quantise_model

HW = (192, 144)


SOURCE = Path("engines/hourglass-s/model.onnx")


@dataclass(frozen=True)
class Quantisation:
    """What was written, and what its graph consists of."""

    done: Quantised
    path: Path
    graph: onnx.ModelProto

    @property
    def made_by(self) -> dict[str, onnx.NodeProto]:
        return {name: node for node in self.graph.graph.node for name in node.output}

    @property
    def read_by(self) -> dict[str, list[onnx.NodeProto]]:
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        return readers

    @property
    def values(self) -> dict[str, np.ndarray]:
        return {i.name: numpy_helper.to_array(i) for i in self.graph.graph.initializer}


@pytest.fixture(scope="module")
def source(repo_root: Path) -> Path:
    return repo_root / SOURCE


@pytest.fixture(scope="module")
def for_cpus(source: Path) -> RangeCalibration:
    return RangeCalibration(source, sample_crops(HW)[::2])


@pytest.fixture(scope="module")
def for_gpus(source: Path) -> RangeCalibration:
    return RangeCalibration(source, sample_crops(HW)[::2], "gpu")


@pytest.fixture(scope="module")
def on_gpu(source: Path, for_gpus: RangeCalibration, tmp_path_factory: pytest.TempPathFactory) -> Quantisation:
    path = tmp_path_factory.mktemp("int8") / "int8.onnx"
    done = quantise(source, path, for_gpus, "error", keep=("/net/trunk/stem/",))
    return Quantisation(done, path, onnx.load(path))


def test_on_gpus_every_convolution_of_the_network_gets_int8_weights_and_a_rounded_input(
    source: Path, on_gpu: Quantisation
) -> None:
    before, after = onnx.load(source), on_gpu.graph
    assert on_gpu.done.sha256 == hashlib.sha256(on_gpu.path.read_bytes()).hexdigest()
    assert (on_gpu.done.convolutions, on_gpu.done.kept) == (len(convolutions(before)) - 1, 1)
    assert {p.key: p.value for p in after.metadata_props}["precision"] == "INT8"
    made_by, values = on_gpu.made_by, on_gpu.values
    floats = {i.name: numpy_helper.to_array(i) for i in before.graph.initializer}
    for old, node in zip(convolutions(before), convolutions(after), strict=True):
        assert node.name == old.name
        if "/trunk/stem/" in node.name:
            assert list(node.input) == [f"{name}_half" for name in old.input]
            continue
        weight = made_by[node.input[1]]
        assert made_by[node.input[0]].op_type == weight.op_type == "DequantizeLinear"
        whole, scale, zero = (values[name] for name in weight.input)
        assert whole.dtype == zero.dtype == np.int8
        assert scale.dtype == np.float16
        assert not zero.any()
        used = np.abs(whole).reshape(len(whole), -1).max(axis=1)
        assert (used[scale >= 2.0**-14] == 127).all()  # smaller ones have fewer bits in FP16, and do next to nothing
        assert (used <= 127).all()
        step = scale.astype(np.float32).reshape(-1, 1, 1, 1)
        half = floats[old.input[1]].astype(np.float16).astype(np.float32)  # what the FP16 graph has
        assert (np.abs(whole * step - half) <= step * 0.5001).all()
        assert node.input[2] == f"{old.input[2]}_half"  # biases are not rounded to integers: TensorRT wants them so
    zeros = {node.input[2] for node in after.graph.node if node.op_type == "QuantizeLinear"}
    assert zeros
    assert all(values[name] == 0 for name in zeros)  # symmetric, as TensorRT wants it
    decoders = [n for n in after.graph.node if n.name.startswith("/decoder")]
    assert all("rounded" not in name and "int8" not in name for n in decoders for name in n.input)


def test_on_gpus_a_sum_has_one_convolutions_output_and_else_rounded_inputs(on_gpu: Quantisation) -> None:
    """What TensorRT joins: the convolution with the sum behind it, whose other input is in INT8."""
    sums = [node for node in on_gpu.graph.graph.node if node.op_type == "Add" and NETWORK.match(node.name)]
    assert len(sums) == 17
    joined = 0
    for node in sums:
        makers = [on_gpu.made_by[name] for name in node.input]
        others = [maker for maker in makers if maker.op_type != "DequantizeLinear"]
        assert len(others) <= 1, node.name
        for maker in others:
            joined += 1
            assert maker.op_type == "Conv"
            assert on_gpu.made_by[maker.input[1]].op_type == "DequantizeLinear"  # one in INT8
            assert [reader.name for reader in on_gpu.read_by[maker.output[0]]] == [node.name]
    assert joined > 10


def test_on_gpus_what_is_not_int8_is_fp16(on_gpu: Quantisation) -> None:
    """TensorRT computes each operator in the type that the file says."""
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(on_gpu.graph).graph.value_info}
    kinds = set()
    for node in on_gpu.graph.graph.node:
        if node.op_type == "DequantizeLinear" or (NETWORK.match(node.name) and node.op_type in HALF_OPERATORS):
            if node.op_type == "Slice" and types[node.output[0]] == onnx.TensorProto.INT64:
                continue  # of a shape
            kinds.add(node.op_type)
            assert types[node.output[0]] == onnx.TensorProto.FLOAT16, node.name
    assert {"Conv", "Add", "Clip", "Relu", "BatchNormalization", "Resize", "DequantizeLinear"} <= kinds
    assert next(o.version for o in on_gpu.graph.opset_import if o.domain in ("", "ai.onnx")) >= 19  # before it scales are FP32


def test_the_file_for_gpus_keeps_joints_in_place(repo_root: Path) -> None:
    """In ONNX Runtime, which would otherwise round biases to steps that FP16 cannot hold: joints would move by 9 px."""
    folder = repo_root / "engines" / "hourglass-t"
    spec = ModelSpec.read(folder / "model.json")
    path = ModelFolder(folder).graph(spec, "int8", "gpu")
    with closing(OrtEngine(path, spec)) as ours, closing(OrtEngine(folder / "model.onnx", spec)) as trusted:
        assert difference_px(ours, trusted, sample_crops(spec.input_hw)) <= 1.5


@pytest.mark.parametrize("largest", [1e-3, 0.7, 4.1, 900.3])
def test_a_step_in_fp16_cuts_nothing_off(largest: float) -> None:
    whole, scale = _whole(np.full((1, 1, 1, 1), largest, np.float32), LARGEST, 2.0**-20, np.float16)
    assert whole.item() * float(scale[0]) == pytest.approx(largest, abs=0.5001 * float(scale[0]))
    assert float(scale[0]) * LARGEST >= largest * 0.999999


def test_a_step_that_fp16_cannot_hold_is_made_larger() -> None:
    tiny = np.full((1, 1, 1, 1), 1e-9, np.float32)
    whole, scale = _whole(np.concatenate([tiny, tiny * 1e8]), LARGEST, 2.0**-20, np.float16)
    assert scale.dtype == np.float16
    assert scale[0] == 2.0**-20
    assert whole.ravel().tolist() == [0, 127]


def test_on_cpus_inputs_and_outputs_of_convolutions_are_rounded_and_sums_are_not(
    source: Path, for_cpus: RangeCalibration, tmp_path: Path
) -> None:
    done = quantise(source, tmp_path / "int8.onnx", for_cpus, "max", keep=("/net/trunk/stem/",))
    before, after = onnx.load(source), onnx.load(tmp_path / "int8.onnx")
    assert (done.convolutions, done.kept) == (len(convolutions(before)) - 2, 2)
    made_by = {name: node for node in after.graph.node for name in node.output}
    read_by: dict[str, list[onnx.NodeProto]] = {}
    for node in after.graph.node:
        for name in node.input:
            read_by.setdefault(name, []).append(node)
    values = {i.name: numpy_helper.to_array(i) for i in after.graph.initializer}
    floats = {i.name: numpy_helper.to_array(i) for i in before.graph.initializer}
    for old, node in zip(convolutions(before), convolutions(after), strict=True):
        if "/trunk/stem/" in node.name or "/net/head/" in node.name:  # the heatmaps are not rounded, nor what makes them
            assert [name.removesuffix("_rounded") for name in node.input] == list(old.input)
            assert not any(reader.op_type == "QuantizeLinear" for reader in read_by[node.output[0]])
            continue
        data, weight, bias = (made_by[name] for name in node.input)
        assert {data.op_type, weight.op_type, bias.op_type} == {"DequantizeLinear"}
        assert values[data.input[2]].dtype == np.uint8
        whole, scale, zero = (values[name] for name in weight.input)
        assert whole.dtype == np.int8
        assert np.abs(whole).max() <= 64
        assert not zero.any()
        step = scale.reshape(-1, 1, 1, 1)
        assert (np.abs(whole * step - floats[old.input[1]]) <= step * 0.5001).all()
        assert values[bias.input[0]].dtype == np.int32
        np.testing.assert_allclose(values[bias.input[1]], scale * values[data.input[1]], rtol=1e-6)
        (reader,) = read_by[node.output[0]]
        if reader.op_type in ("Relu", "Clip"):
            (reader,) = read_by[reader.output[0]]
        assert reader.op_type == "QuantizeLinear"
    sums = [node.output[0] for node in before.graph.node if node.op_type == "Add" and node.name.startswith("/net/")]
    into_convolutions = {node.input[0] for node in convolutions(before)}
    assert 5 < len(into_convolutions & set(sums)) < len(sums)
    for tensor in sums:
        rounded = "QuantizeLinear" in {reader.op_type for reader in read_by[tensor]}
        assert rounded == (tensor in into_convolutions)
    assert not {"heatmaps", "keypoints"} & {name for node in after.graph.node if "Linear" in node.op_type for name in node.input}


def test_biases_make_up_for_what_rounding_takes_from_the_mean() -> None:
    random = np.random.default_rng(0)
    lost = random.normal(size=(6, 2, 3, 3)).astype(np.float32)  # six outputs, three groups of two inputs
    means = random.uniform(size=6).astype(np.float32)
    want = [sum(float(lost[o, i].sum()) * float(means[o // 2 * 2 + i]) for i in range(2)) for o in range(6)]
    np.testing.assert_allclose(_mean_shift(lost, means), want, rtol=1e-5)


def test_a_bias_that_weights_are_too_small_for_still_fits_32_bits() -> None:
    whole, scale = _whole(np.full((1, 1, 1, 1), 1e-9, np.float32), LARGEST_ON_CPU, np.array([0.5], np.float32))
    assert (whole.item(), scale.item()) == (0, 0.5)


@pytest.mark.parametrize(("low", "high"), [(0.0, 6.0), (-1.0, 3.0), (-2.0, 0.0), (0.0, 0.0)])
def test_zero_is_held_exactly_and_both_ends_to_half_a_step(low: float, high: float) -> None:
    step, zero = affine(low, high)
    assert 0 <= zero <= 255
    for value in (low, high):
        whole = np.clip(np.rint(value / step) + zero, 0, 255)
        assert abs((whole - zero) * step - value) <= step


def test_ranges_are_as_large_as_they_say(for_cpus: RangeCalibration, for_gpus: RangeCalibration) -> None:
    for tensor in for_gpus.tensors[:20]:
        largest, percentile, error = (for_gpus.scale(tensor, ranges) for ranges in RANGES)
        low, high = for_cpus.bounds(tensor.removesuffix("_half"), "max")
        assert low <= 0 <= high
        assert largest == pytest.approx(max(-low, high) / 127, rel=2e-3)  # what runs on GPUs is seen in FP16
        assert percentile <= largest * 1.0001
        assert 0.29 * largest < error <= largest * 1.0001
        for ranges in ("percentile", "error"):
            inner = for_cpus.bounds(tensor.removesuffix("_half"), ranges)
            assert low * 1.0001 <= inner[0] <= 0 <= inner[1] <= high * 1.0001
            assert inner[1] - inner[0] > 0.2 * (high - low)


def test_too_few_crops(source: Path) -> None:
    with pytest.raises(
        ModelError, match=r"model\.onnx: expected 16 crops or more to calibrate on, got 3\. Give more pictures\.$"
    ):
        RangeCalibration(source, sample_crops(HW)[:3])


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
    (folder / "model.int8.onnx").write_bytes(b"of an older version")
    before = ModelSpec.read(folder / "model.json")
    old_card = (folder / "README.md").read_text()
    report = quantise_model(folder, pictures, command="the command", ranges=("max",))
    after = ModelSpec.read(folder / "model.json")
    assert [made.serves for made in report.files] == ["cpu", "gpu"]
    for made in report.files:
        sha256 = hashlib.sha256((folder / f"model.int8-{made.serves}.onnx").read_bytes()).hexdigest()
        assert after.variants[f"int8-{made.serves}"] == made.quantised.sha256 == sha256
    assert "int8" not in after.variants
    assert not (folder / "model.int8.onnx").exists()
    assert after.weights_sha256 == before.weights_sha256
    assert after.metrics["int8_px"] == pytest.approx(report.px, abs=1e-3)
    assert report.px <= 1.5
    assert [[check.runtime.split()[0] for check in made.checks] for made in report.files] == [["ONNX", "OpenVINO"], ["ONNX"]]
    for made, last in zip(report.files, (1, 0), strict=True):  # on a CPU the heatmaps' convolution stays in FP32, too
        q = made.quantised
        first = FIRST_KEPT[made.serves]
        assert q.kept == first + last
        rounded = [node.input[1].endswith("_weight") for node in convolutions(onnx.load(folder / made.file))]
        assert rounded == [False] * first + [True] * q.convolutions + [False] * last
        assert q.sha256 in (folder / "README.md").read_text()
    card = (folder / "README.md").read_text()
    assert card.count("## INT8") == 1
    assert "the command" in card
    assert card.index("## INT8") < card.index("## Known limits")
    assert card[card.index("## Known limits") :] == old_card[old_card.index("## Known limits") :]
    assert sorted(p.name for p in folder.iterdir() if p.suffix == ".tmp") == []
    engine = load_engine(folder, "cpu", precision="int8")
    engine.close()
    assert engine.backend.precision == "INT8"
    assert engine.backend.fallback == ""
