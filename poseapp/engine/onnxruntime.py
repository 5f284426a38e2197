"""ONNX Runtime: the engine that runs everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort

from poseapp.core.errors import EngineError, first_line
from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.base import Backend, BaseEngine, Progress, check_graph
from poseapp.engine.machine import most_threads
from poseapp.engine.model_folder import ModelFolder

_DEVICES = {"CPUExecutionProvider": "CPU", "CUDAExecutionProvider": "CUDA GPU", "CoreMLExecutionProvider": "CoreML"}

ort.disable_telemetry_events()  # for Windows, where the variable in poseapp/__init__.py does not reach all of it


def unavailable() -> str:
    """See BackendModule: it is always there."""
    return ""


def version() -> str:
    """See BackendModule. The library itself gives it, because packages of several names install the library."""
    return str(ort.__version__)


def builds_first(folder: Path, spec: ModelSpec, precision: str) -> bool:
    """See BackendModule: it starts at once."""
    return False


def open_engine(folder: Path, spec: ModelSpec, precision: str, threads: int, progress: Progress | None) -> OrtEngine:
    """See BackendModule."""
    return OrtEngine(ModelFolder(folder).graph(spec, precision), spec, threads)


class OrtEngine(BaseEngine):
    """One ONNX file in ONNX Runtime on the CPU.

    *threads* 0 takes ``most_threads``.
    Raises EngineError when the file cannot be loaded or is not a graph of this project.
    """

    def __init__(self, path: Path, spec: ModelSpec, threads: int = 0) -> None:
        self._session: ort.InferenceSession = open_session(path, threads)
        inputs = {i.name: list(i.shape)[1:] for i in self._session.get_inputs()}
        maps = check_graph(path, spec, inputs, {o.name for o in self._session.get_outputs()})
        provider = self._session.get_providers()[0]
        backend = Backend(f"ONNX Runtime {ort.__version__}", _DEVICES.get(provider, provider), _precision(self._session))
        super().__init__(spec, backend, maps)

    def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
        return run_session(self._session, self._spec.name, names, crops)

    def _close(self) -> None:
        del self._session  # which frees it


# It would round biases beside INT8 weights to steps of the product of two scales. In FP16, which the INT8 files for GPUs have, so
# small a number has few bits: hourglass-s's joints move by 18 px. Files for CPUs have rounded biases already.
_LEFT_OUT = ["WeightBiasQuantization"]


def open_session(path: Path, threads: int = 0) -> ort.InferenceSession:
    """The graph at *path* on the CPU, *threads* as in OrtEngine; EngineError when it cannot be loaded."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or most_threads()
    # A spinning thread takes its core from capture, drawing and encoding between two frames.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_LEFT_OUT)
    except Exception as error:  # noqa: BLE001 - onnxruntime raises a class of its own for each kind of failure
        raise EngineError(f"{path}: ONNX Runtime cannot load it ({first_line(error)}). Export or fetch it again.") from None


def run_session(session: ort.InferenceSession, who: str, names: Sequence[str], crops: ImageArray) -> list[FloatArray]:
    """The outputs *names* of *session* for *crops*; EngineError, which begins with *who*, when it fails."""
    try:
        return [np.asarray(value, np.float32) for value in session.run(names, {"crops": crops})]
    except Exception as error:  # noqa: BLE001 - onnxruntime raises a class of its own for each kind of failure
        raise EngineError(f"{who}: ONNX Runtime failed ({first_line(error)}).") from None


def _precision(session: ort.InferenceSession) -> str:
    """The precision the exporter wrote into the graph's metadata; FP32 where it wrote none."""
    return str(session.get_modelmeta().custom_metadata_map.get("precision", "FP32"))
