"""A detector small enough to be made in a moment, of which the answer is known: it finds blocks of bright pixels."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from poseapp.core.spec import Source
from poseapp.engine.detector import DetectorSpec

HW = (64, 64)
CELL = 16  # a cell of the grid that it looks at, in input px
BOXES = (HW[0] // CELL) * (HW[1] // CELL)


def write_detector(folder: Path, threshold: float = 0.5, name: str = "tiny-detector") -> Path:
    """Write model.onnx and detector.json into *folder*, made where needed; returns it.

    Every cell of a 4×4 grid is a box, with its mean brightness (0..1) as the score.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = _graph().SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    spec = DetectorSpec(name, HW, BOXES, threshold, hashlib.sha256(content).hexdigest(), 0, 0, Source("none", "none", "none"), {})
    (folder / "detector.json").write_text(spec.to_json(), encoding="utf-8")
    return folder


def _graph() -> onnx.ModelProto:
    rows, columns = np.mgrid[: HW[0] : CELL, : HW[1] : CELL].reshape(2, -1)
    cells = np.stack([columns - 0.5, rows - 0.5, np.full(BOXES, CELL), np.full(BOXES, CELL)], axis=1).astype(np.float32)
    constants: dict[str, np.ndarray[Any, Any]] = {
        "to_unit": np.array(1 / 765, np.float32),
        "channels": np.array([1], np.int64),
        "flat": np.array([0, BOXES, 1], np.int64),
        "all": np.array([BOXES], np.int64),
        "cells": cells,
        "last": np.array([2], np.int64),
    }
    steps = [
        helper.make_node("Cast", ["crops"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceSum", ["nchw", "channels"], ["light"], keepdims=1),
        helper.make_node("Mul", ["light", "to_unit"], ["unit"]),
        helper.make_node("AveragePool", ["unit"], ["means"], kernel_shape=[CELL] * 2, strides=[CELL] * 2),
        helper.make_node("Reshape", ["means", "flat"], ["scores"]),
        helper.make_node("TopK", ["scores", "all"], ["best", "index"], axis=1),
        helper.make_node("Squeeze", ["index", "last"], ["order"]),
        helper.make_node("Gather", ["cells", "order"], ["places"], axis=0),
        helper.make_node("Concat", ["places", "best"], ["boxes"], axis=2),
    ]
    graph = helper.make_graph(
        steps,
        "tiny-detector",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", *HW, 3])],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", BOXES, 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
