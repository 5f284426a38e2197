"""TensorRT's plans as files: what a plan was built for, whether it can still be used, and which plans can be removed.

A plan is the network compiled for one GPU and one version of everything below it. It lies beside the model (in the
user's cache where that cannot be written), with a JSON of the same name that says what the plan was made for: ``PlanKey``.
A plan is used when its key is the requested one, its file has not changed, and TensorRT accepts it. Otherwise it is built
again, with the reason in one line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseapp import resources
from poseapp.core.errors import EngineError
from poseapp.core.files import atomic_write, sha256, sha256_file, writable
from poseapp.core.json_files import Fields, parse_json, read_json
from poseapp.core.spec import PRECISIONS, ModelSpec, Precision
from poseapp.engine.driver import Gpu, find_gpu
from poseapp.engine.model_folder import ModelFolder, graph_sha256
from poseapp.engine.tensorrt.library import INSTALL, runtime_name, tensorrt, user_allocation

MAX_BATCH = 8


@dataclass(frozen=True)
class Shapes:
    """The range of batch sizes that a plan can run, and the size that it is tuned for."""

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
    """A plan to run: its file, what it was made for, and why it was built just now ("" when it existed)."""

    path: Path
    info: PlanInfo
    content: bytes
    built_because: str


def profiles_for(batch: int) -> tuple[Shapes, ...]:
    """One person is the common case and has a profile of its own, tuned for it."""
    return (Shapes(1, 1, 1),) if batch == 1 else (Shapes(1, 1, 1), Shapes(1, batch, batch))


def precision_for(spec: ModelSpec, requested: str = "auto") -> Precision:
    """The precision to build; "auto" is FP16 where the model has it: the same joints, and faster on every GPU.

    Raises EngineError when *requested* is another word.
    """
    if requested == "auto":
        return "fp16" if "fp16" in spec.variants else "fp32"
    for precision in PRECISIONS:
        if requested == precision:
            return precision
    raise EngineError(f"{spec.name}: precision: expected one of {', '.join(PRECISIONS)}, got {requested!r}.")


@dataclass(frozen=True)
class PlanRequest:
    """A requested plan: of the model in ``folder``, for batches of at most ``batch`` crops on ``gpu``."""

    folder: Path
    spec: ModelSpec
    precision: Precision
    batch: int
    gpu: Gpu

    def __str__(self) -> str:
        return f"{self.spec.name} {self.precision.upper()}"

    def key(self) -> PlanKey:
        """The key of the plan. Raises ModelError when there is no such model, EngineError without TensorRT."""
        spec, precision, gpu, trt = self.spec, self.precision, self.gpu, tensorrt()
        if trt is None:
            raise EngineError(f"{spec.name}: TensorRT is not installed. {INSTALL}.")
        if not 1 <= self.batch <= MAX_BATCH:
            raise EngineError(f"{spec.name}: batch: expected 1 to {MAX_BATCH}, got {self.batch}.")
        ModelFolder(self.folder).graph(spec, precision, "gpu")  # is there, and is what the spec says
        return PlanKey(
            onnx_sha256=graph_sha256(spec, precision, "gpu"),
            runtime=runtime_name(trt),
            gpu=gpu.name,
            compute=f"{gpu.compute[0]}.{gpu.compute[1]}",
            driver=gpu.driver,
            precision=precision,
            input_hw=spec.input_hw,
            profiles=profiles_for(self.batch),
            flags=("strongly typed", "no TF32", *(("user allocation",) if user_allocation(trt) is not None else ())),
        )


def default_cache_dir() -> Path:
    """Where plans go when the model's folder cannot be written, or is that of a bundled model."""
    return resources.cache_dir("plans")


def plan_path(folder: Path, key: PlanKey, cache_dir: Path | None = None) -> Path:
    """Where the plan for *key* lies: one file for each GPU model, flavour, precision and largest batch."""
    flavour = "rtx" if key.runtime.startswith("TensorRT-RTX") else "trt"
    return plans_dir(folder, cache_dir) / f"{card_name(key.gpu)}.{flavour}.{key.precision}.b{key.profiles[-1].largest}.plan"


def card_name(gpu: str) -> str:
    """The name *gpu* of a card, as names of files have it."""
    return re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")


def plans_dir(folder: Path, cache_dir: Path | None = None) -> Path:
    """*folder* when it is the user's and can be written, else a folder for it in *cache_dir* (default: the user's cache)."""
    if not resources.is_read_only(folder) and writable(folder):
        return folder
    mark = sha256(str(folder.resolve()).encode())[:8]  # two stores may have models of one name
    return (cache_dir or default_cache_dir()) / f"{folder.name}-{mark}"


def jit_path(plan: Path) -> Path:
    """The file beside *plan* for the kernels that TensorRT for RTX compiled at run time."""
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
    key = PlanRequest(folder, spec, precision, batch, gpu).key()
    return not stale_because(plan_path(folder, key), key)


def read_info(path: Path) -> PlanInfo:
    """The JSON beside the plan at *path*. Raises OSError and EngineError as ``PlanInfo.read`` does."""
    return PlanInfo.read(info_path(path))


def record_verified(plan: Plan, difference_px: float) -> None:
    """Write down how far the plan is from ONNX Runtime, so that it is measured only once."""
    atomic_write(info_path(plan.path), dataclasses.replace(plan.info, difference_px=difference_px).to_json().encode())


def reject(plan: Plan, reason: str) -> None:
    """Throw the plan away, and keep why."""
    plan.path.unlink(missing_ok=True)
    atomic_write(info_path(plan.path), dataclasses.replace(plan.info, rejected=reason).to_json().encode())


def rejected_earlier(path: Path, key: PlanKey) -> str:
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

    These are plans of a model that changed, plans of another GPU or driver than *gpu* (None: not known, they stay) or of
    another TensorRT than the installed one, plans without their JSON, and leftovers of builds that were killed.
    *everything* removes all plans.
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
