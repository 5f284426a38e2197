"""Which devices can be used on this machine, and what is missing for the others."""

from __future__ import annotations

import importlib

from poseapp.core.errors import first_line


def unavailable(device: str) -> str:
    """Why *device* of load.DEVICES cannot be used here, in one line with what to install; "" when it can.

    Asks drivers and may import large libraries: not for the UI thread.
    """
    modules = {"openvino": "openvino", "cuda": "torch.engine", "tensorrt": "tensorrt.engine"}
    if device not in modules:
        return ""
    try:
        return str(importlib.import_module(f"poseapp.engine.{modules[device]}").unavailable())
    except Exception as error:  # a broken library raises what it likes at its import; the others still serve
        return f"{device}: it cannot be used ({first_line(error).rstrip('.')}). Install it again."
