"""The exported graph against the network, for each family, and the graph's decoding against numpy's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from poseapp.convert.export import export_onnx, write_model
from poseapp.core import heatmap
from poseapp.core.errors import ModelError
from poseapp.core.heatmap import DECODES, MAPPINGS, Decode, Mapping
from poseapp.core.pixels import CAFFE_BGR, IMAGENET_RGB, MPII_MEAN_RGB, UNIT_RGB, Pixels
from poseapp.core.skeleton import COCO_17, LSP_14, OPENPOSE_18, Skeleton
from poseapp.core.spec import Family, ModelSpec, Source
from poseapp.nets.cpm import ConvolutionalPoseMachine
from poseapp.nets.deploy import Deploy, HeatmapDecoder, Normalise
from poseapp.nets.hourglass import LiteHourglass, StackedHourglass
from poseapp.nets.hourglass52 import Hourglass52
from poseapp.nets.hrnet import HRNet
from poseapp.nets.openpose import OpenPose

NETS: dict[str, tuple[Family, Callable[[], nn.Module], tuple[int, int], int, Skeleton, Pixels]] = {
    "hourglass": ("hourglass", lambda: StackedHourglass(2, features=32, stem=16), (96, 64), 4, COCO_17, MPII_MEAN_RGB),
    "hourglass on a trunk": ("hourglass", lambda: LiteHourglass(features=16, stacks=2), (96, 64), 4, COCO_17, IMAGENET_RGB),
    "hourglass52": (
        "hourglass",
        lambda: Hourglass52(stem=8, widths=(16,) * 6, blocks=(1,) * 6),
        (128, 128),
        4,
        COCO_17,
        IMAGENET_RGB,
    ),
    "hrnet": ("hrnet", lambda: HRNet(8, modules=(1, 1, 1)), (96, 64), 4, COCO_17, IMAGENET_RGB),
    "cpm": ("cpm", lambda: ConvolutionalPoseMachine(18, 2, centre_map=True, width=32), (96, 64), 8, COCO_17, CAFFE_BGR),
    "cpm of MMPose": ("cpm", lambda: ConvolutionalPoseMachine(17, 2, False, True, 32), (96, 64), 8, COCO_17, IMAGENET_RGB),
    "openpose": ("openpose", lambda: OpenPose(2, width=32), (96, 64), 8, OPENPOSE_18, CAFFE_BGR),
}


def spec_for(name: str, decode: Decode = "dark", mapping: Mapping = "udp") -> ModelSpec:
    family, _, hw, stride, skeleton, _ = NETS[name]
    return ModelSpec(
        name="test",
        family=family,
        skeleton=skeleton,
        input_hw=hw,
        stride=stride,
        decode=decode,
        mapping=mapping,
        sigma_px=1.5,
        weights_sha256="0" * 64,
        parameters=1,
        macs=1,
        source=Source("paper", "random weights", "none"),
        metrics={},
        variants={},
    )


def deploy_for(name: str, flip: bool = False, decode: Decode = "dark", mapping: Mapping = "udp") -> tuple[Deploy, ModelSpec]:
    torch.manual_seed(3)
    net = NETS[name][1]()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.3, 0.7)
        if isinstance(module, nn.Conv2d) and float(module.weight.detach().abs().max()) == 0:
            nn.init.normal_(module.weight, std=0.1)  # heads start at zero, which would hide everything
            nn.init.constant_(module.bias, 0.3)  # type: ignore[arg-type]
    spec = spec_for(name, decode, mapping)
    return Deploy.of(net.eval(), spec, NETS[name][5], flip), spec


def crops_for(repo_root: Path, hw: tuple[int, int], n_random: int = 4, n_real: int = 8) -> NDArray[np.uint8]:
    """Noise, and pieces of the demo clip's first frame."""
    random = np.random.default_rng(5)
    noise = random.integers(0, 256, (n_random, *hw, 3), np.uint8)
    video = cv2.VideoCapture(str(repo_root / "assets" / "demo.mp4"))
    ok, frame = video.read()
    video.release()
    assert ok
    real = []
    for _ in range(n_real):
        side = int(random.integers(100, 400))
        y, x = random.integers(0, frame.shape[0] - side), random.integers(0, frame.shape[1] - side)
        real.append(cv2.resize(frame[y : y + side, x : x + side], hw[::-1]))
    return np.concatenate([noise, np.stack(real).astype(np.uint8)])


@pytest.fixture(scope="module", params=NETS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Deploy, Path]:
    deploy, spec = deploy_for(request.param)
    folder = tmp_path_factory.mktemp("store") / "net"
    write_model(deploy, spec, "# card\n", folder, fp16=True)
    return request.param, deploy, folder


def run(path: Path, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    keypoints, heatmaps = session.run(["keypoints", "heatmaps"], {"crops": crops})
    return keypoints, heatmaps


def test_the_graph_agrees_with_the_network(exported: tuple[str, Deploy, Path], repo_root: Path) -> None:
    name, deploy, folder = exported
    crops = crops_for(repo_root, NETS[name][2])
    with torch.no_grad():
        expected, maps, *_ = (t.numpy() for t in deploy(torch.from_numpy(crops)))
    keypoints, heatmaps = run(folder / "model.onnx", crops)
    assert keypoints.shape == (len(crops), NETS[name][4].k, 3)
    assert heatmaps.shape == (len(crops), NETS[name][4].k, *spec_for(name).heatmap_hw)
    assert np.abs(heatmaps - maps).max() < 1e-4
    assert np.abs(keypoints[..., 2] - expected[..., 2]).max() < 1e-4
    assert np.abs(keypoints[..., :2] - expected[..., :2]).max() < 0.05
    assert np.ptp(keypoints[..., :2]) > 20  # joints lie all over: the comparison means something


def test_half_precision_is_half_the_size_and_close(exported: tuple[str, Deploy, Path], repo_root: Path) -> None:
    name, _, folder = exported
    crops = crops_for(repo_root, NETS[name][2], 2, 6)
    full, maps = run(folder / "model.onnx", crops)
    half, half_maps = run(folder / "model.fp16.onnx", crops)
    assert half.dtype == np.float32
    assert np.abs(half_maps - maps).max() < 0.02 * np.abs(maps).max()
    assert np.abs(half[..., 2] - full[..., 2]).max() < 0.02
    near = np.linalg.norm(half[..., :2] - full[..., :2], axis=-1) < 1.0
    assert near.mean() > 0.8  # noise has rivals for the highest peak, so a few may change places
    weights = {i.name: i.data_type for i in onnx.load(folder / "model.fp16.onnx").graph.initializer}
    assert onnx.TensorProto.FLOAT16 in weights.values()
    graph = 150_000  # nodes and names weigh the same in both, casts come on top
    assert (folder / "model.fp16.onnx").stat().st_size < 0.5 * (folder / "model.onnx").stat().st_size + graph


def test_any_number_of_crops(exported: tuple[str, Deploy, Path], repo_root: Path) -> None:
    name, _, folder = exported
    crops = crops_for(repo_root, NETS[name][2], 2, 3)
    together = run(folder / "model.onnx", crops)[0]
    alone = np.concatenate([run(folder / "model.onnx", c[None])[0] for c in crops])
    assert np.abs(together - alone).max() < 1e-3


def test_what_is_written_is_whole(exported: tuple[str, Deploy, Path]) -> None:
    import hashlib

    _, deploy, folder = exported
    spec = ModelSpec.read(folder / "model.json")
    assert spec.weights_sha256 == hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "model.fp16.onnx", "model.json", "model.onnx"]
    assert [p for p in folder.parent.iterdir() if p != folder] == []
    onnx.checker.check_model(str(folder / "model.onnx"))
    assert onnx.load(folder / "model.onnx").opset_import[0].version >= 17
    with pytest.raises(ModelError, match="exists already"):
        write_model(deploy, spec, "", folder)


def test_no_loop_over_joints_in_the_graph(exported: tuple[str, Deploy, Path]) -> None:
    nodes = onnx.load(exported[2] / "model.onnx").graph.node
    assert not [n for n in nodes if n.op_type in ("Loop", "Scan", "If")]


def test_decoding_more_joints_takes_no_more_nodes(tmp_path: Path) -> None:
    counts = []
    for skeleton in (LSP_14, COCO_17):
        spec = dataclasses.replace(spec_for("hourglass"), skeleton=skeleton)
        net = StackedHourglass(1, joints=skeleton.k, features=8, stem=4)
        export_onnx(Deploy.of(net, spec, UNIT_RGB), spec.input_hw, tmp_path / "net.onnx")
        counts.append(len(onnx.load(tmp_path / "net.onnx").graph.node))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("decode", DECODES)
def test_each_decode_and_mapping_is_numpys(decode: Decode, mapping: Mapping) -> None:
    random = np.random.default_rng(1)
    hw, input_hw = (24, 18), (96, 72)
    xy = random.uniform(-1, [18, 24], (40, 17, 2)).astype(np.float32)  # some on the border, some beyond
    maps = np.stack([heatmap.encode(p, hw, 1.5) for p in xy]) * random.uniform(0.2, 1.2, (40, 17, 1, 1)).astype(np.float32)
    maps += random.normal(0, 0.01, maps.shape).astype(np.float32)
    decoder = HeatmapDecoder(input_hw, hw, decode, mapping, 1.5)
    found = decoder(torch.from_numpy(maps)).numpy()
    expected = heatmap.decode(maps, decode, 1.5).astype(np.float64)
    affine = heatmap.input_from_cells(input_hw, hw, mapping)
    expected[..., :2] = expected[..., :2] @ affine[:, :2].T + affine[:, 2]
    assert np.abs(found - expected).max() < 0.01


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_the_flip_test_in_the_graph_is_numpys(mapping: Mapping, repo_root: Path) -> None:
    plain, spec = deploy_for("hourglass", mapping=mapping)
    averaged, _ = deploy_for("hourglass", flip=True, mapping=mapping)
    crops = crops_for(repo_root, spec.input_hw, 2, 2)
    with torch.no_grad():
        _, maps = plain(torch.from_numpy(crops))
        _, mirrored = plain(torch.from_numpy(crops[:, :, ::-1].copy()))
        found = averaged(torch.from_numpy(crops))[1].numpy()
    expected = heatmap.with_mirrored(maps.numpy(), mirrored.numpy(), COCO_17.flip_index, mapping)
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found - maps.numpy()).max() > 1e-2


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (UNIT_RGB, [30 / 255, 20 / 255, 10 / 255]),
        (MPII_MEAN_RGB, [30 / 255 - 0.4404, 20 / 255 - 0.4440, 10 / 255 - 0.4327]),
        (IMAGENET_RGB, [(30 / 255 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (10 / 255 - 0.406) / 0.225]),
        (CAFFE_BGR, [10 / 256 - 0.5, 20 / 256 - 0.5, 30 / 256 - 0.5]),
    ],
)
def test_pixels_are_normalised_as_each_release_does(pixels: Pixels, expected: list[float]) -> None:
    crops = torch.tensor([10, 20, 30], dtype=torch.uint8).expand(1, 4, 4, 3)  # B, G, R
    found: Tensor = Normalise(pixels.mean, pixels.std, pixels.bgr)(crops)
    assert found.shape == (1, 3, 4, 4)
    assert found[0, :, 0, 0].tolist() == pytest.approx(expected, abs=1e-6)


def test_weights_that_blow_up_are_not_exported(tmp_path: Path) -> None:
    from poseapp.core.errors import CheckpointError

    deploy, spec = deploy_for("hourglass")
    with torch.no_grad():
        next(deploy.net.parameters()).fill_(torch.nan)
    with pytest.raises(CheckpointError, match="damaged"):
        write_model(deploy, spec, "", tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["hourglass", "hourglass on a trunk"])
def test_variances_beyond_half_precision_do_no_harm(name: str, repo_root: Path, tmp_path: Path) -> None:
    deploy, spec = deploy_for(name)
    for module in deploy.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            module.running_var.mul_(1e6)  # as after many residuals
            module.weight.data.mul_(1e3)
    write_model(deploy, spec, "# card\n", tmp_path / "net", fp16=True)
    crops = crops_for(repo_root, NETS[name][2], 2, 2)
    with torch.no_grad():
        expected = deploy(torch.from_numpy(crops))[1].numpy()
    _, whole = run(tmp_path / "net" / "model.onnx", crops)
    _, half = run(tmp_path / "net" / "model.fp16.onnx", crops)
    assert np.abs(whole - expected).max() < 1e-4
    assert float(np.std(expected, axis=(2, 3)).max()) > 0.01
    assert np.abs(half - expected).max() < 0.02 * np.abs(expected).max()
