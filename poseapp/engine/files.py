"""The graphs of a model's folder: which file holds which precision, and whether it is the one that model.json speaks of."""

from __future__ import annotations

import hashlib
from pathlib import Path

from poseapp.core.errors import ModelError
from poseapp.core.spec import ModelSpec


def model_file(folder: Path, spec: ModelSpec, precision: str = "fp32") -> Path:
    """The graph of *spec* in *precision* ("fp32", "fp16" or "int8").

    Raises ModelError when the model has none, or when the file is not the one that *spec* was written for.
    """
    path = folder / ("model.onnx" if precision == "fp32" else f"model.{precision}.onnx")
    check_hash(path, spec, precision)
    return path


def check_hash(path: Path, spec: ModelSpec, precision: str = "fp32") -> None:
    """Raise ModelError unless the file at *path* is the one in *precision* that *spec* was written for."""
    expected = spec.weights_sha256 if precision == "fp32" else spec.variants.get(precision)
    if expected is None:
        how = "poseapp models quantise" if precision == "int8" else "--fp16 when it is exported or imported"
        raise ModelError(f"{spec.name}: has no {precision.upper()} file. Make one with {how}.")
    try:
        with path.open("rb") as file:
            found = hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Export or fetch the model again.") from None
    if found != expected:
        raise ModelError(
            f"{path}: expected SHA-256 {expected[:12]}…, got {found[:12]}…. "
            "The file is damaged or belongs to another model.json: export or fetch the model again."
        )
