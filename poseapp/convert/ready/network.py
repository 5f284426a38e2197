"""A published graph, checked: which network it is, what goes in and comes out, and how much work it is."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from poseapp.convert.ready.package import Package
from poseapp.core.errors import CheckpointError, first_line
from poseapp.core.spec import LARGEST_SIDE, Family

# The names of a graph's outputs tell what network it is.
OUTPUTS: Mapping[Family, tuple[str, str]] = {"rtmpose": ("simcc_x", "simcc_y"), "rtmo": ("dets", "keypoints")}
OPSETS = range(11, 18)  # all operators that are added (wrap.py) have one form in these
_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True, eq=False)
class Network:
    """A published graph that was checked. ``model`` is an onnx.ModelProto, ``family`` what it is.

    ``input_hw`` is the input in px, ``shapes`` are the sizes of the outputs for one picture, in the order of ``OUTPUTS``.
    """

    model: Any
    family: Family
    input_hw: tuple[int, int]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def input(self) -> str:
        """The name of the input."""
        return _inputs(self.model)[0].name  # type: ignore[no-any-return]

    @property
    def joints(self) -> int:
        """The number of joints."""
        return self.shapes[1][2] if self.family == "rtmo" else self.shapes[0][1]

    @property
    def parameters(self) -> int:
        """Number of the graph's values, those of its convolutions with BatchNorm put into them."""
        from onnx import TensorProto

        return sum(math.prod(t.dims) for t in self.model.graph.initializer if t.data_type == TensorProto.FLOAT)

    @cached_property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and products with weights, for one picture."""
        import onnx

        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        for dimension, side in zip(_inputs(model)[0].type.tensor_type.shape.dim, (1, 3, *self.input_hw), strict=True):
            dimension.Clear()
            dimension.dim_value = side
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
        known = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}
        weights = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
        total = 0
        for node in graph.node:
            size = known.get(node.output[0], [])
            weight = next((weights[name] for name in node.input[1:2] if name in weights), [])
            if node.op_type == "Conv" and len(weight) > 2:
                total += math.prod(weight) * math.prod(size[2:])
            elif node.op_type in ("MatMul", "Gemm") and len(weight) == 2:
                total += math.prod(weight) * math.prod(size[1:-1])
        return total


def read_network(package: Package, where: str) -> Network:
    """The network of *package*; *where* names the file in errors.

    Raises CheckpointError on what is no graph of these networks, and on graphs that reach outside of their file or need
    operators of their own.
    """
    model = _parsed(package.graph, where)
    _check_safe(model, where)
    inputs, outputs = _inputs(model), {output.name for output in model.graph.output}
    family = next((family for family, names in OUTPUTS.items() if outputs == set(names)), None)
    if family is None or len(inputs) != 1:
        known = " or ".join(f"{' and '.join(names)} ({family})" for family, names in OUTPUTS.items())
        raise CheckpointError(
            f"{where}: expected a graph with one input and the outputs {known}, got {len(inputs)} and "
            f"{', '.join(sorted(outputs))[:100]}. Give the ONNX archive of an RTMPose or RTMO."
        )
    input_hw = _input_hw(inputs[0], package, where)
    return Network(model, family, input_hw, _shapes(model, family, input_hw, where))


def _parsed(content: bytes, where: str) -> Any:
    import onnx

    model = None
    with contextlib.suppress(Exception):  # protobuf raises a class of its own, onnx others
        model = onnx.load_model_from_string(content)
    if model is None or not model.graph.node:
        raise CheckpointError(f"{where}: not an ONNX graph, or damaged. Download it again.")
    return model


def _check_safe(model: Any, where: str) -> None:
    from onnx import TensorProto

    versions = {opset.domain: opset.version for opset in model.opset_import}
    foreign = sorted({*versions, *(node.domain for node in _nodes(model.graph))} - set(_STANDARD))
    if foreign or len(model.functions):
        raise CheckpointError(
            f"{where}: expected ONNX's own operators, got others ({', '.join(foreign)[:80] or 'functions'}). "
            "Give a graph that was written for ONNX Runtime."
        )
    version = versions.get("", versions.get("ai.onnx", 0))
    if version not in OPSETS:
        raise CheckpointError(
            f"{where}: expected operators of version {OPSETS[0]} to {OPSETS[-1]}, got {version}. Export the network again."
        )
    tensors = [*model.graph.initializer, *_tensors(model.graph)]
    if len(model.graph.sparse_initializer) or any(t.data_location == TensorProto.EXTERNAL or t.external_data for t in tensors):
        raise CheckpointError(f"{where}: expected all weights in the file itself, got some elsewhere. Give a whole graph.")


def _nodes(graph: Any) -> Iterator[Any]:
    """All nodes of *graph*, those of its branches and loops, too."""
    for node in graph.node:
        yield node
        for inner in _inner_graphs(node):
            yield from _nodes(inner)


def _inner_graphs(node: Any) -> Iterable[Any]:
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _tensors(graph: Any) -> Iterator[Any]:
    """The tensors in the attributes of all nodes, and the weights of branches and loops."""
    for node in _nodes(graph):
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
        for inner in _inner_graphs(node):
            yield from inner.initializer


def _inputs(model: Any) -> list[Any]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _input_hw(value: Any, package: Package, where: str) -> tuple[int, int]:
    """Height and width of the input: as the graph tells them, else as the package does."""
    from onnx import TensorProto

    tensor = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]
    if tensor.elem_type != TensorProto.FLOAT or len(sizes) != 4 or sizes[1] not in (0, 3):
        raise CheckpointError(
            f"{where}: expected pictures N×3×H×W in FP32 as the input, got {'×'.join(map(str, sizes))[:40]} of type "
            f"{tensor.elem_type}. Give the graph in FP32."
        )
    if sizes[0]:
        raise CheckpointError(
            f"{where}: expected a graph for any number of pictures at once, got one for {sizes[0]}. "
            "Export it with a dynamic batch."
        )
    height, width = sizes[2:] if all(sizes[2:]) else package.input_hw or (0, 0)
    if not height or not width:
        raise CheckpointError(f"{where}: expected a graph that tells the size of its pictures, got none. Give the whole archive.")
    if any(side % 32 or side > LARGEST_SIDE for side in (height, width)):
        raise CheckpointError(
            f"{where}: expected an input of multiples of 32 px, at most {LARGEST_SIDE}, got {height}×{width}. Get another one."
        )
    return height, width


def _shapes(model: Any, family: Family, input_hw: tuple[int, int], where: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The sizes of the outputs for one grey picture, as ONNX Runtime finds them. Raises CheckpointError."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        picture = np.full((1, 3, *input_hw), 114, np.float32)
        first, second = session.run(list(OUTPUTS[family]), {_inputs(model)[0].name: picture})
    except Exception as error:  # noqa: BLE001 - onnxruntime raises a class of its own for each kind of failure
        raise CheckpointError(f"{where}: ONNX Runtime cannot run it ({first_line(error)}). Download it again.") from None
    shapes = tuple(first.shape), tuple(second.shape)
    if not _FITS[family](*shapes, input_hw):
        found = " and ".join("×".join(map(str, shape)) for shape in shapes)
        raise CheckpointError(f"{where}: expected the outputs of {family}, got {found}. Give the archive that was published.")
    return shapes


def _fits_simcc(x: tuple[int, ...], y: tuple[int, ...], input_hw: tuple[int, int]) -> bool:
    """Whether *x* and *y* are 1 × K × W and 1 × K × H, W and H the same number of values for each 4 px of the picture's sides."""
    if not (len(x) == len(y) == 3 and x[0] == 1 and x[:2] == y[:2] and min(*x, *y) > 0):
        return False
    sides = zip((x[2], y[2]), input_hw[::-1], strict=True)
    (width, from_width), (height, from_height) = (divmod(4 * bins, side) for bins, side in sides)
    return width == height and not from_width and not from_height


def _fits_people(boxes: tuple[int, ...], joints: tuple[int, ...], input_hw: tuple[int, int]) -> bool:
    """Whether these are 1 × M × 5 and 1 × M × K × 3, for M people who were found."""
    alike = len(boxes) == 3 and len(joints) == 4 and boxes[:2] == joints[:2]
    return alike and boxes[0] == 1 and joints[2] > 0 and (boxes[2], joints[3]) == (5, 3)


_FITS: Mapping[Family, Callable[[tuple[int, ...], tuple[int, ...], tuple[int, int]], bool]] = {
    "rtmpose": _fits_simcc,
    "rtmo": _fits_people,
}
