"""The model store: which models there are, whether they are whole, and loading one into an engine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.spec import ModelSpec
from poseapp.engine.base import Engine, Progress
from poseapp.engine.ort import OrtEngine

DEVICES = ("auto", "cpu", "openvino", "cuda", "tensorrt")
PRECISIONS = ("auto", "fp32", "fp16", "int8")


def default_engines_dir() -> Path:
    """The engines/ folder that lies beside the package in a checkout."""
    return Path(__file__).resolve().parents[2] / "engines"


@dataclass(frozen=True)
class StoredModel:
    """One folder of the store. ``spec`` is None where model.json is wrong, and ``error`` says why."""

    name: str
    folder: Path
    spec: ModelSpec | None
    error: str = ""


def list_models(engines_dir: Path) -> list[StoredModel]:
    """Every folder of *engines_dir* that holds a model.json, by name; broken ones with their reason.

    Raises ModelError when the folder itself cannot be read. Weights are not hashed here (it takes
    longer than a list should); loading does that.
    """
    try:
        folders = sorted(path.parent for path in engines_dir.glob("*/model.json"))
        if not engines_dir.is_dir():
            raise ModelError(f"{engines_dir}: no such folder. Give a model store with --engines-dir.")
    except OSError as error:
        raise ModelError(f"{engines_dir}: cannot be read ({error.strerror}). Give a model store with --engines-dir.") from None
    models = []
    for folder in folders:
        try:
            models.append(StoredModel(folder.name, folder, ModelSpec.read(folder / "model.json")))
        except ModelError as error:
            models.append(StoredModel(folder.name, folder, None, str(error)))
    return models


def find_model(engines_dir: Path, name: str | None) -> StoredModel:
    """The model called *name*, or the default: the first usable one. ModelError when there is none."""
    models = list_models(engines_dir)
    usable = [m for m in models if m.spec is not None]
    if name is None:
        if not usable:
            raise ModelError(f"{engines_dir}: no usable model. Train or fetch one, or give another folder with --engines-dir.")
        return next((m for m in usable if m.name == "hourglass-s"), usable[0])
    for model in models:
        if model.name == name:
            if model.spec is None:
                raise ModelError(model.error)
            return model
    known = ", ".join(m.name for m in usable) or "none"
    raise ModelError(f"model {name!r}: not in {engines_dir}. There are: {known}.")


def load_engine(
    folder: Path, device: str = "auto", threads: int = 0, progress: Progress | None = None, precision: str = "auto"
) -> Engine:
    """The model in *folder*, loaded and warmed up.

    Raises ModelError when model.json or model.onnx is missing, wrong or not the file that
    model.json speaks of, EngineError when the backend cannot run it.
    """
    if device not in DEVICES:
        raise ModelError(f"device {device!r}: expected one of {', '.join(DEVICES)}.")
    spec = ModelSpec.read(folder / "model.json")
    path = folder / "model.onnx"
    check_hash(path, spec)
    engine = OrtEngine(path, spec, threads)
    try:
        warm_up(engine, path)
    except EngineError:
        engine.close()
        raise
    return engine


def builds_first(folder: Path, device: str, precision: str = "auto") -> bool:
    """Whether loading the model in *folder* on *device* would compile it first, which takes seconds to minutes."""
    return False


def warm_up(engine: Engine, path: Path) -> None:
    """Run *engine* once: the first run allocates, and users should not wait for it.

    Raises EngineError when what comes out is not what the spec says; *path* names the model in it.
    """
    spec = engine.spec
    output = engine.infer(np.zeros((1, *spec.input_hw, 3), np.uint8), heatmaps=True)
    got = [output.keypoints.shape, output.heatmaps.shape if output.heatmaps is not None else ()]
    want = [(1, spec.skeleton.k, 3), (1, spec.skeleton.k, *spec.heatmap_hw)]
    if got != want:
        raise EngineError(
            f"{path}: expected keypoints and heatmaps of {want[0]} and {want[1]}, got {got[0]} and {got[1]}. "
            "model.json does not belong to it: export the model again."
        )


def check_hash(path: Path, spec: ModelSpec) -> None:
    """Raise ModelError unless the file at *path* is the one that *spec* was written for."""
    try:
        with path.open("rb") as file:
            found = hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Export or fetch the model again.") from None
    if found != spec.weights_sha256:
        raise ModelError(
            f"{path}: expected SHA-256 {spec.weights_sha256[:12]}…, got {found[:12]}…. "
            "The file is damaged or belongs to another model.json: export or fetch the model again."
        )
