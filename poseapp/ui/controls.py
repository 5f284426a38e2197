"""The sidebar: source, model, people, view, the joints' confidence, and what few need under Advanced."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from poseapp.core.types import Result
from poseapp.live.session import Status
from poseapp.render import DrawOptions
from poseapp.ui import icons
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.joints import JointList
from poseapp.ui.model_controls import ModelControls
from poseapp.ui.people_controls import PeopleControls
from poseapp.ui.scroll import ScrollColumn
from poseapp.ui.source_controls import SourceControls
from poseapp.ui.view_controls import ViewControls
from poseapp.ui.widgets import describe, label, rule, toggle

WIDTH = 312


class Controls(QWidget):
    """The whole sidebar; it scrolls where the window is low, and is as wide as its longest text needs."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.source, self.model, self.people, self.view = SourceControls(), ModelControls(), PeopleControls(), ViewControls()
        self.joints = JointList()
        self._person = label("", "muted")
        self._person.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.advanced = Fold("ADVANCED", "Advanced", "Device, precision, latency, affinity fields and the benchmark")
        self.benchmark = toggle("Benchmark panel", "Live plots, and a benchmark to run (B)")
        self._fill_advanced()
        body = QWidget()
        body.setObjectName("sidebarBody")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(16, 12, 16, 8)
        layout.setSpacing(10)
        for section in (self.source, self.model, self.people, self.view):
            layout.addWidget(section)
            layout.addWidget(rule())
        layout.addWidget(self.advanced)
        layout.addWidget(rule())
        head = QHBoxLayout()
        head.addWidget(label("JOINT CONFIDENCE", "section"))
        head.addWidget(self._person, 1)
        joints = QVBoxLayout()
        joints.setSpacing(4)
        joints.addLayout(head)
        joints.addWidget(self.joints, 1000)
        joints.addStretch(1)
        layout.addLayout(joints, 1)
        self.column = ScrollColumn(body, DARK.surface)
        self.column.setMinimumWidth(WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.column)
        self.view.changed.connect(lambda options: self.joints.set_threshold(options.threshold))

    def _fill_advanced(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for row, (name, box) in enumerate((*self.model.advanced, *self.people.advanced)):
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
        source, people, view = self.source, self.people, self.view
        return [
            *(source.box, source.open, source.size_box, source.rate_box, self.model.box),
            *(people.one, people.several, people.slider, people.smooth),
            *(view.threshold, view.mirror, view.labels, view.heatmaps, self.advanced.button),
            *(box for _, box in (*self.model.advanced, *people.advanced)),
            *(view.fields, self.benchmark),
        ]

    def show_status(self, status: Status) -> None:
        """Show what *status* says."""
        for section in (self.source, self.model, self.people, self.view):
            section.show_status(status)
        if QAccessible.isActive():
            self.joints.describe_scores()

    def show_result(self, result: Result) -> None:
        """Show the joints of *result*."""
        shown = self.joints.show_result(result)
        text = "nobody in sight"
        if shown is not None:
            text = f"score {100 * float(result.poses.person_score[shown]):.0f}"
            if result.mode != "one":
                text = f"person {result.poses.ids[shown]} · {text}"
        if self._person.text() != text:
            self._person.setText(text)

    def set_options(self, options: DrawOptions) -> None:
        """Show *options*."""
        self.view.set_options(options)
        self.joints.set_threshold(options.threshold)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.column.set_ground(theme.surface)
        for part in (self.source, self.model, self.people, self.joints, self.advanced):
            part.set_theme(theme)


class Fold(QWidget):
    """A heading that opens and closes what is under it; ``content`` takes the widgets."""

    opened = Signal(bool)

    def __init__(self, text: str, name: str, tip: str) -> None:
        super().__init__()
        self._theme = DARK
        self._tip = tip
        self._name = name
        self.button = QPushButton(text)
        self.button.setProperty("role", "fold")
        self.button.setCheckable(True)
        self.button.setCursor(Qt.CursorShape.PointingHandCursor)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._body = QWidget()
        self.content = QVBoxLayout(self._body)
        self.content.setContentsMargins(0, 0, 0, 2)
        self.content.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.button)
        layout.addWidget(self._body)
        self.button.toggled.connect(self._toggled)
        self._toggled(False)

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.button.isChecked()

    def set_open(self, on: bool) -> None:
        """Show the content, or hide it."""
        self.button.setChecked(on)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self._paint()

    def _toggled(self, on: bool) -> None:
        self._body.setVisible(on)
        describe(self.button, f"{self._name}, {'open' if on else 'closed'}", self._tip)
        self._paint()
        self.opened.emit(on)

    def _paint(self) -> None:
        self.button.setIcon(icons.icon("down" if self.is_open else "right", self._theme.muted, 14))
