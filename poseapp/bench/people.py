"""What several people cost, top-down and bottom-up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.bench.clip import HW, ClipSource
from poseapp.bench.crowd import Crowd
from poseapp.bench.pipeline import FRAME_PERIOD_S, WARM_UP_S
from poseapp.bench.report import machine_line
from poseapp.core.errors import ModelError, PoseAppError
from poseapp.core.types import PoseMode
from poseapp.engine.machine import machine
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest
from poseapp.pipeline.modes import check_mode

PEOPLE_COUNTS = (1, 2, 5, 10)
ROUNDS = 3  # turns in which the people table measures each case


@dataclass(frozen=True, kw_only=True)
class PeopleRow:
    """What one mode costs with *person_count* people in the picture.

    ``frame_ms`` is the median of the ms of a frame, ``found`` that of how many people were found.
    """

    mode: PoseMode
    person_count: int
    model: str
    fps: float
    frame_ms: float
    found: int


@dataclass(frozen=True)
class PeopleTable:
    """Both modes with 1, 2, 5 and 10 people; ``missing`` says why a mode is left out."""

    rows: tuple[PeopleRow, ...]
    missing: tuple[str, ...]
    machine: dict[str, str]

    @property
    def growth(self) -> dict[str, float]:
        """By mode, how much more a frame takes with the most people than with the fewest: 0.15 is 15 %."""
        out: dict[str, float] = {}
        for mode in dict.fromkeys(row.mode for row in self.rows):
            mine = sorted((row for row in self.rows if row.mode == mode), key=lambda row: row.person_count)
            out[mode] = mine[-1].frame_ms / mine[0].frame_ms - 1
        return out

    def table(self) -> str:
        """The figures as a Markdown table with the machine above it."""
        lines = [
            f"{machine_line(self.machine)}; composed clip {HW[1]}×{HW[0]}",
            "",
            "| mode | model | people | fps | ms a frame (p50) | found |",
            "| --- | --- | ---: | ---: | ---: | ---: |",
        ]
        lines += [f"| {r.mode} | {r.model} | {r.person_count} | {r.fps:.1f} | {r.frame_ms:.1f} | {r.found} |" for r in self.rows]
        lines += [
            "",
            *(f"{mode}: {100 * more:+.0f} % from 1 to {max(PEOPLE_COUNTS)} people" for mode, more in self.growth.items()),
        ]
        return "\n".join([*lines, *self.missing])


def run_people(
    engine_folder: Path,
    clip: Path,
    *,
    device: str = "auto",
    seconds: float = 5.0,
    progress: Callable[[float, str], None] | None = None,
) -> PeopleTable:
    """Measure both modes with 1, 2, 5 and 10 people, cut out of *clip*, as fast as they go and without a budget.

    Each case gets *seconds* of measuring in ROUNDS turns, of which all have one before any has the next: a machine that is slow
    for a while is slow for all of them. A mode for which the store lacks something is left out, and the table says so.
    """
    modes, missing = _possible_modes(engine_folder)
    if not modes:
        return PeopleTable((), missing, machine())
    crowd = Crowd(clip)
    clips = {people: [crowd.picture(n, people) for n in range(len(crowd))] for people in PEOPLE_COUNTS}
    cases = [(mode, people) for mode in modes for people in PEOPLE_COUNTS]
    turns: dict[tuple[PoseMode, int], list[_Turn]] = {case: [] for case in cases}
    for i, (mode, people) in enumerate(cases * ROUNDS):
        if progress is not None:
            progress(i / (ROUNDS * len(cases)), f"{mode}, {people} people")
        source = ClipSource(clips[people], 240.0)
        turns[mode, people].append(_measure_people(engine_folder, source, mode, device, seconds / ROUNDS))
    rows: list[PeopleRow] = []
    for (mode, people), measured in turns.items():
        ms = [ms for turn in measured for ms in turn.frame_ms]
        row = PeopleRow(
            mode=mode,
            person_count=people,
            model=measured[0].model,
            fps=len(ms) / sum(turn.elapsed_s for turn in measured),
            frame_ms=float(np.median(ms)),
            found=int(np.median([found for turn in measured for found in turn.found])),
        )
        rows.append(row)
    return PeopleTable(tuple(rows), missing, machine())


def _possible_modes(engine_folder: Path) -> tuple[list[PoseMode], tuple[str, ...]]:
    """The modes for several people that the store can serve, and why it cannot serve the others."""
    modes: list[PoseMode] = []
    missing: list[str] = []
    several: tuple[PoseMode, ...] = ("top-down", "bottom-up")
    for mode in several:
        try:
            check_mode(engine_folder, mode)
            modes.append(mode)
        except ModelError as error:
            missing.append(str(error))
    return modes, tuple(missing)


@dataclass(frozen=True)
class _Turn:
    """What one turn of a case measured: of each frame the ms and the people found, and how long it took."""

    model: str
    frame_ms: list[float]
    found: list[int]
    elapsed_s: float


def _measure_people(engine_folder: Path, source: ClipSource, mode: PoseMode, device: str, seconds: float) -> _Turn:
    session = Session(source, ModelRequest(engine_folder, device, mode=mode), builds_first=lambda *_: False)
    session.settings.latency_budget_ms = math.inf
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
