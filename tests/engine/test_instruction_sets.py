"""INT8 is right on every instruction set: by the ranges of its numbers, and tried where the processor can be held to fewer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from poseapp.convert.int8_graph import convolutions
from poseapp.core.spec import ModelSpec
from poseapp.engine import machine
from poseapp.engine.model_folder import ModelFolder

ENGINES = Path(__file__).resolve().parents[2] / "engines"
QUANTISED = sorted(path.parent.name for path in ENGINES.glob("*/model.json") if "int8" in ModelSpec.read(path).precisions)
# What oneDNN (in OpenVINO) can be held to, and the instructions that it then takes.
HELD_TO = {"AVX2": "avx2", "AVX2_VNNI": "avx_vnni", "AVX512_CORE": "avx512bw", "AVX512_CORE_VNNI": "avx512_vnni"}
# Prints how far OpenVINO moves the joints of the stored crops, by model.
MEASURE = """
import json, sys
from contextlib import closing
from pathlib import Path
from poseapp.core.spec import ModelSpec
from poseapp.engine.choice import Option, open_option
from poseapp.engine.comparator import difference_px, sample_crops
moved = {}
for folder in map(Path, sys.argv[1:]):
    spec = ModelSpec.read(folder / "model.json")
    exact, int8 = Option("onnxruntime", "fp32"), Option("openvino", "int8")
    with closing(open_option(folder, spec, exact, 1)) as a, closing(open_option(folder, spec, int8, 1)) as b:
        moved[folder.name] = difference_px(b, a, sample_crops(spec.input_hw))
print(json.dumps(moved))
"""


def graph_for_cpus(name: str) -> tuple[Path, onnx.ModelProto]:
    folder = ENGINES / name
    path = ModelFolder(folder).graph(ModelSpec.read(folder / "model.json"), "int8", "cpu")
    return path, onnx.load(path)


def test_the_models_that_ship_have_int8_files() -> None:
    assert {"hourglass-t", "hourglass-s", "hourglass-l"} <= set(QUANTISED)


@pytest.mark.parametrize("name", QUANTISED)
def test_no_sum_of_two_products_overflows_16_bits(name: str) -> None:
    """x86 without VNNI adds two products of uint8 and int8 in 16 bits, and cuts off what does not fit."""
    graph = graph_for_cpus(name)[1]
    values = {i.name: numpy_helper.to_array(i) for i in graph.graph.initializer}
    made_by = {name: node for node in graph.graph.node for name in node.output}
    rounded = 0
    for node in convolutions(graph):
        weight = made_by.get(node.input[1])
        if weight is None or weight.op_type != "DequantizeLinear":
            continue
        rounded += 1
        whole = values[weight.input[0]].astype(int)
        assert values[made_by[node.input[0]].input[2]].dtype == np.uint8
        assert 2 * 255 * np.abs(whole).max() < 2**15
        assert np.abs(whole).max() > 50  # and the bits that there are are used
    assert rounded > 60


@pytest.mark.parametrize("name", QUANTISED)
def test_onnx_runtime_computes_it_in_integers(name: str, tmp_path: Path) -> None:
    """A convolution that it does not fuse with its Q/DQ pairs is computed in FP32, and slower than without them."""
    path, graph = graph_for_cpus(name)
    rounded = sum(node.input[1].endswith("_weight") for node in convolutions(graph))
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert operators.count("QLinearConv") == rounded
    assert operators.count("Conv") >= len(convolutions(graph)) - rounded  # none that was to stay in FP32 was rounded on its own


def moved_px(isa: str, cache: Path, *folders: Path) -> dict[str, float]:
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-c", MEASURE, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment)
    return {name: float(px) for name, px in json.loads(done.stdout).items()}


def skip_without(isa: str) -> None:
    if HELD_TO[isa] not in machine.instruction_sets().split():
        pytest.skip(f"this processor has no {isa}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("isa", ["AVX2", *(pytest.param(isa, marks=pytest.mark.slow) for isa in HELD_TO if isa != "AVX2")])
def test_int8_agrees_on_each_instruction_set(isa: str, tmp_path: Path) -> None:
    skip_without(isa)
    moved = moved_px(isa, tmp_path, *(ENGINES / name for name in QUANTISED))
    assert set(moved) == set(QUANTISED)
    assert all(px <= 1.5 for px in moved.values()), moved


@pytest.mark.timeout(300)
def test_weights_of_8_bits_would_not_agree_without_vnni(tmp_path: Path) -> None:
    """So the test above can fail: the file for GPUs, whose sums overflow, moves the joints there."""
    skip_without("AVX2")
    folder = tmp_path / "hourglass-s"
    shutil.copytree(ENGINES / "hourglass-s", folder)
    shutil.copy(folder / "model.int8-gpu.onnx", folder / "model.int8.onnx")
    content = json.loads((folder / "model.json").read_text())
    content["variants"] = {"int8": content["variants"]["int8-gpu"]}
    (folder / "model.json").write_text(json.dumps(content))
    assert moved_px("AVX2", tmp_path, folder)["hourglass-s"] > 1.5
