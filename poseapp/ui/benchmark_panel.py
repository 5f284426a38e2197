"""The benchmark panel: live plots, and a benchmark of fixed scenarios to copy and save."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QStackedWidget,
    QTabBar,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from poseapp.bench.pipeline import BenchmarkReport, Measurement, run_benchmark
from poseapp.live.status import Status
from poseapp.ui.bridge import Jobs
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.widgets import Elided, describe, icon_button, label, paint_icon

if TYPE_CHECKING:
    from poseapp.ui.plots import LivePlots

BENCH_SECONDS = 5.0
RUN_TIP = "Measures three fixed scenarios with warm-up; the live view waits meanwhile"
COLUMNS = ("", "fps", "total p50", "total p95", "inference", "own work", "first pose", "dropped", "CPU", "memory")


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


class BenchmarkPanel(QDockWidget):
    """A dock with two pages: Live, and Benchmark."""

    run_asked = Signal()
    cancel_asked = Signal()
    copy_asked = Signal(str)
    save_asked = Signal(str)

    def __init__(self) -> None:
        super().__init__("Benchmark panel")
        self.setObjectName("benchmarkPanel")
        self._theme = DARK
        self.plots: LivePlots | None = None
        self.report: BenchmarkReport | None = None
        self._tabs = QTabBar()
        self._tabs.addTab("Live")
        self._tabs.addTab("Benchmark")
        self._tabs.setDrawBase(False)
        self._tabs.setExpanding(False)
        self._tabs.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        describe(self._tabs, "Pages", "Live plots, or a benchmark of fixed scenarios")
        self._close = icon_button("panelClose", "Close the panel (B)")
        self._close.clicked.connect(self.close)
        bar = QWidget()
        bar.setObjectName("panel")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(bar)
        row.setContentsMargins(12, 6, 8, 2)
        self.backend = Elided("", "muted")
        self.backend.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._tabs)
        row.addWidget(self.backend, 1)
        row.addWidget(self._close)
        self.setTitleBarWidget(bar)
        self._live = QScrollArea()
        self._live.setWidgetResizable(True)
        self._live.setFrameShape(QFrame.Shape.NoFrame)
        self._live.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.page = BenchmarkPage()
        self.page.run.clicked.connect(self._run_clicked)
        self.page.copy.clicked.connect(self._copy_clicked)
        self.page.save.clicked.connect(self._save_clicked)
        self._pages = QStackedWidget()
        self._pages.addWidget(self._live)
        self._pages.addWidget(self.page)
        self._tabs.currentChanged.connect(self._pages.setCurrentIndex)
        body = QWidget()
        body.setObjectName("panel")
        body.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        layout = QVBoxLayout(body)
        layout.setContentsMargins(12, 4, 12, 12)
        layout.addWidget(self._pages)
        self.setWidget(body)
        self.visibilityChanged.connect(self._shown)

    def show_page(self, name: str) -> None:
        """Show "live" or "benchmark"."""
        self._tabs.setCurrentIndex(0 if name == "live" else 1)

    def show_status(self, status: Status) -> None:
        """Add the figures of *status* to the plots; another model or backend starts them anew."""
        runs = f"{status.model} · {status.backend}" if status.backend is not None else ""
        if runs != self.backend.full_text() and status.state != "starting":
            self.backend.set_text(runs)
            if self.plots is not None:
                self.plots.restart()
        if self.plots is not None:
            self.plots.add(status.stats)

    def show_progress(self, share: float, what: str) -> None:
        """A benchmark is running."""
        self.page.show_progress(share, what)

    def show_report(self, report: BenchmarkReport) -> None:
        """Show the outcome."""
        self.report = report
        self.page.show_report(report)

    def show_ended(self) -> None:
        """No benchmark is running any more."""
        self.page.show_ended()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        paint_icon(self._close, "close", theme.muted)
        if self.plots is not None:
            self.plots.set_theme(theme)

    def _shown(self, visible: bool) -> None:
        if visible and self.plots is None:
            from poseapp.ui.plots import LivePlots

            self.plots = LivePlots()
            self.plots.set_theme(self._theme)
            self._live.setWidget(self.plots)

    def _copy_clicked(self) -> None:
        if self.report is not None:
            self.copy_asked.emit(self.report.table())

    def _save_clicked(self) -> None:
        if self.report is not None:
            self.save_asked.emit(self.report.to_json())

    def _run_clicked(self) -> None:
        if self.page.running:
            self.cancel_asked.emit()
        else:
            self.run_asked.emit()


class BenchmarkPage(QWidget):
    """The button, the progress and the table."""

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.run = QPushButton("Run benchmark")
        self.run.setProperty("role", "primary")
        describe(self.run, "Run benchmark", RUN_TIP)
        self.copy, self.save = QPushButton("Copy table"), QPushButton("Save JSON…")
        describe(self.copy, "Copy table", "Copy the figures as text")
        describe(self.save, "Save JSON", "Save the figures and what was measured on")
        for button in (self.run, self.copy, self.save):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(180)
        self._about = "Measures three fixed scenarios at 1280 × 720. It takes about 20 s; the live view waits meanwhile."
        self.text = Elided(self._about, "muted")
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setShowGrid(False)
        self.table.setWordWrap(False)
        self.table.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        describe(self.table, "Figures", "What the benchmark measured, a scenario a line")
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(True)  # not the first: it would be the names that a small window cuts
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        header.setHighlightSections(False)
        self.empty = label("No benchmark yet: the figures of this machine appear here.", "muted")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self.table)
        row = QHBoxLayout()
        row.setSpacing(10)
        row.addWidget(self.run)
        row.addWidget(self.progress)
        row.addWidget(self.text, 1)
        row.addWidget(self.copy)
        row.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(10)
        layout.addLayout(row)
        layout.addWidget(self._stack, 1)
        self.progress.hide()
        self.copy.setEnabled(False)
        self.save.setEnabled(False)

    def show_progress(self, share: float, what: str) -> None:
        """A benchmark is running."""
        self.running = True
        self.run.setText("Cancel")
        describe(self.run, "Cancel the benchmark", "The live view goes on")
        self.progress.setVisible(True)
        self.progress.setValue(round(share * 1000))
        self.text.set_text(what)

    def show_report(self, report: BenchmarkReport) -> None:
        """Fill the table."""
        self.table.setRowCount(len(report.measurements))
        for row, measurement in enumerate(report.measurements):
            for column, text in enumerate(cells(measurement)):
                item = QTableWidgetItem(text)
                side = Qt.AlignmentFlag.AlignLeft if column == 0 else Qt.AlignmentFlag.AlignRight
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        self._stack.setCurrentWidget(self.table)
        self.copy.setEnabled(True)
        self.save.setEnabled(True)
        self._about = f"{report.model} on {report.backend}, {report.machine.get('cpu', '')}"
        self.text.set_text(self._about)

    def show_ended(self) -> None:
        """Back to the button, and to what the table shows."""
        self.running = False
        self.run.setText("Run benchmark")
        describe(self.run, "Run benchmark", RUN_TIP)
        self.progress.hide()
        self.text.set_text(self._about)


def cells(m: Measurement) -> tuple[str, ...]:
    """One line of the table; times in ms where no unit stands."""
    total, inference = m.ms.get("total", (0.0, 0.0)), m.ms.get("inference", (0.0, 0.0))
    return (
        m.scenario,
        f"{m.fps:.1f}",
        f"{total[0]:.1f} ms",
        f"{total[1]:.1f} ms",
        f"{inference[0]:.1f} ms",
        f"{m.overhead_ms:.2f} ms",
        f"{m.first_pose_s:.2f} s",
        str(m.drops.get("capture", 0) + m.drops.get("recording", 0)),
        f"{m.cpu_percent:.0f} %",
        f"{m.memory_mb:.0f} MB",
    )
