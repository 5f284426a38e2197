"""Writes ONNX graphs: nodes in order, constants by name, and what comes before every network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from poseapp.core.pixels import Pixels


class GraphBuilder:
    """The nodes of a graph in order, and its constants by name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: Any, dtype: type = np.float32) -> str:
        """Add a constant called *name*; returns its name."""
        from onnx import numpy_helper

        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value, dtype).reshape(np.shape(value)), name)
        return name

    def add(self, operator: str, inputs: Sequence[str], name: str, output: str = "", **attributes: Any) -> str:
        """Add a node called *name*; returns its output's name."""
        output = output or f"{name}_output_0"
        self.add_all(operator, inputs, name, [output], **attributes)
        return output

    def add_all(self, operator: str, inputs: Sequence[str], name: str, outputs: Sequence[str], **attributes: Any) -> None:
        """Add a node called *name* with several *outputs*."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, outputs, name=name, **attributes))

    def slice(self, source: str, axis: int, start: int, end: int, name: str, output: str = "", step: int = 1) -> str:
        """Add a Slice of *source* along *axis*; returns its output's name."""
        given = {"starts": start, "ends": end, "axes": axis, "steps": step}
        values = [self.constant(f"{name}_{what}", [value], np.int64) for what, value in given.items()]
        return self.add("Slice", [source, *values], name, output)

    def put(self, nodes: Iterable[Any], renamed: Callable[[str], str], node_renamed: Callable[[str], str] = str) -> None:
        """Add copies of *nodes* with the names of their tensors, and their own, changed."""
        for node in nodes:
            copy = type(node).FromString(node.SerializeToString())
            copy.name = node_renamed(node.name)
            copy.input[:] = [renamed(name) if name else "" for name in node.input]
            copy.output[:] = [renamed(name) for name in node.output]
            self.nodes.append(copy)


def normalised(graph: GraphBuilder, pixels: Pixels, output: str = "") -> str:
    """As nets.deploy.Normalise: ``crops``, uint8 BGR, become what the network wants. Returns the name, *output* if given."""
    from onnx import TensorProto

    x = graph.add("Cast", ["crops"], "/normalise/Cast", to=TensorProto.FLOAT)
    x = graph.add("Transpose", [x], "/normalise/Transpose", perm=[0, 3, 1, 2])
    if not pixels.bgr:
        x = graph.add("Gather", [x, graph.constant("normalise.rgb", [2, 1, 0], np.int64)], "/normalise/Gather", axis=1)
    mean, std = (np.array(values, np.float32).reshape(1, 3, 1, 1) * np.float32(255) for values in (pixels.mean, pixels.std))
    x = graph.add("Sub", [x, graph.constant("normalise.mean", mean)], "/normalise/Sub")
    return graph.add("Div", [x, graph.constant("normalise.std", std)], "/normalise/Div", output)
