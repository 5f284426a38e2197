"""RTMPose and RTMO as MMDeploy publishes them, with random weights: networks of the same layout in archives of the same files."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

SIZES = {"t": (0.167, 0.375), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0)}  # depth and width, by RTMPose's names
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
OPSET = 11  # of the published files


# ---- RTMPose: CSPNeXt and the head RTMCC (Jiang et al. 2023; Lyu et al., RTMDet, 2022, Sec. 3.1) ------------------------


class _Conv(nn.Sequential):
    """Convolution, BatchNorm, SiLU."""

    def __init__(self, given: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        conv = nn.Conv2d(given, out, kernel, stride, kernel // 2, groups=groups, bias=False)
        super().__init__(conv, nn.BatchNorm2d(out), nn.SiLU())


class _Block(nn.Module):
    """A 3×3 convolution, then a 5×5 one for each channel and a 1×1 one."""

    def __init__(self, width: int, adds: bool) -> None:
        super().__init__()
        self.adds = adds
        self.convs = nn.Sequential(_Conv(width, width, 3), _Conv(width, width, 5, groups=width), _Conv(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convs(x)
        return x + out if self.adds else out


class _Attention(nn.Module):
    """Each channel times what follows from the means of all."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean, self.fc, self.gate = nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1), nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(self.fc(self.mean(x)))
        return x * gate


class _Stage(nn.Module):
    """Half of the channels through the blocks, half beside them."""

    def __init__(self, width: int, blocks: int, adds: bool) -> None:
        super().__init__()
        half = width // 2
        self.main, self.side, self.last = _Conv(width, half, 1), _Conv(width, half, 1), _Conv(width, width, 1)
        self.blocks = nn.Sequential(*(_Block(half, adds) for _ in range(blocks)))
        self.attention = _Attention(width)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.blocks(self.main(x)), self.side(x)], dim=1)
        out: Tensor = self.last(self.attention(both))
        return out


class _Pyramid(nn.Module):
    """Maxima of three sizes beside the picture."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = _Conv(width, width // 2, 1), _Conv(2 * width, width, 1)
        self.pools = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        out: Tensor = self.last(torch.cat([x, *(pool(x) for pool in self.pools)], dim=1))
        return out


class _ScaleNorm(nn.Module):
    """A row by its length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale, self.g = width**-0.5, nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        norm: Tensor = torch.norm(x, dim=2, keepdim=True) * self.scale
        out: Tensor = x / norm.clamp(min=1e-5) * self.g
        return out


class _GatedAttention(nn.Module):
    """Attention between joints, with a gate (Hua et al., ICML 2022)."""

    def __init__(self, width: int = 256, s: int = 128) -> None:
        super().__init__()
        self.e, self.s = 2 * width, s
        self.norm = _ScaleNorm(width)
        self.uv, self.out = nn.Linear(width, 2 * self.e + s, bias=False), nn.Linear(self.e, width, bias=False)
        self.gamma, self.beta = nn.Parameter(torch.rand(2, s)), nn.Parameter(torch.rand(2, s))
        self.act, self.residual = nn.SiLU(), nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        u, v, base = torch.split(self.act(self.uv(self.norm(x))), [self.e, self.e, self.s], dim=2)
        q, k = torch.unbind(base.unsqueeze(2) * self.gamma[None, None] + self.beta, dim=2)
        kernel = torch.square(torch.relu(torch.bmm(q, k.permute(0, 2, 1)) / self.s**0.5))
        out: Tensor = self.out(u * torch.bmm(kernel, v))
        return x * self.residual + out


class RtmPose(nn.Module):
    """RTMPose of a *size* of ``SIZES``: normalised pictures (N, 3, H, W) to lines of SimCC, (N, K, 2 W) and (N, K, 2 H)."""

    def __init__(self, size: str = "t", joints: int = 17, input_hw: tuple[int, int] = (256, 192)) -> None:
        super().__init__()
        depth, width = SIZES[size]
        channels = [round(width * c) for c in (64, 128, 256, 512, 1024)]
        half = channels[0] // 2
        layers: list[nn.Module] = [_Conv(3, half, 3, 2), _Conv(half, half, 3), _Conv(half, channels[0], 3)]
        for i, blocks in enumerate((3, 6, 6, 3)):
            layers.append(_Conv(channels[i], channels[i + 1], 3, 2))
            if i == 3:
                layers.append(_Pyramid(channels[i + 1]))
            layers.append(_Stage(channels[i + 1], max(round(blocks * depth), 1), adds=i < 3))
        self.backbone = nn.Sequential(*layers)
        cells = input_hw[0] // 32 * (input_hw[1] // 32)
        self.final_layer = nn.Conv2d(channels[-1], joints, 7, padding=3)
        self.mlp = nn.Sequential(_ScaleNorm(cells), nn.Linear(cells, 256, bias=False))
        self.gau = _GatedAttention()
        self.cls_x, self.cls_y = (nn.Linear(256, 2 * side, bias=False) for side in input_hw[::-1])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.gau(self.mlp(torch.flatten(self.final_layer(self.backbone(image)), 2)))
        return self.cls_x(x), self.cls_y(x)


@torch.no_grad()
def _enliven(net: RtmPose, noise: Tensor) -> None:
    """Make *net*, whose weights are random, answer to pictures: joints elsewhere in another one, peaks of 0.6 to 0.8."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # takes the statistics of what it sees now
    pictures = nn.functional.interpolate(noise, scale_factor=8, mode="bilinear")
    net.train()(pictures)
    net.eval()
    for head, line in zip((net.cls_x, net.cls_y), net(pictures), strict=True):
        head.weight *= 0.7 / line.amax(2).mean()


def rtmpose_graph(size: str = "t", joints: int = 17, input_hw: tuple[int, int] = (256, 192), seed: int = 0) -> bytes:
    """RTMPose with random weights, exported as MMDeploy does."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = RtmPose(size, joints, input_hw)
        _enliven(net, torch.randn(4, 3, input_hw[0] // 8, input_hw[1] // 8))
    file = io.BytesIO()
    names = ["input", "simcc_x", "simcc_y"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.zeros(1, 3, *input_hw),),
            file,  # type: ignore[arg-type]  # it takes open files, too
            dynamo=False,
            opset_version=OPSET,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "batch"} for name in names},
        )
    return file.getvalue()


# ---- RTMO ---------------------------------------------------------------------------------------------------------------


def rtmo_graph(input_hw: tuple[int, int] = (64, 96), joints: int = 17, seed: int = 0) -> bytes:
    """A one-stage network in the form of RTMO: anchors every 32 px, each a person's box, score and joints, and the suppression.

    A convolution that averages 32 × 32 px makes the score: a bright square is a person. Boxes are squares of 40 px around the
    anchors, so neighbours overlap, but not enough to suppress each other. The joints lie around the anchor, by the seed.
    """
    random = np.random.default_rng(seed)
    h, w = (side // 32 for side in input_hw)
    anchors = h * w
    centre = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1).reshape(1, anchors, 2).astype(np.float32) * 32 + 15.5
    offsets = random.uniform(-20, 20, (1, 1, joints, 2)).astype(np.float32)
    weights: dict[str, Any] = {
        "kernel": np.concatenate([np.full((1, 3, 32, 32), 1 / 3072), np.zeros((joints, 3, 32, 32))]).astype(np.float32),
        "bias": np.concatenate([[-128.0], random.uniform(0, 40, joints)]).astype(np.float32),
        "boxes": np.concatenate([centre - 20, centre + 20], axis=2), "xy": centre[:, :, None] + offsets,
        "tenth": np.float32(0.1), "flat": np.array([0, joints + 1, -1], np.int64), "one": np.array([1], np.int64),
        "most": np.array([200], np.int64), "iou": np.float32(0.65), "least": np.float32(0.15),
        "at0": np.int64(0), "at2": np.int64(2), "zero": np.int64(0), "step": np.int64(1), "z": np.float32(0),
        "row": np.array([1, -1], np.int64), "column": np.array([-1, 1], np.int64),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Conv", ["input", "kernel", "bias"], ["maps"], kernel_shape=[32, 32], strides=[32, 32]),
        node("Mul", ["maps", "tenth"], ["small"]),
        node("Sigmoid", ["small"], ["sigmoid"]),
        node("Reshape", ["sigmoid", "flat"], ["anchors"]),  # (n, 1 + joints, anchors)
        node("Split", ["anchors"], ["scores", "visible"], axis=1, split=[1, joints]),
        node("Shape", ["input"], ["size"]),
        node("Gather", ["size", "at0"], ["n"], axis=0),
        node("Range", ["zero", "n", "step"], ["counted"]),
        node("Reshape", ["counted", "column"], ["pictures"]),  # (n, 1)
        node("Unsqueeze", ["n"], ["n_list"], axes=[0]),
        node("Concat", ["n_list", "one", "one"], ["times3"], axis=0),
        node("Tile", ["boxes", "times3"], ["all_boxes"]),  # (n, anchors, 4)
        node("NonMaxSuppression", ["all_boxes", "scores", "most", "iou", "least"], ["selected"]),  # (found, 3)
        node("Gather", ["selected", "at0"], ["of"], axis=1),
        node("Gather", ["selected", "at2"], ["which"], axis=1),
        node("Reshape", ["of", "row"], ["of_row"]),
        node("Equal", ["of_row", "pictures"], ["own"]),  # (n, found): whether it was found in this picture
        node("Squeeze", ["scores"], ["flat_scores"], axes=[1]),
        node("Gather", ["flat_scores", "which"], ["found_scores"], axis=1),
        node("Where", ["own", "found_scores", "z"], ["kept_scores"]),
        node("Gather", ["all_boxes", "which"], ["found_boxes"], axis=1),
        node("Unsqueeze", ["kept_scores"], ["kept_column"], axes=[2]),
        node("Concat", ["found_boxes", "kept_column"], ["dets"], axis=2),
        node("Transpose", ["visible"], ["visible_last"], perm=[0, 2, 1]),
        node("Gather", ["visible_last", "which"], ["found_visible"], axis=1),
        node("Unsqueeze", ["found_visible"], ["visible_column"], axes=[3]),
        node("Concat", ["n_list", "one", "one", "one"], ["times4"], axis=0),
        node("Tile", ["xy", "times4"], ["all_xy"]),
        node("Gather", ["all_xy", "which"], ["found_xy"], axis=1),
        node("Concat", ["found_xy", "visible_column"], ["keypoints"], axis=3),
    ]
    graph = helper.make_graph(
        nodes,
        "rtmo",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, *input_hw])],
        [
            helper.make_tensor_value_info("dets", TensorProto.FLOAT, ["batch", "found", 5]),
            helper.make_tensor_value_info("keypoints", TensorProto.FLOAT, ["batch", "found", joints, 3]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=6)
    return bytes(model.SerializeToString())


# ---- archives -----------------------------------------------------------------------------------------------------------


def deploy_json(net: str = "end2end.onnx") -> dict[str, Any]:
    model = {"name": "rtmpose", "net": net, "weights": "", "backend": "onnxruntime", "precision": "FP32", "batch_size": 1}
    return {"version": "1.2.0", "task": "PoseDetector", "models": [{**model, "dynamic_shape": True}], "customs": []}


def detail_json(config: str = "rtmpose-t_8xb256-420e_body8-256x192") -> dict[str, Any]:
    pth = f"https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/{config}.pth"
    codebase = {"task": "PoseDetection", "codebase": "mmpose", "version": "1.1.0", "pth": pth, "config": f"configs/{config}.py"}
    return {"version": "1.2.0", "codebase": codebase, "onnx_config": {"save_file": "end2end.onnx"}, "calib_config": {}}


def pipeline_json(input_hw: tuple[int, int] = (256, 192), **normalise: Any) -> dict[str, Any]:
    wh = list(input_hw[::-1])
    transforms = [
        {"type": "LoadImage"},
        {"type": "TopDownGetBboxCenterScale", "padding": 1.25, "image_size": wh},
        {"type": "TopDownAffine", "image_size": wh},
        {"type": "Normalize", "mean": list(MEAN), "std": list(STD), "to_rgb": True, **normalise},
        {"type": "ImageToTensor", "keys": ["img"]},
        {"type": "Collect", "keys": ["img"], "meta_keys": ["center", "scale"]},
    ]
    codec = {"type": "SimCCLabel", "input_size": wh, "sigma": [4.9, 5.66], "simcc_split_ratio": 2.0, "use_dark": False}
    tasks = [
        {"type": "Task", "module": "Transform", "name": "Preprocess", "input": ["img"], "transforms": transforms},
        {"type": "Task", "module": "Net", "name": "rtmpose", "input": ["prep_output"], "output": ["infer_output"]},
        {"type": "Task", "module": "mmpose", "component": "SimCCLabelDecode", "params": {"flip_test": False, **codec}},
    ]
    return {"pipeline": {"input": ["img"], "output": ["post_output"], "tasks": tasks}}


def rtmo_pipeline_json(input_hw: tuple[int, int] = (64, 96)) -> dict[str, Any]:
    transforms = [
        {"type": "LoadImage"},
        {"type": "BottomupResize", "input_size": list(input_hw[::-1]), "pad_val": [114, 114, 114]},
        {"type": "Normalize", "mean": [0, 0, 0], "std": [1, 1, 1], "to_rgb": False},
    ]
    return {"pipeline": {"tasks": [{"type": "Task", "module": "Transform", "transforms": transforms}]}}


def archive(graph: bytes, files: Mapping[str, Any], folder: str = "") -> bytes:
    """A zip of end2end.onnx and of JSON *files*, in *folder*."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{folder}end2end.onnx", graph)
        for name, content in files.items():
            packed.writestr(f"{folder}{name}", content if isinstance(content, (bytes, str)) else json.dumps(content))
    return out.getvalue()


def rtmpose_archive(size: str = "t", joints: int = 17, input_hw: tuple[int, int] = (256, 192), **normalise: Any) -> bytes:
    """An archive as RTMPose's are: in folders of its own."""
    files = {"deploy.json": deploy_json(), "pipeline.json": pipeline_json(input_hw, **normalise), "detail.json": detail_json()}
    graph = rtmpose_graph(size, joints, input_hw)
    return archive(graph, files, "20230831/rtmpose_onnx/rtmpose-t_simcc-body7_pt-body7_420e-256x192-026a1439_20230504/")


def rtmo_archive(input_hw: tuple[int, int] = (64, 96), joints: int = 17) -> bytes:
    """An archive as RTMO's are: without folders."""
    files = {
        "deploy.json": deploy_json(),
        "pipeline.json": rtmo_pipeline_json(input_hw),
        "detail.json": detail_json("rtmo-s_8xb32-600e_body7-640x640"),
    }
    return archive(rtmo_graph(input_hw, joints), files)
