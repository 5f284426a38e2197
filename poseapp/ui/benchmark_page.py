"""The benchmark's page: the button, the progress and the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from poseapp.bench.report import BenchmarkReport, Measurement
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import describe, label

if TYPE_CHECKING:
    pass


RUN_TIP = "Measures three fixed scenarios. The live view waits"


COLUMNS = ("", "fps", "total p50", "total p95", "inference", "overhead", "first pose", "dropped", "CPU", "memory")


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
        describe(self.save, "Save JSON", "Save the figures, and the machine that they are from")
        for button in (self.run, self.copy, self.save):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.progress = QProgressBar()
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(180)
        self._about = "Measures three fixed scenarios at 1280×720. It takes about 20 s. The live view waits."
        self.text = ElidedLabel(self._about, "muted")
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
        self.empty = label("No benchmark yet. The figures of this machine appear here.", "muted")
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
