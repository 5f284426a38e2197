"""An exercise of the user's own: an angle, and its degrees at the start and at the turning point, marked in the picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from poseapp.core.angles import ANGLES
from poseapp.core.repetitions import Exercise, marked
from poseapp.review.own_exercises import LONGEST_NAME, name_problem
from poseapp.ui.angle_list import LISTED, angle_title, part_of
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.widgets import describe, label

NAME = "My own exercise"
HOW = "Mark the angle at the start, then at the turn. Space stops the picture for it."
UNSEEN = "This angle is not seen now. Choose another, or turn to the camera."
TOO_CLOSE = "The two marks must be at least 10° apart. Mark one of them again."


class OwnExercise(QWidget):
    """The angle and the two marks. ``changed`` tells the exercise when both are there, and None when another angle is chosen."""

    changed = Signal(object)  # Exercise or None
    kept = Signal(object)  # the Exercise with the name that the user gave it

    def __init__(self) -> None:
        super().__init__()
        self._values: Mapping[str, float] = {}
        self._marks: dict[str, float] = {}
        self.exercise: Exercise | None = None
        self.angle = ComboBox()
        describe(self.angle, "Angle of the exercise", "The angle that goes up and down in it")
        for name in (angle.name for angle in ANGLES if part_of(angle.name) in LISTED):
            self.angle.addItem(angle_title(name), name)
        self.angle.setCurrentIndex(self.angle.findData("left_knee"))
        self.angle.activated.connect(lambda _row: self._begin_again())
        self.buttons = {"start": QPushButton(), "turn": QPushButton()}
        self.name, self.keep = QLineEdit(), QPushButton("Keep")
        self.name.setPlaceholderText("Name, to keep it")
        self.name.setMaxLength(LONGEST_NAME)
        describe(self.name, "Name of the exercise", "Type a name to keep the exercise for next time")
        describe(self.keep, "Keep the exercise", "Keep the exercise under this name: it is in the list from now on")
        self.keep.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.keep.clicked.connect(self._keep)
        self.name.returnPressed.connect(self._keep)
        self._of_name = QWidget()
        named = QHBoxLayout(self._of_name)
        named.setContentsMargins(0, 0, 0, 0)
        named.setSpacing(6)
        named.addWidget(self.name, 1)
        named.addWidget(self.keep)
        self.hint = label(HOW, "small")
        self.hint.setWordWrap(True)
        marks = QHBoxLayout()
        marks.setSpacing(6)
        for mark, button in self.buttons.items():
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _on=False, mark=mark: self._mark(mark))
            marks.addWidget(button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.angle)
        layout.addLayout(marks)
        layout.addWidget(self._of_name)
        layout.addWidget(self.hint)
        self._show(HOW)

    def in_order(self) -> list[QWidget]:
        """What can be used, from top to bottom."""
        return [self.angle, *self.buttons.values(), self.name, self.keep]

    def show_values(self, values: Mapping[str, float] | None) -> None:
        """The angles of the person, in degrees by name: what a mark takes."""
        self._values = values or {}

    def _keep(self) -> None:
        if self.exercise is None:
            return
        name = " ".join(self.name.text().split())
        problem = name_problem(name)
        if problem:
            text = problem.partition(": ")[2]
            self._show(text[:1].upper() + text[1:])
            return
        kept = replace(self.exercise, name=name)
        self.name.clear()
        self._begin_again()
        self.kept.emit(kept)

    def _begin_again(self) -> None:
        self._marks = {}
        self.exercise = None
        self._show(HOW)
        self.changed.emit(None)

    def _mark(self, mark: str) -> None:
        name = self.angle.currentData()
        value = self._values.get(name, math.nan)
        if math.isnan(value):
            self._show(UNSEEN)
            return
        self._marks[mark] = value
        if len(self._marks) < 2:
            self._show(HOW)
            return
        try:
            self.exercise = marked(NAME, name, self._marks["start"], self._marks["turn"])
        except ValueError:  # the marks are too close
            self._show(TOO_CLOSE)
            return
        self._show("")
        self.changed.emit(self.exercise)

    def _show(self, hint: str) -> None:
        for mark, button in self.buttons.items():
            value = self._marks.get(mark)
            button.setText(f"Mark {mark}" if value is None else f"{mark.capitalize()} {round(value)}°")
            describe(button, f"Mark the {mark}", f"Takes the angle as it is now as the {mark} of the exercise")
        self._of_name.setVisible(self.exercise is not None)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
