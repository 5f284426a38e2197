"""Graphs without weights: what the exporter made of our networks and decoders, to be filled with the weights of a file.

A template is an ONNX graph whose weights are inputs. ``make_templates`` writes them, with torch; reading them needs none.
"""

from __future__ import annotations

import lzma
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from poseapp import resources
from poseapp.core.errors import CheckpointError

TEMPLATES_DIR = resources.in_package("convert/templates")
CENTRE = "centre"  # the input for the map of the picture's middle
WEIGHTS = "net."  # begins the names of the weights


def file_of(name: str, folder: Path = TEMPLATES_DIR) -> Path:
    """Where the template *name* lies."""
    return folder / f"{name}.onnx.xz"


def pack(content: bytes) -> bytes:
    """*content* as it is stored."""
    return lzma.compress(content, format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)


@dataclass(frozen=True)
class Network:
    """The graph that the weights of a file belong to: the network of a template, cut off after so many of its *stages*."""

    template: str
    stages: int = 1

    def parameters(self, joints: int) -> dict[str, tuple[int, ...]]:
        """The shapes of the network's weights by our names of them, for so many *joints*.

        Raises CheckpointError where the network has more stages than any that is known.
        """
        return {
            value.name.removeprefix(WEIGHTS): tuple(_size(dimension, joints) for dimension in value.type.tensor_type.shape.dim)
            for value in network_graph(self).graph.input
            if value.name.startswith(WEIGHTS)
        }


@lru_cache(maxsize=4)
def template(name: str) -> Any:
    """The template *name*, an onnx.ModelProto that is not to be changed; CheckpointError where there is none."""
    import onnx

    path = file_of(name)
    if not path.is_file():
        raise CheckpointError(f"{name}: expected a network that was published, got another form of it. Check the file.")
    return onnx.load_from_string(lzma.decompress(path.read_bytes()))


@lru_cache(maxsize=4)
def network_graph(network: Network) -> Any:
    """The graph of *network*, an onnx.ModelProto that is not to be changed: from ``image`` and weights to one output."""
    import onnx

    whole = template(network.template)
    if not 1 <= network.stages <= len(whole.graph.output):
        raise CheckpointError(
            f"{network.template}: expected 1 to {len(whole.graph.output)} stages, got {network.stages}. "
            "No published network has as many: check the file."
        )
    model = onnx.ModelProto()
    model.CopyFrom(whole)
    graph = model.graph
    output = graph.output[network.stages - 1]
    needed = {output.name}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    inputs = [value for value in graph.input if value.name in needed]
    for field, values in ((graph.node, kept[::-1]), (graph.input, inputs), (graph.output, [output])):
        copies = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(copies)
    return model


def _size(dimension: Any, joints: int) -> int:
    if dimension.dim_param:
        return joints + int(dimension.dim_param.removeprefix("joints + "))
    return int(dimension.dim_value)
