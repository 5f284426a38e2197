"""The benchmark panel: live plots, and a benchmark of fixed scenarios to copy and save."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDockWidget,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from poseapp.bench.report import BenchmarkReport
from poseapp.live.status import Status
from poseapp.ui.actions import action
from poseapp.ui.benchmark_page import BenchmarkPage
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import describe, icon_button, paint_icon

if TYPE_CHECKING:
    from poseapp.ui.live_plots import LivePlots


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
        self._close = icon_button("panelClose", f"Close the panel ({action('panel').keys[0]})")
        self._close.clicked.connect(self.close)
        bar = QWidget()
        bar.setObjectName("panel")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        row = QHBoxLayout(bar)
        row.setContentsMargins(12, 6, 8, 2)
        self.backend = ElidedLabel("", "muted")
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
            from poseapp.ui.live_plots import LivePlots

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
