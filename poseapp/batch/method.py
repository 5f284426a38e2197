"""How a batch analyses: all that a result depends on, the same for every file and every worker."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import poseapp
from poseapp.core.errors import ModelError
from poseapp.core.files import sha256, sha256_file
from poseapp.core.spec import ModelSpec
from poseapp.core.types import PoseMode
from poseapp.engine import choice
from poseapp.engine.backends import cpu_backends
from poseapp.engine.base import BaseEngine, Engine, Progress
from poseapp.engine.detector import DetectorSpec, find_detector
from poseapp.engine.load import load_engine, warm_up
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.store import default_engines_dir, find_model
from poseapp.live.recording.description import versions
from poseapp.pipeline.modes import PoseSettings, check_mode, suited_model

_COUNT = ("av", "numpy", "opencv", "opencv-python-headless", "onnxruntime", "openvino", "scipy")


@dataclass(frozen=True, kw_only=True)
class Method:
    """A model, a mode and settings.

    ``model`` is the name in the model store ``engines_dir`` ("" is the usual store of whatever machine works), ``hashes`` are
    those of its files and of the person detector. ``device`` and ``precision`` are as requested. ``option`` is what was
    chosen for a CPU, so that every worker computes the same: a backend and a precision; None on a GPU. ``threads`` are those
    of the network in each process, 0 the usual number.
    """

    model: str
    engines_dir: str
    hashes: tuple[tuple[str, str], ...]
    mode: PoseMode
    smoothing: float
    device: str
    precision: str
    option: tuple[str, str] | None
    threads: int = 0

    @property
    def folder(self) -> Path:
        """The model's folder on this machine. Raises ModelError."""
        return find_model(self._store, self.model).folder

    @property
    def _store(self) -> Path:
        return Path(self.engines_dir) if self.engines_dir else default_engines_dir()

    @property
    def settings(self) -> PoseSettings:
        """How people are found."""
        return PoseSettings(mode=self.mode, smoothing=self.smoothing)

    def of_result(self) -> dict[str, Any]:
        """What makes two results comparable, as JSON: with the same values a result is not made again."""
        return {
            "model": self.model,
            "hashes": dict(self.hashes),
            "mode": self.mode,
            "smoothing": self.smoothing,
            "precision": self.precision,
        }

    def open_engine(
        self, folder: Path | None = None, device: str = "", *, precision: str = "", progress: Progress | None = None
    ) -> Engine:
        """The engine of this method; the parameters are those of ``live.model_runner.LoadEngine``. Raises ModelError."""
        folder = folder or self.folder
        if self.option is None or device == "cpu" != self.device:  # a GPU, or the CPU that takes over from one
            return load_engine(folder, device or self.device, self.threads, progress, precision or self.precision)
        spec = ModelFolder(folder).spec()
        ModelFolder(folder).graph(spec)
        engine: BaseEngine = choice.open_option(folder, spec, choice.Option(*self.option), self.threads)
        try:
            warm_up(engine, ModelFolder(folder).file())
        except BaseException:
            engine.close()
            raise
        return engine


def choose_method(
    engines_dir: Path, model: str | None, settings: PoseSettings, device: str, precision: str, progress: Progress | None
) -> tuple[Method, str]:
    """The method for these choices, and a line about a model that takes the place of the one chosen, or "".

    The model is opened once, so that what cannot run is reported before any file is read; what is fastest here is timed with
    *progress*. Raises ModelError.
    """
    requested = find_model(engines_dir, model, device).folder
    check_mode(requested, settings.mode)
    folder, note = suited_model(requested, settings.mode)
    engine = load_engine(folder, device, progress=progress, precision=precision)
    try:
        backend = engine.backend
    finally:
        engine.close()
    named = [entry.name for entry in cpu_backends("cpu") if backend.runtime.startswith(entry.label)]
    on_cpu = backend.device == "CPU" and bool(named)
    method = Method(
        model=folder.name,
        engines_dir="" if engines_dir == default_engines_dir() else str(engines_dir.absolute()),
        hashes=model_hashes(folder, settings.mode),
        mode=settings.mode,
        smoothing=settings.smoothing,
        device=device,
        precision=precision,
        option=(named[0], backend.precision.lower()) if on_cpu else None,
    )
    return method, " ".join(part for part in (note, backend.fallback) if part)


def model_hashes(folder: Path, mode: PoseMode) -> tuple[tuple[str, str], ...]:
    """The hashes of the model in *folder*, in every precision, and of the detector where *mode* uses one. Raises ModelError."""
    spec: ModelSpec = ModelFolder(folder).spec()
    hashes = {"model": spec.weights_sha256, **spec.variants}
    detector = find_detector(folder.parent) if mode != "bottom-up" else None
    if detector is not None:
        hashes["detector"] = DetectorSpec.read(detector / DetectorSpec.FILE).weights_sha256
    return tuple(sorted(hashes.items()))


@functools.cache
def version_hashes() -> Mapping[str, str]:
    """The version of the app, the hash of its code, and the versions of what reads pictures and computes."""
    place = Path(poseapp.__file__).parent
    code = "".join(f"{file.relative_to(place).as_posix()} {sha256_file(file)}\n" for file in sorted(place.rglob("*.py")))
    found = {"poseapp": poseapp.__version__, "code": sha256(code.encode())[:16]}
    return found | {name: version for name, version in versions().items() if name in _COUNT}


def disagreement(method: Method, expected: Mapping[str, str]) -> str:
    """What this machine has otherwise than the one that began the batch, in a line; "" where all agree."""
    here = version_hashes()
    other = [
        f"{name} {here.get(name, 'missing')} instead of {expected.get(name, 'none')}"
        for name in sorted({*here, *expected})
        if here.get(name) != expected.get(name)
    ]
    if other:
        return f"expected the same versions, got {', '.join(other)}. Install the same version of poseapp and its packages there."
    try:
        hashes = model_hashes(method.folder, method.mode)
    except ModelError as error:
        return str(error)
    if hashes != method.hashes:
        return f"expected the same model {method.model}, got one with other hashes. Copy the model there."
    return ""
