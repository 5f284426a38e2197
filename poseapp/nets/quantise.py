"""A model.onnx in INT8: Q/DQ pairs around the network's convolutions; normalisation, sums and decoding stay in FP32.

Weights are int8 with a scale for each output channel, activations int8 with one scale and zero-point 0: TensorRT takes
nothing else, and ONNX Runtime and OpenVINO take it, too. Scales come from pictures alone, no labels and no torch needed.
See Jacob et al., CVPR 2018, and Nagel et al., "A White Paper on Neural Network Quantization", 2021, Sec. 3.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import ModelError
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.files import NETWORK

Range = Literal["max", "percentile", "error"]
RANGES: tuple[Range, ...] = get_args(Range)
LARGEST = 127
PERCENTILE = 99.99
MIN_CROPS = 16
_KEPT_PER_CROP = 1024  # values of each tensor, drawn at random; enough for its distribution


@dataclass(frozen=True)
class Quantised:
    """What was written: hash of the file, convolutions in INT8 and in FP32, and how ranges were chosen."""

    sha256: str
    convolutions: int
    kept: int
    ranges: Range


class Calibration:
    """How large each tensor in front of a convolution gets on *crops* (N, H, W, 3) uint8, at most and typically.

    *progress* hears of the share done, 0..1. Raises ModelError when there are too few crops or the graph has nothing to
    quantise.
    """

    def __init__(self, source: Path, crops: ImageArray, progress: Callable[[float], None] = lambda share: None) -> None:
        import onnx
        import onnxruntime

        if len(crops) < MIN_CROPS:
            raise ModelError(
                f"{source}: expected {MIN_CROPS} crops or more to calibrate on, got {len(crops)}. Give more pictures."
            )
        model = onnx.load(source)
        self._names = tuple(node.name for node in convolutions(model))
        self.tensors = tuple(dict.fromkeys(node.input[0] for node in convolutions(model)))
        if not self.tensors:
            raise ModelError(f"{source}: has no convolutions of a network. Export it with this version of the app.")
        have = {output.name for output in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self.tensors if name not in have)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        random = np.random.default_rng(0)
        kept: dict[str, list[FloatArray]] = {name: [] for name in self.tensors}
        self.largest = dict.fromkeys(self.tensors, 0.0)
        with tempfile.TemporaryDirectory() as folder:  # a model over 2 GB could not be handed over in memory
            path = Path(folder) / "watched.onnx"
            onnx.save(model, path)
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            for i in range(len(crops)):
                for name, value in zip(self.tensors, session.run(list(self.tensors), {"crops": crops[i : i + 1]}), strict=True):
                    size = np.abs(value).ravel()
                    self.largest[name] = max(self.largest[name], float(size.max()))
                    kept[name].append(random.choice(size, min(_KEPT_PER_CROP, len(size)), replace=False))
                progress((i + 1) / len(crops))
        self._typical = {name: np.concatenate(parts) for name, parts in kept.items()}

    def first(self, count: int) -> tuple[str, ...]:
        """The names of the first *count* convolutions, for ``keep``; never all of them."""
        return self._names[: min(count, len(self._names) - 1)]

    def scale(self, tensor: str, ranges: Range) -> float:
        """The step of *tensor* in INT8: what *ranges* has as its largest value, over 127."""
        largest, typical = self.largest[tensor], self._typical[tensor]
        if ranges == "percentile":
            largest = float(np.percentile(typical, PERCENTILE))
        elif ranges == "error":  # a smaller range cuts off the few that are large, and resolves the many better
            largest = min(largest * np.linspace(1, 0.3, 36), key=lambda top: _squared_error(typical, top / LARGEST))
        return max(float(largest), 1e-6) / LARGEST


def convolutions(model: Any) -> list[Any]:
    """The Conv nodes of the network in a graph of this project: those of normalisation and decoding are no part of it."""
    return [node for node in model.graph.node if node.op_type == "Conv" and NETWORK.match(node.name)]


def quantise(source: Path, target: Path, calibration: Calibration, ranges: Range = "max", keep: Sequence[str] = ()) -> Quantised:
    """Write the model in *source* in INT8 to *target*; inputs and outputs keep their types.

    Every convolution of the network gets a rounded input and rounded weights; its bias and its sum are not rounded, so sums
    of branches, resizing and heatmaps keep FP32's resolution. *keep* are pieces of names of convolutions that stay in FP32.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    graph = model.graph
    weights = {i.name: i for i in graph.initializer}
    chosen = [n for n in convolutions(model) if n.input[1] in weights and not any(piece in n.name for piece in keep)]
    kept = len(convolutions(model)) - len(chosen)
    before: dict[int, list[Any]] = {}  # nodes to come before one of the graph's, by its id
    rounded: dict[str, str] = {}

    def round_trip(tensor: str, scale: float) -> list[Any]:
        graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), f"{tensor}_scale"))
        graph.initializer.append(numpy_helper.from_array(np.array(0, np.int8), f"{tensor}_zero"))
        rounded[tensor] = f"{tensor}_rounded"
        pair = [f"{tensor}_scale", f"{tensor}_zero"]
        return [
            helper.make_node("QuantizeLinear", [tensor, *pair], [f"{tensor}_int8"], f"/quantise/{tensor}"),
            helper.make_node("DequantizeLinear", [f"{tensor}_int8", *pair], [rounded[tensor]], f"/dequantise/{tensor}"),
        ]

    for node in chosen:
        steps = before[id(node)] = []
        tensor, weight = node.input[0], node.input[1]
        if tensor not in rounded:
            steps += round_trip(tensor, calibration.scale(tensor, ranges))
        values = numpy_helper.to_array(weights[weight])
        scale = np.maximum(np.abs(values).reshape(len(values), -1).max(axis=1), 1e-12).astype(np.float32) / LARGEST
        whole = np.clip(np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))), -LARGEST, LARGEST).astype(np.int8)
        if f"{weight}_int8" not in weights:
            for value, name in (
                (whole, f"{weight}_int8"),
                (scale, f"{weight}_scale"),
                (np.zeros(len(scale), np.int8), f"{weight}_zero"),
            ):
                graph.initializer.append(numpy_helper.from_array(value, name))
            weights[f"{weight}_int8"] = graph.initializer[-3]
        # Its own for each convolution: a shared one keeps ONNX Runtime from fusing it.
        own = f"{node.output[0]}_weight"
        names = [f"{weight}_int8", f"{weight}_scale", f"{weight}_zero"]
        steps.append(helper.make_node("DequantizeLinear", names, [own], f"/dequantise/{own}", axis=0))
        node.input[0], node.input[1] = rounded[tensor], own
    nodes = [step for node in graph.node for step in (*before.get(id(node), ()), node)]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    left = [i for i in graph.initializer if i.name in used]
    del graph.initializer[:]
    graph.initializer.extend(left)
    del graph.value_info[:]
    properties = {entry.key: entry.value for entry in model.metadata_props}
    helper.set_model_props(model, {**properties, "precision": "INT8"})
    onnx.checker.check_model(model)
    onnx.save(model, target)
    return Quantised(hashlib.sha256(target.read_bytes()).hexdigest(), len(chosen), kept, ranges)


def _squared_error(values: FloatArray, scale: float) -> float:
    rounded: NDArray[np.floating] = np.clip(np.rint(values / scale), -LARGEST, LARGEST) * scale
    return float(np.square(values - rounded).mean())
