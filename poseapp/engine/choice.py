"""The CPU backend and precision that run a model fastest on this machine: timed once, compared with the plain one, and kept."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.json_files import Fields
from poseapp.core.spec import PRECISIONS, ModelSpec
from poseapp.engine import timing_cache
from poseapp.engine.backends import BACKENDS, PLAIN, cpu_backends, unavailable
from poseapp.engine.base import BaseEngine, Progress
from poseapp.engine.comparator import TOLERANCE_PX, distance_px, keypoints_of, sample_crops
from poseapp.engine.machine import available_cores, cpu_name, instruction_sets

log = logging.getLogger(__name__)

CACHE = "choice"  # the folder of the timings
SECONDS_EACH = 0.5
# A later option of the list must be faster than an earlier one by this much: timings vary, and FP32 is exact.
_WORTH_IT = 1.05


@dataclass(frozen=True)
class Option:
    """A way to run a model on the CPU: a backend of ``BACKENDS`` by name, and a precision."""

    runtime: str
    precision: str

    def __str__(self) -> str:
        return f"{BACKENDS[self.runtime].label} {self.precision.upper()}"


# It runs everywhere and is exact: what others are compared with, and what serves where they cannot.
PLAIN_OPTION = Option(PLAIN, "fp32")


@dataclass(frozen=True)
class Timing:
    """What was measured of an option: ``ms`` a crop (median) and ``px``, the mean difference to ONNX Runtime FP32.

    Both are infinite when the option cannot run.
    """

    runtime: str
    precision: str
    ms: float
    px: float

    @property
    def usable(self) -> bool:
        """Whether it runs, and computes what the model does."""
        return math.isfinite(self.ms) and self.px <= TOLERANCE_PX[self.precision.upper()]

    @property
    def disagrees(self) -> str:
        """How far it moves the joints, in one line, when that is too far; "" when it agrees or cannot run."""
        if self.usable or not math.isfinite(self.ms):
            return ""
        most = TOLERANCE_PX[self.precision.upper()]
        return f"{self.option} moves joints by {self.px:.1f} px on this processor, {most:g} is the most, so this is FP32."

    @property
    def option(self) -> Option:
        """The option that was measured."""
        return Option(self.runtime, self.precision)


def options(spec: ModelSpec, precision: str = "auto", device: str = "cpu") -> tuple[Option, ...]:
    """The options for *spec* on *device* ("cpu", or one of its backends) that are installed, the plainest first.

    There is none when *spec* has no file in *precision*.
    """
    installed = [entry for entry in cpu_backends(device) if entry.name == PLAIN or not unavailable(entry.name)]
    offered = [p for p in PRECISIONS if precision in ("auto", p) and (p == "fp32" or spec.variant(p, "cpu"))]
    return tuple(Option(entry.name, p) for p in offered for entry in installed if p in entry.precisions)


def needs_timing(among: Sequence[Option]) -> bool:
    """Whether there is something to choose or to check: what INT8 computes depends on the processor."""
    return len(among) > 1 or any(option.precision != "fp32" for option in among)


def open_option(folder: Path, spec: ModelSpec, option: Option, threads: int = 0) -> BaseEngine:
    """The model in *folder* in an engine; raises ModelError and EngineError as engines do."""
    return BACKENDS[option.runtime].load().open_engine(folder, spec, option.precision, threads, None)


def opens_slowly(folder: Path, spec: ModelSpec, option: Option) -> bool:
    """Whether loading *option* takes a second or longer, because its backend compiles the model first."""
    return BACKENDS[option.runtime].load().builds_first(folder, spec, option.precision)


def fastest(among: Sequence[Option], timings: Sequence[Timing]) -> Option | None:
    """The fastest of *among* that is usable; None when none is, or none was timed."""
    best: Timing | None = None
    for timing in sorted((t for t in timings if t.option in among), key=lambda t: among.index(t.option)):
        if timing.usable and (best is None or timing.ms * _WORTH_IT < best.ms):
            best = timing
    return best.option if best is not None else None


def measure(folder: Path, spec: ModelSpec, among: Sequence[Option], threads: int, progress: Progress) -> tuple[Timing, ...]:
    """Time *among* side by side, half a second each, compare them with ONNX Runtime FP32, and keep the result.

    An option that cannot be loaded is no error: the others run. Raises EngineError when *progress* says to stop.
    """

    def tell(text: str, done: float) -> None:
        if not progress(text, done):
            raise EngineError(f"{spec.name}: the timing of CPU backends was cancelled.")

    crops = sample_crops(spec.input_hw)
    engines: dict[Option, BaseEngine] = {}
    with ExitStack() as stack:
        for i, option in enumerate(among):
            tell(f"Loading {option}", 0.4 * i / len(among))
            with suppress(ModelError):
                engine = open_option(folder, spec, option, threads)
                stack.callback(engine.close)
                for _ in range(2):
                    engine.infer(crops[:1])
                engines[option] = engine
        took: dict[Option, list[float]] = {option: [] for option in engines}
        end, start = time.perf_counter() + SECONDS_EACH * len(engines), time.perf_counter()
        # In turns, so that whatever else the machine does meanwhile slows them all.
        while engines and (time.perf_counter() < end or len(took[next(iter(engines))]) < 3):
            share = min(1.0, (time.perf_counter() - start) / max(1e-9, end - start))
            tell("Timing " + ", ".join(map(str, engines)), 0.4 + 0.4 * share)
            for option, engine in engines.items():
                begun = time.perf_counter()
                engine.infer(crops[:1])
                took[option].append(time.perf_counter() - begun)
        reference = engines.get(PLAIN_OPTION)
        if reference is None:
            reference = stack.enter_context(closing(open_option(folder, spec, PLAIN_OPTION, threads)))
        found_by_reference = keypoints_of(reference, crops)
        timings = []
        for i, (option, engine) in enumerate(engines.items()):
            tell(f"Comparing {option} with {PLAIN_OPTION}", 0.8 + 0.2 * i / len(engines))
            px = 0.0 if option == PLAIN_OPTION else distance_px(keypoints_of(engine, crops), found_by_reference)
            timings.append(Timing(option.runtime, option.precision, float(np.median(took[option])) * 1e3, px))
    cannot = [Timing(o.runtime, o.precision, float("inf"), float("inf")) for o in among if o not in engines]
    result = (*timings, *cannot)
    _write(spec, threads, among, result)
    tell("", 1.0)
    return result


def read(spec: ModelSpec, threads: int, among: Sequence[Option]) -> tuple[Timing, ...] | None:
    """What ``measure`` found out earlier about all of *among*; None when that is not known for this machine."""
    key = _key(spec, threads)
    try:
        content = timing_cache.read(CACHE, key)
        known = tuple(_timing(entry) for entry in content.objects("timings")) if content is not None else ()
    except (OSError, EngineError) as error:
        place = timing_cache.place(CACHE, key)
        log.warning("%s: the timings of CPU backends are damaged (%s) and are measured again.", place, error)
        return None
    return known if content is not None and set(among) <= {t.option for t in known} else None


def _timing(entry: Fields) -> Timing:
    """The timing in *entry*; EngineError where it names what there is not."""
    runtime, precision, ms, px = entry.text("runtime"), entry.text("precision"), entry.number("ms"), entry.number("px")
    known = runtime in BACKENDS and precision in BACKENDS[runtime].precisions
    if not known or not (ms > 0 and px >= 0):
        raise EngineError(f"no timing: {runtime}, {precision}, {ms} ms, {px} px")
    return Timing(runtime, precision, ms, px)


def _write(spec: ModelSpec, threads: int, among: Sequence[Option], measured: Sequence[Timing]) -> None:
    """Keep what was *measured*, beside the known timings of other options; a cache that cannot be written is no error."""
    known = read(spec, threads, ()) or ()
    kept = [t for t in known if t.option not in among]
    timing_cache.keep(CACHE, _key(spec, threads), {"timings": [asdict(t) for t in (*kept, *measured)]})


def _key(spec: ModelSpec, threads: int) -> dict[str, str | int]:
    """All that a timing depends on."""
    return {
        "model": spec.weights_sha256,
        "int8": spec.variants.get(spec.variant("int8", "cpu") or "", ""),
        **{entry.name: "" if unavailable(entry.name) else entry.load().version() for entry in cpu_backends("cpu")},
        "cpu": cpu_name(),
        "instructions": instruction_sets(),
        "threads": threads or available_cores(),
    }
