"""Loads a model of the store into an engine: which backend and precision serve, and what serves instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.spec import PRECISIONS, ModelSpec
from poseapp.engine import backends, choice, driver, thread_count
from poseapp.engine.base import BaseEngine, Engine, Progress, foreign_errors, needed_outputs
from poseapp.engine.model_folder import ModelFolder, missing

PRECISION_CHOICES = ("auto", *PRECISIONS)


def load_engine(
    folder: Path, device: str = "auto", threads: int = 0, progress: Progress | None = None, precision: str = "auto"
) -> Engine:
    """The model in *folder*, loaded and warmed up.

    *device* is one of ``backends.device_labels``: "auto" takes the first GPU backend that can run, else the CPU; "cpu" takes
    the fastest CPU backend and precision. *precision* is one of ``PRECISION_CHOICES``. What takes long is reported to
    *progress*, which may cancel it. Without *progress* nothing is timed: on a CPU that was not timed yet, ONNX Runtime
    serves in FP32, at once. When the requested device cannot run, the CPU serves, and ``backend.fallback`` says why.

    The caller closes the engine, on this thread (see Engine). Raises ModelError when model.json or model.onnx is missing,
    wrong or not the file that model.json names, EngineError when no backend can run it or *progress* cancelled it.
    """
    if device not in (known := backends.device_labels()):
        raise ModelError(f"device {device!r}: expected one of {', '.join(known)}.")
    if precision not in PRECISION_CHOICES:
        raise ModelError(f"precision {precision!r}: expected one of {', '.join(PRECISION_CHOICES)}.")
    spec = ModelFolder(folder).spec()
    ModelFolder(folder).graph(spec)
    watched = _WatchedProgress(progress)
    reason = ""
    for gpu in backends.gpu_backends(device):
        lacking = backends.unavailable(gpu.name)
        if lacking:
            # on a machine without a GPU, "auto" means the CPU, which needs no reason
            reason = reason or (lacking if device == gpu.name or driver.has_gpu() else "")
            continue
        try:
            with foreign_errors(f"{spec.name}: {gpu.name}"):
                return _warm(gpu.load().open_engine(folder, spec, precision, threads, watched if progress else None), folder)
        except ModelError as error:
            if watched.cancelled:
                raise
            reason = reason or str(error)
    if backends.one_of_cpu(device) and (lacking := backends.unavailable(device)):
        reason, device = lacking, backends.PLAIN
    engine, why = _open_cpu(folder, spec, threads, precision, device, watched if progress else None)
    if reason or why:
        engine.note_fallback(reason or why)
    return _warm(engine, folder)


def builds_first(folder: Path, device: str, precision: str = "auto") -> bool:
    """Whether loading the model in *folder* on *device* takes seconds, because it is compiled or timed first.

    ``load_engine(folder, "cpu")`` without a progress callback never does. May import large libraries, as
    ``backends.unavailable`` does.
    """
    try:
        spec = ModelFolder(folder).spec()
    except ModelError:
        return False  # loading says what is wrong
    for gpu in backends.gpu_backends(device):
        if not backends.unavailable(gpu.name):
            return gpu.load().builds_first(folder, spec, precision)
    cpu = backends.one_of_cpu(device)
    if cpu is not None:
        return not backends.unavailable(device) and cpu.load().builds_first(folder, spec, precision)
    among = choice.options(spec, precision)
    timings = choice.read(spec, 0, among)
    if not choice.needs_timing(among):
        return False
    best = choice.fastest(among, timings) if timings is not None else None
    return best is None or choice.opens_slowly(folder, spec, best)


class _WatchedProgress:
    """A progress callback that remembers whether it said stop."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self.cancelled = progress, False

    def __call__(self, text: str, done: float) -> bool:
        if self._progress is not None and not self._progress(text, done):
            self.cancelled = True
        return not self.cancelled


def _open_cpu(
    folder: Path, spec: ModelSpec, threads: int, precision: str, device: str, progress: Progress | None
) -> tuple[BaseEngine, str]:
    """The CPU engine to run *spec* on, and why it is not the requested one, or ""."""
    among, reason = choice.options(spec, precision, device), ""
    if not among:
        among = choice.options(spec, "fp32", device)
        reason = (
            missing(spec, precision)
            if precision == "int8"
            else "FP16 gains nothing on a CPU, so this is FP32. Choose fp32 or int8."
        )
    timings = choice.read(spec, threads, among)
    if timings is None and choice.needs_timing(among) and progress is not None:
        timings = choice.measure(folder, spec, among, threads, progress)
    if progress is None:
        among = tuple(option for option in among if not choice.opens_slowly(folder, spec, option)) or among
    best = choice.fastest(among, timings or ())
    if best is None:
        best = among[0]
        disagreeing = next((t.disagrees for t in timings or () if t.option == best), "")
        if disagreeing:
            best, reason = choice.PLAIN_OPTION, f"{spec.name}: {disagreeing}"
    threads = threads or thread_count.chosen(folder, spec, best, progress)
    try:
        return choice.open_option(folder, spec, best, threads), reason
    except ModelError as error:
        if best == choice.PLAIN_OPTION:
            raise
        return choice.open_option(folder, spec, choice.PLAIN_OPTION, threads), str(error)


def _warm(engine: BaseEngine, folder: Path) -> BaseEngine:
    try:
        warm_up(engine, ModelFolder(folder).file())
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
    k = spec.skeleton.k
    if spec.one_stage:
        people = output.people.shape if output.people is not None else ()
        got = [output.keypoints.shape, people]
        want = [(1, k, 3), (1, people[1] if len(people) == 4 else 1, k, 3)]
    else:
        got = [output.keypoints.shape, output.heatmaps.shape if output.heatmaps is not None else ()]
        want = [(1, k, 3), (1, k, *spec.heatmap_hw)]
    if got != want:
        first, second = needed_outputs(spec)
        raise EngineError(
            f"{path}: expected {first} and {second} of {want[0]} and {want[1]}, got {got[0]} and {got[1]}. "
            "model.json does not belong to it: export the model again."
        )
