"""ONNX graphs of this project on their way to INT8: reads them, and puts Q/DQ pairs in their places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.half import make_half, replace_nodes
from poseapp.core.spec import Processor
from poseapp.engine.graph_nodes import NETWORK

ACTIVATIONS = ("Relu", "Clip")
_HALF_OPSET = 19  # the first in which scales may be FP16


def read_graph(source: Path, serves: Processor) -> Any:
    """The graph in *source*, ready for INT8: for GPUs it is in FP16 first."""
    import onnx
    from onnx import version_converter

    model = onnx.load(source)
    if serves == "gpu":
        if model.opset_import[0].version < _HALF_OPSET:
            model = version_converter.convert_version(model, _HALF_OPSET)
            model.ir_version = max(model.ir_version, onnx.helper.find_min_ir_version_for(model.opset_import))
        make_half(model)
    return model


def convolutions(model: Any) -> list[Any]:
    """The Conv nodes of the network in a graph of this project, without those of normalisation and decoding."""
    return [node for node in model.graph.node if node.op_type == "Conv" and NETWORK.match(node.name)]


class QuantisedGraph:
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
        return str((readers[0] if len(readers) == 1 and readers[0].op_type in ACTIVATIONS else node).output[0])

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
        """The sums before the network's last convolutions, each with those of its inputs that are rounded.

        These are all inputs except the output of a *chosen* convolution that nothing else reads: TensorRT joins that convolution
        and the sum to one kernel.
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
        """Round *tensor* to steps of *scale*, behind the node that makes it, for *readers* or for all."""
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

        *before* gets its own node for it, even where weights are shared: a shared node keeps ONNX Runtime from fusing.
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
        replace_nodes(self.model, nodes)
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
