"""Writes a model.onnx in FP16: the network computes in FP16, normalisation and decoding stay in FP32.

The change is made in the graph and not in torch: PyTorch computes half precision on a CPU so slowly that tracing a large
network takes minutes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import ModelError
from poseapp.engine.comparator import TOLERANCE_PX, difference_px, sample_crops
from poseapp.engine.graph_nodes import HALF_OPERATORS, NETWORK
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.onnxruntime import OrtEngine

_DATA_INPUTS = {"Resize": 1, "Slice": 1}  # further inputs are scales, starts and ends


def halve(folder: Path) -> float:
    """Add model.fp16.onnx to the model in *folder*, and enter it in model.json; returns how far joints move, in px.

    The distance is measured on the stored crops. Raises ModelError, and leaves the model as it was, when FP16 moves the joints
    too far or a file cannot be written.
    """
    model = ModelFolder(folder)
    spec = model.spec()
    source = model.graph(spec)
    with model.adding() as made, contextlib.ExitStack() as stack:
        write_half(source, made.file("fp16"))
        paths = made.file("fp16"), source
        ours, trusted = (stack.enter_context(contextlib.closing(OrtEngine(path, spec))) for path in paths)
        px = difference_px(ours, trusted, sample_crops(spec.input_hw))
        if not px <= TOLERANCE_PX["FP16"]:
            raise ModelError(
                f"{spec.name}: FP16 moves joints by {px:.2f} px on the stored crops, 0.5 is the most. It is not kept."
            )
        made.write_spec(made.with_variants(spec, "fp16"))
    return px


def write_half(source: Path, target: Path) -> None:
    """Write the model in *source* with its network in FP16 to *target*; inputs and outputs keep their types."""
    import onnx

    model = onnx.load(source)
    make_half(model)
    onnx.checker.check_model(model)
    onnx.save(model, target)


def make_half(model: Any) -> None:
    """Change *model* to one with its network in FP16; inputs and outputs keep their types."""
    half = _HalfGraph(model)
    for node in model.graph.node:
        if half.makes(node):
            half.feed_half(node)
        else:
            half.feed_full(node)
        half.nodes.append(node)
    half.restore_outputs()
    replace_nodes(model, half.nodes)


def replace_nodes(model: Any, nodes: Sequence[Any]) -> None:
    """Put *nodes* into the graph of *model*, and remove weights that no node reads and types that may be wrong now."""
    graph = model.graph
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


class _HalfGraph:
    """A graph of this project while its network goes to FP16. ``nodes`` are the new ones, in order."""

    def __init__(self, model: Any) -> None:
        import onnx

        self._graph = graph = model.graph
        self.nodes: list[Any] = []
        constants = [n for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]
        self._weights = {n.output[0]: n.attribute[0].t for n in constants} | {i.name: i for i in graph.initializer}
        types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
        network = [n for n in graph.node if NETWORK.match(n.name) and n.op_type in HALF_OPERATORS]
        self._made_half = {n.output[0] for n in network if types.get(n.output[0]) == onnx.TensorProto.FLOAT}
        self._half_of: dict[str, str] = {}
        self._full_of: dict[str, str] = {}

    def makes(self, node: Any) -> bool:
        """Whether *node* computes in FP16."""
        return node.output[0] in self._made_half

    def feed_half(self, node: Any) -> None:
        """Make *node* read FP16: weights are rounded, outputs of FP32 nodes are cast."""
        count = _DATA_INPUTS.get(node.op_type, len(node.input))
        for i, name in enumerate(node.input[:count]):
            if name and name not in self._made_half:
                node.input[i] = self._half(name)

    def feed_full(self, node: Any) -> None:
        """Make *node* read FP32: outputs of FP16 nodes are cast."""
        from onnx import TensorProto

        for i, name in enumerate(node.input):
            if name in self._made_half:
                if name not in self._full_of:
                    self._full_of[name] = self._cast(name, TensorProto.FLOAT, "_full")
                node.input[i] = self._full_of[name]

    def restore_outputs(self) -> None:
        """Cast the graph's outputs back to FP32 under their names: the heatmaps may come straight out of the network."""
        from onnx import TensorProto, helper

        for output in self._graph.output:
            if output.name in self._made_half:
                half = f"{output.name}_half"
                for names in (names for node in self.nodes for names in (node.input, node.output)):
                    for i, name in enumerate(names):
                        if name == output.name:
                            names[i] = half
                self.nodes.append(helper.make_node("Cast", [half], [output.name], to=TensorProto.FLOAT))

    def _half(self, name: str) -> str:
        """The name under which the tensor *name* can be read in FP16."""
        from onnx import TensorProto, numpy_helper

        if name not in self._half_of:
            tensor = self._weights.get(name)
            if tensor is not None:
                array = numpy_helper.to_array(tensor).astype(np.float16)
                self._graph.initializer.append(numpy_helper.from_array(array, f"{name}_half"))
                self._half_of[name] = f"{name}_half"
            else:
                self._half_of[name] = self._cast(name, TensorProto.FLOAT16, "_half")
        return self._half_of[name]

    def _cast(self, name: str, to: int, suffix: str) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node("Cast", [name], [f"{name}{suffix}"], name=f"/cast/{name}{suffix}", to=to))
        return f"{name}{suffix}"
