"""What a report asks for: whom it is about, what is counted, and what is written on it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QVBoxLayout, QWidget

from poseapp.core.repetitions import EXERCISES, Exercise
from poseapp.render import DrawOptions
from poseapp.review.report import ReportOptions
from poseapp.review.saved_recording import SavedRecording
from poseapp.ui.colours import Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.record_bar import clock
from poseapp.ui.switch import Switch
from poseapp.ui.widgets import describe, label

ABOUT = "One page as a PDF: three stills, curves, ranges and repetitions. 2D, from this camera’s view."
LONGEST_TEXT = 300  # characters; a note has two lines


class ReportDialog(QDialog):
    """Asks about a report on *recording*. ``options`` are what the user has chosen; *draw* is how the window shows people.

    *locked* is the person whom the user holds on to, and *exercise* the one that is counted in the window.
    """

    def __init__(
        self,
        recording: SavedRecording,
        draw: DrawOptions,
        exercise: Exercise | None,
        locked: int | None,
        theme: Theme,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("PDF report")
        self._draw = draw
        self.title, self.note = QLineEdit(), QLineEdit()
        self.title.setText(str(recording.manifest.get("name") or recording.name)[:LONGEST_TEXT])
        for field, name, tip in (
            (self.title, "Title", "Such as the person’s name"),
            (self.note, "Note", "A remark below the title"),
        ):
            field.setMaxLength(LONGEST_TEXT)
            describe(field, name, tip)
        self.title.setPlaceholderText(recording.name)
        self.person = ComboBox()
        describe(self.person, "Person", "Whom the report is about")
        people = seen_longest_first(recording)
        for number, seconds in people:
            self.person.addItem(f"Person {number}, seen for {clock(seconds)}", number)
        self.person.setCurrentIndex(max(0, self.person.findData(locked)))
        self.exercise = ComboBox()
        describe(self.exercise, "Exercise", "Its repetitions are counted")
        self.exercise.addItem("No exercise", None)
        for one in EXERCISES if exercise is None or exercise in EXERCISES else (*EXERCISES, exercise):
            self.exercise.addItem(one.name, one)
            if one == exercise:
                self.exercise.setCurrentIndex(self.exercise.count() - 1)
        self.blur = Switch("Blur faces", "Make the faces of all who were found unrecognisable")
        self.blur.set_theme(theme)
        self.blur.set_on(draw.blur_faces)
        self._lay_out(several=len(people) > 1)
        self.title.selectAll()
        self.title.setFocus()

    def _lay_out(self, *, several: bool) -> None:
        buttons = QDialogButtonBox()
        self.save = buttons.addButton("Save…", QDialogButtonBox.ButtonRole.AcceptRole)
        self.save.setProperty("role", "primary")
        self.save.setDefault(True)
        buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        about = label(ABOUT, "muted")
        about.setWordWrap(True)
        form = QFormLayout()
        form.setSpacing(10)
        form.addRow("Title", self.title)
        form.addRow("Note", self.note)
        form.addRow("Person", self.person)
        form.setRowVisible(self.person, several)
        form.addRow("Count", self.exercise)
        form.addRow("", self.blur)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(14)
        layout.addWidget(about)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self.setMinimumWidth(420)

    @property
    def options(self) -> ReportOptions:
        """What the user has chosen."""
        return ReportOptions(
            person=self.person.currentData(),
            exercise=self.exercise.currentData(),
            title=self.title.text(),
            note=self.note.text(),
            draw=DrawOptions(threshold=self._draw.threshold, background=self._draw.background, blur_faces=self.blur.isChecked()),
        )


def seen_longest_first(recording: SavedRecording) -> Sequence[tuple[int, float]]:
    """Everybody's number, with the seconds for which they are seen."""
    seconds: dict[int, float] = {}
    for part in recording.parts:
        period = 1 / part.fps if part.fps > 0 else 0.0
        for number, track in part.people.items():
            seconds[number] = seconds.get(number, 0.0) + len(track.rows) * period
    return sorted(seconds.items(), key=lambda one: (-one[1], one[0]))
