"""A model small enough to be made in a moment, of which the answer is known: every joint is where the picture is brightest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from poseapp.core.skeleton import MPII_16
from poseapp.core.spec import ModelSpec, Source

HW = (64, 48)
STRIDE = 4
CELLS = (HW[0] // STRIDE, HW[1] // STRIDE)
SPEC = ModelSpec(
    name="tiny",
    family="hourglass",
    skeleton=MPII_16,
    input_hw=HW,
    stride=STRIDE,
    decode="argmax",
    mapping="centre",
    sigma_px=1.0,
    weights_sha256="0" * 64,
    parameters=0,
    macs=0,
    source=Source("none", "none", "none"),
    metrics={},
    variants={},
)


@dataclass(frozen=True)
class Flaws:
    """What may be wrong with the graph."""

    input_name: str = "crops"
    input_hw: tuple[int, int] = HW
    heatmaps: bool = True
    joints: int = MPII_16.k


def write_model(folder: Path, flaws: Flaws = Flaws(), name: str = "tiny") -> Path:
    """Write model.onnx and model.json into *folder*, made where needed; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    content = _graph(flaws).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    spec = replace(SPEC, name=name, weights_sha256=hashlib.sha256(content).hexdigest())
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return folder


def _graph(flaws: Flaws) -> onnx.ModelProto:
    h, w = flaws.input_hw
    cells_h, cells_w = h // STRIDE, w // STRIDE
    constants: dict[str, np.ndarray[Any, Any]] = {
        "to_unit": np.array(1 / 765, np.float32),
        "channels": np.array([1], np.int64),
        "repeats": np.array([1, flaws.joints, 1, 1], np.int64),
        "flat": np.array([0, flaws.joints, cells_h * cells_w], np.int64),
        "width": np.array(cells_w, np.int64),
        "stride": np.array(STRIDE, np.float32),
        "half": np.array((STRIDE - 1) / 2, np.float32),
        "last": np.array([2], np.int64),
    }
    steps = [
        helper.make_node("Cast", [flaws.input_name], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceSum", ["nchw", "channels"], ["light"], keepdims=1),
        helper.make_node("Mul", ["light", "to_unit"], ["linear"]),
        helper.make_node("Sqrt", ["linear"], ["unit"]),  # in a dim room it is sure enough, too: it stands for a good model
        helper.make_node("AveragePool", ["unit"], ["cells"], kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2),
        helper.make_node("Tile", ["cells", "repeats"], ["heatmaps"]),
        helper.make_node("Reshape", ["heatmaps", "flat"], ["rows"]),
        helper.make_node("ReduceMax", ["rows"], ["score"], axes=[2], keepdims=1),
        helper.make_node("ArgMax", ["rows"], ["best"], axis=2, keepdims=1),
        helper.make_node("Mod", ["best", "width"], ["column"]),
        helper.make_node("Div", ["best", "width"], ["row"]),
        helper.make_node("Concat", ["column", "row"], ["place"], axis=2),
        helper.make_node("Cast", ["place"], ["place_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["place_float", "stride"], ["corner"]),
        helper.make_node("Add", ["corner", "half"], ["xy"]),
        helper.make_node("Concat", ["xy", "score"], ["keypoints"], axis=2),
    ]
    outputs = [helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["n", flaws.joints, 3])]
    if flaws.heatmaps:
        outputs.append(helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["n", flaws.joints, cells_h, cells_w]))
    graph = helper.make_graph(
        steps,
        "tiny",
        [helper.make_tensor_value_info(flaws.input_name, TensorProto.UINT8, ["n", h, w, 3])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
