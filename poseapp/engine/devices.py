"""Which devices can be used on this machine, and what is missing for the others."""

from __future__ import annotations

import importlib


def unavailable(device: str) -> str:
    """Why *device* of load.DEVICES cannot be used here, in one line with what to install; "" when it can.

    Asks drivers and may import large libraries: not for the UI thread.
    """
    modules = {"openvino": "openvino", "cuda": "torch_cuda", "tensorrt": "trt"}
    if device not in modules:
        return ""
    try:
        return str(importlib.import_module(f"poseapp.engine.{modules[device]}").unavailable())
    except ImportError as error:
        return f"{device}: {error}."
