"""A plan in TensorRT, ready to run on a stream."""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from poseapp.core.errors import EngineError
from poseapp.core.files import atomic_write
from poseapp.engine.cuda import Stream
from poseapp.engine.tensorrt.library import last_word, logger, tensorrt
from poseapp.engine.tensorrt.plans import Plan, jit_path


class TrtNetwork:
    """A deserialised plan: one execution context for each size of batch, as a captured graph wants its context untouched.

    *allocate* gives the address of so many bytes on the GPU, for what the contexts need while they run.
    """

    def __init__(self, name: str, allocate: Callable[[int], int]) -> None:
        self._name, self._allocate = name, allocate
        self._trt = tensorrt()
        self._logger = logger()
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

    def use(self, plan: Plan) -> None:
        """Check what was loaded against the plan's description; what is compiled at run time is kept beside the plan."""
        trt, engine = self._trt, self._engine
        self._profiles = plan.info.key.profiles
        self._hw = plan.info.key.input_hw
        self._jit_path = jit_path(plan.path)
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
        """See Network. When TensorRT for RTX says that a stream cannot be captured, it makes its own graphs.

        All contexts use one buffer, because they run one after the other on one stream.
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
        """TensorRT for RTX compiles kernels at run time: here at once, for our fixed shapes, with its cache of the last run."""
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
        return last_word() or "no reason given"
