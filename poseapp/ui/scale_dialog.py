"""The scale of a recording: by a person's height, or by two points that the user clicks on."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDialog, QDoubleSpinBox, QGridLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from poseapp.core.scale import LEAST_HEIGHT_M, LEAST_M, LEAST_PX, MOST_HEIGHT_M, MOST_M, Point, Scale
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.widgets import describe, label

NONE = "No scale yet: distances are in pixels."
PLANE = "It holds for what is as far from the camera as the person or the two points."
HOW = "Click on two points in the picture."
USUAL_HEIGHT_M, USUAL_DISTANCE_M = 1.75, 1.0


class ScaleDialog(QDialog):
    """Stays beside the picture while the user clicks in it. *people* are their numbers, the one to begin with first."""

    height_given = Signal(float, object)  # m, and whose: a number, or None
    distance_given = Signal(object, object, float)  # two points, frame px, and m
    none_wanted = Signal()
    closed = Signal()

    def __init__(self, people: list[int], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Tool)
        self.setWindowTitle("Scale")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._scale: Scale | None = None
        self.points: list[Point] = []
        self.now = label(NONE)
        self.now.setWordWrap(True)
        self.measured = label(HOW, "muted")
        self.measured.setWordWrap(True)
        self.tall = _metres(LEAST_HEIGHT_M, MOST_HEIGHT_M, USUAL_HEIGHT_M, "Height of the person in m")
        self.distance = _metres(LEAST_M, MOST_M, USUAL_DISTANCE_M, "Distance of the two points in m")
        self.person = ComboBox()
        describe(self.person, "Person", "Whose height it is")
        for number in people:
            self.person.addItem(f"Person {number}", number)
        self.by_height, self.by_points, self.off = QPushButton("Use height"), QPushButton("Use distance"), QPushButton("No scale")
        self.by_height.setDefault(True)
        self.by_height.clicked.connect(lambda: self.height_given.emit(self.tall.value(), self.person.currentData()))
        self.by_points.clicked.connect(lambda: self.distance_given.emit(*self.points, self.distance.value()))
        self.off.clicked.connect(self.none_wanted)
        self._lay_out(len(people) > 1)
        self.show_scale(None)

    def _lay_out(self, several: bool) -> None:
        grid = QGridLayout()
        grid.setSpacing(8)
        grid.setColumnStretch(1, 1)
        grid.addWidget(label("Height"), 0, 0)
        grid.addWidget(self.tall, 0, 1)
        grid.addWidget(self.by_height, 0, 2)
        grid.addWidget(self.person, 1, 1)
        self.person.setVisible(several)
        grid.addWidget(label("Distance"), 2, 0)
        grid.addWidget(self.distance, 2, 1)
        grid.addWidget(self.by_points, 2, 2)
        below = label(PLANE, "small")
        below.setWordWrap(True)
        close = QPushButton("Close")
        close.clicked.connect(self.close)
        buttons = QHBoxLayout()
        buttons.addWidget(self.off)
        buttons.addStretch(1)
        buttons.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 16, 18, 14)
        layout.setSpacing(10)
        layout.addWidget(self.now)
        layout.addLayout(grid)
        layout.addWidget(self.measured)
        layout.addWidget(below)
        layout.addLayout(buttons)
        self.setMinimumWidth(360)

    def show_scale(self, scale: Scale | None) -> None:
        """The recording has *scale*."""
        self._scale = scale
        self.now.setText(f"{scale.sentence}." if scale is not None else NONE)
        self.off.setEnabled(scale is not None)
        self._show_points()

    def click(self, point: Point) -> None:
        """The user has clicked on *point*, frame px: the first of two, or the second; a third begins anew."""
        self.points = [*self.points, point] if len(self.points) < 2 else [point]
        self._show_points()

    def _show_points(self) -> None:
        px = math.dist(*self.points) if len(self.points) == 2 else 0.0
        self.by_points.setEnabled(px >= LEAST_PX)
        if len(self.points) < 2:
            text = "Now the second point." if self.points else HOW
        elif self._scale is None:
            text = f"The two points are {px:.0f} px apart."
        else:
            text = f"The two points are {px:.0f} px apart: {px / self._scale.px_per_m:.3g} m."
        self.measured.setText(text)

    def closeEvent(self, event: QCloseEvent) -> None:
        """The marks go with it."""
        self.closed.emit()
        super().closeEvent(event)

    def reject(self) -> None:
        """Esc closes it, too."""
        self.close()


def _metres(least: float, most: float, usual: float, name: str) -> QDoubleSpinBox:
    """A field for a length."""
    field = QDoubleSpinBox()
    field.setRange(least, most)
    field.setDecimals(3 if most > MOST_HEIGHT_M else 2)
    field.setSingleStep(0.01)
    field.setValue(usual)
    field.setSuffix(" m")
    describe(field, name, name)
    return field
