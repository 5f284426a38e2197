"""The benchmark: the real pipeline on a fixed clip, with warm-up, and a report that can be compared."""

from __future__ import annotations

import json
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

import poseapp
from poseapp.bench.crowd import Crowd
from poseapp.core.errors import ModelError, PoseAppError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray, PoseMode
from poseapp.engine.base import Backend
from poseapp.engine.machine import machine
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session, Status
from poseapp.live.sources import Mode, SyntheticSource, VideoSource
from poseapp.pipeline.modes import check_way, suited_model
from poseapp.render import DrawOptions, annotate

HW = (720, 1280)
CLIP_FRAMES = 24
WARM_UP_S = 1.5
FRAME_PERIOD_S = 0.002  # how often the stand-in for the window looks for a new result
PEOPLE_COUNTS = (1, 2, 5, 10)
ROUNDS = 3  # turns in which the people table measures each case
OVERHEAD_STAGES = ("wait", "crop", "decode", "draw")  # what the app itself adds to the network's time


class ClipSource:
    """A short clip held in memory and played to and fro at *fps*, so that no decoding is measured."""

    live = False

    def __init__(self, images: list[ImageArray], fps: float) -> None:
        self.name, self.requested = "benchmark clip", None  # type: str, Mode | None
        self._images, self._fps, self._count = [*images, *images[-2:0:-1]], fps, 0

    def open(self) -> Mode:
        """Start at the first picture."""
        self._count = 0
        return Mode(self._images[0].shape[1], self._images[0].shape[0], self._fps)

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture; there is no end."""
        self._count += 1
        return self.picture(self._count - 1)

    def picture(self, n: int) -> tuple[ImageArray, float]:
        """The *n*-th picture."""
        return self._images[n % len(self._images)], n / self._fps

    def close(self) -> None:
        """Nothing to give back."""


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


@dataclass(frozen=True)
class Measurement:
    """What one scenario gave. ``ms`` stage → (p50, p95); ``own_ms`` p50 of the app's own work outside the network;
    ``first_pose_s`` from the start of the pipeline to the first person found, 0 when nobody was. ``drops`` are the camera's
    frames that were not looked at ("capture") and the poses that the recorder had no time for ("recording").
    """

    scenario: str
    fps: float
    ms: dict[str, tuple[float, float]]
    overhead_ms: float
    first_pose_s: float
    drops: dict[str, int]
    cpu_percent: float
    memory_mb: float
    people: int
    recorded_fps: float = 0.0


@dataclass(frozen=True)
class BenchmarkReport:
    """A benchmark with all that is needed to compare it with another one."""

    model: str
    weights_sha256: str
    backend: str
    measurements: tuple[Measurement, ...]
    machine: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    when: str = ""

    def table(self) -> str:
        """The figures as a Markdown table with the machine above it."""
        machine = f"{self.machine['cpu']}, {self.machine['cores']} cores, {self.machine['system']}"
        lines = [
            f"{self.model} on {self.backend}; {machine}; clip {HW[1]}×{HW[0]}",
            "",
            (
                "| | fps | recorded fps | total p50 / p95 ms | wait | crop | inference | decode | draw | encode | own work ms "
                "| first pose s | dropped: camera, recorder |"
            ),
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for m in self.measurements:
            total = m.ms.get("total", (0.0, 0.0))
            stages = " | ".join(
                f"{m.ms[s][0]:.2f}" if s in m.ms else "–" for s in ("wait", "crop", "inference", "decode", "draw", "encode")
            )
            recorded = f"{m.recorded_fps:.1f}" if m.recorded_fps else "–"
            dropped = ", ".join(str(m.drops.get(name, 0)) for name in ("capture", "recording"))
            before, after = (
                f"{m.scenario} | {m.fps:.1f} | {recorded} | {total[0]:.1f} / {total[1]:.1f}",
                f"{m.overhead_ms:.2f} | {m.first_pose_s:.2f} | {dropped}",
            )
            lines.append(f"| {before} | {stages} | {after} |")
        return "\n".join(lines)

    def to_json(self) -> str:
        """All figures as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"


def run_benchmark(
    engine_folder: Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    people: PoseMode = "one",
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
    check_way(engine_folder, people)
    spec = ModelSpec.read(suited_model(engine_folder, people)[0] / "model.json")
    measurements, backend = [], None
    for i, scenario in enumerate(SCENARIOS):
        source = ClipSource(images, scenario.fps)
        with _running(engine_folder, device, source, scenario.record, precision, people) as session:

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
def _running(
    engine_folder: Path,
    device: str,
    source: ClipSource,
    record: bool,
    precision: str = "auto",
    people: PoseMode = "one",
) -> Iterator[Session]:
    """A session on *source*, recording to a folder that is thrown away. It waits for an engine that is built first."""
    session = Session(source, engine_folder, device=device, precision=precision, people=people, builds_first=lambda *_: False)
    with tempfile.TemporaryDirectory(prefix="poseapp-bench-", ignore_cleanup_errors=True) as folder:
        try:
            session.start()
            if record:
                session.start_recording(RecordOptions(Path(folder)))
            yield session
        finally:
            session.stop()


def _measure(
    session: Session, scenario: Scenario, seconds: float, tick: Callable[[float, str], None]
) -> tuple[Measurement, Backend]:
    """Take and draw results as the window does, and collect the figures of the time after the warm-up."""
    options, canvas = DrawOptions(), None  # type: DrawOptions, ImageArray | None
    begun = time.monotonic()
    first_result_s = first_pose_s = 0.0
    samples: dict[str, list[float]] = {}
    shown, people, started, next_tick = 0, 0, 0.0, 0.0
    drops_before: dict[str, int] = {}
    cpu_before, recorded_before = 0.0, 0
    while True:
        now = time.monotonic()
        if now > next_tick:
            next_tick = now + 0.05
            state = session.status()
            tick(min(1.0, (now - begun) / (WARM_UP_S + seconds)), state.build.text if state.build is not None else "")
            if state.state == "failed":
                raise PoseAppError(state.message)
        if started and now - started >= seconds:
            break
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
        if not started and time.monotonic() - begun - first_result_s >= WARM_UP_S:
            started, cpu_before = time.monotonic(), _cpu_s()
            state = session.status()
            drops_before, recorded_before = dict(state.stats.drops), _recorded(state)
        if started:
            shown += 1
            people = max(people, len(result.poses))
            for stage, took_ms in {**result.stage_ms, "draw": draw_ms, "total": total_ms}.items():
                samples.setdefault(stage, []).append(took_ms)
    elapsed = time.monotonic() - started
    status = session.status()
    ms = {stage: (float(np.percentile(v, 50)), float(np.percentile(v, 95))) for stage, v in samples.items()}
    if "encode" in status.stats.ms:
        ms["encode"] = status.stats.ms["encode"]
    assert status.backend is not None
    measurement = Measurement(
        scenario.name,
        shown / elapsed,
        ms,
        sum(ms[stage][0] for stage in OVERHEAD_STAGES),
        first_pose_s,
        {name: count - drops_before.get(name, 0) for name, count in status.stats.drops.items()},
        (_cpu_s() - cpu_before) / elapsed * 100,
        status.stats.memory_mb,
        people,
        (_recorded(status) - recorded_before) / elapsed,
    )
    return measurement, status.backend


def _recorded(status: Status) -> int:
    return status.recording.frames if status.recording is not None else 0


@dataclass(frozen=True)
class PeopleRow:
    """What one road costs with *people* people in the picture: p50 of the ms of a frame, and how many were found (median)."""

    way: PoseMode
    people: int
    model: str
    fps: float
    frame_ms: float
    found: int


@dataclass(frozen=True)
class PeopleTable:
    """Both roads with 1, 2, 5 and 10 people; ``missing`` says why a road is left out."""

    rows: tuple[PeopleRow, ...]
    missing: tuple[str, ...]
    machine: dict[str, str]

    @property
    def growth(self) -> dict[str, float]:
        """By road, how much more a frame takes with the most people than with the fewest: 0.15 is 15 %."""
        out: dict[str, float] = {}
        for way in dict.fromkeys(row.way for row in self.rows):
            mine = sorted((row for row in self.rows if row.way == way), key=lambda row: row.people)
            out[way] = mine[-1].frame_ms / mine[0].frame_ms - 1
        return out

    def table(self) -> str:
        """The figures as a Markdown table with the machine above it."""
        lines = [
            f"{self.machine['cpu']}, {self.machine['cores']} cores, {self.machine['system']}; composed clip {HW[1]}×{HW[0]}",
            "",
            "| way | model | people | fps | ms a frame (p50) | found |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
        ]
        lines += [f"| {r.way} | {r.model} | {r.people} | {r.fps:.1f} | {r.frame_ms:.1f} | {r.found} |" for r in self.rows]
        lines += ["", *(f"{way}: {100 * more:+.0f} % from 1 to {max(PEOPLE_COUNTS)} people" for way, more in self.growth.items())]
        return "\n".join([*lines, *self.missing])


def run_people(
    engine_folder: Path,
    clip: Path,
    *,
    device: str = "auto",
    seconds: float = 5.0,
    progress: Callable[[float, str], None] | None = None,
) -> PeopleTable:
    """Measure both roads with 1, 2, 5 and 10 people, cut out of *clip*, as fast as they go and without a budget.

    Each case gets *seconds* of measuring in ROUNDS turns, of which all have one before any has the next: a machine that is slow
    for a while is slow for all of them. A road for which the store lacks something is left out, and the table says so.
    """
    ways: list[PoseMode] = []
    missing: list[str] = []
    several: tuple[PoseMode, ...] = ("top-down", "bottom-up")
    for way in several:
        try:
            check_way(engine_folder, way)
            ways.append(way)
        except ModelError as error:
            missing.append(str(error))
    if not ways:
        return PeopleTable((), tuple(missing), machine())
    crowd = Crowd(clip)
    clips = {people: [crowd.picture(n, people) for n in range(len(crowd))] for people in PEOPLE_COUNTS}
    cases = [(way, people) for way in ways for people in PEOPLE_COUNTS]
    turns: dict[tuple[PoseMode, int], list[_Turn]] = {case: [] for case in cases}
    for i, (way, people) in enumerate(cases * ROUNDS):
        if progress is not None:
            progress(i / (ROUNDS * len(cases)), f"{way}, {people} people")
        source = ClipSource(clips[people], 240.0)
        turns[way, people].append(_measure_people(engine_folder, source, way, device, seconds / ROUNDS))
    rows: list[PeopleRow] = []
    for (way, people), measured in turns.items():
        ms = [ms for turn in measured for ms in turn.frame_ms]
        found = [found for turn in measured for found in turn.found]
        fps = len(ms) / sum(turn.elapsed_s for turn in measured)
        rows.append(PeopleRow(way, people, measured[0].model, fps, float(np.median(ms)), int(np.median(found))))
    return PeopleTable(tuple(rows), tuple(missing), machine())


@dataclass(frozen=True)
class _Turn:
    """What one turn of a case measured: of each frame the ms and the people found, and how long it took."""

    model: str
    frame_ms: list[float]
    found: list[int]
    elapsed_s: float


def _measure_people(engine_folder: Path, source: ClipSource, way: PoseMode, device: str, seconds: float) -> _Turn:
    session = Session(source, engine_folder, device=device, people=way, builds_first=lambda *_: False)
    session.latency_budget_ms = math.inf
    frame_ms: list[float] = []
    found: list[int] = []
    started = 0.0
    model = ""
    try:
        session.start()
        first = 0.0
        while not frame_ms or time.monotonic() - started < seconds:  # one frame at least, however slow the machine is
            result = session.take()
            if result is None:
                status = session.status()
                if status.state == "failed":
                    raise PoseAppError(status.message)
                time.sleep(FRAME_PERIOD_S / 2)
                continue
            first = first or time.monotonic()
            if not started and time.monotonic() - first >= WARM_UP_S:
                started = time.monotonic()
            elif started:
                model = result.model
                frame_ms.append(sum(ms for stage, ms in result.stage_ms.items() if stage != "wait"))
                found.append(len(result.poses))
        elapsed = time.monotonic() - started
    finally:
        session.stop()
    return _Turn(model, frame_ms, found, elapsed)


@dataclass(frozen=True)
class Soak:
    """A long run with a recording: memory in MB at the end of each minute, and what was dropped."""

    memory_mb: tuple[float, ...]
    fps: float
    drops: dict[str, int]
    recorded_frames: int

    @property
    def growth_mb(self) -> float:
        """Growth after the first minute."""
        return self.memory_mb[-1] - self.memory_mb[0]


def run_soak(
    engine_folder: Path, *, minutes: int, device: str = "auto", clip: Path | None = None, said: Callable[[str], None] = print
) -> Soak:
    """Run and record for *minutes*, saying the memory after each; raises PoseAppError when the pipeline fails."""
    options, canvas = DrawOptions(), None  # type: DrawOptions, ImageArray | None
    memory: list[float] = []
    shown = 0
    with _running(engine_folder, device, ClipSource(clip_images(clip), 30.0), record=True) as session:
        begun = time.monotonic()
        next_look = begun
        while len(memory) < minutes:
            if time.monotonic() > next_look:
                next_look = time.monotonic() + 0.5
                status = session.status()
                if status.state == "failed" or (status.recording is not None and status.recording.error):
                    raise PoseAppError(status.message or (status.recording.error if status.recording else ""))
            result = session.take()
            if result is not None:
                canvas = annotate(result, options, canvas)
                session.painted(result, 0.0)
                shown += 1
            else:
                time.sleep(FRAME_PERIOD_S)
            if time.monotonic() - begun >= 60 * (len(memory) + 1):
                memory.append(psutil.Process().memory_info().rss / 2**20)
                said(f"minute {len(memory)}: {memory[-1]:.1f} MB, drops {dict(session.status().stats.drops)}")
        status = session.status()
        fps = shown / (time.monotonic() - begun)
    frames = status.recording.frames if status.recording is not None else 0
    return Soak(tuple(memory), fps, dict(status.stats.drops), frames)


def clip_images(clip: Path | None) -> list[ImageArray]:
    """The clip's pictures at 1280×720."""
    source = VideoSource(clip, loop=True) if clip is not None else SyntheticSource(HW)
    source.open()
    images: list[ImageArray] = []
    try:
        while len(images) < CLIP_FRAMES:
            item = source.read()
            assert item is not None, "a repeated clip has no end"
            image = item[0]
            if image.shape[:2] != HW:
                image = cv2.resize(image, (HW[1], HW[0]), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            images.append(image)
    finally:
        source.close()
    return images


def _cpu_s() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def versions() -> dict[str, str]:
    """What ran."""
    return {
        "poseapp": poseapp.__version__,
        "python": platform.python_version(),
        "opencv": cv2.__version__,
        "pyav": av.__version__,
        "numpy": np.__version__,
    }
