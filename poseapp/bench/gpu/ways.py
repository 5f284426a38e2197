"""The ways to run a network: PyTorch as it is, captured in a graph or compiled, and TensorRT."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from poseapp.bench.gpu.subjects import Subject, made_up_crops
from poseapp.convert.export import write_model
from poseapp.core.errors import EngineError
from poseapp.core.pixels import IMAGENET_RGB
from poseapp.core.spec import ModelSpec, Precision
from poseapp.engine.tensorrt.engine import TrtEngine, unavailable
from poseapp.nets.deploy import Deploy

BATCHES = (1, 8)
EAGER = "PyTorch eager FP32"
ROUNDED = "PyTorch eager TF32"  # what PyTorch does unless told otherwise: convolutions with 10 bits of mantissa
GRAPHS = {"PyTorch graph FP16": torch.float16, "PyTorch graph BF16": torch.bfloat16}
COMPILED = "torch.compile FP16"
WAYS = (EAGER, ROUNDED, *GRAPHS, "TensorRT FP32", "TensorRT FP16", "TensorRT INT8", COMPILED)
Once = Callable[[], object]


class InPrecision(nn.Module):
    """A network in half precision between FP32 pixels and FP32 heatmaps."""

    def __init__(self, net: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.net = net.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dtype = dtype

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) float32 → (N, K, h, w) float32."""
        maps = self.net(pixels.to(self.dtype, memory_format=torch.channels_last))
        last: Tensor = maps[-1] if isinstance(maps, (list, tuple)) else maps
        return last.float()


def deployed(subject: Subject, device: torch.device, dtype: torch.dtype | None = None) -> nn.Module:
    """The graph that the app runs, on *device*; the network in *dtype* (None: FP32)."""
    net = subject.make().eval()
    deploy = Deploy.of(InPrecision(net, dtype) if dtype is not None else net, subject.spec, IMAGENET_RGB)
    return deploy.to(device).eval()


def run_module(module: Callable[[Tensor], Any], crops: Tensor, device: torch.device) -> Once:
    """One inference of a deployed *module*: *crops* (pinned) up, keypoints down, wait."""

    def once() -> Tensor:
        with torch.inference_mode():
            keypoints: Tensor = module(crops.to(device, non_blocking=True))[0].cpu()
        return keypoints

    return once


def run_captured(module: nn.Module, crops: Tensor, device: torch.device) -> Once:
    """The same with everything between the copies in one captured graph. CUDA only."""
    given = crops.to(device)
    side = torch.cuda.Stream(device)
    with torch.inference_mode():
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(3):  # cuDNN picks its algorithms before the capture
                module(given)
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            keypoints = module(given)[0]
    found = torch.empty(keypoints.shape, pin_memory=True)

    def once() -> Tensor:
        with torch.inference_mode():
            given.copy_(crops, non_blocking=True)
            graph.replay()
            found.copy_(keypoints, non_blocking=True)
            torch.cuda.current_stream(device).synchronize()
        return found

    return once


@contextlib.contextmanager
def torch_way(way: str, subject: Subject, batch: int, device: torch.device) -> Iterator[Once]:
    """Ready to run *way*; what it took is freed at the end."""
    crops = torch.from_numpy(made_up_crops(subject.spec, batch))
    crops = crops.pin_memory() if device.type == "cuda" else crops
    if way in (EAGER, ROUNDED):
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=way == ROUNDED):
            yield run_module(deployed(subject, device), crops, device)
    elif way in GRAPHS:
        yield run_captured(deployed(subject, device, GRAPHS[way]), crops, device)
    else:
        torch.compiler.reset()
        compiled = torch.compile(deployed(subject, device, torch.float16), mode="reduce-overhead")
        yield run_module(compiled, crops, device)
    if device.type == "cuda":
        torch.cuda.empty_cache()


@contextlib.contextmanager
def tensorrt_engine(subject: Subject, precision: Precision) -> Iterator[TrtEngine]:
    """The network through TensorRT: the stored model, or one with made-up weights in a folder that is thrown away.

    Made-up weights give heatmaps that are noise, so only stored models are compared with ONNX Runtime.
    """
    reason = unavailable()
    if reason:
        raise EngineError(reason)
    with contextlib.ExitStack() as stack:
        folder = subject.folder
        if folder is None:
            if precision == "int8":
                raise EngineError("made-up weights cannot be calibrated")
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="poseapp-bench-"))) / subject.spec.name
            write_model(Deploy.of(subject.make(), subject.spec, IMAGENET_RGB), subject.spec, "", folder, fp16=True)
        spec = ModelSpec.read(folder / "model.json")
        engine = TrtEngine(folder, spec, precision, max(BATCHES), checked=subject.folder is not None)
        stack.callback(engine.close)
        yield engine
