"""``python -m poseapp.convert.make_templates``: makes the graphs without weights again that imports fill. Needs torch.

Each is what the exporter makes of one of our networks, or of the decoder, with its weights as inputs of the graph. A dimension
that depends on the number of joints is written as such, "joints + 1" for example. Nothing else in a graph depends on the
weights, nor on the size of the picture.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from poseapp.convert.templates import CENTRE, TEMPLATES_DIR, file_of, pack
from poseapp.core.heatmap import Decode
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.deploy import HeatmapDecoder
from poseapp.nets.hourglass import StackedHourglass
from poseapp.nets.hourglass52 import Hourglass52
from poseapp.nets.hrnet import HRNet
from poseapp.nets.openpose import OpenPose

OPSET = 17
_INPUT_HW = (128, 128)  # any that all networks take
_JOINTS = (17, 20)  # from two exports follows how each dimension depends on the number of joints

# By name, our network of so many joints and stages; the template has the most stages, of which a file may use fewer.
NETWORKS: dict[str, Callable[[int, int], nn.Module]] = {
    "hrnet-w32": lambda joints, stages: HRNet(32, joints),
    "hrnet-w48": lambda joints, stages: HRNet(48, joints),
    "hourglass": lambda joints, stages: StackedHourglass(stages, joints),
    # Blocks in each place: as published, and as the code has it by default.
    "hourglass-wide-1": lambda joints, stages: StackedHourglass(stages, joints, blocks=1, wide_stem=True),
    "hourglass-wide-4": lambda joints, stages: StackedHourglass(stages, joints, blocks=4, wide_stem=True),
    "hourglass52": lambda joints, stages: Hourglass52(joints),
    "cpm-mmpose": lambda joints, stages: ConvolutionalPoseMachine(joints, stages, batch_norm=True),
    "cpm": lambda joints, stages: ConvolutionalPoseMachine(joints + 1, stages),
    "cpm-centre": lambda joints, stages: ConvolutionalPoseMachine(joints + 1, stages, centre_map=True),
    "openpose": lambda joints, stages: OpenPose(stages, joints),
}
_STAGES = {
    **dict.fromkeys(("hourglass", "hourglass-wide-1"), 8),
    "hourglass-wide-4": 2,  # the exporter's time grows with the square of the nodes, and nobody published more
    **dict.fromkeys(("cpm", "cpm-centre", "cpm-mmpose", "openpose"), 6),
}


class _Stages(nn.Module):
    """A network that gives the maps of all its stages; the one map that depends on the size of the picture comes from outside."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor, centre: Tensor | None = None) -> tuple[Tensor, ...]:
        if centre is not None:
            self.net._centre = lambda image: centre.expand(image.shape[0], -1, -1, -1)  # type: ignore[assignment]
        maps = self.net(image)
        return tuple(maps) if isinstance(maps, list) else (maps,)


class _Decoder(nn.Module):
    """The decoder with all that depends on the size of the heatmaps as inputs."""

    def __init__(self, rule: Decode) -> None:
        super().__init__()
        self.decoder = HeatmapDecoder((128, 96), (32, 24), rule, "stride", 2.0)  # of equal sides it would write one

    def forward(self, heatmaps: Tensor, h: Tensor, w: Tensor) -> Tensor:
        self.decoder.hw = (h, w)  # type: ignore[assignment]
        out: Tensor = self.decoder(heatmaps)
        return out


def made(names: Collection[str] = ()) -> Iterator[tuple[str, bytes]]:
    """The name and the content of each template, or of those called *names*."""
    for name, network in NETWORKS.items():
        if not names or name in names:
            yield name, _network(name, network)
    for rule in get_args(Decode):
        if not names or f"decoder-{rule}" in names:
            yield f"decoder-{rule}", _decoder(rule)


def _network(name: str, network: Callable[[int, int], nn.Module]) -> bytes:
    stages = _STAGES.get(name, 1)
    with torch.device("meta"):
        few, more = (_Stages(network(joints, stages)).eval() for joints in _JOINTS)
    few.to_empty(device="cpu")
    for number, tensor in enumerate(few.state_dict().values()):
        tensor.fill_(number)  # the exporter would write equal weights once
    image = torch.zeros(1, 3, *_INPUT_HW)
    centre = [torch.zeros(1, 1, *(side // 8 for side in _INPUT_HW))] if few.net.__dict__.get("centre_map") else []
    names = ["image", *([CENTRE] if centre else [])]
    with torch.no_grad():
        outputs = len(few(image, *centre))
    model = _exported(few, [image, *centre], names, [f"stage{i + 1}" for i in range(outputs)])
    sizes = {key: (tuple(a.shape), tuple(more.state_dict()[key].shape)) for key, a in few.state_dict().items()}
    weights = {key: tuple(map(_dimension, *both)) for key, both in sizes.items() if not key.endswith("num_batches_tracked")}
    return _described(model, {**dict.fromkeys(names), **weights})


def _decoder(rule: Decode) -> bytes:
    arguments = [torch.zeros(2, 17, 32, 24), torch.tensor(32), torch.tensor(24)]
    model = _exported(_Decoder(rule).eval(), arguments, ["heatmaps", "h", "w"], ["keypoints"])
    return _described(model, {i.name: None for i in model.graph.input})


def _exported(module: nn.Module, arguments: Sequence[Tensor], inputs: list[str], outputs: list[str]) -> Any:
    import onnx

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(arguments),
            file,  # type: ignore[arg-type]  # it takes open files, too
            dynamo=False,
            opset_version=OPSET,
            input_names=inputs,
            output_names=outputs,
            export_params=False,
            do_constant_folding=False,
            training=torch.onnx.TrainingMode.PRESERVE,  # BatchNorm stays apart from the convolutions: its weights are the file's
            dynamic_axes={name: {0: "n", 2: "h", 3: "w"} for name, a in zip(inputs, arguments, strict=True) if a.ndim == 4}
            | {name: {0: "n"} for name in outputs},
        )
    return onnx.load_from_string(file.getvalue())


def _dimension(size: int, larger: int) -> int | str:
    """How a dimension follows from the number of joints."""
    slope, rest = divmod(larger - size, _JOINTS[1] - _JOINTS[0])
    assert (rest, slope) in ((0, 0), (0, 1)), "a dimension grows with the joints, or does not"
    return f"joints + {size - _JOINTS[0]}" if slope else size


def _described(model: Any, inputs: dict[str, Any]) -> bytes:
    """The file of *model* with exactly *inputs*, each with its dimensions (None: as it was exported)."""
    from onnx import TensorProto, helper

    graph = model.graph
    known = {i.name: i for i in graph.input}
    assert known.keys() == inputs.keys(), f"{sorted(known.keys() ^ inputs.keys())[:5]}"
    given = [
        known[name] if dims is None else helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        for name, dims in inputs.items()
    ]
    del graph.input[:]
    graph.input.extend(given)
    del graph.value_info[:]
    for node in graph.node:
        node.ClearField("doc_string")
    model.producer_version = ""  # the file is the same from any version that makes the same graph
    return bytes(model.SerializeToString(deterministic=True))


def main(folder: Path = TEMPLATES_DIR) -> None:
    """Write every template to *folder*, and say how large it is."""
    folder.mkdir(exist_ok=True)
    for name, content in made():
        packed = pack(content)
        file_of(name, folder).write_bytes(packed)
        print(f"{name}: {len(content):,} bytes, packed {len(packed):,}")


if __name__ == "__main__":
    main()
