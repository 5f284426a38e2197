"""A GPU made of ordinary memory, and a network on it that ONNX Runtime computes: for what the TensorRT engine does around it.

Nothing given to a stream runs before somebody waits for it, as on a GPU that is far behind: a result read too early, or
a crop overwritten too soon, shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike, NDArray

from poseapp.core.errors import EngineError
from poseapp.core.spec import ModelSpec
from poseapp.engine.base import Backend
from poseapp.engine.cuda import CudaError, Device, Event, Graph, Stream
from poseapp.engine.tensorrt.gpu_engine import GpuEngine


class FakeStream:
    """Work that is done when somebody waits."""

    handle = 1

    def __init__(self, device: FakeDevice) -> None:
        self._device = device
        self.todo: list[Callable[[], None]] = []
        self.recording: list[Callable[[], None]] | None = None
        self.done = 0

    def give(self, work: Callable[[], None]) -> None:
        (self.todo if self.recording is None else self.recording).append(work)

    def wait(self) -> None:
        self.run(len(self.todo))

    def run(self, count: int) -> None:
        if self.recording is not None:
            raise CudaError("CUDA: waited for a stream that is being captured.")
        for work in self.todo[:count]:
            if self._device.lost:
                raise CudaError("CUDA: CUDA_ERROR_LAUNCH_FAILED.")
            work()
        del self.todo[:count]
        self.done += count


class FakeEvent:
    def __init__(self, stream: FakeStream) -> None:
        self._stream, self._mark = stream, 0

    def record(self) -> None:
        self._mark = self._stream.done + len(self._stream.todo)

    def wait(self) -> None:
        self._stream.run(max(0, self._mark - self._stream.done))


class FakeGraph:
    def __init__(self, device: FakeDevice, stream: FakeStream, work: list[Callable[[], None]]) -> None:
        self._device, self._stream, self._work = device, stream, work
        self.closed = False

    def launch(self) -> None:
        self._device.check()
        self._device.launches += 1
        assert not self.closed
        for work in self._work:
            self._stream.give(work)

    def close(self) -> None:
        self.closed = True


class FakeDevice(Device):
    """Memory is numpy's; an address is a key. *no_graphs* refuses to capture."""

    layer = "fake 1"

    def __init__(self, no_graphs: bool = False, buffers: int = 1000) -> None:
        super().__init__()
        self.memory: dict[int, NDArray[np.uint8]] = {}
        self.lost = self.released = False
        self.launches = 0
        self._no_graphs, self._buffers = no_graphs, buffers
        self._inside = 0

    def check(self) -> None:
        assert self._inside > 0, "called outside of `with device`"
        if self.lost:
            raise CudaError("CUDA: CUDA_ERROR_DEVICE_UNAVAILABLE.")

    def __enter__(self) -> Device:
        self._inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._inside -= 1

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        self.check()
        self.allocations += 1
        return np.full(shape, 7, dtype)

    def buffer(self, nbytes: int) -> int:
        self.check()
        if self.allocations >= self._buffers:
            raise CudaError("CUDA: CUDA_ERROR_OUT_OF_MEMORY.")
        self.allocations += 1
        address = 4096 * (len(self.memory) + 1)
        self.memory[address] = np.full(nbytes, 7, np.uint8)
        return address

    def stream(self) -> Stream:
        self.check()
        return FakeStream(self)

    def event(self, stream: Stream) -> Event:
        self.check()
        assert isinstance(stream, FakeStream)
        return FakeEvent(stream)

    def upload(self, target: int, source: NDArray[Any], stream: Stream) -> None:
        self.check()
        assert isinstance(stream, FakeStream)
        assert source.flags.c_contiguous

        def copy() -> None:
            self.memory[target][: source.nbytes] = source.reshape(-1).view(np.uint8)

        stream.give(copy)

    def download(self, target: NDArray[Any], source: int, stream: Stream) -> None:
        self.check()
        assert isinstance(stream, FakeStream)
        assert target.flags.c_contiguous

        def copy() -> None:
            target.reshape(-1).view(np.uint8)[:] = self.memory[source][: target.nbytes]

        stream.give(copy)

    def free_memory(self) -> tuple[int, int]:
        return 1, 2

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        self.check()
        assert isinstance(stream, FakeStream)
        if self._no_graphs:
            raise CudaError("CUDA: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED.")
        stream.recording = []
        try:
            work()
            return FakeGraph(self, stream, stream.recording)
        finally:
            stream.recording = None

    def _release(self) -> None:
        self.memory.clear()
        self.released = True


class FakeNetwork:
    """The graph of a model's folder; ``breaks`` makes the enqueue of a batch fail, ``shift_px`` its joints wrong."""

    def __init__(self, folder: Path, device: FakeDevice, own_graphs: bool = False) -> None:
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
        self._device = device
        self._shapes = {o.name: tuple(int(n) for n in o.shape[1:]) for o in self._session.get_outputs()}
        self._hwc = tuple(int(n) for n in self._session.get_inputs()[0].shape[1:])
        self.sizes: list[int] = []
        self.breaks = self.closed = False
        self.shift_px = 0.0
        self.own_graphs = own_graphs

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        return self._shapes

    def prepare(self, sizes: Sequence[int], addresses: Mapping[str, int], stream: Stream) -> None:
        self._sizes, self._addresses = list(sizes), dict(addresses)

    def capturable(self, stream: Stream) -> bool:
        return not self.own_graphs

    def enqueue(self, size: int, stream: Stream) -> None:
        assert isinstance(stream, FakeStream)
        assert size in self._sizes
        if self.breaks:
            raise EngineError("TensorRT failed (no reason given).")
        stream.give(lambda: self._compute(size))

    def close(self) -> None:
        self.closed = True

    def _compute(self, size: int) -> None:
        self.sizes.append(size)
        memory = self._device.memory
        crops = memory[self._addresses["crops"]][: size * int(np.prod(self._hwc))].reshape(size, *self._hwc)
        for name, value in zip(self._shapes, self._session.run(list(self._shapes), {"crops": crops}), strict=True):
            value = np.array(value, np.float32)
            if name == "keypoints":
                value[..., 0] += self.shift_px
            raw = value.reshape(-1).view(np.uint8)
            memory[self._addresses[name]][: raw.size] = raw


def open_fake(folder: Path, batch: int = 8, device: FakeDevice | None = None) -> tuple[GpuEngine, FakeDevice, FakeNetwork]:
    """The engine on a fake GPU, with its parts."""
    device = device or FakeDevice()
    network = FakeNetwork(folder, device)
    spec = ModelSpec.read(folder / "model.json")
    return GpuEngine(spec, device, network, Backend("TensorRT 1.0", "Fake GPU", "FP32"), batch), device, network
