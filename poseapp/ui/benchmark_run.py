"""One run of the benchmark on a thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from poseapp.bench.pipeline import run_benchmark
from poseapp.bench.report import BenchmarkReport
from poseapp.ui.jobs import Jobs

if TYPE_CHECKING:
    pass


BENCH_SECONDS = 5.0


class BenchmarkRun(QObject):
    """One run of bench/pipeline.py on a thread; its signals arrive on the UI thread."""

    progress = Signal(float, str)  # share 0..1, what is being measured
    finished = Signal(object)  # BenchmarkReport
    failed = Signal(str)
    ended = Signal()  # after finished, failed or a cancelled run

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._cancelled = threading.Event()
        self.running = False
        self.seconds = BENCH_SECONDS  # for each scenario

    def prepare(self) -> None:
        """A benchmark is about to ``start``: from now on it counts as running, and can be cancelled."""
        self._cancelled.clear()
        self.running = True

    def start(self, folder: Path, device: str, precision: str) -> None:
        """Measure the model in *folder* on *device*, after ``prepare``."""
        cancelled, seconds = self._cancelled, self.seconds

        def work() -> BenchmarkReport:
            return run_benchmark(
                folder,
                device=device,
                precision=precision,
                seconds=seconds,
                progress=self._tell,
                cancelled=cancelled.is_set,
            )

        self._jobs.run("benchmark", work, self._done, self._error)

    def cancel(self) -> None:
        """Stop as soon as possible."""
        self._cancelled.set()

    def _tell(self, share: float, what: str) -> None:
        if not self._cancelled.is_set():
            self.progress.emit(share, what)

    def _done(self, report: BenchmarkReport) -> None:
        self.running = False
        self.finished.emit(report)
        self.ended.emit()

    def _error(self, error: str) -> None:
        self.running = False
        if not self._cancelled.is_set():
            self.failed.emit(error)
        self.ended.emit()
