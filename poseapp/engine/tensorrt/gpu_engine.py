"""Runs a compiled network on a GPU: one stream, memory allocated once, captured graphs, two batches in flight."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import EngineError, first_line
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine import driver
from poseapp.engine.base import MAPS, Backend, BaseEngine, Output, is_own_mistake, joined
from poseapp.engine.cuda import Device, Event, Graph, Stream
from poseapp.engine.tensorrt.plans import MAX_BATCH

log = logging.getLogger(__name__)

IN_FLIGHT = 2  # the GPU works on one while the CPU fills the other


class Network(Protocol):
    """A compiled network on the GPU, with fixed addresses for its input and outputs."""

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        """Outputs by name, each with its shape for one crop; all are float32."""
        ...

    def prepare(self, sizes: Sequence[int], addresses: Mapping[str, int], stream: Stream) -> None:
        """Make ready for batches of *sizes*, reading "crops" and writing the outputs at *addresses*."""
        ...

    def capturable(self, stream: Stream) -> bool:
        """Whether what enqueue gives *stream* may be captured in a graph."""
        ...

    def enqueue(self, size: int, stream: Stream) -> None:
        """Give *stream* the inference of a batch of *size*; EngineError when it cannot."""
        ...

    def close(self) -> None:
        """Free it; never raises."""
        ...


@dataclass(eq=False)
class _Slot:
    """What one batch in flight needs: pinned memory, the event behind it, and a graph for each size of batch."""

    crops: ImageArray
    outputs: dict[str, NDArray[np.float32]]
    done: Event
    graphs: dict[int, Graph] = field(default_factory=dict)
    n: int = 0
    names: tuple[str, ...] = ()


class GpuEngine(BaseEngine):
    """Runs a Network: uint8 crops go up, K × 3 numbers a person come down, heatmaps only on request.

    All memory is allocated here, and none afterwards. A batch is filled up to the next size of 1, 2, 4, 8 (up to *batch*). For
    each size, copies and inference are one captured graph; when capturing fails, they are started one by one. ``submit`` and
    ``collect`` keep two batches in flight, so that the next crop is cut while the GPU works. The engine closes *device* and
    *network*, also when its constructor fails. Raises EngineError.
    """

    def __init__(self, spec: ModelSpec, device: Device, network: Network, backend: Backend, batch: int = MAX_BATCH) -> None:
        super().__init__(spec, backend, tuple(name for name in MAPS if name in network.outputs))
        self._device, self._network = device, network
        self._batch = batch
        self._sizes = sorted({n for n in (1, 2, 4, 8) if n < batch} | {batch})
        self._slots: list[_Slot] = []
        self._flying: deque[_Slot] = deque()
        self._error = ""
        try:
            with device:
                self._allocate()
        except BaseException:
            self.close()
            raise

    @property
    def device(self) -> Device:
        """The GPU and what was allocated on it, for tests and the benchmark."""
        return self._device

    @property
    def captured(self) -> bool:
        """Whether every batch is one graph."""
        return all(len(slot.graphs) == len(self._sizes) for slot in self._slots)

    def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
        """More crops than a batch go up in parts, two in flight."""
        if self._flying:
            raise EngineError(f"{self._spec.name}: a crop is in flight. Collect it before infer.")
        parts: list[list[FloatArray]] = []
        for start in range(0, len(crops), self._batch):
            if len(self._flying) == IN_FLIGHT:
                parts.append(self._collect())
            self._submit(crops[start : start + self._batch], names)
        while self._flying:
            parts.append(self._collect())
        return joined(parts)

    def submit(self, crops: ImageArray, heatmaps: bool = False) -> None:
        """Start on *crops* (at most a batch) and return; they may be changed at once. At most two are in flight."""
        self._check(crops)
        if len(crops) > self._batch:
            raise EngineError(f"{self._spec.name}: expected at most {self._batch} crops at once, got {len(crops)}.")
        if len(self._flying) == IN_FLIGHT:
            raise EngineError(f"{self._spec.name}: {IN_FLIGHT} are in flight. Collect one first.")
        self._submit(crops, self._names(heatmaps))

    def collect(self) -> Output:
        """Wait for the batch that was submitted first; its arrays are the caller's."""
        self._check_open()
        if not self._flying:
            raise EngineError(f"{self._spec.name}: nothing is in flight. Submit crops first.")
        return Output.of(self._flying[0].names, self._collect())

    def _submit(self, crops: ImageArray, names: tuple[str, ...]) -> None:
        slot = next(slot for slot in self._slots if slot not in self._flying)
        n = len(crops)
        size = next(size for size in self._sizes if size >= n)
        slot.n, slot.names = n, names
        np.copyto(slot.crops[:n], crops)
        with self._failing(), self._device:
            graph = slot.graphs.get(size)
            if graph is not None:
                graph.launch()
            else:
                self._run(slot, size)
            for name in names:
                if name != "keypoints":
                    self._device.download(slot.outputs[name][:n], self._addresses[name], self._stream)
            slot.done.record()
        self._flying.append(slot)

    def _collect(self) -> list[FloatArray]:
        slot = self._flying.popleft()
        with self._failing(), self._device:
            slot.done.wait()
        # Copies: pinned memory is written again two batches on, and is gone when the engine is closed.
        return [slot.outputs[name][: slot.n].copy() for name in slot.names]

    def _close(self) -> None:
        self._flying.clear()
        with contextlib.suppress(EngineError), self._device:
            if hasattr(self, "_stream"):
                with contextlib.suppress(EngineError):
                    self._stream.wait()
            self._close_graphs()  # they hold kernels of the network's contexts, so they go first
            self._slots.clear()
            self._network.close()
            self.__dict__.pop("_stream", None)  # PyCUDA frees it with the last reference, and its context must still be there
        self._device.close()

    def _allocate(self) -> None:
        device, batch, hw = self._device, self._batch, self._spec.input_hw
        self._stream = device.stream()
        shapes = self._network.outputs
        self._addresses = {name: device.buffer(4 * batch * int(np.prod(shape))) for name, shape in shapes.items()}
        self._addresses["crops"] = device.buffer(batch * hw[0] * hw[1] * 3)
        self._slots = [
            _Slot(
                device.pinned((batch, *hw, 3), np.uint8),
                {name: device.pinned((batch, *shape), np.float32) for name, shape in shapes.items()},
                device.event(self._stream),
            )
            for _ in range(IN_FLIGHT)
        ]
        for slot in self._slots:
            slot.crops[:] = 0
        self._network.prepare(self._sizes, self._addresses, self._stream)
        for size in self._sizes:
            self._run(self._slots[0], size)  # what TensorRT puts off until the first run must not be captured
            self._stream.wait()
        if not self._network.capturable(self._stream):
            log.info("%s: TensorRT runs this network without our graphs", self._spec.name)
            return
        try:
            for slot in self._slots:
                for size in self._sizes:
                    slot.graphs[size] = device.capture(self._stream, functools.partial(self._run, slot, size))
        except EngineError as error:
            log.warning("%s: no graph can be captured, batches are given one call at a time: %s", self._spec.name, error)
            self._close_graphs()

    def _close_graphs(self) -> None:
        for slot in self._slots:
            for graph in slot.graphs.values():
                graph.close()
            slot.graphs.clear()

    def _run(self, slot: _Slot, size: int) -> None:
        self._device.upload(self._addresses["crops"], slot.crops[:size], self._stream)
        self._network.enqueue(size, self._stream)
        self._device.download(slot.outputs["keypoints"][:size], self._addresses["keypoints"], self._stream)

    def _check_open(self) -> None:
        super()._check_open()
        if self._error:
            raise EngineError(self._error)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """A failure of the GPU ends this engine: after a lost device or a full memory no result can be trusted."""
        try:
            yield
        except Exception as error:
            if is_own_mistake(error):
                raise
            self._flying.clear()
            remedy = driver.note_failure() or "Go on with the CPU, or load the model again"
            self._error = f"{self._spec.name}: the GPU failed ({first_line(error).rstrip('.')}). {_sentence(remedy)}"
            raise EngineError(self._error) from None


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
