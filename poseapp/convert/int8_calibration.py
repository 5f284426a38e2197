"""The ranges of a network's tensors on typical crops, which INT8 has to hold. (Scores are calibrated in train/eval.)"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.int8_graph import ACTIVATIONS, convolutions, read_graph
from poseapp.core.errors import ModelError
from poseapp.core.spec import Processor
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.graph_nodes import NETWORK

Range = Literal["max", "percentile", "error"]
RANGES: tuple[Range, ...] = get_args(Range)
LARGEST = 127
PERCENTILE = 99.99
MIN_CROPS = 16
_KEPT_PER_CROP = 1024  # values of each tensor, drawn at random; enough for its distribution
_MAKERS = ("Conv", *ACTIVATIONS)


class RangeCalibration:
    """How large the values of each tensor get on *crops* (N, H, W, 3) uint8, at most and typically.

    The tensors are those that are rounded for the processor that the file *serves*. *progress* is called with the share
    done, 0..1. Raises ModelError when there are too few crops or the graph has nothing to
    quantise.
    """

    def __init__(
        self,
        source: Path,
        crops: ImageArray,
        serves: Processor = "cpu",
        progress: Callable[[float], None] = lambda share: None,
    ) -> None:
        if len(crops) < MIN_CROPS:
            raise ModelError(
                f"{source}: expected {MIN_CROPS} crops or more to calibrate on, got {len(crops)}. Give more pictures."
            )
        model = read_graph(source, serves)
        self.serves = serves
        self._names = tuple(node.name for node in convolutions(model))
        if not self._names:
            raise ModelError(f"{source}: has no convolutions of a network. Export it with this version of the app.")
        self.tensors = _rounded_tensors(model, serves)
        self._bounds = dict.fromkeys(self.tensors, (0.0, 0.0))
        self._means: dict[str, FloatArray] = {}
        random = np.random.default_rng(0)
        kept: dict[str, list[FloatArray]] = {name: [] for name in self.tensors}
        with _watched(model, self.tensors) as session:
            for i in range(len(crops)):
                for name, seen in zip(self.tensors, session.run(self.tensors, {"crops": crops[i : i + 1]}), strict=True):
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


def _rounded_tensors(model: Any, serves: Processor) -> tuple[str, ...]:
    """The tensors that are rounded for *serves*: the inputs of convolutions, and their outputs or the inputs of sums."""
    read = [node.input[0] for node in convolutions(model)]
    network = [node for node in model.graph.node if NETWORK.match(node.name)]
    if serves == "cpu":
        read += [node.output[0] for node in network if node.op_type in _MAKERS]
    else:
        made = {name for node in network for name in node.output}
        read += [name for node in network if node.op_type == "Add" for name in node.input if name in made]
    return tuple(dict.fromkeys(read))


@contextlib.contextmanager
def _watched(model: Any, tensors: Sequence[str]) -> Iterator[Any]:
    """A session of *model* that gives the values of *tensors* too."""
    import onnx
    import onnxruntime

    have = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in have)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:  # a model over 2 GB could not be handed over in memory
        path = Path(folder) / "watched.onnx"
        onnx.save(model, path)
        yield onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def affine(low: float, high: float) -> tuple[float, int]:
    """The step and the zero-point with which uint8 holds *low* to *high*; 0 is held exactly."""
    step = max(high - low, 1e-6) / 255
    return step, round(-low / step)


def _squared_error(values: FloatArray, scale: float, zero: int, least: int, most: int) -> float:
    rounded: NDArray[np.floating] = (np.clip(np.rint(values / scale) + zero, least, most) - zero) * scale
    return float(np.square(values - rounded).mean())
