"""An ONNX graph run node by node in PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from poseapp.engine.graph_nodes import HALF_OPERATORS, NETWORK
from poseapp.engine.torch.operators import OPERATORS

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class _Node:
    """One operator of the graph; ``half`` for those of the network."""

    run: Callable[..., Any]
    attributes: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    half: bool
    dead: tuple[str, ...]  # what nobody needs after it


class Graph:
    """An ONNX graph of this project as a function of torch: crops → its outputs by name.

    Whole numbers that describe shapes and places stay on the CPU, so that nothing waits for the GPU. The nodes of the network
    compute in *dtype*, all others in FP32; their names tell which is which. Raises KeyError on an operator that no exporter of
    this project writes.
    """

    def __init__(self, path: Path, device: Any, dtype: Any) -> None:
        import onnx
        import torch
        from onnx import numpy_helper

        self._torch, self._device, self._dtype = torch, device, dtype
        model = onnx.load(path)
        self.inputs = tuple(i.name for i in model.graph.input)
        self.outputs = tuple(o.name for o in model.graph.output)
        self._constants: dict[str, Any] = {}
        # Factors of a size are read on the CPU, though they are no whole numbers.
        here = {name for node in model.graph.node if node.op_type == "Resize" for name in node.input[1:]}
        for tensor in model.graph.initializer:
            self._constants[tensor.name] = self._constant(numpy_helper.to_array(tensor), tensor.name in here)
        last = {name: i for i, node in enumerate(model.graph.node) for name in node.input}
        self._nodes: list[_Node] = []
        for i, node in enumerate(model.graph.node):
            attributes = {a.name: _plain(onnx.helper.get_attribute_value(a), numpy_helper) for a in node.attribute}
            if node.op_type == "Constant":
                self._constants[node.output[0]] = self._constant(np.asarray(attributes["value"]), node.output[0] in here)
                continue
            if node.op_type not in OPERATORS:
                raise KeyError(f"no operator {node.op_type}")
            names = set(node.input) | set(node.output)
            dead = tuple(n for n in names if n and last.get(n, i) <= i and n not in self.outputs)
            half = NETWORK.match(node.name) is not None and node.op_type in HALF_OPERATORS
            run = OPERATORS[node.op_type]
            if node.op_type == "ConstantOfShape":
                run = functools.partial(run, device=device)
            self._nodes.append(_Node(run, attributes, tuple(node.input), tuple(node.output), half, dead))
        self._cast: dict[tuple[str, bool], Tensor] = {}

    def _constant(self, array: Any, here: bool) -> Any:
        tensor = self._torch.from_numpy(np.array(array))
        if here or not tensor.is_floating_point():
            return tensor
        tensor = tensor.to(self._device)
        return tensor.contiguous(memory_format=self._torch.channels_last) if tensor.ndim == 4 else tensor

    def __call__(self, crops: Tensor) -> dict[str, Tensor]:
        """Outputs by name for *crops* (N, H, W, 3) uint8 on the device."""
        values: dict[str, Any] = {self.inputs[0]: crops}
        for node in self._nodes:
            given = [self._value(name, values, node.half) for name in node.inputs]
            result = node.run(given, node.attributes)
            values.update(zip(node.outputs, result if isinstance(result, (list, tuple)) else (result,), strict=False))
            for name in node.dead:
                values.pop(name, None)
        return {name: values[name].float() for name in self.outputs}

    def _value(self, name: str, values: Mapping[str, Any], half: bool) -> Any:
        """The tensor *name* in the precision of the node that takes it; constants are cast once."""
        if not name:
            return None
        wanted = self._dtype if half else self._torch.float32
        if name in values:
            value = values[name]
            return value.to(wanted) if value.is_floating_point() and value.dtype != wanted else value
        value = self._constants[name]
        if not value.is_floating_point():
            return value
        if (name, half) not in self._cast:
            self._cast[name, half] = value.to(wanted)
        return self._cast[name, half]


def _plain(value: Any, numpy_helper: Any) -> Any:
    """An attribute as numpy or Python has it."""
    if hasattr(value, "raw_data"):
        return numpy_helper.to_array(value)
    return value.decode() if isinstance(value, bytes) else value
