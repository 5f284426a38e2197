"""ONNX Runtime: the engine that runs everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime as ort

from poseapp.core.errors import EngineError, first_line
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine.base import Backend, Output, check_crops, check_graph

_DEVICES = {"CPUExecutionProvider": "CPU", "CUDAExecutionProvider": "CUDA GPU", "CoreMLExecutionProvider": "CoreML"}

ort.disable_telemetry_events()  # for Windows, where the variable in poseapp/__init__.py does not reach all of it


class OrtEngine:
    """One ONNX file in ONNX Runtime on the CPU.

    *threads* 0 takes ``most_threads``.
    Raises EngineError when the file cannot be loaded or is not a graph of this project.
    """

    def __init__(self, path: Path, spec: ModelSpec, threads: int = 0) -> None:
        self._spec = spec
        self._session: ort.InferenceSession | None = open_session(path, threads)
        inputs = {i.name: list(i.shape)[1:] for i in self._session.get_inputs()}
        self._maps = check_graph(path, spec, inputs, {o.name for o in self._session.get_outputs()})
        provider = self._session.get_providers()[0]
        self._backend = Backend(f"ONNX Runtime {ort.__version__}", _DEVICES.get(provider, provider), _precision(self._session))

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._spec

    @property
    def backend(self) -> Backend:
        """What really runs."""
        return self._backend

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """Joints of *crops* (N, H, W, 3) uint8 BGR; see Engine."""
        check_crops(crops, self._spec)
        if self._session is None:
            raise EngineError(f"{self._spec.name}: the engine is closed.")
        wanted = ["keypoints", *(self._maps if heatmaps else ())]
        try:
            values = self._session.run(wanted, {"crops": crops})
        except Exception as error:
            raise EngineError(f"{self._spec.name}: ONNX Runtime failed ({first_line(error)}).") from None
        arrays = [np.asarray(value, np.float32) for value in values]
        return Output(*arrays)

    def close(self) -> None:
        """Free the session; safe to call twice."""
        self._session = None


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
    except Exception as error:  # onnxruntime raises a class of its own for each kind of failure
        raise EngineError(f"{path}: ONNX Runtime cannot load it ({first_line(error)}). Export or fetch it again.") from None


def available_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def most_threads() -> int:
    """The threads that a network gets alone: the cores this process may use, at most 8, as a small one gains nothing beyond."""
    return min(8, available_cores())


def _precision(session: ort.InferenceSession) -> str:
    """The precision the exporter wrote into the graph's metadata; FP32 where it wrote none."""
    return str(session.get_modelmeta().custom_metadata_map.get("precision", "FP32"))
