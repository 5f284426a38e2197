"""The parts of the window and where they are; main_window.py makes them work together."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QHBoxLayout, QMainWindow, QVBoxLayout, QWidget

from poseapp.ui.banner import Banner
from poseapp.ui.benchmark_panel import BenchmarkPanel
from poseapp.ui.build_progress import BuildProgress, WorkProgress
from poseapp.ui.curve_panel import CurvePanel
from poseapp.ui.header import Header
from poseapp.ui.overlay_stack import OverlayStack
from poseapp.ui.record_bar import RecordBar
from poseapp.ui.saved_notice import SavedNotice
from poseapp.ui.sidebar import Sidebar
from poseapp.ui.transport_bar import TransportBar
from poseapp.ui.video_view import VideoView


class WindowLayout(QMainWindow):
    """Header, picture with its notices, transport, record bar; the sidebar on the right; the benchmark panel below."""

    def __init__(self) -> None:
        super().__init__()
        self.header, self.banner, self.view, self.record_bar = Header(), Banner(), VideoView(), RecordBar()
        self.build_progress, self.saved, self.transport = BuildProgress(), SavedNotice(), TransportBar()
        self.curves = CurvePanel()
        self.analysis_progress = WorkProgress(
            "Stop", "Stop the analysis", "Stop here; what is done stays, and the rest can follow at any time"
        )
        self.sidebar, self.panel = Sidebar(), BenchmarkPanel()
        self._compose()
        self._order_tabs()

    def _compose(self) -> None:
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        self.views = QHBoxLayout()
        self.views.setSpacing(2)
        self.views.addWidget(self.view, 1)
        layout.addLayout(self.views, 1)
        parts = (self.build_progress, self.analysis_progress, self.saved, self.banner)
        self.overlays = OverlayStack(self.view, *parts, passes=lambda part: part is self.banner and self.banner.passes)
        self.overlays.covered.connect(self.view.set_covered)
        self.banner.changed.connect(self.overlays.place)
        layout.addWidget(self.curves)
        layout.addWidget(self.transport)
        layout.addWidget(self.record_bar)
        self.setCentralWidget(centre)
        self.sidebar_dock = QDockWidget("Controls")
        self.sidebar_dock.setObjectName("sidebarDock")
        self.sidebar_dock.setFeatures(QDockWidget.DockWidgetFeature.NoDockWidgetFeatures)
        self.sidebar_dock.setTitleBarWidget(QWidget())
        self.sidebar_dock.setWidget(self.sidebar)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
        self.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.sidebar_dock)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self.panel)
        self.panel.setAllowedAreas(Qt.DockWidgetArea.BottomDockWidgetArea | Qt.DockWidgetArea.LeftDockWidgetArea)
        self.panel.hide()
        self.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.view.setFocus()

    def _order_tabs(self) -> None:
        """Tab goes as one reads: the header, the picture and what is over it, the bar below, the sidebar, the panel."""
        sidebar, bar = self.sidebar, self.record_bar
        chain: list[QWidget] = [
            *self.header.buttons.values(),
            self.view,
            self.build_progress.cancel,
            self.analysis_progress.cancel,
            *self.saved.buttons,
            *self.banner.buttons,
            *self.curves.in_order(),
            *self.transport.in_order(),
            *(bar.record, bar.timer, bar.snapshot, bar.name, bar.open, bar.clean, bar.folder),
            *sidebar.in_order(),
        ]
        for before, after in pairwise(chain):
            self.setTabOrder(before, after)
