"""The benchmark: the real pipeline on a fixed clip, with warm-up, and a report that can be compared."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil

from poseapp.bench.clip import ClipSource, clip_images
from poseapp.bench.report import BenchmarkReport, Measurement, versions
from poseapp.core.errors import PoseAppError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray, PoseMode, Result
from poseapp.engine.base import Backend
from poseapp.engine.machine import machine
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest, Status
from poseapp.pipeline.modes import check_mode, suited_model
from poseapp.render import DrawOptions, annotate

WARM_UP_S = 1.5
FRAME_PERIOD_S = 0.002  # how often the stand-in for the window looks for a new result
TICK_PERIOD_S = 0.05  # how often progress is reported, and whether to cancel is asked
OVERHEAD_STAGES = ("wait", "crop", "decode", "draw")  # what the app itself adds to the network's time


@dataclass(frozen=True)
class Scenario:
    """One way of using the app: a source of *fps* frames a second, with or without a recording."""

    name: str
    fps: float
    record: bool


SCENARIOS = (
    Scenario("view, 30 fps camera", 30.0, record=False),
    Scenario("view and record, 30 fps camera", 30.0, record=True),
    Scenario("view and record, 120 fps camera", 120.0, record=True),
)


def run_benchmark(
    engine_folder: Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    mode: PoseMode = "one",
    seconds: float = 5.0,
    clip: Path | None = None,
    progress: Callable[[float, str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> BenchmarkReport:
    """Measure every scenario for *seconds* after a warm-up; blocks, so call it off the UI thread.

    *clip* is a video to take pictures from (default: the synthetic figure). *progress* gets a share 0..1 and what is
    being measured; *cancelled* is asked twenty times a second. Raises PoseAppError when cancelled or when the pipeline
    fails.
    """
    images = clip_images(clip)
    check_mode(engine_folder, mode)
    spec = ModelSpec.read(suited_model(engine_folder, mode)[0] / "model.json")
    measurements, backend = [], None
    for i, scenario in enumerate(SCENARIOS):
        source = ClipSource(images, scenario.fps)
        with running(engine_folder, device, source, scenario.record, precision, mode) as session:

            def tick(share: float, what: str = "", i: int = i, scenario: Scenario = scenario) -> None:
                if cancelled is not None and cancelled():
                    raise PoseAppError("benchmark: cancelled.")
                if progress is not None:
                    progress((i + share) / len(SCENARIOS), what or scenario.name)

            measurement, backend = _measure(session, scenario, seconds, tick)
            measurements.append(measurement)
    assert backend is not None
    return BenchmarkReport(
        spec.name,
        spec.weights_sha256,
        str(backend),
        tuple(measurements),
        machine(),
        versions(),
        datetime.now().astimezone().isoformat(timespec="seconds"),
    )


@contextmanager
def running(
    engine_folder: Path,
    device: str,
    source: ClipSource,
    record: bool,
    precision: str = "auto",
    mode: PoseMode = "one",
) -> Iterator[Session]:
    """A session on *source*, recording to a folder that is thrown away. It waits for an engine that is built first."""
    session = Session(source, ModelRequest(engine_folder, device, precision, mode), builds_first=lambda *_: False)
    with tempfile.TemporaryDirectory(prefix="poseapp-bench-", ignore_cleanup_errors=True) as folder:
        try:
            session.start()
            if record:
                session.start_recording(RecordOptions(folder=Path(folder)))
            yield session
        finally:
            session.stop()


class _Samples:
    """What the results after the warm-up say: stage times, how many were shown, and what the process did meanwhile."""

    def __init__(self, status: Status) -> None:
        self.begun = time.monotonic()
        self._cpu_before, self._recorded_before = _cpu_s(), _recorded(status)
        self._drops_before = dict(status.stats.drops)
        self._ms: dict[str, list[float]] = {}
        self._shown = self._person_count = 0

    def add(self, result: Result, ms: dict[str, float]) -> None:
        """Count *result*, which is drawn; *ms* has the stages that it does not know itself."""
        self._shown += 1
        self._person_count = max(self._person_count, len(result.poses))
        for stage, took_ms in {**result.stage_ms, **ms}.items():
            self._ms.setdefault(stage, []).append(took_ms)

    def measurement(self, scenario: Scenario, first_pose_s: float, status: Status) -> Measurement:
        """The figures from the beginning to *status*, which is taken now."""
        elapsed = time.monotonic() - self.begun
        ms = {stage: (float(np.percentile(v, 50)), float(np.percentile(v, 95))) for stage, v in self._ms.items()}
        if "encode" in status.stats.ms:
            ms["encode"] = status.stats.ms["encode"]
        return Measurement(
            scenario=scenario.name,
            fps=self._shown / elapsed,
            ms=ms,
            overhead_ms=sum(ms[stage][0] for stage in OVERHEAD_STAGES),
            first_pose_s=first_pose_s,
            drops={name: count - self._drops_before.get(name, 0) for name, count in status.stats.drops.items()},
            cpu_percent=(_cpu_s() - self._cpu_before) / elapsed * 100,
            memory_mb=status.stats.memory_mb,
            person_count=self._person_count,
            recorded_fps=(_recorded(status) - self._recorded_before) / elapsed,
        )


def _measure(
    session: Session, scenario: Scenario, seconds: float, tick: Callable[[float, str], None]
) -> tuple[Measurement, Backend]:
    """Take and draw results as the window does, and collect the figures of the time after the warm-up."""
    options = DrawOptions()
    canvas: ImageArray | None = None
    begun = time.monotonic()
    first_result_s = first_pose_s = next_tick = 0.0
    samples: _Samples | None = None
    while samples is None or time.monotonic() - samples.begun < seconds:
        now = time.monotonic()
        if now > next_tick:
            next_tick = now + TICK_PERIOD_S
            status = session.status()
            tick(min(1.0, (now - begun) / (WARM_UP_S + seconds)), status.build.text if status.build is not None else "")
            if status.state == "failed":
                raise PoseAppError(status.message)
        result = session.take()
        if result is None:
            time.sleep(FRAME_PERIOD_S)
            continue
        drawing = time.perf_counter()
        canvas = annotate(result, options, canvas)
        draw_ms = (time.perf_counter() - drawing) * 1e3
        session.painted(result, draw_ms)
        total_ms = (time.monotonic() - result.frame.t) * 1e3
        first_result_s = first_result_s or time.monotonic() - begun
        if len(result.poses):
            first_pose_s = first_pose_s or time.monotonic() - begun
        if samples is None and time.monotonic() - begun - first_result_s >= WARM_UP_S:
            samples = _Samples(session.status())
        if samples is not None:
            samples.add(result, {"draw": draw_ms, "total": total_ms})
    status = session.status()
    assert status.backend is not None
    return samples.measurement(scenario, first_pose_s, status), status.backend


def _recorded(status: Status) -> int:
    return status.recording.frames if status.recording is not None else 0


def _cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)
