"""The sidebar: source, model, people, view, what is measured, and what few people need."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from poseapp.core.types import Result
from poseapp.live.status import Status
from poseapp.render import DrawOptions
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.fold import Fold
from poseapp.ui.measure_controls import MeasureControls
from poseapp.ui.model_controls import ModelControls
from poseapp.ui.output_controls import OutputControls
from poseapp.ui.picture_controls import PictureControls
from poseapp.ui.pose_controls import PoseControls
from poseapp.ui.scroll_column import ScrollColumn
from poseapp.ui.source_controls import SourceControls
from poseapp.ui.view_controls import ViewControls
from poseapp.ui.widgets import action_toggle, rule

WIDTH = 312


class Sidebar(QWidget):
    """The whole sidebar; it scrolls where the window is low, and is as wide as its longest text needs."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.source, self.model, self.pose, self.view = SourceControls(), ModelControls(), PoseControls(), ViewControls()
        self.picture = PictureControls()
        self.measure = MeasureControls(self.view.angles)
        self.advanced = Fold("ADVANCED", "Advanced", "Device, precision, latency, affinity fields and the benchmark")
        self.benchmark = action_toggle("panel")
        self.outputs = OutputControls()
        self._fill_advanced()
        body = QWidget()
        body.setObjectName("sidebarBody")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(16, 12, 16, 8)
        layout.setSpacing(10)
        layout.addWidget(self.source)
        layout.addWidget(self.picture)
        layout.addWidget(rule())
        for section in (self.model, self.pose, self.view):
            layout.addWidget(section)
            layout.addWidget(rule())
        layout.addWidget(self.measure, 1)  # above what few people need, so that the angles are in sight on a low screen
        layout.addWidget(rule())
        layout.addWidget(self.advanced)
        layout.addWidget(rule())
        layout.addWidget(self.outputs)
        self.column = ScrollColumn(body, DARK.surface)
        self.column.setMinimumWidth(WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.column)
        self.view.changed.connect(self.measure.set_options)
        self.measure.angles_chosen.connect(self.view.choose_angles)

    def _fill_advanced(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for row, (name, box) in enumerate((*self.model.advanced, *self.pose.advanced)):
            caption = QLabel(name)
            caption.setProperty("role", "muted")
            caption.setBuddy(box)
            grid.addWidget(caption, row, 0)
            grid.addWidget(box, row, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.view.fields, 1)
        buttons.addWidget(self.benchmark, 1)
        self.advanced.content.addLayout(grid)
        self.advanced.content.addLayout(buttons)

    def in_order(self) -> list[QWidget]:
        """What can be used, from top to bottom."""
        source, pose, view = self.source, self.pose, self.view
        return [
            *(source.box, source.open, source.size_box, source.rate_box),
            *self.picture.in_order(),
            self.model.box,
            *(pose.one, pose.several, pose.slider, pose.smooth),
            *(view.threshold, view.mirror, view.labels, view.heatmaps, view.blur_faces, view.background),
            *self.measure.in_order(),
            self.advanced.button,
            *(box for _, box in (*self.model.advanced, *pose.advanced)),
            *(view.fields, self.benchmark),
            *self.outputs.in_order(),
        ]

    def show_status(self, status: Status) -> None:
        """Show what *status* says."""
        for section in (self.source, self.picture, self.model, self.pose, self.view):
            section.show_status(status)
        if QAccessible.isActive():
            self.measure.describe_values()

    def show_result(self, result: Result) -> None:
        """Show the person of *result*."""
        self.measure.show_result(result)

    def set_options(self, options: DrawOptions) -> None:
        """Show *options*."""
        self.view.set_options(options)
        self.measure.set_options(options)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.column.set_ground(theme.surface)
        for part in (self.source, self.picture, self.model, self.pose, self.measure, self.advanced, self.outputs):
            part.set_theme(theme)
