"""OpenVINO on the CPU: an optional extra that is faster than ONNX Runtime on many Intel processors."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poseapp import resources
from poseapp.core.errors import EngineError
from poseapp.core.files import writable
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend, BaseEngine, Progress, check_graph, joined
from poseapp.engine.machine import most_threads
from poseapp.engine.model_folder import ModelFolder


def unavailable() -> str:
    """Why OpenVINO cannot be used here, in one line; "" when it can."""
    if importlib.util.find_spec("openvino") is None:
        return 'OpenVINO is not installed. Install it with: pip install "poseapp[openvino]"'
    return ""


def version() -> str:
    """See BackendModule. OpenVINO is not imported for it; "" where it is not known."""
    if unavailable():
        return ""
    try:
        return importlib.metadata.version("openvino")
    except importlib.metadata.PackageNotFoundError:
        return ""


def builds_first(folder: Path, spec: ModelSpec, precision: str) -> bool:
    """See BackendModule: it compiles the graph for a second."""
    return True


def open_engine(folder: Path, spec: ModelSpec, precision: str, threads: int, progress: Progress | None) -> OpenVinoEngine:
    """See BackendModule."""
    return OpenVinoEngine(ModelFolder(folder).graph(spec, precision), spec, threads)


class OpenVinoEngine(BaseEngine):
    """One ONNX file in OpenVINO on the CPU, compiled for one crop: several crops run one after the other.

    A graph for any batch is slower for one crop. Compiling a second graph at the first frame with two people would stop the
    picture for a second. And a batch gains nothing on a CPU. *threads* 0 takes ``most_threads``.
    Raises EngineError when OpenVINO is missing, and when the file cannot be compiled or is not a graph of this project.
    """

    def __init__(self, path: Path, spec: ModelSpec, threads: int = 0) -> None:
        reason = unavailable()
        if reason:
            raise EngineError(f"{spec.name}: {reason}")
        try:
            openvino = _import_quietly()
        except (ImportError, OSError) as error:  # it is there, but not whole, or a library it needs is not
            raise EngineError(f"{spec.name}: OpenVINO cannot be imported ({_reason(error)}). Install it again.") from None
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads or most_threads(),
            # Pinned threads would wait for their own core while capture, drawing or encoding runs on it.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32",  # some processors would take BF16 unasked; a Q/DQ graph runs in INT8 all the same
            **_cache(),
        }
        try:
            core = openvino.Core()
            model = core.read_model(path)
            info = model.get_rt_info()
            inputs = {i.any_name: [_length(d) for d in i.partial_shape][1:] for i in model.inputs}
            maps = check_graph(path, spec, inputs, {name for o in model.outputs for name in o.names})
            model.reshape({"crops": [1, *spec.input_hw, 3]})
            self._request: Any = core.compile_model(model, "CPU", settings).create_infer_request()
            device = str(core.get_property("CPU", "FULL_DEVICE_NAME"))
        except RuntimeError as error:
            raise EngineError(f"{path}: OpenVINO cannot compile it ({_reason(error)}). Use --device cpu.") from None
        precision = "FP32"
        if "framework" in info and "precision" in info["framework"]:
            precision = str(info["framework"]["precision"].value)
        major_minor = ".".join(openvino.__version__.split("-")[0].split(".")[:2])
        super().__init__(spec, Backend(f"OpenVINO {major_minor}", "CPU", precision), maps)
        self.cpu_name = " ".join(device.split())

    def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
        parts: list[list[FloatArray]] = []
        try:
            for i in range(len(crops)):
                self._request.infer({"crops": np.ascontiguousarray(crops[i : i + 1])}, share_inputs=True)
                parts.append([self._request.get_tensor(name).data.copy() for name in names])
        except RuntimeError as error:
            raise EngineError(f"{self._spec.name}: OpenVINO failed ({_reason(error)}).") from None
        return joined(parts)

    def _close(self) -> None:
        del self._request  # which frees the model


def _import_quietly() -> Any:
    """The module openvino. Its import would send a message to its makers, unless their package for that is missing."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: an import of it fails
    import openvino

    return openvino


def _cache() -> dict[str, str]:
    """Where OpenVINO keeps what it compiled; nowhere when the place cannot be written, because it would refuse to compile."""
    folder = resources.cache_dir("openvino")
    return {"CACHE_DIR": str(folder)} if writable(folder, make=True) else {}


def _length(dimension: Any) -> int | None:
    return int(dimension.get_length()) if dimension.is_static else None


def _reason(error: Exception) -> str:
    """OpenVINO's own words: the last line that is neither a place in its source nor empty."""
    lines = [line.strip() for line in str(error).splitlines()]
    own = [line for line in lines if line and not line.startswith(("Exception from", "Check "))]
    return (own or lines or [type(error).__name__])[-1]
