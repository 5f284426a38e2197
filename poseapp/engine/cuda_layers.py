"""CUDA through PyCUDA, and through NVIDIA's cuda-python: the two kinds of Device."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from poseapp.core.errors import PoseAppError
from poseapp.engine.cuda import CudaError, Device, Event, Layer, Stream
from poseapp.engine.driver import library

_BLOCKING_SYNC = 1  # of the driver's interface, cuda.h


def make_device(layer: Layer) -> Device:
    """The first GPU through *layer*. Raises whatever the import of a broken library raises, and CudaError."""
    return _PyCuda() if layer == "pycuda" else _CudaPython()


class _PyCuda(Device):
    """PyCUDA ends the process when a thread ends with a context on its stack: so it is there during calls only."""

    def __init__(self) -> None:
        super().__init__()
        import pycuda
        import pycuda.driver as driver

        self._cuda = driver
        self.layer = f"PyCUDA {pycuda.VERSION_TEXT}"
        with self.translated():
            driver.init()
            self._context = driver.Device(0).retain_primary_context()

    def __enter__(self) -> Device:
        with self.translated():
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
        with self.translated():
            array: NDArray[Any] = self._cuda.pagelocked_empty(shape, dtype)
        self.allocations += 1
        holder: Any = array.base
        self._cleanup.callback(lambda: _quietly(holder.free))
        return array

    def buffer(self, nbytes: int) -> int:
        with self.translated():
            memory = self._cuda.mem_alloc(nbytes)
        self.allocations += 1
        self._cleanup.callback(lambda: _quietly(memory.free))
        return int(memory)

    def stream(self) -> Stream:
        with self.translated():
            return _PyCudaStream(self, self._cuda.Stream(1))

    def event(self, stream: Stream) -> Event:
        assert isinstance(stream, _PyCudaStream)
        with self.translated():
            return _PyCudaEvent(self, self._cuda.Event(_BLOCKING_SYNC | 2), stream)

    def upload(self, target: int, source: NDArray[Any], stream: Stream) -> None:
        assert isinstance(stream, _PyCudaStream)
        with self.translated():
            self._cuda.memcpy_htod_async(target, source, stream.of)

    def download(self, target: NDArray[Any], source: int, stream: Stream) -> None:
        assert isinstance(stream, _PyCudaStream)
        with self.translated():
            self._cuda.memcpy_dtoh_async(target, source, stream.of)

    def free_memory(self) -> tuple[int, int]:
        with self.translated():
            free, total = self._cuda.mem_get_info()
        return int(free), int(total)

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """PyCUDA's errors as ours."""
        try:
            yield
        except PoseAppError:
            raise
        except Exception as error:  # noqa: BLE001 - its own errors are of several families, and not all of them are documented
            raise CudaError(f"CUDA: {str(error).strip() or type(error).__name__}.") from None


class _PyCudaStream:
    def __init__(self, device: _PyCuda, of: Any) -> None:
        self._device, self.of = device, of

    @property
    def handle(self) -> int:
        return int(self.of.handle)

    def wait(self) -> None:
        with self._device.translated():
            self.of.synchronize()


class _PyCudaEvent:
    def __init__(self, device: _PyCuda, of: Any, stream: _PyCudaStream) -> None:
        self._device, self._of, self._stream = device, of, stream

    def record(self) -> None:
        with self._device.translated():
            self._of.record(self._stream.of)

    def wait(self) -> None:
        with self._device.translated():
            self._of.synchronize()


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


def _quietly(free: Callable[[], object]) -> None:
    """Free something when all else ends: the GPU may be gone, and then there is nothing to free."""
    with contextlib.suppress(Exception):
        free()
