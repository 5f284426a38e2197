"""Several cameras at once: recorded with one clock, and how far apart in time their pictures are."""

from __future__ import annotations

import bisect
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from poseapp.core.errors import RecordError
from poseapp.live.recording import RecordOptions

if TYPE_CHECKING:
    from poseapp.live.session import Session

FEWEST_TIMES = 5  # of a camera, to say how far it is from another


@dataclass(frozen=True)
class TimeOffset:
    """How long after the pictures of one camera those of another are captured.

    ``median_s`` is from a picture to the nearest one of the other camera, negative where that comes first; half of the pictures
    lie within ``spread_s`` of it. Times are those at which pictures reach this machine: how long each camera takes until then
    is not known without hardware that synchronises them.
    """

    median_s: float
    spread_s: float

    def __str__(self) -> str:
        return f"{1e3 * self.median_s:+.0f} ms, ± {1e3 * self.spread_s:.0f}"


def time_offset(first: Sequence[float], other: Sequence[float]) -> TimeOffset | None:
    """From the capture times of *first* to those of *other*, both growing, s on the same clock; None where there are too few."""
    if len(first) < FEWEST_TIMES or len(other) < FEWEST_TIMES:
        return None
    steps = []
    for t in first:
        if other[0] <= t <= other[-1]:  # beyond, the nearest one is not there yet, or no longer
            at = bisect.bisect_left(other, t)
            steps.append(min((other[i] - t for i in (at - 1, at) if 0 <= i < len(other)), key=abs))
    if len(steps) < FEWEST_TIMES:
        return None
    median = statistics.median(steps)
    return TimeOffset(median, statistics.median(abs(step - median) for step in steps))


def record_together(sessions: Sequence[Session], options: RecordOptions) -> list[Path]:
    """Begin a recording in each of *sessions*, and return their folders; t = 0 is the same moment in all of them.

    Where one cannot begin, none is left, and RecordError says why.
    """
    epoch_t = time.monotonic()
    folders: list[Path] = []
    begun: list[Session] = []
    try:
        for number, session in enumerate(sessions, 1):
            name = f"{options.name} {number} {session.status().source}".strip()
            sound = options.microphone if number == 1 else None  # one recording has the sound of all
            folders.append(session.start_recording(replace(options, name=name, epoch_t=epoch_t, microphone=sound)))
            begun.append(session)
    except RecordError:
        for session in begun:
            session.stop_recording()
        raise
    return folders


def offsets(sessions: Sequence[Session]) -> list[TimeOffset | None]:
    """How far the pictures of each of *sessions* are from those of the first one; each recording notes it down."""
    times = [list(session.capture_times) for session in sessions]
    found = [time_offset(times[0], one) for one in times]
    entries = []
    for session, offset in zip(sessions, found, strict=True):
        recording = session.status().recording
        if recording is not None and recording.active:
            ms = (round(1e3 * offset.median_s, 1), round(1e3 * offset.spread_s, 1)) if offset is not None else (None, None)
            entries.append({"recording": recording.folder.name, "offset_ms": ms[0], "spread_ms": ms[1]})
    for session in sessions if len(entries) == len(sessions) else ():
        session.note_together(entries)
    return found
