"""The sidebar's section on what is measured: angles or the confidence of joints, and the repetitions of an exercise."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QGroupBox, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from poseapp.core.angles import ANGLES
from poseapp.core.repetitions import EXERCISES, Exercise
from poseapp.core.types import Result
from poseapp.live.repetition_count import RepetitionCount
from poseapp.render import DrawOptions
from poseapp.ui.angle_list import LISTED, AngleList, angle_title, part_of
from poseapp.ui.colours import Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.joint_list import JointList
from poseapp.ui.own_exercise import NAME, OwnExercise
from poseapp.ui.widgets import describe, label, toggle

VIEW = "2D, from this camera’s view"


class MeasureControls(QWidget):
    """Angles, confidence and repetitions of one person; *on_body* is the button that draws angles on the body."""

    exercise_chosen = Signal(str)  # its name, or ""
    confidence_chosen = Signal(bool)  # the joints' confidence is listed, not the angles
    angles_chosen = Signal(object)  # the names of the angles to draw
    exercise_kept = Signal(object)  # an Exercise of the user's own, to be there next time
    exercise_forgotten = Signal(str)  # its name
    counting = Signal(object)  # the Exercise that is counted from zero on, or None
    counted = Signal(str, str)  # the repetitions and the last one's tempo, for the picture; "" for none

    def __init__(self, on_body: QPushButton) -> None:
        super().__init__()
        self.joints, self.angles, self.repetitions = JointList(), AngleList(), RepetitionCount()
        self._threshold = DrawOptions().threshold
        self._view = label(VIEW, "small")
        self._view.setWordWrap(True)
        self._person = label("", "muted")
        self._person.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.show_angles = toggle("Angles", "The angles of joints in degrees")
        self.show_confidence = toggle("Confidence", "How sure the model is of each joint")
        self.joints.hide()
        self.show_angles.setChecked(True)
        self.show_confidence.toggled.connect(self._confidence_toggled)
        self.on_body = on_body
        self.which = QPushButton("Which…")
        describe(self.which, "Angles on the body", "Choose which angles are drawn on the body")
        self.which.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._menu = QMenu(self.which)
        self._choices = {name: self._choice(name) for name in (angle.name for angle in ANGLES) if part_of(name) in LISTED}
        self.which.setMenu(self._menu)
        self.exercise = ComboBox()
        describe(self.exercise, "Exercise to count", "Counts how often the exercise is repeated, with its tempo and depth")
        self.exercise.addItem("No exercise", None)
        for one in EXERCISES:
            self.exercise.addItem(one.name, one)
        self.own = OwnExercise()
        self.own.hide()
        self.own.changed.connect(self._count)
        self.own.kept.connect(self._keep)
        self._own_names: set[str] = set()
        self.forget = QPushButton("Forget")
        describe(self.forget, "Forget the exercise", "Take the exercise that you made out of the list")
        self.forget.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.forget.clicked.connect(self._forget)
        self.forget.hide()
        self.exercise.addItem(NAME, self.own)
        self.exercise.activated.connect(lambda row: self._choose(self.exercise.itemData(row)))
        self.again = QPushButton("Reset")
        describe(self.again, "Reset the count", "Begin to count at zero")
        self.again.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.again.clicked.connect(self._reset)
        self.count, self._detail = label("0", "display"), ElidedLabel("", "muted")
        self._lay_out()
        self._show_count()

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.addWidget(label("MEASURE", "section"))
        head.addWidget(self._person, 1)
        group = QGroupBox()
        describe(group, "Measured values", "What the list shows")
        choice = QHBoxLayout(group)
        choice.setContentsMargins(0, 0, 0, 0)
        choice.setSpacing(6)
        for button in (self.show_angles, self.show_confidence):
            button.setAutoExclusive(True)
            choice.addWidget(button, 1)
        body = QHBoxLayout()
        body.setSpacing(6)
        body.addWidget(self.on_body, 1)
        body.addWidget(self.which)
        self._of_angles = QWidget()
        below = QVBoxLayout(self._of_angles)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(6)
        below.addWidget(self._view)
        below.addLayout(body)
        exercise = QHBoxLayout()
        exercise.setSpacing(6)
        exercise.addWidget(label("Count"))
        exercise.addWidget(self.exercise, 1)
        exercise.addWidget(self.forget)
        self._of_count = QWidget()
        counted = QHBoxLayout(self._of_count)
        counted.setContentsMargins(0, 0, 0, 0)
        counted.setSpacing(8)
        counted.addWidget(self.count)
        counted.addWidget(self._detail, 1)
        counted.addWidget(self.again)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(head)
        layout.addWidget(group)
        layout.addWidget(self.angles, 1000)
        layout.addWidget(self.joints, 1000)
        layout.addWidget(self._of_angles)
        layout.addLayout(exercise)
        layout.addWidget(self.own)
        layout.addWidget(self._of_count)
        layout.addStretch(1)

    def in_order(self) -> list[QWidget]:
        """What can be used, from top to bottom."""
        return [
            self.show_angles,
            self.show_confidence,
            self.on_body,
            self.which,
            self.exercise,
            self.forget,
            *self.own.in_order(),
            self.again,
        ]

    def set_own_exercises(self, exercises: Sequence[Exercise]) -> None:
        """List *exercises* that the user has made, after those of the app."""
        for exercise in exercises:
            self._list(exercise)

    def restore(self, exercise: str, confidence: bool) -> None:
        """Show what was chosen when the app ran last."""
        row = max(self.exercise.findText(exercise), 0) if exercise else 0
        self.exercise.setCurrentIndex(row)
        self._choose_exercise(self.exercise.itemData(row))
        self._offer_to_forget()
        (self.show_confidence if confidence else self.show_angles).setChecked(True)
        self._show_count()

    def set_options(self, options: DrawOptions) -> None:
        """Use the threshold of *options*, and show which angles are drawn."""
        self._threshold = options.threshold
        for shown in (self.joints, self.angles):
            shown.set_threshold(options.threshold)
        for name, choice in self._choices.items():
            choice.setChecked(name in options.angle_names)

    def show_result(self, result: Result) -> None:
        """Show the person of *result*: the one that is held, else the one shown before, else the surest."""
        row = self.joints.show_result(result)
        self.angles.show_result(result, row)
        self.own.show_values(self.angles.values)
        text = "nobody in sight"
        if row is not None:
            text = f"score {100 * float(result.poses.person_score[row]):.0f}"
            if result.mode != "one":
                text = f"person {result.poses.ids[row]} · {text}"
        if self._person.text() != text:
            self._person.setText(text)
        self.repetitions.update(result, row, self._threshold)
        self._show_count()

    def count_anew(self) -> None:
        """What comes next does not follow what was shown before, as after a jump in a recording."""
        self._reset()

    def set_scale(self, sentence: str) -> None:
        """Say the scale of the recording, "" for none."""
        self._view.setText(f"{VIEW}. {sentence}." if sentence else VIEW)

    def describe_values(self) -> None:
        """Tell the values to those who hear the window."""
        self.joints.describe_scores()
        self.angles.describe_angles()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.joints.set_theme(theme)
        self.angles.set_theme(theme)

    def _choice(self, name: str) -> QAction:
        """The entry of the menu for the angle called *name*."""
        choice = self._menu.addAction(angle_title(name))
        choice.setCheckable(True)
        choice.triggered.connect(self._angle_chosen)
        return choice

    def _angle_chosen(self) -> None:
        self.angles_chosen.emit(tuple(name for name, choice in self._choices.items() if choice.isChecked()))

    def _confidence_toggled(self, on: bool) -> None:
        self.joints.setVisible(on)
        self.angles.setVisible(not on)
        self._of_angles.setVisible(not on)
        self.confidence_chosen.emit(on)

    def _choose(self, chosen: Exercise | OwnExercise | None) -> None:
        """Count what the user has chosen: an exercise, that of their own, or none."""
        self.own.setVisible(chosen is self.own)
        self._offer_to_forget()
        self.exercise_chosen.emit(chosen.name if isinstance(chosen, Exercise) else "")
        self._count(self.own.exercise if isinstance(chosen, OwnExercise) else chosen)

    def _list(self, exercise: Exercise) -> int:
        """Put *exercise* into the list, in the place of one of its name; returns the row."""
        row = self.exercise.findText(exercise.name) if exercise.name in self._own_names else -1
        if row < 0:
            row = self.exercise.findData(self.own)  # the one that is made anew stays the last
            self.exercise.insertItem(row, exercise.name, exercise)
            self._own_names.add(exercise.name)
        self.exercise.setItemData(row, exercise)
        return row

    def _keep(self, exercise: Exercise) -> None:
        """*exercise* has a name now: it is in the list, and counted."""
        row = self._list(exercise)
        self.exercise_kept.emit(exercise)
        self.exercise.setCurrentIndex(row)
        self._choose(exercise)

    def _forget(self) -> None:
        row, name = self.exercise.currentIndex(), self.exercise.currentText()
        if name in self._own_names:
            self._own_names.discard(name)
            self.exercise.setCurrentIndex(0)
            self.exercise.removeItem(row)
            self.exercise_forgotten.emit(name)
            self._choose(None)

    def _offer_to_forget(self) -> None:
        self.forget.setVisible(self.exercise.currentText() in self._own_names)

    def _count(self, exercise: Exercise | None) -> None:
        self._choose_exercise(exercise)
        self._show_count()

    def _choose_exercise(self, exercise: Exercise | None) -> None:
        self.repetitions.choose(exercise)
        self.counting.emit(exercise)

    def _reset(self) -> None:
        self.repetitions.reset()
        self.counting.emit(self.repetitions.exercise)
        self._show_count()

    def _show_count(self) -> None:
        on = self.repetitions.exercise is not None
        count, detail = (str(self.repetitions.count), self.repetitions.detail()) if on else ("", "")
        if (count, detail, on) != (self.count.text(), self._detail.full_text(), not self._of_count.isHidden()):
            self._of_count.setVisible(on)
            self.count.setText(count)
            self._detail.set_text(detail)
            self.counted.emit(count, detail)
