"""The deployed graph of weights from a file: templates filled with them, pixels before and decoding behind. No torch here.

What comes out is what ``export_onnx`` makes of the same network within ``nets.deploy.Deploy``, which the tests compare.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.checkpoints import Loaded
from poseapp.convert.graph_builder import GraphBuilder, normalised
from poseapp.convert.templates import CENTRE, WEIGHTS, network_graph, template
from poseapp.core.decoding_tables import blur_around, derivatives, mirrored_maps
from poseapp.core.errors import CheckpointError, EngineError
from poseapp.core.files import atomic_path, sha256_file
from poseapp.core.heatmap import input_px_at_origin, input_px_per_cell
from poseapp.core.spec import ModelSpec
from poseapp.engine.onnxruntime import open_session, run_session

Array = NDArray[Any]
_CENTRE_SIGMA_PX = 21.0  # spread of the centre map in input px, as released (nets/cpm.py)
_LEAST = -(2**63) + 1  # where a Slice that runs backwards ends


def write_filled(loaded: Loaded, spec: ModelSpec, flip: bool, path: Path) -> str:
    """Write the deployed graph of *loaded* as *spec* describes it to *path*; returns the file's SHA-256.

    *flip* averages with the mirrored crop. The file is written beside *path* and renamed.
    """
    import onnx

    with atomic_path(path) as part:
        onnx.save(filled(loaded, spec, flip), str(part))
    return sha256_file(path)


def filled(loaded: Loaded, spec: ModelSpec, flip: bool) -> Any:
    """The onnx.ModelProto that ``write_filled`` writes: ``crops`` (N, H, W, 3) uint8 BGR to keypoints, heatmaps and fields."""
    from onnx import TensorProto, helper

    graph = GraphBuilder()
    fields = 2 * len(spec.skeleton.limbs) if spec.has_affinity_fields else 0
    pixels = normalised(graph, loaded.layout.pixels)
    network = _FoldedNetwork(loaded, spec.input_hw)
    network.put(graph, pixels, "net", "maps")
    maps = "maps"
    if flip:
        maps = _with_mirrored(graph, network, pixels, spec, fields)
    graph.slice(maps, 1, 0, spec.skeleton.k, "/Slice", "heatmaps")
    if fields:
        graph.slice(maps, 1, -fields, 2**63 - 1, "/Slice_fields", "fields")
    _decode(graph, spec)
    k, hw = spec.skeleton.k, spec.heatmap_hw
    shapes = {"keypoints": (k, 3), "heatmaps": (k, *hw), **({"fields": (fields, *hw)} if fields else {})}
    made = helper.make_graph(
        graph.nodes,
        "main_graph",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["n", *spec.input_hw, 3])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, shape in shapes.items()],
        list(graph.constants.values()),
    )
    base = network_graph(loaded.network)
    return helper.make_model(made, opset_imports=base.opset_import, ir_version=base.ir_version, producer_name="poseapp")


def count_macs(loaded: Loaded, input_hw: tuple[int, int]) -> int:
    """Multiply-accumulates of the network's convolutions for one input, as ``nets.blocks.count_macs`` counts them."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(network_graph(loaded.network))
    sizes = {"image": (1, 3, *input_hw), CENTRE: (1, 1, *(side // 8 for side in input_hw))}
    for value in model.graph.input:
        size = sizes.get(value.name) or loaded.weights[value.name.removeprefix(WEIGHTS)].shape
        value.CopyFrom(onnx.helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, size))
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    known = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.input)}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            weight = known[node.input[1]]
            source, (step, _) = known[node.input[0]], _attribute(node, "strides")
            # Every convolution here keeps the size, rounded up where it steps over pixels.
            h, w = (math.ceil(side / step) for side in source[2:])
            total += math.prod(weight) * h * w
    return total


def check_sound(spec: ModelSpec, path: Path) -> None:
    """Raise CheckpointError unless the graph at *path* gives finite maps on noise, and other maps on other noise.

    A one-stage network gives people, of whom there are none in noise.
    """
    crops = np.random.default_rng(0).integers(0, 256, (2, *spec.input_hw, 3), np.uint8)
    try:
        session = open_session(path)
        names = [output.name for output in session.get_outputs()]
        found = run_session(session, spec.name, names, crops)
    except EngineError as error:
        raise CheckpointError(str(error)) from None
    for name, maps in zip(names, found, strict=True):
        if not np.isfinite(maps).all():
            raise CheckpointError(
                f"{spec.name}: expected finite {name}, got NaN or infinity. The weights are damaged: download them again."
            )
        if name != "keypoints" and not spec.one_stage and np.array_equal(maps[0], maps[1]):
            raise CheckpointError(
                f"{spec.name}: expected {name} that depend on the picture, got the same for every one. "
                "The weights are empty or damaged: get others."
            )


class _FoldedNetwork:
    """A template's network with its weights, those of each BatchNorm put into the convolution before it.

    Where none is before it, BatchNorm gets means of 0 and variances of 1: as in ``export_onnx``, no number of a good network is
    then too large for FP16.
    """

    def __init__(self, loaded: Loaded, input_hw: tuple[int, int]) -> None:
        base = network_graph(loaded.network).graph
        (output,) = base.output
        self._output = output.name
        self.weights: dict[str, Array] = {f"{WEIGHTS}{key}": value for key, value in loaded.weights.items()}
        if any(value.name == CENTRE for value in base.input):
            self.weights[CENTRE] = centre_map(input_hw)
        self.nodes = [type(node).FromString(node.SerializeToString()) for node in _folded(base.node, {})]
        with np.errstate(all="ignore"):  # weights that overflow are told by check_sound
            self._fold()

    def _fold(self) -> None:
        made_by = {node.output[0]: node for node in self.nodes}
        reads = [name for node in self.nodes for name in node.input] + [self._output]
        readers = {name: reads.count(name) for name in made_by if made_by[name].op_type == "Conv"}
        kept = []
        for node in self.nodes:
            if node.op_type != "BatchNormalization":
                kept.append(node)
                continue
            gamma, beta, mean, var = (self.weights[name].astype(np.float64) for name in node.input[1:])
            epsilon = float(_attribute(node, "epsilon"))
            scale = gamma / np.sqrt(var + epsilon)
            shift = beta - mean * scale
            if readers.get(node.input[0]) == 1:
                self._into(made_by[node.input[0]], scale, shift)
                made_by[node.input[0]].output[0] = node.output[0]
            else:
                values = scale * math.sqrt(1 + epsilon), shift, np.zeros_like(mean), np.ones_like(var)
                self.weights |= {name: value.astype(np.float32) for name, value in zip(node.input[1:], values, strict=True)}
                kept.append(node)
        self.nodes = kept

    def _into(self, conv: Any, scale: Array, shift: Array) -> None:
        weight = conv.input[1]
        bias = conv.input[2] if len(conv.input) > 2 else f"{weight.removesuffix('weight')}bias"
        before = self.weights[bias].astype(np.float64) if len(conv.input) > 2 else 0.0
        self.weights[weight] = (self.weights[weight] * scale[:, None, None, None]).astype(np.float32)
        self.weights[bias] = (before * scale + shift).astype(np.float32)
        conv.input[:] = [conv.input[0], weight, bias]

    def put(self, graph: GraphBuilder, pixels: str, called: str, output: str) -> None:
        """Put the network into *graph* as the module *called* so, from *pixels* to *output*."""
        for name in {name for node in self.nodes for name in node.input} & self.weights.keys():
            graph.constant(name, self.weights[name])

        def renamed(name: str) -> str:
            if name in self.weights:
                return name
            return {"image": pixels, self._output: output}.get(name) or name.replace("/net/", f"/{called}/", 1)

        graph.put(self.nodes, renamed, lambda name: name.replace("/net/", f"/{called}/", 1))


def centre_map(input_hw: tuple[int, int]) -> Array:
    """A Gaussian on the middle of the crop, averaged down to the maps' size, (1, 1, H/8, W/8); as nets.cpm makes it."""
    h, w = input_hw
    y, x = (np.arange(side, dtype=np.float32) - side / 2 for side in input_hw)
    gaussian = np.exp(-(np.square(y)[:, None] + np.square(x)) / (2 * _CENTRE_SIGMA_PX**2))
    means = [[gaussian[i : i + 9, j : j + 9].mean() for j in range(0, w, 8)] for i in range(0, h, 8)]
    return np.array(means, np.float32)[None, None]


def _with_mirrored(graph: GraphBuilder, network: _FoldedNetwork, pixels: str, spec: ModelSpec, fields: int) -> str:
    """As nets.deploy.Deploy with its flip test: the joints' maps and the fields, averaged with those of the mirrored crop."""
    mirrored = graph.slice(pixels, 3, -1, _LEAST, "/Slice_mirror", step=-1)
    network.put(graph, mirrored, "net_1", "maps_mirrored")
    index, sign = mirrored_maps(spec.skeleton, spec.skeleton.k, fields)
    both = []
    for source in ("maps", "maps_mirrored"):
        parts = [graph.slice(source, 1, 0, spec.skeleton.k, f"/Slice_{source}")]
        if fields:
            parts.append(graph.slice(source, 1, -fields, 2**63 - 1, f"/Slice_{source}_fields"))
        both.append(graph.add("Concat", parts, f"/Concat_{source}", axis=1))
    back = graph.add("Gather", [both[1], graph.constant("flip.index", index, np.int64)], "/Gather", axis=1)
    back = graph.slice(back, 3, -1, _LEAST, "/Slice_back", step=-1)
    if fields:
        back = graph.add("Mul", [back, graph.constant("flip.sign", np.reshape(sign, (1, -1, 1, 1)))], "/Mul_sign")
    if spec.mapping == "stride":
        parts = [graph.slice(back, 3, 0, 1, "/Slice_first"), graph.slice(back, 3, 0, -1, "/Slice_rest")]
        back = graph.add("Concat", parts, "/Concat", axis=3)
    total = graph.add("Add", [both[0], back], "/Add")
    return graph.add("Mul", [total, graph.constant("flip.half", 0.5)], "/Mul")


def _decode(graph: GraphBuilder, spec: ModelSpec) -> None:
    """Put the decoder behind ``heatmaps``: the template of its rule with the numbers of *spec*."""
    (h, w), base = spec.heatmap_hw, template(f"decoder-{spec.decode}").graph
    known: dict[str, Callable[[], Any]] = {
        "decoder.scale": lambda: input_px_per_cell(spec.input_hw, (h, w), spec.mapping),
        "decoder.origin": lambda: input_px_at_origin(spec.input_hw, (h, w), spec.mapping),
        "decoder.blur_y": lambda: blur_around(h, spec.sigma_px),
        "decoder.blur_x": lambda: blur_around(w, spec.sigma_px),
        "decoder.derivatives": derivatives,
    }
    for value in base.input:
        if value.name in known:
            graph.constant(value.name, known[value.name]())
    sizes = {"h": np.array(h, np.int64), "w": np.array(w, np.int64)}
    for name, side in sizes.items():
        graph.constant(name, side, np.int64)
    graph.put(_folded(base.node, dict(sizes)), str)


# What templates compute of constants and the heatmaps' size alone. No backend shall find a size that it must compute.
_ON_SIZES: dict[str, Callable[..., Any]] = {
    "Cast": lambda node, x: x.astype(_numpy_type(_attribute(node, "to"))),
    "Concat": lambda node, *parts: np.concatenate(parts, _attribute(node, "axis")),
    "Less": lambda node, x, y: np.less(x, y),
    "Mul": lambda node, x, y: np.asarray(x * y),
    "Sub": lambda node, x, y: np.asarray(x - y),
    "Unsqueeze": lambda node, x, axes: np.expand_dims(x, tuple(axes)),
}


def _folded(nodes: Iterable[Any], known: dict[str, Array]) -> Iterable[Any]:
    """*nodes* with constants in place of those that compute with *known* numbers and constants alone."""
    from onnx import helper, numpy_helper

    for node in nodes:
        if node.op_type == "Constant":
            known[node.output[0]] = numpy_helper.to_array(_attribute(node, "value"))
        elif node.op_type in _ON_SIZES and all(name in known for name in node.input):
            value = _ON_SIZES[node.op_type](node, *(known[name] for name in node.input))
            known[node.output[0]] = value
            yield helper.make_node("Constant", [], node.output, node.name, value=numpy_helper.from_array(value))
            continue
        yield node


def _numpy_type(number: int) -> Any:
    from onnx import helper

    return helper.tensor_dtype_to_np_dtype(number)


def _attribute(node: Any, name: str) -> Any:
    from onnx import helper

    return next(helper.get_attribute_value(a) for a in node.attribute if a.name == name)
