"""CUDA without torch: pinned and device memory, a stream, events and graphs.

Memory, streams and events go through PyCUDA, or through NVIDIA's cuda-python where PyCUDA is not installed (cuda_layers.py).
PyCUDA has no graphs, so graphs go to the driver with both.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Protocol

from numpy.typing import DTypeLike, NDArray

from poseapp.core.errors import EngineError
from poseapp.engine.base import foreign_errors
from poseapp.engine.driver import error_name, find_gpu, library

Layer = Literal["pycuda", "cuda-python"]
LAYERS: tuple[Layer, ...] = ("pycuda", "cuda-python")
INSTALL = "pip install cuda-python (or pycuda, with a CUDA toolkit)"
_CAPTURE_THREAD_LOCAL = 1  # of the driver's interface, cuda.h: what other threads allocate does not spoil the capture


class CudaError(EngineError):
    """The driver refused a call: out of memory, or the GPU is gone."""


def installed_layers() -> tuple[Layer, ...]:
    """Which of PyCUDA and cuda-python are installed, best first; nothing is imported."""
    found = {"pycuda": _has("pycuda"), "cuda-python": _has("cuda.bindings")}
    return tuple(layer for layer in LAYERS if found[layer])


def unavailable() -> str:
    """Why memory on a GPU cannot be used here, in one line with what to do; "" when it can."""
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
    """The first GPU for one thread. ``close`` frees everything that was made here, in the reverse order.

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
                from poseapp.engine import cuda_layers

                return cuda_layers.make_device(each)
        except EngineError as error:
            reasons.append(str(error))
    raise CudaError(" ".join(reasons))


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its parent is missing
        return False


class CapturedGraph:
    """A Graph of what *work* gives the stream with *handle*, through the driver, because PyCUDA has no graphs."""

    def __init__(self, handle: int, work: Callable[[], None]) -> None:
        driver = library()
        assert driver is not None, "there is a stream, so there is a driver"
        self._driver = driver
        self._stream = ctypes.c_void_p(handle)
        self._exec: ctypes.c_void_p | None = None
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        _call(driver, "cuStreamBeginCapture_v2", self._stream, ctypes.c_int(_CAPTURE_THREAD_LOCAL))
        try:
            work()
        except BaseException:  # the stream must not stay in capture
            driver.cuStreamEndCapture(self._stream, ctypes.byref(graph))
            if graph.value:
                driver.cuGraphDestroy(graph)
            raise
        _call(driver, "cuStreamEndCapture", self._stream, ctypes.byref(graph))
        try:
            _call(driver, "cuGraphInstantiateWithFlags", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        finally:
            driver.cuGraphDestroy(graph)
        self._exec = executable

    def launch(self) -> None:
        """Start it on the stream it was recorded on."""
        if self._exec is None:
            raise CudaError("CUDA: the graph is closed.")
        _call(self._driver, "cuGraphLaunch", self._exec, self._stream)

    def close(self) -> None:
        """Free it; safe to call twice."""
        if self._exec is not None:
            self._driver.cuGraphExecDestroy(self._exec)
            self._exec = None


def _call(driver: ctypes.CDLL, function: str, *arguments: Any) -> None:
    error = int(getattr(driver, function)(*arguments))
    if error != 0:
        raise CudaError(f"CUDA: {function}: {error_name(driver, error)}.")
