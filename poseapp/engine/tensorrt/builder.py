"""Builds TensorRT's plans: one at a time on a GPU, with progress, and kept as plans.py says."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from poseapp.core.errors import EngineError, printable
from poseapp.core.files import atomic_write, only_one, sha256, writable
from poseapp.engine.base import Progress
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.tensorrt.library import (
    cannot_build_because,
    capability_name,
    last_word,
    logger,
    one_line,
    tensorrt,
    user_allocation,
)
from poseapp.engine.tensorrt.plans import (
    Plan,
    PlanInfo,
    PlanKey,
    PlanRequest,
    Tensor,
    card_name,
    default_cache_dir,
    info_path,
    jit_path,
    plan_path,
    read_info,
    rejected_earlier,
    stale_because,
)

_PARSED = 0.05  # share of a build that is reading the ONNX file

log = logging.getLogger(__name__)


def ensure_plan(
    request: PlanRequest,
    progress: Progress,
    accepts: Callable[[bytes], bool],
    rebuild: bool = False,
    cache_dir: Path | None = None,
) -> Plan:
    """The plan for *request*: the present one when it is good, else a new one, written under its name at once.

    *accepts* tries to deserialise; a plan that it refuses is built again. *rebuild* builds in any case. One process at a time
    builds on a GPU; others wait for it and take its plan. Raises EngineError when the plan cannot be built or written, when
    *progress* cancels, and when this same plan was rejected before (it would fail again, after as long a time).
    """
    key = request.key()
    path = plan_path(request.folder, key, cache_dir)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(_lock_file(key, cache_dir), str(request), progress):
            reason = "asked for" if rebuild else stale_because(path, key)
            if not reason:
                content, info = path.read_bytes(), read_info(path)
                if accepts(content):
                    return Plan(path, info, content, "")
                if info.refused:
                    raise EngineError(f"{info.refused} {_again(request)}")
                reason = f"{key.runtime} refuses it"
            elif not rebuild and (rejected := rejected_earlier(path, key)):
                raise EngineError(f"{rejected} {_again(request)}")
            return _built(request, key, path, reason, progress, accepts)
    except OSError as error:
        why = error.strerror or str(error)
        raise EngineError(f"{path}: the plan cannot be written or read ({why}). Free some space, or mend the folder.") from None


def _built(
    request: PlanRequest, key: PlanKey, path: Path, reason: str, progress: Progress, accepts: Callable[[bytes], bool]
) -> Plan:
    """Build the plan and write it to *path*. *progress* gets the *reason* for it."""
    log.info("%s: building the plan: %s", path.name, reason)
    onnx = ModelFolder(request.folder).graph(request.spec, request.precision, "gpu")
    content, info = build_plan(onnx, key, lambda text, share: progress(f"{text}: {reason}", share))
    jit_path(path).unlink(missing_ok=True)  # kernels of the plan that was there
    atomic_write(path, content)
    atomic_write(info_path(path), info.to_json().encode())
    if not accepts(content):
        said = f" ({last_word()})" if last_word() else ""
        refused = printable(f"{request.spec.name}: {key.runtime} cannot load the plan it built for the {key.gpu}{said}.")
        atomic_write(info_path(path), dataclasses.replace(info, refused=refused).to_json().encode())
        raise EngineError(refused)
    return Plan(path, info, content, reason)


def _again(request: PlanRequest) -> str:
    return f"Build it again with: poseapp models build {request.spec.name} --precision {request.precision}"


def build_plan(onnx: Path, key: PlanKey, progress: Progress) -> tuple[bytes, PlanInfo]:
    """Compile the file *onnx* for *key*; blocks for seconds (TensorRT for RTX) to minutes.

    TensorRT for RTX needs no GPU for it. Raises EngineError when TensorRT cannot do it, and when *progress* says so.
    """
    begun = time.monotonic()
    trt, who = tensorrt(), f"{onnx.parent.name} {key.precision.upper()}"
    logger().errors.clear()
    builder = trt.Builder(logger())
    if not progress(f"building {who}", 0.0):
        raise EngineError(f"{who}: building cancelled.")
    network, parser = _read(trt, builder, onnx, key, who)
    inputs = tuple(_tensor(network.get_input(i)) for i in range(network.num_inputs))
    outputs = tuple(_tensor(network.get_output(i)) for i in range(network.num_outputs))
    shape = (-1, *key.input_hw, 3)
    if [(t.name, t.shape, t.dtype) for t in inputs] != [("crops", shape, "uint8")]:
        raise EngineError(f"{who}: expected one input crops {shape} uint8, got {inputs}. Export it with this version of the app.")
    config = _configured(trt, builder, key, who)
    monitor = _make_monitor(trt, lambda share: progress(f"building {who}", _PARSED + (1 - _PARSED) * share))
    config.progress_monitor = monitor
    with _timings_kept(config, key):
        serialised = builder.build_serialized_network(network, config)
    del parser  # the network uses its memory until it is built
    if monitor.error is not None:
        raise monitor.error
    if monitor.cancelled:
        raise EngineError(f"{who}: building cancelled.")
    if serialised is None:
        raise EngineError(f"{who}: {key.runtime} cannot build it ({one_line(list(logger().errors))}).")
    content = bytes(serialised)
    info = PlanInfo(key, sha256(content), len(content), inputs, outputs, time.monotonic() - begun)
    return content, info


def _read(trt: Any, builder: Any, onnx: Path, key: PlanKey, who: str) -> tuple[Any, Any]:
    """The network in the file *onnx*, and the parser whose memory it uses."""
    # Since TensorRT 11 every network is strongly typed, and the flag is to go.
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger())
    if not parser.parse(onnx.read_bytes()):
        why = one_line([parser.get_error(i).desc() for i in range(parser.num_errors)] or list(logger().errors))
        raise EngineError(f"{who}: {key.runtime} cannot read {onnx.name} ({why}). Export it with this version of the app.")
    return network, parser


def _configured(trt: Any, builder: Any, key: PlanKey, who: str) -> Any:
    """The settings for the build of *key*."""
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if user_allocation(trt) is not None:
        config.set_flag(user_allocation(trt))
    if hasattr(config, "set_compute_capability"):  # TensorRT for RTX; the other builds for the GPU that is there
        reason = cannot_build_because(trt, key.gpu, key.compute)
        if reason:
            raise EngineError(reason)
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, capability_name(key.compute)), 0)
    for shapes in key.profiles:
        profile = builder.create_optimization_profile()
        profile.set_shape("crops", *((n, *key.input_hw, 3) for n in (shapes.smallest, shapes.tuned, shapes.largest)))
        if config.add_optimization_profile(profile) < 0:
            raise EngineError(f"{who}: {key.runtime} refuses batches {shapes} ({one_line(list(logger().errors))}).")
    return config


@contextlib.contextmanager
def _timings_kept(config: Any, key: PlanKey) -> Iterator[None]:
    """Keeps the full TensorRT's timings of its kernels between builds, by GPU and version; RTX measures nothing."""
    if hasattr(config, "set_compute_capability") or not hasattr(config, "create_timing_cache"):
        yield
        return
    path = default_cache_dir() / f"{card_name(key.gpu)}.{re.sub(r'[^0-9.]', '', key.runtime)}.timings"
    before = b""
    with contextlib.suppress(OSError):  # none yet
        before = path.read_bytes()
    cache = config.create_timing_cache(before) or config.create_timing_cache(b"")  # a damaged one is refused
    if cache is not None:
        config.set_timing_cache(cache, ignore_mismatch=False)
    yield
    with contextlib.suppress(OSError):  # it only saves time
        cache = config.get_timing_cache()
        if cache is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, bytes(cache.serialize()))


def _make_monitor(trt: Any, go_on: Callable[[float], bool]) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # the module is known at run time only
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.share, self.cancelled = BuildShare(), False
            self.error: BaseException | None = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.share.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:  # an exception must not go through TensorRT
                self.cancelled = self.cancelled or not go_on(self.share.step(phase_name, step))
            except BaseException as error:  # noqa: BLE001 - it is raised again once TensorRT has returned
                self.cancelled, self.error = True, error
            return not self.cancelled

        def phase_finish(self, phase_name: str) -> None:
            self.share.finish(phase_name)

    return Monitor()


class BuildShare:
    """How far a build is, from TensorRT's nested phases: each is divided by its steps, and a step by its phases."""

    def __init__(self) -> None:
        self._phases: dict[str, tuple[str | None, int, int]] = {}
        self._best = 0.0
        self._lock = threading.Lock()  # TensorRT may call from several threads

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """*phase* begins within *parent*."""
        with self._lock:
            self._phases[phase] = (parent, max(1, steps), 0)

    def step(self, phase: str, step: int) -> float:
        """Step number *step* (from 0) of *phase* is done; returns the share of the whole, which never goes back."""
        with self._lock:
            if phase in self._phases:
                parent, steps, _ = self._phases[phase]
                self._phases[phase] = (parent, steps, min(steps, step + 1))
                roots = [name for name, (above, _, _) in self._phases.items() if above is None]
                self._best = max([self._best, *(self._share(name) for name in roots[:1])])
            return self._best

    def finish(self, phase: str) -> None:
        """*phase* ends."""
        with self._lock:
            parent, steps, _ = self._phases.get(phase, (None, 1, 0))
            if parent is None:  # the whole is done
                self._phases[phase] = (None, steps, steps)
            else:
                self._phases.pop(phase, None)

    def _share(self, phase: str) -> float:
        _, steps, done = self._phases[phase]
        inner = max((self._share(name) for name, (above, _, _) in self._phases.items() if above == phase), default=0.0)
        return min(1.0, (done + inner) / steps)


def _tensor(tensor: Any) -> Tensor:
    return Tensor(str(tensor.name), tuple(int(n) for n in tensor.shape), str(tensor.dtype).rpartition(".")[2].lower())


def _lock_file(key: PlanKey, cache_dir: Path | None) -> Path:
    """The file that a build on the GPU locks: two builds at once would disturb each other's timings, and fill its memory."""
    cache = cache_dir or default_cache_dir()
    return (cache if writable(cache, make=True) else Path(tempfile.gettempdir())) / f"{card_name(key.gpu)}.lock"


@contextlib.contextmanager
def _alone(lock: Path, who: str, progress: Progress) -> Iterator[None]:
    """Wait until nobody else holds the file *lock*, and hold it; the waiting is reported to *progress*, which may cancel it."""
    while True:
        with only_one(lock) as alone:
            if alone:
                yield
                return
        if not progress(f"{who}: another process is building", 0.0):
            raise EngineError(f"{who}: building cancelled.")
        time.sleep(0.1)
