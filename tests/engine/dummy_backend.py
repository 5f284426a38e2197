"""The smallest backend there is: the functions of BackendModule, and an engine that finds every joint at (1, 2)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from poseapp.core.spec import ModelSpec
from poseapp.core.types import FloatArray, ImageArray
from poseapp.engine.backends import BackendEntry
from poseapp.engine.base import Backend, BaseEngine, Progress

# What a test adds to BACKENDS.
ENTRY = BackendEntry(name="dummy", label="Dummy", tip="A desk", kind="GPU", precisions=("fp32",), module="dummy_backend")
missing = ""  # why it cannot be used


def unavailable() -> str:
    return missing


def version() -> str:
    return "1.0"


def builds_first(folder: Path, spec: ModelSpec, precision: str) -> bool:
    return False


def open_engine(folder: Path, spec: ModelSpec, precision: str, threads: int, progress: Progress | None) -> BaseEngine:
    return DummyEngine(spec)


class DummyEngine(BaseEngine):
    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec, Backend("Dummy 1.0", "Desk", "FP32"), ("heatmaps",))

    def _infer(self, crops: ImageArray, names: tuple[str, ...]) -> Sequence[FloatArray]:
        n, k = len(crops), self._spec.skeleton.k
        outputs = {
            "keypoints": np.tile(np.array([1, 2, 0.5], np.float32), (n, k, 1)),
            "heatmaps": np.zeros((n, k, *self._spec.heatmap_hw), np.float32),
        }
        return [outputs[name] for name in names]

    def _close(self) -> None:
        pass
