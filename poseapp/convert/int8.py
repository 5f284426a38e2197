"""A model.onnx in INT8, for CPUs or for TensorRT: Q/DQ pairs in the network; normalisation and decoding stay in FP32.

CPUs and TensorRT need different files, because each runs fast only what the other cannot:

* For CPUs every convolution has rounded inputs, a rounded output and an int32 bias, which ONNX Runtime and OpenVINO join to one
  integer operation; activations are uint8 with a zero-point, so ReLU costs nothing. Weights have 7 bits: x86 processors
  without VNNI add two products of uint8 and int8 in 16 bits, and 2 × 255 × 64 is the most that fits.
  Sums stay in FP32.
* For TensorRT activations are int8 with zero-point 0 and weights have 8 bits. Biases, the outputs of convolutions and the rest
  of the network are in FP16, because TensorRT computes each node in the type that the file says. A tensor that is added to a
  convolution's output is rounded, too: TensorRT joins the two, and the sum leaves the kernel in INT8 only where its other input
  is INT8.

Scales come from pictures alone, without labels and without torch.
See Jacob et al., CVPR 2018; Nagel et al., "A White Paper on Neural Network Quantization", 2021, Sec. 3; and NVIDIA's TensorRT
documentation, "Q/DQ Layer-Placement Recommendations".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.int8_calibration import LARGEST, Range, RangeCalibration, affine
from poseapp.convert.int8_graph import QuantisedGraph, convolutions, read_graph
from poseapp.core.files import sha256_file
from poseapp.core.spec import Processor
from poseapp.core.types import FloatArray

# How many of the first convolutions stay as they are: their few channels differ in range, one step for all of them rounds some
# away, and every later layer sees what is left. On CPUs hourglass-s moves joints by 0.8 px with three of them in FP32, by 2.3 px
# without. Six on GPUs are too many for ranges by "max" on few pictures: joints then moved by 1.6 px, and 1.5 is the limit.
FIRST_KEPT: dict[Processor, int] = {"cpu": 3, "gpu": 3}
LARGEST_ON_CPU = 64  # of weights: 2 × 255 × 64 is below 2^15
_MOVES_VALUES = ("MaxPool", "Resize", "Slice")  # what comes out of them was in their input: the same step serves
_BIAS_MOST = 2.0**30  # int32, with room for the sum of products
_HALF_SMALLEST = 2.0**-20  # of scales in FP16: below it so few of its bits are left that values would be off by percents


@dataclass(frozen=True)
class Quantised:
    """The written file: its hash, how many convolutions are in INT8 and how many are not, and how ranges were chosen."""

    sha256: str
    convolutions: int
    kept: int
    ranges: Range


def quantise(
    source: Path,
    target: Path,
    calibration: RangeCalibration,
    ranges: Range = "max",
    keep: Sequence[str] = (),
) -> Quantised:
    """Write the model in *source* in INT8 to *target*, for what *calibration* serves; inputs and outputs keep their types.

    *keep* are pieces of names of convolutions that stay as they are: in FP32 for CPUs, in FP16 for GPUs.
    """
    graph = QuantisedGraph(read_graph(source, calibration.serves))
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


def _for_gpus(graph: QuantisedGraph, chosen: Sequence[Any], calibration: RangeCalibration, ranges: Range) -> None:
    """Every chosen convolution gets a rounded input and rounded weights. A tensor that is added to its output is rounded, too."""
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


def _for_cpus(graph: QuantisedGraph, chosen: Sequence[Any], calibration: RangeCalibration, ranges: Range) -> None:
    """Every chosen convolution gets rounded inputs and weights, a whole bias and a rounded output.

    A sum of branches is rounded only where a convolution reads it. If every sum were rounded, the joints of hourglass-s would
    move by 0.8 px instead of 0.5, and the model would hardly be faster.
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
