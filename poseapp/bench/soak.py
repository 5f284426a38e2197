"""A long run with a recording: what grows, and what is dropped."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from poseapp.bench.clip import ClipSource, clip_images
from poseapp.bench.pipeline import FRAME_PERIOD_S, running
from poseapp.core.errors import PoseAppError
from poseapp.core.types import ImageArray
from poseapp.live.session import Session
from poseapp.live.status import Status
from poseapp.render import DrawOptions, annotate

MINUTE_S = 60.0
CAMERA_FPS = 30.0
CHECK_PERIOD_S = 0.5  # how often a failure is looked for
MOST_GROWTH_MB, MOST_GROWTH_HANDLES = 10.0, 8  # after the first minute; more than that is no noise
HEAD = (
    "| minute | fps | recorded fps | memory MB | handles | threads | dropped: camera | recorder |",
    "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
)


@dataclass(frozen=True, kw_only=True)
class Minute:
    """One minute of a soak: rates and drops in it, and the memory, the open handles and the threads at its end."""

    number: int
    fps: float
    recorded_fps: float
    memory_mb: float
    handles: int
    threads: int
    dropped_by_camera: int
    dropped_by_recorder: int

    def row(self) -> str:
        """The line of the Markdown table under HEAD."""
        rates = f"{self.fps:.1f} | {self.recorded_fps:.1f} | {self.memory_mb:.1f}"
        counts = f"{self.handles} | {self.threads} | {self.dropped_by_camera} | {self.dropped_by_recorder}"
        return f"| {self.number} | {rates} | {counts} |"


@dataclass(frozen=True)
class Soak:
    """A long run with a recording, minute by minute."""

    minutes: tuple[Minute, ...]

    @property
    def growth_mb(self) -> float:
        """Growth of the memory after the first minute."""
        return self.minutes[-1].memory_mb - self.minutes[0].memory_mb

    @property
    def growth_handles(self) -> int:
        """Growth of the number of handles after the first minute."""
        return self.minutes[-1].handles - self.minutes[0].handles

    def verdict(self) -> str:
        """One line: the rate, what grew, and whether that is too much."""
        count = len(self.minutes)
        fps = sum(minute.fps for minute in self.minutes) / count
        dropped = sum(minute.dropped_by_recorder for minute in self.minutes)
        ran = f"{count} min at {fps:.1f} fps, {dropped} poses dropped by the recorder"
        if count == 1:
            return f"{ran}. One minute shows no growth: give --minutes 2 or more."
        grown = [
            name
            for name, too_much in (
                ("memory", self.growth_mb > MOST_GROWTH_MB),
                ("the number of handles", self.growth_handles > MOST_GROWTH_HANDLES),
            )
            if too_much
        ]
        growth = f"{self.growth_mb:+.1f} MB, {self.growth_handles:+d} handles after the first minute"
        return f"{ran}; {growth}: {' and '.join(grown)} grew too much." if grown else f"{ran}; {growth}: steady."


def run_soak(
    engine_folder: Path, *, minutes: int, device: str = "auto", clip: Path | None = None, on_row: Callable[[str], None] = print
) -> Soak:
    """Run and record for *minutes*; *on_row* gets each line of the table as soon as it is known.

    Raises PoseAppError when the pipeline fails.
    """
    source = ClipSource(clip_images(clip), CAMERA_FPS)
    measured: list[Minute] = []
    with running(engine_folder, device, source, record=True) as session:
        for line in HEAD:
            on_row(line)
        before, begun = session.status(), time.monotonic()
        while len(measured) < minutes:
            shown = _show_until(session, begun + MINUTE_S * (len(measured) + 1))
            status = session.status()
            measured.append(_minute(len(measured) + 1, shown, before, status))
            on_row(measured[-1].row())
            before = status
    return Soak(tuple(measured))


def _show_until(session: Session, end: float) -> int:
    """Take and draw results as the window does until *end*; returns how many were shown."""
    options = DrawOptions()
    canvas: ImageArray | None = None
    shown, next_check = 0, 0.0
    while time.monotonic() < end:
        if time.monotonic() > next_check:
            next_check = time.monotonic() + CHECK_PERIOD_S
            _check(session.status())
        result = session.take()
        if result is None:
            time.sleep(FRAME_PERIOD_S)
            continue
        canvas = annotate(result, options, canvas)
        session.painted(result, 0.0)
        shown += 1
    return shown


def _check(status: Status) -> None:
    error = status.recording.error if status.recording is not None else ""
    if status.state == "failed" or error:
        raise PoseAppError(status.message or error)


def _minute(number: int, shown: int, before: Status, status: Status) -> Minute:
    process = psutil.Process()

    def dropped(name: str) -> int:
        return status.stats.drops.get(name, 0) - before.stats.drops.get(name, 0)

    frames = [one.recording.frames if one.recording is not None else 0 for one in (before, status)]
    return Minute(
        number=number,
        fps=shown / MINUTE_S,
        recorded_fps=(frames[1] - frames[0]) / MINUTE_S,
        memory_mb=process.memory_info().rss / 2**20,
        handles=process.num_handles() if sys.platform == "win32" else process.num_fds(),
        threads=process.num_threads(),
        dropped_by_camera=dropped("capture"),
        dropped_by_recorder=dropped("recording"),
    )
