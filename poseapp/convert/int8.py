"""A model.onnx in INT8, for CPUs or for TensorRT: Q/DQ pairs in the network; normalisation and decoding stay in FP32.

The two differ, since each runs fast only what the other cannot:

* For CPUs every convolution has rounded inputs, a rounded output and an int32 bias, which ONNX Runtime and OpenVINO join to one
  integer operation; activations are uint8 with a zero-point, so ReLU costs nothing. Weights have 7 bits: x86 processors
  without VNNI add two products of uint8 and int8 in 16 bits, and 2 × 255 × 64 is the most that fits.
  Sums stay in FP32.
* For TensorRT activations are int8 with zero-point 0 and weights have 8 bits. Biases, the outputs of convolutions and all else
  of the network are in FP16, since it computes each in the type that the file says. What is added to a convolution's output is
  rounded too: TensorRT joins the two, and the sum leaves the kernel in INT8 only where its other input is INT8.

Scales come from pictures alone, no labels and no torch needed.
See Jacob et al., CVPR 2018; Nagel et al., "A White Paper on Neural Network Quantization", 2021, Sec. 3; and NVIDIA's TensorRT
documentation, "Q/DQ Layer-Placement Recommendations".
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.half import make_half
from poseapp.core.errors import ModelError
from poseapp.core.files import sha256_file
from poseapp.core.spec import Processor
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.model_folder import NETWORK

Range = Literal["max", "percentile", "error"]
RANGES: tuple[Range, ...] = get_args(Range)
LARGEST = 127
LARGEST_ON_CPU = 64  # of weights: 2 × 255 × 64 is below 2^15
PERCENTILE = 99.99
MIN_CROPS = 16
_KEPT_PER_CROP = 1024  # values of each tensor, drawn at random; enough for its distribution
_ACTIVATIONS = ("Relu", "Clip")
_MAKERS = ("Conv", *_ACTIVATIONS)
_MOVES_VALUES = ("MaxPool", "Resize", "Slice")  # what comes out of them was in their input: the same step serves
_BIAS_MOST = 2.0**30  # int32, with room for the sum of products
_HALF_OPSET = 19  # the first in which scales may be FP16
_HALF_SMALLEST = 2.0**-20  # of scales in FP16: below it so few of its bits are left that values would be off by percents


@dataclass(frozen=True)
class Quantised:
    """What was written: hash of the file, convolutions in INT8 and those that are not, and how ranges were chosen."""

    sha256: str
    convolutions: int
    kept: int
    ranges: Range


class Calibration:
    """How large each tensor that is rounded for the processors that it *serves* gets on *crops* (N, H, W, 3) uint8, at most
    and typically.

    *progress* hears of the share done, 0..1. Raises ModelError when there are too few crops or the graph has nothing to
    quantise.
    """

    def __init__(
        self,
        source: Path,
        crops: ImageArray,
        serves: Processor = "cpu",
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        import onnx
        import onnxruntime

        if len(crops) < MIN_CROPS:
            raise ModelError(
                f"{source}: expected {MIN_CROPS} crops or more to calibrate on, got {len(crops)}. Give more pictures."
            )
        model = _read(source, serves)
        self.serves = serves
        self._names = tuple(node.name for node in convolutions(model))
        if not self._names:
            raise ModelError(f"{source}: has no convolutions of a network. Export it with this version of the app.")
        read = [node.input[0] for node in convolutions(model)]
        network = [node for node in model.graph.node if NETWORK.match(node.name)]
        if serves == "cpu":
            read += [node.output[0] for node in network if node.op_type in _MAKERS]
        else:
            made = {name for node in network for name in node.output}
            read += [name for node in network if node.op_type == "Add" for name in node.input if name in made]
        watched = list(dict.fromkeys(read))
        self.tensors = tuple(watched)
        have = {output.name for output in model.graph.output}
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched if name not in have)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        random = np.random.default_rng(0)
        kept: dict[str, list[FloatArray]] = {name: [] for name in watched}
        self._bounds = dict.fromkeys(watched, (0.0, 0.0))
        self._means: dict[str, FloatArray] = {}
        with tempfile.TemporaryDirectory() as folder:  # a model over 2 GB could not be handed over in memory
            path = Path(folder) / "watched.onnx"
            onnx.save(model, path)
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            for i in range(len(crops)):
                for name, seen in zip(watched, session.run(watched, {"crops": crops[i : i + 1]}), strict=True):
                    value = seen.astype(np.float32, copy=False)
                    low, high = self._bounds[name]
                    self._bounds[name] = min(low, float(value.min())), max(high, float(value.max()))
                    self._means[name] = self._means.get(name, 0) + value.mean(axis=(0, 2, 3), dtype=np.float64) / len(crops)
                    kept[name].append(random.choice(value.ravel(), min(_KEPT_PER_CROP, value.size), replace=False))
                progress((i + 1) / len(crops))
        self._typical = {name: np.concatenate(parts) for name, parts in kept.items()}

    def first(self, count: int) -> tuple[str, ...]:
        """The names of the first *count* convolutions, for ``keep``; never all of them."""
        return self._names[: min(count, len(self._names) - 1)]

    def bounds(self, tensor: str, ranges: Range) -> tuple[float, float]:
        """The least and the largest value of *tensor* as *ranges* has it; 0 is between them."""
        low, high = self._bounds[tensor]
        typical = self._typical[tensor]
        if ranges == "percentile":
            low, high = (
                min(0.0, float(np.percentile(typical, 100 - PERCENTILE))),
                max(0.0, float(np.percentile(typical, PERCENTILE))),
            )
        elif ranges == "error":  # a smaller range cuts off the few that are large, and resolves the many better
            shares = np.linspace(1, 0.3, 36)
            best = min(shares, key=lambda share: _squared_error(typical, *affine(low * share, high * share), 0, 255))
            low, high = low * float(best), high * float(best)
        return low, high

    def scale(self, tensor: str, ranges: Range) -> float:
        """The step of *tensor* in int8 with zero-point 0: what *ranges* has as its largest size, over 127."""
        largest = max(-self._bounds[tensor][0], self._bounds[tensor][1])
        typical = np.abs(self._typical[tensor])
        if ranges == "percentile":
            largest = float(np.percentile(typical, PERCENTILE))
        elif ranges == "error":
            tops = largest * np.linspace(1, 0.3, 36)
            largest = min(tops, key=lambda top: _squared_error(typical, top / LARGEST, 0, -LARGEST, LARGEST))
        return max(float(largest), 1e-6) / LARGEST

    def means(self, tensor: str) -> FloatArray:
        """The mean of each channel of *tensor*."""
        return self._means[tensor]


def affine(low: float, high: float) -> tuple[float, int]:
    """The step and the zero-point with which uint8 holds *low* to *high*; 0 is held exactly."""
    step = max(high - low, 1e-6) / 255
    return step, round(-low / step)


def convolutions(model: Any) -> list[Any]:
    """The Conv nodes of the network in a graph of this project: those of normalisation and decoding are no part of it."""
    return [node for node in model.graph.node if node.op_type == "Conv" and NETWORK.match(node.name)]


def quantise(
    source: Path,
    target: Path,
    calibration: Calibration,
    ranges: Range = "max",
    keep: Sequence[str] = (),
) -> Quantised:
    """Write the model in *source* in INT8 to *target*, for what *calibration* serves; inputs and outputs keep their types.

    *keep* are pieces of names of convolutions that stay as they are: in FP32 for CPUs, in FP16 for GPUs.
    """
    graph = _Graph(_read(source, calibration.serves))
    every = convolutions(graph.model)
    chosen = [n for n in every if n.input[1] in graph.constants and not any(piece in n.name for piece in keep)]
    if calibration.serves == "cpu":
        # The last ones give heatmaps and fields: 256 steps would be too coarse for the places of peaks.
        chosen = [n for n in chosen if not graph.ends(n.output[0])]
        _for_cpus(graph, chosen, calibration, ranges)
    else:
        _for_gpus(graph, chosen, calibration, ranges)
    graph.save(target)
    return Quantised(sha256_file(target), len(chosen), len(every) - len(chosen), ranges)


def _read(source: Path, serves: Processor) -> Any:
    """The graph in *source* as its INT8 file begins: for GPUs in FP16."""
    import onnx
    from onnx import version_converter

    model = onnx.load(source)
    if serves == "gpu":
        if model.opset_import[0].version < _HALF_OPSET:
            model = version_converter.convert_version(model, _HALF_OPSET)
            model.ir_version = max(model.ir_version, onnx.helper.find_min_ir_version_for(model.opset_import))
        make_half(model)
    return model


def _for_gpus(graph: _Graph, chosen: Sequence[Any], calibration: Calibration, ranges: Range) -> None:
    """Every chosen convolution gets a rounded input and rounded weights, and what is added to its output is rounded."""
    readers: dict[str, list[Any]] = {}
    for node in chosen:
        readers.setdefault(node.input[0], []).append(node)
    for node, tensors in graph.added(chosen):
        for tensor in tensors:
            readers.setdefault(tensor, []).append(node)
    for tensor, nodes in readers.items():
        step = np.float16(max(calibration.scale(tensor, ranges), _HALF_SMALLEST))
        graph.round_trip(tensor, step, np.int8(0), nodes)
    for node in chosen:
        whole, scale = _whole(graph.constants[node.input[1]], LARGEST, _HALF_SMALLEST, np.float16)
        node.input[1] = graph.whole(node.input[1], f"{node.output[0]}_weight", whole, scale, before=node)


def _for_cpus(graph: _Graph, chosen: Sequence[Any], calibration: Calibration, ranges: Range) -> None:
    """Every chosen convolution gets rounded inputs and weights, a whole bias and a rounded output.

    A sum of branches is rounded only where a convolution reads it: rounding all moves hourglass-s's joints by 0.8 px, not 0.5,
    and is hardly faster.
    """
    steps: dict[str, tuple[float, int]] = {}
    for node in chosen:
        for tensor in (node.input[0], graph.after_activation(node)):
            steps.setdefault(tensor, affine(*calibration.bounds(tensor, ranges)))
    for node in graph.network:
        if node.op_type in _MOVES_VALUES and node.input[0] in steps:
            steps[node.output[0]] = steps[node.input[0]]
    inputs = [node.input[0] for node in chosen]  # rounding gives them other names
    for tensor, (step, zero) in steps.items():
        # Heatmaps of a first stack are read by the second stack, rounded, and are a part of the answer, which is not rounded.
        graph.round_trip(tensor, np.float32(step), np.uint8(zero), chosen if graph.ends(tensor) else None)
    for node, tensor in zip(chosen, inputs, strict=True):
        values = graph.constants[node.input[1]]
        bias = graph.constants[node.input[2]] if len(node.input) > 2 else np.zeros(len(values), np.float32)
        scale_in = np.float32(steps[tensor][0])
        whole, scale = _whole(values, LARGEST_ON_CPU, smallest=(np.abs(bias) / (scale_in * _BIAS_MOST)).astype(np.float32))
        bias = bias + _mean_shift(values - whole * _by_channel(scale), calibration.means(tensor))
        weight, out = node.input[1], node.output[0]
        node.input[1] = graph.whole(weight, f"{out}_weight", whole, scale, before=node)
        whole_bias = np.rint(bias / (scale * scale_in)).astype(np.int32)
        del node.input[2:]
        node.input.append(graph.whole(f"{out}_bias", f"{out}_bias_rounded", whole_bias, scale * scale_in, before=node))


def _whole(
    values: NDArray[np.floating], largest: int, smallest: FloatArray | float = 0.0, kept_as: type[np.floating] = np.float32
) -> tuple[NDArray[np.int8], NDArray[np.floating]]:
    """*values* in int8, up to *largest*, and the step of each output channel in the type *kept_as*, at least *smallest*."""
    values = values.astype(np.float32)
    scale = np.maximum(np.abs(values).reshape(len(values), -1).max(axis=1), 1e-12) / largest
    scale = np.maximum(scale, np.asarray(smallest, np.float32)).astype(np.float32)
    kept = scale.astype(kept_as)
    kept = np.where(kept < scale, np.nextafter(kept, kept_as(np.inf)), kept)  # up, so that no value is cut off
    return np.clip(np.rint(values / _by_channel(kept.astype(np.float32))), -largest, largest).astype(np.int8), kept


def _by_channel(scale: NDArray[np.floating]) -> NDArray[np.floating]:
    return scale.reshape(-1, 1, 1, 1)


def _mean_shift(lost: FloatArray, means: FloatArray) -> FloatArray:
    """By how much the outputs of a convolution are lower on average when its weights have *lost* (O, I / groups, h, w) by
    rounding, while its inputs have the *means* (I,). Nagel et al., "Data-Free Quantization", ICCV 2019, Sec. 4.2.
    """
    out, each = lost.shape[:2]
    groups = len(means) // each
    seen = means.reshape(groups, each).repeat(out // groups, axis=0)  # (O, I / groups)
    shift: FloatArray = (lost.sum(axis=(2, 3)) * seen).sum(axis=1)
    return shift


def _squared_error(values: FloatArray, scale: float, zero: int, least: int, most: int) -> float:
    rounded: NDArray[np.floating] = (np.clip(np.rint(values / scale) + zero, least, most) - zero) * scale
    return float(np.square(values - rounded).mean())


class _Graph:
    """A graph of this project while it gets Q/DQ pairs. ``constants`` are its weights by name."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self.model, graph = model, model.graph
        self.network = [node for node in graph.node if NETWORK.match(node.name)]
        self.constants: dict[str, NDArray[np.floating]] = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        for node in graph.node:  # the exporter writes equal weights once, and halving gives each a Cast
            if node.op_type in ("Identity", "Cast") and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]]
        self._readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {output.name for output in graph.output}
        self._ends: dict[str, bool] = {}
        self._entered: set[str] = set()
        self._before: dict[int, list[Any]] = {}  # nodes to come before one of the graph's, by its id
        self._behind: dict[str, list[Any]] = {}  # nodes to come behind the one that makes a tensor

    def after_activation(self, node: Any) -> str:
        """The output of *node*, or of the activation that alone reads it."""
        readers = self._readers.get(node.output[0], [])
        return str((readers[0] if len(readers) == 1 and readers[0].op_type in _ACTIVATIONS else node).output[0])

    def ends(self, tensor: str) -> bool:
        """Whether *tensor* leaves the network without passing another convolution."""
        if tensor not in self._ends:
            self._ends[tensor] = tensor in self._outputs or any(
                not (NETWORK.match(reader.name) or reader.op_type == "Cast")  # a Cast is of whoever reads it
                or (reader.op_type != "Conv" and any(map(self.ends, reader.output)))
                for reader in self._readers.get(tensor, ())
            )
        return self._ends[tensor]

    def added(self, chosen: Sequence[Any]) -> list[tuple[Any, list[str]]]:
        """The sums before the network's last convolutions, each with what is to be rounded of its inputs.

        That is all but the output of one of the *chosen* that nothing else reads: of it and the sum TensorRT makes one kernel.
        """
        alone = {n.output[0] for n in chosen if len(self._readers.get(n.output[0], ())) == 1}
        found = []
        for node in self.network:
            if node.op_type != "Add" or self.ends(node.output[0]) or any(name in self.constants for name in node.input):
                continue
            tensors = list(node.input)
            joined = next((name for name in reversed(tensors) if name in alone), None)
            if joined is not None:
                tensors.remove(joined)
            found.append((node, tensors))
        return found

    def round_trip(self, tensor: str, scale: np.floating, zero: np.generic, readers: Sequence[Any] | None = None) -> None:
        """Round *tensor* to steps of *scale*, behind what makes it, for *readers* or for all."""
        from onnx import helper

        whole, rounded = f"{tensor}_{zero.dtype}", f"{tensor}_rounded"
        pair = [self._constant(f"{tensor}_scale", np.array(scale)), self._constant(f"{tensor}_zero", np.array(zero))]
        nodes = [
            helper.make_node("QuantizeLinear", [tensor, *pair], [whole], f"/quantise/{tensor}"),
            helper.make_node("DequantizeLinear", [whole, *pair], [rounded], f"/dequantise/{tensor}"),
        ]
        self._behind.setdefault(tensor, []).extend(nodes)
        for reader in self._readers.get(tensor, ()) if readers is None else readers:
            for i, name in enumerate(reader.input):
                if name == tensor:
                    reader.input[i] = rounded

    def whole(self, stored: str, name: str, values: NDArray[np.signedinteger], scale: NDArray[np.floating], before: Any) -> str:
        """Keep *values* as *stored*, with a *scale* for each of the first axis, and read them as *name*, which is returned.

        *before* gets a node of its own for it, even where weights are shared: a shared one keeps ONNX Runtime from fusing.
        """
        from onnx import helper

        zero = np.zeros(len(scale), values.dtype)
        parts = {f"{stored}_{values.dtype}": values, f"{stored}_scale": scale, f"{stored}_zero": zero}
        names = [self._constant(part, array) for part, array in parts.items()]
        self._before.setdefault(id(before), []).append(
            helper.make_node("DequantizeLinear", names, [name], f"/dequantise/{name}", axis=0)
        )
        return name

    def save(self, target: Path) -> None:
        """Write the graph with the new nodes in their places, without weights that nothing reads any more."""
        import onnx

        graph = self.model.graph
        made = {name for node in graph.node for name in node.output}
        nodes = [node for tensor, behind in self._behind.items() if tensor not in made for node in behind]
        for node in graph.node:
            nodes += [*self._before.get(id(node), ()), node]
            nodes += [one for name in node.output for one in self._behind.get(name, ())]
        del graph.node[:]
        graph.node.extend(nodes)
        used = {name for node in graph.node for name in node.input}
        left = [i for i in graph.initializer if i.name in used]
        del graph.initializer[:]
        graph.initializer.extend(left)
        del graph.value_info[:]
        properties = {entry.key: entry.value for entry in self.model.metadata_props}
        onnx.helper.set_model_props(self.model, {**properties, "precision": "INT8"})
        onnx.checker.check_model(self.model)
        onnx.save(self.model, target)

    def _constant(self, name: str, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        if name not in self._entered:
            self._entered.add(name)
            self.model.graph.initializer.append(numpy_helper.from_array(values, name))
        return name
