"""A model.onnx in FP16: the network's weights and sums are halved, pixels and decoding stay in FP32.

Done on the graph and not in torch: PyTorch computes half precision on a CPU so slowly that tracing a large
network takes minutes.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import ModelError
from poseapp.core.files import sha256_file
from poseapp.core.spec import ModelSpec
from poseapp.engine.comparator import TOLERANCE_PX, difference_px, sample_crops
from poseapp.engine.model_folder import HALF_OPERATORS, NETWORK, model_file, replacing
from poseapp.engine.onnxruntime import OrtEngine

_DATA_INPUTS = {"Resize": 1, "Slice": 1}  # further inputs are scales, starts and ends


def halve(folder: Path) -> float:
    """Give the model in *folder* its FP16 form: model.fp16.onnx, entered in model.json; returns how far joints move, in px.

    That is on the stored crops. ModelError, and the model is as it was, when FP16 moves them too far or nothing can be written.
    """
    spec = ModelSpec.read(folder / "model.json")
    source = model_file(folder, spec)
    with replacing(folder) as made, contextlib.ExitStack() as stack:
        half = made / "model.fp16.onnx"
        sha256 = write_half(source, half)
        ours, trusted = (stack.enter_context(contextlib.closing(OrtEngine(path, spec))) for path in (half, source))
        px = difference_px(ours, trusted, sample_crops(spec.input_hw))
        if not px <= TOLERANCE_PX["FP16"]:
            raise ModelError(
                f"{spec.name}: FP16 moves joints by {px:.2f} px on the stored crops, 0.5 is the most. It is not kept."
            )
        changed = dataclasses.replace(spec, variants={**spec.variants, "fp16": sha256})
        (made / "model.json").write_text(changed.to_json(), encoding="utf-8")
    return px


def write_half(source: Path, target: Path) -> str:
    """Write the model in *source* with its network in FP16 to *target*; inputs and outputs keep their types.

    Returns the SHA-256 of the file written.
    """
    import onnx

    model = onnx.load(source)
    make_half(model)
    onnx.checker.check_model(model)
    onnx.save(model, target)
    return sha256_file(target)


def make_half(model: Any) -> None:
    """Change *model* to one with its network in FP16; inputs and outputs keep their types."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    weights = {i.name: i for i in graph.initializer}
    constants = {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"}
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    in_network = [n for n in graph.node if NETWORK.match(n.name) and n.op_type in HALF_OPERATORS]
    halved = [n for n in in_network if types.get(n.output[0]) == TensorProto.FLOAT]
    made_half = {n.output[0] for n in halved}
    nodes: list[Any] = []
    half_of: dict[str, str] = {}
    full_of: dict[str, str] = {}

    def cast(name: str, to: int, suffix: str) -> str:
        nodes.append(helper.make_node("Cast", [name], [f"{name}{suffix}"], name=f"/cast/{name}{suffix}", to=to))
        return f"{name}{suffix}"

    for node in graph.node:
        if node.output[0] in made_half:
            count = _DATA_INPUTS.get(node.op_type, len(node.input))
            for i, name in enumerate(node.input[:count]):
                if not name or name in made_half:
                    continue
                if name not in half_of:
                    tensor = weights.get(name) or constants.get(name)
                    if tensor is not None:
                        array = numpy_helper.to_array(tensor).astype(np.float16)
                        graph.initializer.append(numpy_helper.from_array(array, f"{name}_half"))
                        half_of[name] = f"{name}_half"
                    else:
                        half_of[name] = cast(name, TensorProto.FLOAT16, "_half")
                node.input[i] = half_of[name]
        else:
            for i, name in enumerate(node.input):
                if name in made_half:
                    if name not in full_of:
                        full_of[name] = cast(name, TensorProto.FLOAT, "_full")
                    node.input[i] = full_of[name]
        nodes.append(node)
    for output in graph.output:  # the heatmaps may come straight out of the network
        if output.name in made_half:
            for node in nodes:
                for names in (node.input, node.output):
                    for i, name in enumerate(names):
                        if name == output.name:
                            names[i] = f"{name}_half"
            nodes.append(helper.make_node("Cast", [f"{output.name}_half"], [output.name], to=TensorProto.FLOAT))
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]  # its types were those of before
    used = {name for node in nodes for name in node.input}
    kept = [i for i in graph.initializer if i.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
