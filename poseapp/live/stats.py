"""Rates, latencies and drops of a running session."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import psutil

STAGES = ("wait", "detect", "crop", "inference", "decode", "draw", "encode", "total")
RATES = ("capture", "inference", "display", "recording")
WINDOW_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Figures of the last three seconds, by the names in RATES and STAGES.

    ``fps`` is events a second by rate. ``ms`` is (p50, p95) by stage, without the stages that are not known yet. ``drops`` counts
    frames since the session began, by rate. ``cpu_percent`` is the processor time of this process, 100 for each busy core.
    """

    fps: Mapping[str, float] = field(default_factory=dict)
    ms: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)
    cpu_percent: float = 0.0
    memory_mb: float = 0.0


class Stats:
    """Collects from all threads; every method is safe to call from any of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticks: dict[str, deque[float]] = {name: deque(maxlen=1024) for name in RATES}
        self._samples: dict[str, deque[tuple[float, float]]] = {name: deque(maxlen=1024) for name in STAGES}
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only sets the starting point
        self._usage = (0.0, 0.0, 0.0)  # when, CPU %, MB

    def tick(self, rate: str) -> None:
        """One more event of *rate*, now."""
        now = time.monotonic()
        with self._lock:
            self._ticks[rate].append(now)

    def add(self, stage: str, ms: float) -> None:
        """*stage* took *ms*."""
        now = time.monotonic()
        with self._lock:
            self._samples[stage].append((now, ms))

    def add_all(self, stage_ms: Mapping[str, float]) -> None:
        """Several stages at once."""
        for stage, ms in stage_ms.items():
            self.add(stage, ms)

    def restart(self) -> None:
        """Begin the stage times anew: those that come now are another engine's. Rates and drops go on."""
        with self._lock:
            for samples in self._samples.values():
                samples.clear()

    def snapshot(self, drops: Mapping[str, int]) -> Snapshot:
        """The figures of the last three seconds; CPU and memory are asked of the system twice a second at most."""
        now = time.monotonic()
        with self._lock:
            fps = {name: rate_of(ticks, now) for name, ticks in self._ticks.items()}
            recent = {name: [ms for t, ms in samples if now - t <= WINDOW_S] for name, samples in self._samples.items()}
            if now - self._usage[0] > 0.5:
                # The cores this process keeps busy, in percent of one core.
                self._usage = (now, self._process.cpu_percent(), self._process.memory_info().rss / 2**20)
            _, cpu, memory = self._usage
        ms = {name: _p50_p95(values) for name, values in recent.items() if values}
        return Snapshot(fps=fps, ms=ms, drops=dict(drops), cpu_percent=cpu, memory_mb=memory)


def rate_of(ticks: deque[float], now: float) -> float:
    """Events a second in the last three seconds before *now*; *ticks* are when they were, s."""
    recent = [t for t in ticks if now - t <= WINDOW_S]
    if len(recent) < 2:
        return 0.0
    # From the first tick to now, so that a source that stopped falls to zero instead of standing still.
    return (len(recent) - 1) / max(recent[-1] - recent[0], now - recent[0] - 1.0, 0.5)


def _p50_p95(values: list[float]) -> tuple[float, float]:
    p50, p95 = np.percentile(values, (50, 95))
    return float(p50), float(p95)
