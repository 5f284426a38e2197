"""The model store: which models there are, whether they are whole, and loading one into an engine."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp import resources
from poseapp.core.errors import EngineError, ModelError, printable
from poseapp.core.spec import PRECISIONS, ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine import choice, devices, driver, thread_count
from poseapp.engine.base import Backend, Engine, Output, Progress, foreign_errors
from poseapp.engine.model_folder import missing, model_file
from poseapp.engine.store import folders_with, store_folders

DEVICES = ("auto", "cpu", "openvino", "cuda", "tensorrt")
PRECISION_CHOICES = ("auto", *PRECISIONS)
_GPUS = ("tensorrt", "cuda")


def default_engines_dir() -> Path:
    """The store to use unless another is named: the user's own models, and those that come with the app."""
    return resources.own_engines_dir()


@dataclass(frozen=True)
class StoredModel:
    """One folder of the store. ``spec`` is None where model.json is wrong, and ``error`` says why.

    ``hides`` is the folder of the bundled model of the same name, in whose place this one is used.
    """

    name: str
    folder: Path
    spec: ModelSpec | None
    error: str = ""
    hides: Path | None = None


def list_models(engines_dir: Path) -> list[StoredModel]:
    """Every folder of the store *engines_dir* that holds a model.json, by name; broken ones with their reason.

    A user's own model hides the bundled one of its name. Raises ModelError when the store itself cannot be read. Weights
    are not hashed here (it takes longer than a list should); loading does that.
    """
    found = folders_with(engines_dir, "model.json")
    place = store_folders(engines_dir)[-1]  # the user's own folder comes with its first model, this one must be there
    if not place.is_dir():
        raise ModelError(f"{place}: no such folder. Give a model store with --engines-dir.")
    places: dict[str, list[Path]] = {}
    for folder in found:
        places.setdefault(folder.name, []).append(folder)
    models = []
    for name, (folder, *hidden) in sorted(places.items()):
        hides = hidden[0] if hidden else None
        try:
            models.append(StoredModel(printable(name), folder, ModelSpec.read(folder / "model.json"), "", hides))
        except ModelError as error:
            models.append(StoredModel(printable(name), folder, None, str(error), hides))
    return models


def find_model(engines_dir: Path, name: str | None, device: str = "auto") -> StoredModel:
    """The model called *name*, or the default: hourglass-l where a GPU serves as *device*, else hourglass-s, else the first
    usable one.

    ModelError when there is none.
    """
    models = list_models(engines_dir)
    usable = [m for m in models if m.spec is not None]
    if name is None:
        if not usable:
            raise ModelError(f"{engines_dir}: no usable model. Train or fetch one, or give another folder with --engines-dir.")
        # Where the GPU that is asked for cannot serve, a CPU will, and the GPU's model would be too slow there.
        on_gpu = any(not devices.unavailable(gpu) for gpu in _gpus(device))
        defaults = ("hourglass-l", "hourglass-s") if on_gpu else ("hourglass-s",)
        return next((m for wanted in defaults for m in usable if m.name == wanted), usable[0])
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

    *device* "auto" takes TensorRT, else CUDA, else the CPU; "cpu" the fastest CPU backend and precision. *progress* hears
    of what takes long, and may cancel it. Without it nothing is tried out: on a CPU that was not timed yet, ONNX Runtime
    serves in FP32, at once. What is asked for and cannot run is replaced by the CPU, and ``backend.fallback`` says why.

    Raises ModelError when model.json or model.onnx is missing, wrong or not the file that model.json speaks of,
    EngineError when no backend can run it or *progress* cancelled it.
    """
    if device not in DEVICES:
        raise ModelError(f"device {device!r}: expected one of {', '.join(DEVICES)}.")
    if precision not in PRECISION_CHOICES:
        raise ModelError(f"precision {precision!r}: expected one of {', '.join(PRECISION_CHOICES)}.")
    spec = ModelSpec.read(folder / "model.json")
    model_file(folder, spec)
    hearing = _Hearing(progress)
    reason = ""
    for name in _gpus(device):
        lacking = devices.unavailable(name)
        if lacking:
            # "auto" on a machine without a GPU asked for nothing else than the CPU
            reason = reason or (lacking if device == name or driver.has_gpu() else "")
            continue
        try:
            with foreign_errors(f"{spec.name}: {name}"):
                return _warm(_open_gpu(name, folder, spec, precision, hearing if progress else None), folder)
        except ModelError as error:
            if hearing.cancelled:
                raise
            reason = reason or str(error)
    runtimes: tuple[choice.Runtime, ...] = ("openvino",) if device == "openvino" else choice.RUNTIMES
    if device == "openvino" and (lacking := devices.unavailable("openvino")):
        reason, runtimes = lacking, ("onnxruntime",)
    engine, why = _open_cpu(folder, spec, threads, precision, runtimes, hearing if progress else None)
    reason = reason or why
    return FallbackEngine(_warm(engine, folder), reason) if reason else _warm(engine, folder)


def builds_first(folder: Path, device: str, precision: str = "auto") -> bool:
    """Whether loading the model in *folder* on *device* takes seconds, because it is compiled or timed first.

    ``load_engine(folder, "cpu")`` without a progress callback never does. May import large libraries, as
    ``devices.unavailable`` does.
    """
    try:
        spec = ModelSpec.read(folder / "model.json")
    except ModelError:
        return False  # loading says what is wrong
    for name in _gpus(device):
        if not devices.unavailable(name):
            return _gpu_builds_first(name, folder, spec, precision)
    if device == "openvino":
        return not devices.unavailable("openvino")
    among = choice.options(spec, precision)
    timings = choice.read(spec, 0, among)
    if not choice.needs_timing(among):
        return False
    best = choice.fastest(among, timings) if timings is not None else None
    return best is None or best.runtime == "openvino"


def _gpus(device: str) -> tuple[str, ...]:
    """The GPU backends that *device* stands for, the one to try first in front; none for a CPU's."""
    return _GPUS if device == "auto" else tuple(gpu for gpu in _GPUS if gpu == device)


class FallbackEngine:
    """An engine that runs in the place of what was asked for; its backend says why."""

    def __init__(self, engine: Engine, reason: str) -> None:
        self._engine, self._reason = engine, reason

    @property
    def spec(self) -> ModelSpec:
        """The model's spec."""
        return self._engine.spec

    @property
    def backend(self) -> Backend:
        """What really runs, and why it is not something else."""
        return dataclasses.replace(self._engine.backend, fallback=self._reason)

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        """See Engine."""
        return self._engine.infer(crops, heatmaps)

    def close(self) -> None:
        """See Engine."""
        self._engine.close()


class _Hearing:
    """A progress callback that remembers whether it said stop."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self.cancelled = progress, False

    def __call__(self, text: str, done: float) -> bool:
        if self._progress is not None and not self._progress(text, done):
            self.cancelled = True
        return not self.cancelled


def _open_gpu(name: str, folder: Path, spec: ModelSpec, precision: str, progress: Progress | None) -> Engine:
    if name == "cuda":
        from poseapp.engine.torch.engine import TorchEngine

        return TorchEngine(folder, spec, precision)
    from poseapp.engine.tensorrt import builder as build
    from poseapp.engine.tensorrt import engine as trt

    wanted = build.precision_for(spec, precision)
    reason = build.not_offered_because(wanted)
    engine = trt.TrtEngine(folder, spec, build.precision_for(spec) if reason else wanted, progress=progress)
    return FallbackEngine(engine, reason) if reason else engine


def _gpu_builds_first(name: str, folder: Path, spec: ModelSpec, precision: str) -> bool:
    if name == "cuda":
        return True  # PyTorch takes seconds to start
    from poseapp.engine.tensorrt import builder as build

    try:
        wanted = build.precision_for(spec, precision)
        return not build.is_fresh(folder, spec, build.precision_for(spec) if build.not_offered_because(wanted) else wanted)
    except ModelError:
        return False  # loading says what is wrong


def _open_cpu(
    folder: Path, spec: ModelSpec, threads: int, precision: str, runtimes: tuple[choice.Runtime, ...], progress: Progress | None
) -> tuple[Engine, str]:
    """The CPU engine to run *spec* on, and why it is not what was asked for, or ""."""
    among, reason = choice.options(spec, precision, runtimes), ""
    if not among:
        among = choice.options(spec, "fp32", runtimes)
        reason = (
            missing(spec, precision)
            if precision == "int8"
            else "FP16 gains nothing on a CPU, so this is FP32. Choose fp32 or int8."
        )
    timings = choice.read(spec, threads, among)
    if timings is None and choice.needs_timing(among) and progress is not None:
        timings = choice.measure(folder, spec, among, threads, progress)
    at_once = tuple(o for o in among if o.runtime == "onnxruntime") if progress is None else among
    best = choice.fastest(at_once or among, timings or ())
    plain = choice.Option("onnxruntime", "fp32")
    if best is None:
        best = (at_once or among)[0]
        disagreeing = next((t.disagrees for t in timings or () if t.option == best), "")
        if disagreeing:
            best, reason = plain, f"{spec.name}: {disagreeing}"
    threads = threads or thread_count.chosen(folder, spec, best, progress)
    try:
        return choice.open_option(folder, spec, best, threads), reason
    except ModelError as error:
        if best == plain:
            raise
        return choice.open_option(folder, spec, plain, threads), str(error)


def _warm(engine: Engine, folder: Path) -> Engine:
    try:
        warm_up(engine, folder / "model.onnx")
    except BaseException:
        engine.close()
        raise
    return engine


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
