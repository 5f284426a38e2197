"""TensorRT plans: what one is built for, building one, keeping it, and never using one on faith.

A plan is the network compiled for one GPU and one version of everything below it. It lies beside the model (in the
user's cache where that cannot be written) with a JSON of the same name that says what it was made for: ``PlanKey``. A
plan is used when its key is the wanted one, its file is the one that was written, and TensorRT takes it; otherwise it
is built again, and the reason is said in one line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import importlib.metadata
import json
import logging
import re
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseapp import resources
from poseapp.core.errors import EngineError, printable
from poseapp.core.files import atomic_write, sha256, sha256_file, try_lock, unlock
from poseapp.core.json_files import Fields, parse_json, read_json
from poseapp.core.spec import PRECISIONS, ModelSpec, Precision
from poseapp.engine.base import Progress
from poseapp.engine.driver import Gpu, find_gpu, too_old_because
from poseapp.engine.model_folder import graph_sha256, model_file, writable

MAX_BATCH = 8
INSTALL = 'pip install "poseapp[tensorrt-rtx]" (GeForce and RTX cards) or "poseapp[tensorrt]"'
_PARSED = 0.05  # share of a build that is reading the ONNX file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shapes:
    """A range of batches a plan is good for, and the one it is tuned for."""

    smallest: int
    tuned: int
    largest: int


@dataclass(frozen=True)
class PlanKey:
    """All that a plan depends on. ``runtime`` is TensorRT's flavour and full version, ``compute`` such as "8.6"."""

    onnx_sha256: str
    runtime: str
    gpu: str
    compute: str
    driver: str
    precision: str
    input_hw: tuple[int, int]
    profiles: tuple[Shapes, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Tensor:
    """An input or output as TensorRT read it from the ONNX file; -1 is the batch."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class PlanInfo:
    """The JSON beside a plan. ``difference_px`` from ONNX Runtime on the stored crops, None until a GPU has run it;
    ``rejected`` why the plan was thrown away, or ""; ``refused`` what was said when TensorRT would not load what it had
    built, or "": such a plan stays, so that the next start tries it again in a moment and does not build another.
    """

    key: PlanKey
    plan_sha256: str
    plan_bytes: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    built_s: float
    difference_px: float | None = None
    rejected: str = ""
    refused: str = ""

    def to_json(self) -> str:
        """Readable JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> PlanInfo:
        """The reverse; EngineError when it is anything else."""
        return cls._of(parse_json(text, EngineError))

    @classmethod
    def read(cls, path: Path) -> PlanInfo:
        """What the file *path* holds. Raises OSError, and EngineError when it is anything else."""
        return cls._of(read_json(path, EngineError))

    @classmethod
    def _of(cls, content: Any) -> PlanInfo:
        fields = Fields(content, EngineError)
        key = fields.object("key")
        profiles = tuple(
            Shapes(one.integer("smallest"), one.integer("tuned"), one.integer("largest")) for one in key.objects("profiles")
        )
        precision = next((one for one in PRECISIONS if one == key.text("precision")), None)
        if precision is None:
            raise EngineError(f"precision: expected one of {', '.join(PRECISIONS)}, got {key.text('precision')}")
        nothing = fields.content.get("difference_px") is None
        return cls(
            PlanKey(
                onnx_sha256=key.text("onnx_sha256"),
                runtime=key.text("runtime"),
                gpu=key.text("gpu"),
                compute=key.text("compute"),
                driver=key.text("driver"),
                precision=precision,
                input_hw=key.hw("input_hw"),
                profiles=profiles,
                flags=tuple(str(flag) for flag in key.array("flags")),
            ),
            plan_sha256=fields.text("plan_sha256"),
            plan_bytes=fields.integer("plan_bytes"),
            inputs=_tensors(fields, "inputs"),
            outputs=_tensors(fields, "outputs"),
            built_s=fields.number("built_s"),
            difference_px=None if nothing else fields.number("difference_px"),
            rejected=fields.text("rejected"),
            refused=fields.text("refused") if "refused" in fields.content else "",
        )


def _tensors(fields: Fields, name: str) -> tuple[Tensor, ...]:
    return tuple(Tensor(one.text("name"), one.integers("shape"), one.text("dtype")) for one in fields.objects(name))


@dataclass(frozen=True)
class Plan:
    """A plan to run: its file, what it was made for, and why it was built just now ("" when it was there)."""

    path: Path
    info: PlanInfo
    content: bytes
    built_because: str


# --- TensorRT -------------------------------------------------------------------------------------------------


@functools.cache
def tensorrt() -> Any:
    """The module tensorrt, else tensorrt_rtx, which has the same interface; None where neither can be imported."""
    for name in ("tensorrt", "tensorrt_rtx"):
        try:
            return importlib.import_module(name)
        except Exception:  # an OSError where a library is missing, a RuntimeError of another version's library, …
            log.debug("%s cannot be imported", name, exc_info=True)
    return None


def runtime_name(trt: Any) -> str:
    """Flavour and full version, such as "TensorRT-RTX 1.7.1.116"."""
    return f"{'TensorRT-RTX' if is_rtx(trt) else 'TensorRT'} {trt.__version__}"


def unserved_because(gpu: Gpu) -> str:
    """Why the installed TensorRT cannot serve *gpu*, in one line; "" when it can, or is not installed."""
    trt = tensorrt()
    if trt is None:
        return ""
    too_old = too_old_because(gpu, runtime_name(trt), built_for_cuda(trt.__name__))
    return too_old or _unserved(trt, gpu.name, f"{gpu.compute[0]}.{gpu.compute[1]}")


@functools.cache
def built_for_cuda(module: str) -> int:
    """The major version of CUDA that the installed *module* ("tensorrt" or "tensorrt_rtx") was built for; 0 where not told.

    Its wheels say so in their names: tensorrt_cu12_libs, tensorrt_rtx_cu13.
    """
    name = re.compile(rf"{module}_cu(\d+)(_libs|_bindings)?")
    named = (name.fullmatch(str(d.metadata["Name"]).lower().replace("-", "_")) for d in importlib.metadata.distributions())
    return max((int(found[1]) for found in named if found), default=0)


def is_rtx(trt: Any) -> bool:
    """Whether *trt* is TensorRT for RTX. It has no convolutions in INT8: a plan of that precision is larger and not faster."""
    return bool(trt.__name__.startswith("tensorrt_rtx"))


def _unserved(trt: Any, gpu: str, compute: str) -> str:
    """TensorRT for RTX lists what it compiles for; the full TensorRT builds for the GPU that is there, or fails then."""
    if not hasattr(trt, "ComputeCapability") or hasattr(trt.ComputeCapability, _sm(compute)):
        return ""
    return (
        f"{runtime_name(trt)}: it does not serve the {gpu} (compute capability {compute}). "
        'Install the full TensorRT: pip install "poseapp[tensorrt]".'
    )


def _sm(compute: str) -> str:
    return f"SM{compute.replace('.', '')}"


@functools.cache
def logger() -> Any:
    """The logger of this process for TensorRT: keeps its last errors in ``errors`` and hands the rest to logging.

    TensorRT takes one a process, the first, and needs it as long as anything of it lives: so it is never freed.
    """
    trt = tensorrt()

    class Logger(trt.ILogger):  # type: ignore[misc,name-defined]  # the module is known at run time only
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=50)

        def log(self, severity: Any, message: str) -> None:
            if severity <= trt.ILogger.ERROR:
                self.errors.append(message)
            log.debug("TensorRT: %s", message)

    return Logger()


def last_word() -> str:
    """What TensorRT logged last as an error, in one line; "" when nothing."""
    return _one_line([logger().errors[-1]]) if tensorrt() is not None and logger().errors else ""


def profiles_for(batch: int) -> tuple[Shapes, ...]:
    """One person is the common case and has a profile of its own, tuned for it."""
    return (Shapes(1, 1, 1),) if batch == 1 else (Shapes(1, 1, 1), Shapes(1, batch, batch))


def precision_for(spec: ModelSpec, requested: str = "auto") -> Precision:
    """The precision to build; "auto" is FP16 where the model has it: the same joints, and faster on every GPU.

    EngineError when *asked* is none.
    """
    if requested == "auto":
        return "fp16" if "fp16" in spec.variants else "fp32"
    for precision in PRECISIONS:
        if requested == precision:
            return precision
    raise EngineError(f"{spec.name}: precision: expected one of {', '.join(PRECISIONS)}, got {requested!r}.")


def not_offered_because(precision: Precision) -> str:
    """Why the installed TensorRT does not run *precision*, in one line; "" when it does."""
    trt = tensorrt()
    if precision == "int8" and trt is not None and is_rtx(trt):
        return "TensorRT for RTX has no convolutions in INT8: FP16 is faster there."
    return ""


def make_key(folder: Path, spec: ModelSpec, precision: Precision, batch: int, gpu: Gpu) -> PlanKey:
    """The key of the plan that is wanted. Raises ModelError when there is no such model, EngineError without TensorRT."""
    trt = tensorrt()
    if trt is None:
        raise EngineError(f"{spec.name}: TensorRT is not installed. {INSTALL}.")
    if not 1 <= batch <= MAX_BATCH:
        raise EngineError(f"{spec.name}: batch: expected 1 to {MAX_BATCH}, got {batch}.")
    model_file(folder, spec, precision, "gpu")  # is there, and is what the spec says
    return PlanKey(
        onnx_sha256=graph_sha256(spec, precision, "gpu"),
        runtime=runtime_name(trt),
        gpu=gpu.name,
        compute=f"{gpu.compute[0]}.{gpu.compute[1]}",
        driver=gpu.driver,
        precision=precision,
        input_hw=spec.input_hw,
        profiles=profiles_for(batch),
        flags=("strongly typed", "no TF32", *(("user allocation",) if _user_allocation(trt) is not None else ())),
    )


def _user_allocation(trt: Any) -> Any:
    """TensorRT for RTX may allocate while it runs, which no graph can capture, unless its plan was built with this flag."""
    return getattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION", None)


def build_plan(onnx: Path, key: PlanKey, progress: Progress) -> tuple[bytes, PlanInfo]:
    """Compile the file *onnx* for *key*; blocks for seconds (TensorRT for RTX) to minutes.

    TensorRT for RTX needs no GPU for it. Raises EngineError when TensorRT cannot do it, and when *progress* says so.
    """
    begun = time.monotonic()
    trt, who = tensorrt(), f"{onnx.parent.name} {key.precision.upper()}"
    logger().errors.clear()
    builder = trt.Builder(logger())
    _reported(progress, who, 0.0)
    # Since TensorRT 11 every network is strongly typed, and the flag is to go.
    typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = trt.OnnxParser(network, logger())
    if not parser.parse(onnx.read_bytes()):
        why = _one_line([parser.get_error(i).desc() for i in range(parser.num_errors)] or list(logger().errors))
        raise EngineError(f"{who}: {key.runtime} cannot read {onnx.name} ({why}). Export it with this version of the app.")
    inputs = tuple(_tensor(network.get_input(i)) for i in range(network.num_inputs))
    outputs = tuple(_tensor(network.get_output(i)) for i in range(network.num_outputs))
    shape = (-1, *key.input_hw, 3)
    if [(t.name, t.shape, t.dtype) for t in inputs] != [("crops", shape, "uint8")]:
        raise EngineError(f"{who}: expected one input crops {shape} uint8, got {inputs}. Export it with this version of the app.")
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    if _user_allocation(trt) is not None:
        config.set_flag(_user_allocation(trt))
    if hasattr(config, "set_compute_capability"):  # TensorRT for RTX; the other builds for the GPU that is there
        unserved = _unserved(trt, key.gpu, key.compute)
        if unserved:
            raise EngineError(unserved)
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(trt.ComputeCapability, _sm(key.compute)), 0)
    for shapes in key.profiles:
        profile = builder.create_optimization_profile()
        profile.set_shape("crops", *((n, *shape[1:]) for n in (shapes.smallest, shapes.tuned, shapes.largest)))
        if config.add_optimization_profile(profile) < 0:
            raise EngineError(f"{who}: {key.runtime} refuses batches {shapes} ({_one_line(list(logger().errors))}).")
    monitor = _make_monitor(trt, lambda share: progress(f"building {who}", _PARSED + (1 - _PARSED) * share))
    config.progress_monitor = monitor
    with _timings_kept(config, key):
        serialised = builder.build_serialized_network(network, config)
    if monitor.error is not None:
        raise monitor.error
    if monitor.cancelled:
        raise EngineError(f"{who}: building cancelled.")
    if serialised is None:
        raise EngineError(f"{who}: {key.runtime} cannot build it ({_one_line(list(logger().errors))}).")
    content = bytes(serialised)
    info = PlanInfo(key, sha256(content), len(content), inputs, outputs, time.monotonic() - begun)
    return content, info


@contextlib.contextmanager
def _timings_kept(config: Any, key: PlanKey) -> Iterator[None]:
    """What the full TensorRT measures of its kernels is kept between builds, by GPU and version; RTX measures nothing."""
    if hasattr(config, "set_compute_capability") or not hasattr(config, "create_timing_cache"):
        yield
        return
    path = default_cache_dir() / f"{_card(key.gpu)}.{re.sub(r'[^0-9.]', '', key.runtime)}.timings"
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
            except BaseException as error:
                self.cancelled, self.error = True, error
            return not self.cancelled

        def phase_finish(self, phase_name: str) -> None:
            self.share.finish(phase_name)

    return Monitor()


def _tensor(tensor: Any) -> Tensor:
    return Tensor(str(tensor.name), tuple(int(n) for n in tensor.shape), str(tensor.dtype).rpartition(".")[2].lower())


def _reported(progress: Progress, who: str, share: float) -> None:
    if not progress(f"building {who}", share):
        raise EngineError(f"{who}: building cancelled.")


def _one_line(messages: Sequence[str]) -> str:
    text = " ".join(str(messages[0]).split()) if messages else "no reason given"
    return text if len(text) <= 200 else f"{text[:199]}…"


# --- the files ------------------------------------------------------------------------------------------------


def default_cache_dir() -> Path:
    """Where plans go when the model's folder cannot be written, or is that of a bundled model."""
    return resources.cache_dir("plans")


def plan_path(folder: Path, key: PlanKey, cache_dir: Path | None = None) -> Path:
    """Where the plan for *key* lies: one file for each GPU model, flavour, precision and largest batch."""
    flavour = "rtx" if key.runtime.startswith("TensorRT-RTX") else "trt"
    return plans_dir(folder, cache_dir) / f"{_card(key.gpu)}.{flavour}.{key.precision}.b{key.profiles[-1].largest}.plan"


def _card(gpu: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")


def plans_dir(folder: Path, cache_dir: Path | None = None) -> Path:
    """*folder* where it is the user's and can be written, else one of its own in *cache_dir* (default: the user's)."""
    if not resources.is_read_only(folder) and writable(folder):
        return folder
    mark = sha256(str(folder.resolve()).encode())[:8]  # two stores may have models of one name
    return (cache_dir or default_cache_dir()) / f"{folder.name}-{mark}"


def jit_path(plan: Path) -> Path:
    """What TensorRT for RTX compiled of *plan* when it ran, beside it."""
    return plan.with_name(f"{plan.name}.jit")


def info_path(plan: Path) -> Path:
    """The JSON beside *plan*."""
    return plan.with_name(f"{plan.name}.json")


def stale_because(path: Path, key: PlanKey) -> str:
    """Why the plan at *path* cannot serve *key*, in one line; "" when it can."""
    try:
        info = PlanInfo.read(info_path(path))
    except FileNotFoundError:
        return f"{info_path(path).name} is missing" if path.exists() else "there is none yet"
    except OSError as error:
        return f"{info_path(path).name} cannot be read ({error.strerror})"
    except EngineError:
        return f"{info_path(path).name} is damaged"
    changed = _changed(info.key, key)
    if changed:
        return changed
    if info.rejected:
        return info.rejected
    try:
        size = path.stat().st_size
        if size != info.plan_bytes:
            return f"it is truncated (expected {info.plan_bytes} bytes, got {size})"
        found = sha256_file(path)
    except FileNotFoundError:
        return "the file is gone"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return "" if found == info.plan_sha256 else f"it is damaged (expected SHA-256 {info.plan_sha256[:8]}…, got {found[:8]}…)"


_CHANGED = {
    "onnx_sha256": "the model changed",
    "runtime": "TensorRT changed",
    "gpu": "the GPU changed",
    "compute": "the compute capability changed",
    "driver": "the driver changed",
    "precision": "the precision changed",
    "input_hw": "the input size changed",
    "profiles": "the shape profile changed",
    "flags": "the builder flags changed",
}


def _changed(was: PlanKey, wanted: PlanKey) -> str:
    for field, text in _CHANGED.items():
        before, now = getattr(was, field), getattr(wanted, field)
        if before != now:
            return f"{text} from {_short(before)} to {_short(now)}"
    return ""


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_short(v) for v in value) or "none"
    if isinstance(value, Shapes):
        return f"{value.smallest}–{value.largest} tuned for {value.tuned}"
    text = str(value)
    return f"{text[:8]}…" if len(text) == 64 else text


def is_fresh(folder: Path, spec: ModelSpec, precision: Precision, batch: int = MAX_BATCH) -> bool:
    """Whether a plan for this machine's GPU is there, so that loading takes a moment. False where none can be built."""
    gpu = find_gpu()
    if isinstance(gpu, str) or tensorrt() is None:
        return False
    key = make_key(folder, spec, precision, batch, gpu)
    return not stale_because(plan_path(folder, key), key)


def ensure_plan(
    folder: Path,
    spec: ModelSpec,
    precision: Precision,
    batch: int,
    gpu: Gpu,
    *,
    progress: Progress,
    accepts: Callable[[bytes], bool],
    rebuild: bool = False,
    cache_dir: Path | None = None,
) -> Plan:
    """The plan for *gpu*: the one that is there when it is good, else a new one, written under its name at once.

    *accepts* tries to deserialise; a plan it refuses is built again. *rebuild* builds in any case. One process builds
    on a GPU at a time, and others wait for it and take what it made. Raises EngineError when it cannot be built or written,
    when *progress* cancels, and when this very plan was rejected before (building it again would take as long to fail).
    """
    key = make_key(folder, spec, precision, batch, gpu)
    path = plan_path(folder, key, cache_dir)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(_lock_file(key, cache_dir), f"{spec.name} {precision.upper()}", progress):
            reason = "asked for" if rebuild else stale_because(path, key)
            if not reason:
                content, info = path.read_bytes(), read_info(path)
                if accepts(content):
                    return Plan(path, info, content, "")
                if info.refused:
                    raise EngineError(f"{info.refused} {_again(spec, precision)}")
                reason = f"{key.runtime} refuses it"
            elif not rebuild and (rejected := _rejected(path, key)):
                raise EngineError(f"{rejected} {_again(spec, precision)}")
            log.info("%s: building the plan: %s", path.name, reason)
            heard: Progress = lambda text, share: progress(f"{text}: {reason}", share)  # noqa: E731
            content, info = build_plan(model_file(folder, spec, precision, "gpu"), key, heard)
            jit_path(path).unlink(missing_ok=True)  # kernels of the plan that was there
            atomic_write(path, content)
            atomic_write(info_path(path), info.to_json().encode())
            if not accepts(content):
                said = f" ({last_word()})" if last_word() else ""
                refused = printable(f"{spec.name}: {key.runtime} cannot load the plan it built for the {key.gpu}{said}.")
                atomic_write(info_path(path), dataclasses.replace(info, refused=refused).to_json().encode())
                raise EngineError(refused)
            return Plan(path, info, content, reason)
    except OSError as error:
        why = error.strerror or str(error)
        raise EngineError(f"{path}: the plan cannot be written or read ({why}). Free some space, or mend the folder.") from None


def _again(spec: ModelSpec, precision: Precision) -> str:
    return f"Build it again with: poseapp models build {spec.name} --precision {precision}"


def read_info(path: Path) -> PlanInfo:
    """The JSON beside the plan at *path*. Raises OSError and EngineError as ``PlanInfo.read`` does."""
    return PlanInfo.read(info_path(path))


def record_verified(plan: Plan, difference_px: float) -> None:
    """Write down how far the plan is from ONNX Runtime, so that it is measured once."""
    atomic_write(info_path(plan.path), dataclasses.replace(plan.info, difference_px=difference_px).to_json().encode())


def reject(plan: Plan, reason: str) -> None:
    """Throw the plan away, and keep why."""
    plan.path.unlink(missing_ok=True)
    atomic_write(info_path(plan.path), dataclasses.replace(plan.info, rejected=reason).to_json().encode())


def _rejected(path: Path, key: PlanKey) -> str:
    """Why a plan for exactly *key* was thrown away; "" when none was."""
    try:
        info = read_info(path)
    except (OSError, EngineError):
        return ""
    return info.rejected if info.key == key else ""


@dataclass(frozen=True)
class Pruned:
    """A file that was removed, its size, and why."""

    path: Path
    nbytes: int
    because: str


def prune(
    folders: Sequence[tuple[Path, ModelSpec | None]], gpu: Gpu | None, everything: bool = False, cache_dir: Path | None = None
) -> list[Pruned]:
    """Remove plans of these model folders, and of the cache, that nothing can use any more.

    Old are plans of a model that changed, of another TensorRT, GPU or driver than *gpu* and what is installed (None: they
    cannot be told and stay), plans without their JSON, and leftovers of builds that were killed. *everything* removes all.
    """
    cache = cache_dir or default_cache_dir()
    trt = tensorrt()
    runtime = runtime_name(trt) if trt is not None else None
    removed: list[Pruned] = []
    known = {plans_dir(folder, cache): (folder, spec) for folder, spec in folders}
    known.update({folder: (folder, spec) for folder, spec in folders})
    for place in sorted({*known, *(p for p in cache.glob("*") if p.is_dir())}):
        folder, spec = known.get(place, (None, None))
        for path in sorted(
            {*place.glob("*.plan"), *place.glob("*.plan.json"), *place.glob("*.plan.jit"), *place.glob("*.plan*.tmp")}
        ):
            plan = path if path.suffix == ".plan" else path.with_name(path.name.partition(".plan")[0] + ".plan")
            because = "all were to go" if everything else _old_because(path, plan, folder, spec, gpu, runtime)
            if because:
                with contextlib.suppress(OSError):
                    nbytes = path.stat().st_size
                    path.unlink()
                    removed.append(Pruned(path, nbytes, because))
    return removed


def _old_because(
    path: Path, plan: Path, folder: Path | None, spec: ModelSpec | None, gpu: Gpu | None, runtime: str | None
) -> str:
    if path.suffix == ".tmp":
        try:
            old = time.time() - path.stat().st_mtime > 3600  # younger than an hour: it may be in the making
        except OSError:
            return ""
        return "left over from a build that did not end" if old else ""
    try:
        info = read_info(plan)
    except (OSError, EngineError):
        return "nothing says what it was made for"
    if not plan.exists() and not info.rejected:
        return "its plan is gone"
    if folder is None:
        return "its model is gone"
    hashes = {spec.weights_sha256, *spec.variants.values()} if spec is not None else {info.key.onnx_sha256}
    if info.key.onnx_sha256 not in hashes:
        return "its model changed"
    if runtime is not None and info.key.runtime != runtime:
        return f"made by {info.key.runtime}, {runtime} is installed"
    if gpu is not None and (info.key.gpu, info.key.driver) != (gpu.name, gpu.driver):
        return f"made for {info.key.gpu} with driver {info.key.driver}"
    return ""


def _lock_file(key: PlanKey, cache_dir: Path | None) -> Path:
    """What whoever builds on the GPU holds: two builds at once would time each other's kernels, and fill its memory."""
    cache = cache_dir or default_cache_dir()
    return (cache if writable(cache, make=True) else Path(tempfile.gettempdir())) / f"{_card(key.gpu)}.lock"


@contextlib.contextmanager
def _only_one(path: Path, who: str, progress: Progress) -> Iterator[None]:
    """Hold the lock at *path*, which the system gives back when a process dies; waiting can be cancelled."""
    with path.open("a+b") as file:
        while not try_lock(file):
            if not progress(f"{who}: another process is building", 0.0):
                raise EngineError(f"{who}: building cancelled.")
            time.sleep(0.1)
        try:
            yield
        finally:
            unlock(file)
