"""TensorRT: the engine for NVIDIA GPUs. One stream, memory allocated once, captured graphs, two crops in flight."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import EngineError, PoseAppError, first_line
from poseapp.core.files import atomic_write
from poseapp.core.spec import ModelSpec, Precision
from poseapp.core.types import ImageArray
from poseapp.engine import cuda, driver
from poseapp.engine.base import Backend, Output, Progress, check_crops, foreign_errors
from poseapp.engine.comparator import TOLERANCE_PX, difference_px, sample_crops
from poseapp.engine.cuda import Device, Event, Graph, Layer, Stream
from poseapp.engine.onnxruntime import OrtEngine
from poseapp.engine.tensorrt import builder as build
from poseapp.engine.tensorrt.builder import MAX_BATCH

log = logging.getLogger(__name__)

IN_FLIGHT = 2  # the GPU works on one while the CPU fills the other


def unavailable() -> str:
    """Why TensorRT cannot run here, in one line with what to do; "" when it can. Nothing is loaded without a driver."""
    gpu = driver.find_gpu()
    if isinstance(gpu, str):
        return f"TensorRT: {gpu}.{'' if driver.has_gpu() else ' It needs an NVIDIA GPU and its driver.'}"
    if build.tensorrt() is None:
        return f"TensorRT: not installed. {build.INSTALL}."
    missing = cuda.unavailable()
    if missing:
        return f"TensorRT: {missing}"
    return build.unserved_because(gpu)  # before a plan is built, which takes minutes


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
    heatmaps: bool = False


class GpuEngine:
    """Runs a Network: uint8 crops go up, K × 3 numbers a person come down, heatmaps only when asked for.

    All memory is allocated here and nothing afterwards. A batch is filled up to the next of 1, 2, 4, 8 (up to *batch*),
    for each of which copies and inference are one captured graph; where capturing fails they are given one by one.
    ``submit`` and ``collect`` keep two batches in flight, so that the next crop is cut while the GPU works. Takes over
    *device* and *network*, also when it fails. Raises EngineError.
    """

    def __init__(self, spec: ModelSpec, device: Device, network: Network, backend: Backend, batch: int = MAX_BATCH) -> None:
        self._spec, self._device, self._network, self._backend = spec, device, network, backend
        self._batch = batch
        self._sizes = sorted({n for n in (1, 2, 4, 8) if n < batch} | {batch})
        self._slots: list[_Slot] = []
        self._flying: deque[_Slot] = deque()
        self._error = ""
        self._closed = False
        try:
            with device:
                self._allocate()
        except BaseException:
            self.close()
            raise

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._spec

    @property
    def backend(self) -> Backend:
        """What really runs."""
        return self._backend

    @property
    def device(self) -> Device:
        """The GPU and what was allocated on it, for tests and the benchmark."""
        return self._device

    @property
    def captured(self) -> bool:
        """Whether every batch is one graph."""
        return all(len(slot.graphs) == len(self._sizes) for slot in self._slots)

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """Joints of *crops* (N, H, W, 3) uint8 BGR; see Engine. More than a batch go up in parts, two in flight."""
        check_crops(crops, self._spec)
        self._check_open()
        if self._flying:
            raise EngineError(f"{self._spec.name}: a crop is in flight. Collect it before infer.")
        parts: list[Output] = []
        for start in range(0, len(crops), self._batch):
            if len(self._flying) == IN_FLIGHT:
                parts.append(self.collect())
            self.submit(crops[start : start + self._batch], heatmaps)
        while self._flying:
            parts.append(self.collect())
        return parts[0] if len(parts) == 1 else _joined(parts)

    def submit(self, crops: ImageArray, heatmaps: bool = False) -> None:
        """Start on *crops* (at most a batch) and return; they may be changed at once. At most two are in flight."""
        check_crops(crops, self._spec)
        self._check_open()
        if len(crops) > self._batch:
            raise EngineError(f"{self._spec.name}: expected at most {self._batch} crops at once, got {len(crops)}.")
        if len(self._flying) == IN_FLIGHT:
            raise EngineError(f"{self._spec.name}: {IN_FLIGHT} are in flight. Collect one first.")
        slot = next(slot for slot in self._slots if slot not in self._flying)
        n = len(crops)
        size = next(size for size in self._sizes if size >= n)
        slot.n, slot.heatmaps = n, heatmaps
        np.copyto(slot.crops[:n], crops)
        with self._failing(), self._device:
            graph = slot.graphs.get(size)
            if graph is not None:
                graph.launch()
            else:
                self._run(slot, size)
            if heatmaps:
                for name, pinned in slot.outputs.items():
                    if name != "keypoints":
                        self._device.download(pinned[:n], self._addresses[name], self._stream)
            slot.done.record()
        self._flying.append(slot)

    def collect(self) -> Output:
        """Wait for the batch that was submitted first; its arrays are the caller's."""
        self._check_open()
        if not self._flying:
            raise EngineError(f"{self._spec.name}: nothing is in flight. Submit crops first.")
        slot = self._flying.popleft()
        with self._failing(), self._device:
            slot.done.wait()
        # Copies: pinned memory is written again two batches on, and is gone when the engine is closed.
        maps = {name: pinned[: slot.n].copy() for name, pinned in slot.outputs.items() if slot.heatmaps or name == "keypoints"}
        return Output(maps["keypoints"], maps.get("heatmaps"), maps.get("fields"))

    def close(self) -> None:
        """Free everything; never raises, safe to call twice."""
        if self._closed:
            return
        self._closed = True
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
        if self._closed:
            raise EngineError(f"{self._spec.name}: the engine is closed.")
        if self._error:
            raise EngineError(self._error)

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        """A failure of the GPU ends this engine: what comes after a lost device or a full memory cannot be trusted."""
        try:
            yield
        except Exception as error:  # of TensorRT and the CUDA libraries, whatever their bindings make of it
            self._flying.clear()
            remedy = driver.note_failure() or "Go on with the CPU, or load the model again"
            self._error = f"{self._spec.name}: the GPU failed ({first_line(error).rstrip('.')}). {_sentence(remedy)}"
            raise EngineError(self._error) from None


class TrtEngine(GpuEngine):
    """A model of the store through TensorRT, from its plan; the plan is built first where there is none that is good.

    Building tells *progress* and takes seconds (TensorRT for RTX) to minutes; a new plan is compared with ONNX Runtime
    on the stored crops, and rejected, with the figures, when it differs by more than ``verify.TOLERANCE_PX``.
    ``built_because`` says why the plan was built, "" when it was there. *layer* picks PyCUDA or cuda-python, *rebuild*
    builds in any case, *checked* False leaves out the comparison. Raises EngineError where TensorRT cannot run
    (``unavailable``) and when anything here fails.
    """

    def __init__(
        self,
        folder: Path,
        spec: ModelSpec,
        precision: Precision = "fp16",
        batch: int = MAX_BATCH,
        progress: Progress | None = None,
        *,
        layer: Layer | None = None,
        rebuild: bool = False,
        checked: bool = True,
    ) -> None:
        reason = unavailable() or build.not_offered_because(precision)
        if reason:
            raise EngineError(reason)
        gpu = driver.find_gpu()
        assert isinstance(gpu, driver.Gpu), "unavailable() says so"
        heard = progress or (lambda _text, _share: True)
        with driver.loading(f"{spec.name} {precision.upper()}", heard), foreign_errors(f"{spec.name}: TensorRT", build.last_word):
            self._load(folder, spec, precision, batch, heard, gpu, layer, rebuild, checked)
        heard(f"{spec.name} {precision.upper()} is ready", 1.0)

    def _load(
        self,
        folder: Path,
        spec: ModelSpec,
        precision: Precision,
        batch: int,
        heard: Progress,
        gpu: driver.Gpu,
        layer: Layer | None,
        rebuild: bool,
        checked: bool,
    ) -> None:
        with contextlib.ExitStack() as undo:
            device = cuda.open_device(layer)
            undo.callback(device.close)
            with device:
                network = TrtNetwork(spec.name, device.buffer)
                undo.callback(_closed_within, device, network)
                plan = build.ensure_plan(
                    folder, spec, precision, batch, gpu, progress=heard, accepts=network.load, rebuild=rebuild
                )
                network.use(plan)
            undo.pop_all()  # from here on the engine closes them
        self.built_because, self.plan = plan.built_because, plan
        super().__init__(spec, device, network, Backend(plan.info.key.runtime, gpu.name, precision.upper()), batch)
        self.difference_px = plan.info.difference_px
        if checked and self.difference_px is None:
            try:
                self.difference_px = verify(self, folder, plan, heard)
            except BaseException:
                self.close()
                raise


def _closed_within(device: Device, network: TrtNetwork) -> None:
    with contextlib.suppress(PoseAppError), device:
        network.close()


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def verify(engine: GpuEngine, folder: Path, plan: build.Plan, progress: Progress) -> float:
    """How far *engine*, which runs *plan*, is from ONNX Runtime on the stored crops, in px; it is written beside the plan.

    A plan that is too far is thrown away, and EngineError says by how much.
    """
    spec, precision = engine.spec, engine.backend.precision
    if not progress(f"checking {spec.name} {precision} against ONNX Runtime", 1.0):
        raise EngineError(f"{spec.name} {precision}: building cancelled.")
    crops = sample_crops(spec.input_hw)
    reference = OrtEngine(folder / "model.onnx", spec)
    try:
        difference = difference_px(engine, reference, crops)
    finally:
        reference.close()
    reason = rejected_because(spec.name, precision, difference, len(crops))
    if reason:
        build.reject(plan, reason)
        raise EngineError(reason)
    build.record_verified(plan, difference)
    return difference


def rejected_because(name: str, precision: str, difference_px: float, crops: int) -> str:
    """Why a plan that is *difference_px* off must not run, with the figures; "" when it may."""
    limit = TOLERANCE_PX[precision]
    if difference_px <= limit:  # a difference that is no number is not
        return ""
    return (
        f"{name} {precision}: rejected: its joints are {difference_px:.2f} px from ONNX Runtime's (mean over {crops} crops), "
        f"the limit is {limit} px. Use another precision, or the CPU."
    )


class TrtNetwork:
    """A deserialised plan: one execution context for each size of batch, as a captured graph wants its context untouched.

    *allocate* gives the address of so many bytes on the GPU, for what the contexts need while they run.
    """

    def __init__(self, name: str, allocate: Callable[[int], int]) -> None:
        self._name, self._allocate = name, allocate
        self._trt = build.tensorrt()
        self._logger = build.logger()
        self._runtime: Any = self._trt.Runtime(self._logger)
        self._engine: Any = None
        self._contexts: dict[int, Any] = {}
        self._memory: tuple[int, int] | None = None  # address and size of what the contexts work in
        self._jit_cache: Any = None  # of TensorRT for RTX
        self._jit_path: Path | None = None
        self._jit_known = False
        self._own_graphs = False

    def load(self, content: bytes) -> bool:
        """Deserialise a plan; False when TensorRT refuses it (it returns None and does not raise)."""
        self._logger.errors.clear()
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None and any(re.search("out.?of.?memory|alloc_failed", e, re.IGNORECASE) for e in self._logger.errors):
            raise EngineError(f"{self._name}: the GPU's memory is full ({self._why()}). Close what else uses it.")
        return self._engine is not None

    def use(self, plan: build.Plan) -> None:
        """Check what was loaded against the plan's description; what is compiled at run time is kept beside the plan."""
        trt, engine = self._trt, self._engine
        self._profiles = plan.info.key.profiles
        self._hw = plan.info.key.input_hw
        self._jit_path = build.jit_path(plan.path)
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        want = {t.name for t in (*plan.info.inputs, *plan.info.outputs)}
        if set(names) != want or engine.num_optimization_profiles != len(self._profiles):
            raise EngineError(f"{self._name}: expected a plan with {sorted(want)}, got {sorted(names)}. Build it again.")
        self._outputs = {}
        for name in names:
            if name == "crops":
                continue
            if engine.get_tensor_dtype(name) != trt.float32:
                raise EngineError(
                    f"{self._name}: {name}: expected float32, got {engine.get_tensor_dtype(name)}. Export it again."
                )
            self._outputs[name] = tuple(int(n) for n in engine.get_tensor_shape(name))[1:]

    @property
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        """Outputs by name, each with its shape for one crop."""
        return self._outputs

    def prepare(self, sizes: Sequence[int], addresses: Mapping[str, int], stream: Stream) -> None:
        """See Network. Where TensorRT for RTX says that a stream cannot be captured, it is left to make graphs of its own.

        All contexts work in one buffer, for they run one after the other on one stream.
        """
        nbytes = int(getattr(self._engine, "device_memory_size_v2", 0))  # of the largest profile
        self._memory = (self._allocate(nbytes), nbytes) if nbytes else None
        self._contexts = {size: self._make_context(size, addresses, stream) for size in sizes}
        if hasattr(self._trt, "CudaGraphStrategy") and not self.capturable(stream):
            self._own_graphs = True
            self._contexts.clear()
            self._contexts = {size: self._make_context(size, addresses, stream) for size in sizes}

    def capturable(self, stream: Stream) -> bool:
        """See Network."""
        requested = [c.is_stream_capturable(stream.handle) for c in self._contexts.values() if hasattr(c, "is_stream_capturable")]
        return not self._own_graphs and all(requested)

    def enqueue(self, size: int, stream: Stream) -> None:
        """See Network."""
        if not self._contexts[size].execute_async_v3(stream.handle):
            raise EngineError(f"{self._name}: TensorRT failed ({self._why()}).")

    def close(self) -> None:
        """Free contexts, engine and runtime in this order, and keep what was compiled at run time."""
        if self._contexts:
            self._save_jit()
        self._contexts.clear()
        self._jit_cache = self._engine = self._runtime = None
        gc.collect()  # TensorRT frees with the last reference, and the GPU must still be there then

    def _make_context(self, size: int, addresses: Mapping[str, int], stream: Stream) -> Any:
        context = self._new_context()
        profile = next(i for i, p in enumerate(self._profiles) if p.smallest <= size <= p.largest)
        ok = context is not None
        if ok and self._memory is not None:
            context.set_device_memory(*self._memory)
        ok = ok and context.set_optimization_profile_async(profile, stream.handle)
        stream.wait()
        ok = ok and context.set_input_shape("crops", (size, *self._hw, 3))
        ok = ok and all(context.set_tensor_address(name, address) for name, address in addresses.items())
        if not ok:
            raise EngineError(f"{self._name}: TensorRT cannot run a batch of {size} ({self._why()}).")
        return context

    def _new_context(self) -> Any:
        """TensorRT for RTX compiles kernels at run time: for our fixed shapes at once, and from its cache of the last run."""
        engine, trt = self._engine, self._trt
        user_managed = trt.ExecutionContextAllocationStrategy.USER_MANAGED if self._memory is not None else None
        if not hasattr(trt, "DynamicShapesKernelSpecializationStrategy"):
            return engine.create_execution_context() if user_managed is None else engine.create_execution_context(user_managed)
        config = engine.create_runtime_config()
        if config is None:
            return None
        if user_managed is not None:
            config.set_execution_context_allocation_strategy(user_managed)
        config.dynamic_shapes_kernel_specialization_strategy = trt.DynamicShapesKernelSpecializationStrategy.EAGER
        if self._own_graphs:
            config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        if self._jit_cache is None:
            self._jit_cache = config.create_runtime_cache()
            with contextlib.suppress(OSError):  # none yet
                if self._jit_path is not None and self._jit_cache is not None:  # what another version or GPU left is refused here
                    self._jit_known = self._jit_cache.deserialize(self._jit_path.read_bytes())
        if self._jit_cache is not None:
            config.set_runtime_cache(self._jit_cache)
        return engine.create_execution_context(config)

    def _save_jit(self) -> None:
        if self._jit_cache is None or self._jit_path is None or self._jit_known:
            return
        with contextlib.suppress(OSError):  # it only saves time
            serialised = self._jit_cache.serialize()
            if serialised is not None:
                atomic_write(self._jit_path, bytes(serialised))

    def _why(self) -> str:
        return build.last_word() or "no reason given"


def _joined(parts: Sequence[Output]) -> Output:
    def together(arrays: list[Any]) -> Any:
        return None if arrays[0] is None else np.concatenate(arrays)

    return Output(
        np.concatenate([part.keypoints for part in parts]),
        together([part.heatmaps for part in parts]),
        together([part.fields for part in parts]),
    )
