"""Puts pixels before a published graph and decoding behind it, so that every backend runs it as it runs our own networks.

RTMPose gives a line of values along x and one along y for each joint (Jiang et al. 2023, Sec. 3; Li et al., SimCC, ECCV 2022):
the joint is where each is highest, and its score is the lower of the two heights, as MMPose decodes it. RTMO gives people: a
box with a score, and joints with a visibility each (Lu et al., CVPR 2024, Sec. 3). A joint's score is the product of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from poseapp.convert.graph_builder import GraphBuilder, normalised
from poseapp.convert.ready.network import Network
from poseapp.core.pixels import Pixels
from poseapp.core.skeleton import Skeleton

STRIDE = 4  # input px per px of the heatmaps that are made of SimCC's lines
PEOPLE = 50  # the most in a picture: as many as the published graphs keep
_OURS = "/poseapp/"  # begins our names in the graph
_NETWORKS_OWN = "keypoints"  # an output of RTMO, and of ours


def wrapped(network: Network, pixels: Pixels, skeleton: Skeleton, joints: Sequence[int]) -> Any:
    """The onnx.ModelProto from ``crops`` (N, H, W, 3) uint8 BGR to ``keypoints`` and to ``heatmaps`` or ``people``.

    *joints* are the places of the joints of *skeleton* among those of *network*.
    """
    from onnx import TensorProto, helper

    graph = GraphBuilder()
    normalised(graph, pixels, network.input)
    _put(graph, network)
    picked = list(joints) if list(joints) != list(range(network.joints)) else None
    one_stage = network.family == "rtmo"
    shapes = _people(graph, skeleton.k, picked) if one_stage else _simcc(graph, network, skeleton.k, picked)
    made = helper.make_graph(
        graph.nodes,
        "main_graph",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", *network.input_hw, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, shape in shapes.items()],
        list(graph.constants.values()),
    )
    theirs = network.model
    return helper.make_model(made, opset_imports=theirs.opset_import, ir_version=theirs.ir_version, producer_name="poseapp")


def _put(graph: GraphBuilder, network: Network) -> None:
    """Put the nodes and weights of *network* into *graph*.

    Nodes that a convolution depends on are named as the network's, which may run in FP16 (engine/graph_nodes.py); those behind
    the last one are decoding. An output called as one of ours gets another name.
    """
    theirs = network.model.graph
    for tensor in theirs.initializer:
        graph.constants[tensor.name] = tensor
    nodes = [type(node).FromString(node.SerializeToString()) for node in theirs.node]
    if any(output.name == _NETWORKS_OWN for output in theirs.output):
        _rename(nodes, _NETWORKS_OWN, f"{_OURS}{_NETWORKS_OWN}")
    before = _before_convolutions(nodes)
    for i, node in enumerate(nodes):
        node.name = f"/{'net' if i in before else 'head'}/{i}_{node.op_type}"
        node.ClearField("doc_string")
    graph.nodes += nodes


def _rename(nodes: Iterable[Any], old: str, new: str) -> None:
    """Call the tensor *old* of *nodes*, and of their branches and loops, *new*."""
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
                _rename(inner.node, old, new)


def _before_convolutions(nodes: Sequence[Any]) -> set[int]:
    """Which of *nodes* are convolutions, or what a convolution depends on."""
    needed: set[str] = set()
    found = set()
    for i in reversed(range(len(nodes))):
        if nodes[i].op_type == "Conv" or needed.intersection(nodes[i].output):
            found.add(i)
            needed.update(nodes[i].input)
    return found


def _simcc(graph: GraphBuilder, network: Network, k: int, picked: list[int] | None) -> dict[str, tuple[int, ...]]:
    """Joints from SimCC's lines, and heatmaps for people to look at: products of both lines, as high as the score."""
    lines, places, heights, sides = [], [], [], []
    for axis, name, bins, px in zip("xy", ("simcc_x", "simcc_y"), _bins(network), network.input_hw[::-1], strict=True):
        line = _picked(graph, name, axis=1, picked=picked)
        place = graph.add("ArgMax", [line], f"{_OURS}{axis}/ArgMax", axis=2, keepdims=1)
        place = graph.add("Cast", [place], f"{_OURS}{axis}/Cast", to=1)
        places.append(graph.add("Mul", [place, graph.constant(f"{_OURS}{axis}/px_per_bin", px / bins)], f"{_OURS}{axis}/Mul"))
        heights.append(graph.add("ReduceMax", [line], f"{_OURS}{axis}/ReduceMax", axes=[2], keepdims=1))
        # The highest value within each px of the heatmap.
        cells = px // STRIDE
        cut = graph.constant(f"{_OURS}{axis}/cut", [0, k, cells, bins // cells], np.int64)
        high = graph.add("ReduceMax", [graph.add("Reshape", [line, cut], f"{_OURS}{axis}/Cut")], f"{_OURS}{axis}/Cells", axes=[3])
        high = graph.add("Relu", [high], f"{_OURS}{axis}/Relu")
        side = [0, k, 1, cells] if axis == "x" else [0, k, cells, 1]
        lines.append(graph.add("Reshape", [high, graph.constant(f"{_OURS}{axis}/side", side, np.int64)], f"{_OURS}{axis}/Side"))
        sides.append(cells)
    lower = graph.add("Min", heights, f"{_OURS}Min")
    limits = graph.constant(f"{_OURS}zero", 0.0), graph.constant(f"{_OURS}one", 1.0)
    score = graph.add("Clip", [lower, *limits], f"{_OURS}Clip")
    graph.add("Concat", [*places, score], f"{_OURS}Concat", "keypoints", axis=2)
    higher = graph.add("Max", [*heights, graph.constant(f"{_OURS}least", 1e-6)], f"{_OURS}Max")
    higher = graph.add("Reshape", [higher, graph.constant(f"{_OURS}each", [0, k, 1, 1], np.int64)], f"{_OURS}Each")
    product = graph.add("Mul", lines, f"{_OURS}Mul")
    graph.add("Div", [product, higher], f"{_OURS}Div", "heatmaps")
    width, height = sides
    return {"keypoints": (k, 3), "heatmaps": (k, height, width)}


def _people(graph: GraphBuilder, k: int, picked: list[int] | None) -> dict[str, tuple[int, ...]]:
    """The surest ``PEOPLE`` of RTMO's people; rows of zeros where there are fewer."""
    joints = _picked(graph, f"{_OURS}{_NETWORKS_OWN}", axis=2, picked=picked)  # (N, M, K, 3)
    last = graph.constant(f"{_OURS}score_at", 4, np.int64)
    sure = graph.add("Gather", ["dets", last], f"{_OURS}Gather", axis=2)  # (N, M)
    sure = graph.add("Pad", [sure, graph.constant(f"{_OURS}pads", [0, 0, 0, PEOPLE], np.int64)], f"{_OURS}Pad")
    pads = graph.constant(f"{_OURS}joints/pads", [0, 0, 0, 0, 0, PEOPLE, 0, 0], np.int64)
    joints = graph.add("Pad", [joints, pads], f"{_OURS}joints/Pad")
    top = f"{_OURS}top/score", f"{_OURS}top/place"
    most = graph.constant(f"{_OURS}top/k", [PEOPLE], np.int64)
    graph.add_all("TopK", [sure, most], f"{_OURS}TopK", top, axis=1)
    each = graph.constant(f"{_OURS}each", [0, PEOPLE, 1, 1], np.int64)
    score, place = (graph.add("Reshape", [name, each], f"{name}/Reshape") for name in top)
    wide = graph.constant(f"{_OURS}wide", [1, PEOPLE, k, 3], np.int64)
    place = graph.add("Expand", [place, wide], f"{_OURS}Expand")
    joints = graph.add("GatherElements", [joints, place], f"{_OURS}GatherElements", axis=1)
    there = graph.add("Sign", [score], f"{_OURS}Sign")  # rows of nobody hold joints, too, of other pictures
    xy = graph.add("Mul", [graph.slice(joints, 3, 0, 2, f"{_OURS}xy"), there], f"{_OURS}xy/Mul")
    visible = graph.add("Mul", [graph.slice(joints, 3, 2, 3, f"{_OURS}visible"), score], f"{_OURS}Mul")
    limits = graph.constant(f"{_OURS}zero", 0.0), graph.constant(f"{_OURS}one", 1.0)
    visible = graph.add("Clip", [visible, *limits], f"{_OURS}Clip")
    graph.add("Concat", [xy, visible], f"{_OURS}Concat", "people", axis=3)
    first = graph.slice("people", 1, 0, 1, f"{_OURS}first")
    one = graph.constant(f"{_OURS}one_person", [0, k, 3], np.int64)
    graph.add("Reshape", [first, one], f"{_OURS}Reshape", "keypoints")
    return {"keypoints": (k, 3), "people": (PEOPLE, k, 3)}


def _bins(network: Network) -> tuple[int, int]:
    """The number of SimCC's values along x and y."""
    x, y = network.shapes
    return x[2], y[2]


def _picked(graph: GraphBuilder, name: str, axis: int, picked: list[int] | None) -> str:
    """Of the tensor *name* the joints at *picked*, all where that is None."""
    if picked is None:
        return name
    index = graph.constant(f"{_OURS}{name}/joints", picked, np.int64)
    return graph.add("Gather", [name, index], f"{_OURS}{name}/Gather", axis=axis)
