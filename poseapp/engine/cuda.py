"""CUDA without torch: pinned and device memory, a stream, events and graphs.

Memory, streams and events go through PyCUDA, or NVIDIA's cuda-python where that is not installed. PyCUDA knows no graphs,
so those go to the driver for both (driver.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from poseapp.core.errors import EngineError, PoseAppError
from poseapp.engine.base import foreign_errors
from poseapp.engine.driver import CapturedGraph, CudaError, find_gpu, library

Layer = Literal["pycuda", "cuda-python"]
LAYERS: tuple[Layer, ...] = ("pycuda", "cuda-python")
INSTALL = "pip install cuda-python (or pycuda, with a CUDA toolkit)"
_BLOCKING_SYNC = 1  # of the driver's interface, cuda.h


def installed_layers() -> tuple[Layer, ...]:
    """Which of PyCUDA and cuda-python are installed, best first; nothing is imported."""
    found = {"pycuda": _has("pycuda"), "cuda-python": _has("cuda.bindings")}
    return tuple(layer for layer in LAYERS if found[layer])


def unavailable() -> str:
    """Why memory on a GPU cannot be had here, in one line with what to do; "" when it can."""
    gpu = find_gpu()
    if isinstance(gpu, str):
        return f"{gpu}."
    return "" if installed_layers() else f"neither PyCUDA nor cuda-python is installed. {INSTALL}."


class Stream(Protocol):
    """Work for the GPU, done in order. ``handle`` is the driver's CUstream."""

    @property
    def handle(self) -> int:
        """The driver's CUstream."""
        ...

    def wait(self) -> None:
        """Block until all of it is done; CudaError when some of it failed."""
        ...


class Event(Protocol):
    """A mark in a stream."""

    def record(self) -> None:
        """Put the mark behind all that the stream was given so far."""
        ...

    def wait(self) -> None:
        """Block until the mark is reached; CudaError when something before it failed."""
        ...


class Graph(Protocol):
    """Work that was recorded once and is started with one call."""

    def launch(self) -> None:
        """Start it on the stream it was recorded on."""
        ...

    def close(self) -> None:
        """Free it, before what it holds: networks and their contexts. Safe to call twice."""
        ...


class Device(ABC):
    """The first GPU for one thread: all that is made here is freed by close, in the reverse order.

    Everything happens inside ``with device:``, which makes its context (the primary one, shared with TensorRT and
    torch) current for as long. ``allocations`` counts buffers made so far, for tests.
    """

    layer: str

    def __init__(self) -> None:
        self.allocations = 0
        self._cleanup = contextlib.ExitStack()
        self._closed = False

    @abstractmethod
    def __enter__(self) -> Device:
        """Make the context current on this thread."""

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Put back what was current before."""

    @abstractmethod
    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array in host memory that the GPU reads and writes by itself."""

    @abstractmethod
    def buffer(self, nbytes: int) -> int:
        """The address of *nbytes* of memory on the GPU."""

    @abstractmethod
    def stream(self) -> Stream:
        """A new stream that does not wait for the default one."""

    @abstractmethod
    def event(self, stream: Stream) -> Event:
        """A new event for *stream*; waiting for it sleeps and does not spin."""

    @abstractmethod
    def upload(self, target: int, source: NDArray[Any], stream: Stream) -> None:
        """Copy the pinned *source* to the address *target*; returns at once."""

    @abstractmethod
    def download(self, target: NDArray[Any], source: int, stream: Stream) -> None:
        """Copy from the address *source* into the pinned *target*; returns at once."""

    @abstractmethod
    def free_memory(self) -> tuple[int, int]:
        """Free and total memory of the GPU in bytes."""

    def capture(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """A graph of what *work* gives *stream*; nothing of it runs yet. CudaError when it cannot be recorded."""
        graph = CapturedGraph(stream.handle, work)
        self._cleanup.callback(graph.close)
        return graph

    def close(self) -> None:
        """Free everything and let go of the context; never raises, safe to call twice."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(EngineError), self:  # the GPU may be gone, and then there is nothing to free
            self._cleanup.close()
        self._release()

    @abstractmethod
    def _release(self) -> None:
        """Let go of the context."""


def open_device(layer: Layer | None = None) -> Device:
    """The first GPU through *layer*, or through the first one installed that works. EngineError says what is missing."""
    reason = unavailable()
    if not reason and layer is not None and layer not in installed_layers():
        reason = f"{layer} is not installed. pip install {layer}."
    if reason:
        raise EngineError(f"CUDA: {reason}")
    reasons = []
    for each in (layer,) if layer is not None else installed_layers():
        try:
            with foreign_errors(f"CUDA: {each}"):  # such as an OSError at an import: built for another driver
                return _PyCuda() if each == "pycuda" else _CudaPython()
        except EngineError as error:
            reasons.append(str(error))
    raise CudaError(" ".join(reasons))


# --- PyCUDA ---------------------------------------------------------------------------------------------------


class _PyCuda(Device):
    """PyCUDA ends the process when a thread ends with a context on its stack: so it is there during calls only."""

    def __init__(self) -> None:
        super().__init__()
        import pycuda
        import pycuda.driver as driver

        self._cuda = driver
        self.layer = f"PyCUDA {pycuda.VERSION_TEXT}"
        with self._told():
            driver.init()
            self._context = driver.Device(0).retain_primary_context()

    def __enter__(self) -> Device:
        with self._told():
            self._context.push()
        return self

    def __exit__(self, *_: object) -> None:
        _quietly(self._cuda.Context.pop)  # after a lost GPU it raises, and must not hide why

    def _release(self) -> None:
        _quietly(self._context.push)  # on another thread than its own, detach lets go of the current context only
        _quietly(self._context.detach)
        driver = library()
        if driver is not None:  # and leaves it on the driver's own stack
            driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        with self._told():
            array: NDArray[Any] = self._cuda.pagelocked_empty(shape, dtype)
        self.allocations += 1
        holder: Any = array.base
        self._cleanup.callback(lambda: _quietly(holder.free))
        return array

    def buffer(self, nbytes: int) -> int:
        with self._told():
            memory = self._cuda.mem_alloc(nbytes)
        self.allocations += 1
        self._cleanup.callback(lambda: _quietly(memory.free))
        return int(memory)

    def stream(self) -> Stream:
        with self._told():
            return _PyCudaStream(self, self._cuda.Stream(1))

    def event(self, stream: Stream) -> Event:
        assert isinstance(stream, _PyCudaStream)
        with self._told():
            return _PyCudaEvent(self, self._cuda.Event(_BLOCKING_SYNC | 2), stream)

    def upload(self, target: int, source: NDArray[Any], stream: Stream) -> None:
        assert isinstance(stream, _PyCudaStream)
        with self._told():
            self._cuda.memcpy_htod_async(target, source, stream.of)

    def download(self, target: NDArray[Any], source: int, stream: Stream) -> None:
        assert isinstance(stream, _PyCudaStream)
        with self._told():
            self._cuda.memcpy_dtoh_async(target, source, stream.of)

    def free_memory(self) -> tuple[int, int]:
        with self._told():
            free, total = self._cuda.mem_get_info()
        return int(free), int(total)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """PyCUDA's errors as ours."""
        try:
            yield
        except PoseAppError:
            raise
        except Exception as error:  # its own errors are of several families, and not all of them are documented
            raise CudaError(f"CUDA: {str(error).strip() or type(error).__name__}.") from None


class _PyCudaStream:
    def __init__(self, device: _PyCuda, of: Any) -> None:
        self._device, self.of = device, of

    @property
    def handle(self) -> int:
        return int(self.of.handle)

    def wait(self) -> None:
        with self._device._told():
            self.of.synchronize()


class _PyCudaEvent:
    def __init__(self, device: _PyCuda, of: Any, stream: _PyCudaStream) -> None:
        self._device, self._of, self._stream = device, of, stream

    def record(self) -> None:
        with self._device._told():
            self._of.record(self._stream.of)

    def wait(self) -> None:
        with self._device._told():
            self._of.synchronize()


# --- cuda-python ----------------------------------------------------------------------------------------------


class _CudaPython(Device):
    """cuda-python is the driver's interface as it is: every call returns (error, values …)."""

    def __init__(self) -> None:
        super().__init__()
        import cuda.bindings
        from cuda.bindings import driver

        self._cuda = driver
        self.layer = f"cuda-python {cuda.bindings.__version__}"
        self.call(driver.cuInit(0))
        self._gpu = self.call(driver.cuDeviceGet(0))
        self._context = self.call(driver.cuDevicePrimaryCtxRetain(self._gpu))

    def call(self, result: tuple[Any, ...]) -> Any:
        """What the driver returned beside its error code; CudaError when that is not success."""
        error, *values = result
        if int(error) != 0:
            _, name = self._cuda.cuGetErrorName(error)
            text = name.decode() if isinstance(name, bytes) else f"error {int(error)}"
            raise CudaError(f"CUDA: {text}.")
        return values[0] if len(values) == 1 else tuple(values)

    def __enter__(self) -> Device:
        self.call(self._cuda.cuCtxPushCurrent(self._context))
        return self

    def __exit__(self, *_: object) -> None:
        self._cuda.cuCtxPopCurrent()

    def _release(self) -> None:
        self._cuda.cuDevicePrimaryCtxRelease(self._gpu)

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        kind = np.dtype(dtype)
        nbytes = int(np.prod(shape)) * kind.itemsize
        address = self.call(self._cuda.cuMemHostAlloc(nbytes, 0))
        self.allocations += 1
        self._cleanup.callback(lambda: self._cuda.cuMemFreeHost(address))
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(int(address)))
        array: NDArray[Any] = memory.view(kind).reshape(shape)
        return array

    def buffer(self, nbytes: int) -> int:
        address = self.call(self._cuda.cuMemAlloc(nbytes))
        self.allocations += 1
        self._cleanup.callback(lambda: self._cuda.cuMemFree(address))
        return int(address)

    def stream(self) -> Stream:
        handle = self.call(self._cuda.cuStreamCreate(1))  # 1: does not wait for the default stream
        self._cleanup.callback(lambda: self._cuda.cuStreamDestroy(handle))
        return _CudaPythonStream(self, handle)

    def event(self, stream: Stream) -> Event:
        handle = self.call(self._cuda.cuEventCreate(_BLOCKING_SYNC | 2))  # 2: no timing
        self._cleanup.callback(lambda: self._cuda.cuEventDestroy(handle))
        return _CudaPythonEvent(self, handle, stream.handle)

    def upload(self, target: int, source: NDArray[Any], stream: Stream) -> None:
        self.call(self._cuda.cuMemcpyHtoDAsync(target, source.ctypes.data, source.nbytes, stream.handle))

    def download(self, target: NDArray[Any], source: int, stream: Stream) -> None:
        self.call(self._cuda.cuMemcpyDtoHAsync(target.ctypes.data, source, target.nbytes, stream.handle))

    def free_memory(self) -> tuple[int, int]:
        free, total = self.call(self._cuda.cuMemGetInfo())
        return int(free), int(total)


class _CudaPythonStream:
    def __init__(self, device: _CudaPython, of: Any) -> None:
        self._device, self.handle = device, int(of)

    def wait(self) -> None:
        self._device.call(self._device._cuda.cuStreamSynchronize(self.handle))


class _CudaPythonEvent:
    def __init__(self, device: _CudaPython, of: Any, stream: int) -> None:
        self._device, self._of, self._stream = device, of, stream

    def record(self) -> None:
        self._device.call(self._device._cuda.cuEventRecord(self._of, self._stream))

    def wait(self) -> None:
        self._device.call(self._device._cuda.cuEventSynchronize(self._of))


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False


def _quietly(free: Callable[[], object]) -> None:
    """Free something when all else ends: the GPU may be gone, and then there is nothing to free."""
    with contextlib.suppress(Exception):
        free()
