"""NVIDIA's driver through ctypes: which GPU there is, whether it still answers, and who may load models on it.

Memory, streams and graphs are in cuda.py.

The driver comes before any library that needs it: without a driver such a library crashes, or fails late.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from poseapp.core.errors import EngineError
from poseapp.engine.base import Progress

# Numbers of the driver's interface, cuda.h.
_COMPUTE_MAJOR, _COMPUTE_MINOR = 75, 76
_NO_DEVICE = 100
# What cuInit answers where it cannot start, and what helps.
_REMEDIES = {
    2: "its memory is full. Close what else uses the GPU",
    34: "this is a stub of the driver. Take it out of the library path",
    46: "another program has the GPU for itself. Close it",
    304: "the system refuses access to the GPU. Check the rights of /dev/nvidia*",
    800: "access is not permitted. Check the rights of /dev/nvidia*",
    802: "the system is not ready. Start NVIDIA's fabric manager, or wait",
    803: "the driver was updated while the system ran. Restart the computer",
    804: "its compatibility package does not serve this GPU. Remove cuda-compat, or update the driver",
    999: "the driver is in a bad state. Reload it (sudo rmmod nvidia_uvm; sudo modprobe nvidia_uvm) or restart the computer",
}
# After these the driver answers every call of the process with the same error, until it ends.
_STICKY = {214, 215, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999}

# Held by whoever loads a model on the GPU: a capture and what another loader does (a synchronisation of the whole GPU,
# a compilation that times kernels) spoil each other. Inference goes on meanwhile.
_loading = threading.RLock()
_gone = ""  # why this process can use the GPU no more


@dataclass(frozen=True)
class Gpu:
    """The first NVIDIA GPU: its name, compute capability, the version of its driver, and the CUDA that this serves."""

    name: str
    compute: tuple[int, int]
    driver: str
    cuda: tuple[int, int] = (0, 0)


def find_gpu() -> Gpu | str:
    """The first GPU, or why there is none, in one line."""
    if _gone and note_failure():
        return _gone
    driver = library()
    if driver is None:
        return "no NVIDIA driver on this machine"
    count, device = ctypes.c_int(0), ctypes.c_int(0)
    error = driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count))
    if error == _NO_DEVICE or (error == 0 and count.value == 0):
        return "the NVIDIA driver finds no GPU"
    if error:
        return f"the NVIDIA driver does not start (error {error}): {_REMEDIES.get(error, 'restart the computer')}"
    name, major, minor = ctypes.create_string_buffer(256), ctypes.c_int(0), ctypes.c_int(0)
    failed = (
        driver.cuDeviceGet(ctypes.byref(device), 0)
        or driver.cuDeviceGetName(name, len(name), device)
        or driver.cuDeviceGetAttribute(ctypes.byref(major), _COMPUTE_MAJOR, device)
        or driver.cuDeviceGetAttribute(ctypes.byref(minor), _COMPUTE_MINOR, device)
    )
    if failed:
        return f"the NVIDIA driver does not answer (error {failed})"
    serves = _cuda_version(driver)
    return Gpu(name.value.decode(errors="replace"), (major.value, minor.value), _driver_version(serves), serves)


def has_gpu() -> bool:
    """Whether the machine has an NVIDIA GPU, also when something keeps the GPU from serving."""
    found = find_gpu()
    return isinstance(found, Gpu) or bool(_gone) or "does not" in found


def too_old_because(gpu: Gpu, what: str, needs_major: int) -> str:
    """Why the driver of *gpu* cannot serve *what*, which was built for CUDA *needs_major*; "" when it can.

    Within one major version of CUDA every driver serves every program (NVIDIA: minor version compatibility).
    """
    if gpu.cuda[0] == 0 or gpu.cuda[0] >= needs_major:
        return ""
    return (
        f"{what} needs a driver for CUDA {needs_major}, driver {gpu.driver} serves CUDA {gpu.cuda[0]}.{gpu.cuda[1]}. "
        "Update the NVIDIA driver."
    )


@contextlib.contextmanager
def loading(who: str, progress: Progress) -> Iterator[None]:
    """One loader at a time in this process; waiting is reported to *progress*, which may cancel it (EngineError)."""
    while not _loading.acquire(timeout=0.1):
        if not progress(f"{who}: another model is being loaded", 0.0):
            raise EngineError(f"{who}: loading cancelled.")
    try:
        yield
    finally:
        _loading.release()


def note_failure() -> str:
    """After a failure of the GPU: why this process can use it no more, "" when it can.

    Some errors last until the process ends. The driver then answers every call with such an error, so one call finds out.
    """
    global _gone
    driver = library()
    if driver is None or not _loading.acquire(timeout=1.0):  # a synchronisation would spoil what another thread captures
        return _gone
    try:
        error = _answer(driver)
    finally:
        _loading.release()
    _gone = ""
    if error in _STICKY:
        _gone = f"the GPU stopped working ({error_name(driver, error)}). Restart the app to use it again"
    return _gone


def _answer(driver: ctypes.CDLL) -> int:
    device, context, popped = ctypes.c_int(0), ctypes.c_void_p(), ctypes.c_void_p()
    error = int(driver.cuDeviceGet(ctypes.byref(device), 0) or driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
    if error:
        return error
    try:
        error = int(driver.cuCtxPushCurrent_v2(context))
        if error == 0:
            error = int(driver.cuCtxSynchronize())
            driver.cuCtxPopCurrent_v2(ctypes.byref(popped))
        return error
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)


def error_name(driver: ctypes.CDLL, error: int) -> str:
    """The driver's name for *error*, such as CUDA_ERROR_LAUNCH_FAILED."""
    name = ctypes.c_char_p()
    driver.cuGetErrorName(ctypes.c_int(error), ctypes.byref(name))
    return name.value.decode() if name.value else f"error {error}"


@functools.cache
def library() -> ctypes.CDLL | None:
    """The driver's library; None where there is none. It stays loaded: it may be unloaded only after all that uses it."""
    return _load("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")


def _cuda_version(driver: ctypes.CDLL) -> tuple[int, int]:
    number = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(number))
    return number.value // 1000, number.value % 1000 // 10


def _driver_version(serves: tuple[int, int]) -> str:
    """The driver's own version, such as 580.65.06; the CUDA version it serves where that is not known."""
    nvml = _load("nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1")
    text = ctypes.create_string_buffer(96)
    if nvml is not None and nvml.nvmlInit_v2() == 0:
        error = nvml.nvmlSystemGetDriverVersion(text, len(text))
        nvml.nvmlShutdown()
        if error == 0:
            return text.value.decode(errors="replace")
    return f"CUDA {serves[0]}.{serves[1]}"


def _load(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
