"""PyTorch on an NVIDIA GPU: for GPUs where no TensorRT serves, and the yardstick for it."""

from __future__ import annotations

import ctypes
import importlib.util
import os


def unavailable() -> str:
    """Why PyTorch cannot use a GPU here, in one line; "" when it can. Imports torch only where there is a driver."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed. Install it, with CUDA, as pytorch.org says."
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "There is no NVIDIA driver on this machine. Install it, or choose the CPU."
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "The NVIDIA driver finds no GPU. Check it with nvidia-smi, or choose the CPU."
    import torch

    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} cannot use the GPU. Install a build with CUDA as pytorch.org says."
    return ""
