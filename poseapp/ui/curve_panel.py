"""The panel under the picture of a recording: angles over time, and their figures over the marked span."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from poseapp.core.angles import AngleSummary
from poseapp.core.repetitions import Exercise, tempo
from poseapp.review.curves import PersonCurves
from poseapp.review.playback import PlaybackState
from poseapp.ui.angle_list import LISTED, angle_title, part_of, title
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.curve_plot import CurvePlot, side_colour
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.seek_bar import time_code
from poseapp.ui.widgets import describe, label

HEADINGS = {
    "least": "The least in degrees",
    "most": "The most in degrees",
    "range": "From the least to the most, in degrees",
    "mean": "The mean over time, in degrees",
    "°/s": "The fastest change, in degrees a second",
}
SIDE_WIDTH = 330
USUAL, MOVES_DEG = "knee", 20.0  # what most want to see, where there is something to see


class CurvePanel(QWidget):
    """One person and one part of the body at a time. ``sought`` tells a time of the playback, s.

    The figures are those of the span that A and B of the loop mark, else of the whole recording.
    """

    sought = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("transportBar")  # it looks like the bar below it
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = DARK
        self._people: Sequence[PersonCurves] = ()
        self._offset_s = 0.0
        self._exercise: Exercise | None = None
        self._marked: tuple[float, float] | None = None
        self._duration_s = 0.0
        self.person, self.part = ComboBox(whole=True), ComboBox(whole=True)
        describe(self.person, "Person", "Whose angles are shown")
        describe(self.part, "Angle", "Which angles are shown: left and right together")
        self.person.activated.connect(lambda _row: self._person_chosen())
        self.part.activated.connect(lambda _row: self._show())
        self.plot = CurvePlot()
        self.plot.sought.connect(self.sought)
        self.span = ElidedLabel("", "small")
        self.count = ElidedLabel("", "small")
        self._cells: dict[tuple[int, int], QLabel] = {}
        self._lay_out()
        self.hide()

    def _lay_out(self) -> None:
        choice = QHBoxLayout()
        choice.setSpacing(6)
        choice.addWidget(self.person)
        choice.addWidget(self.part, 1)
        table = QGridLayout()
        table.setHorizontalSpacing(10)
        table.setVerticalSpacing(1)
        for column, (text, tip) in enumerate(HEADINGS.items(), 1):
            head = label(text, "small")
            head.setAlignment(Qt.AlignmentFlag.AlignRight)
            head.setToolTip(tip)
            table.addWidget(head, 0, column)
        for row in (1, 2):
            for column in range(len(HEADINGS) + 1):
                cell = self._cells[row, column] = label("", "" if column else "muted")
                cell.setAlignment(Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft)
                table.addWidget(cell, row, column)
        table.setColumnStretch(0, 1)
        side = QWidget()
        side.setFixedWidth(SIDE_WIDTH)
        column_ = QVBoxLayout(side)
        column_.setContentsMargins(0, 0, 0, 0)
        column_.setSpacing(4)
        column_.addLayout(choice)
        column_.addWidget(self.span)
        column_.addLayout(table)
        column_.addWidget(self.count)
        column_.addStretch(1)
        row_ = QHBoxLayout(self)
        row_.setContentsMargins(10, 6, 10, 2)
        row_.setSpacing(10)
        row_.addWidget(side)
        row_.addWidget(self.plot, 1)

    def minimumSizeHint(self) -> QSize:
        """The picture may be narrower than the panel would like."""
        return QSize(320, super().minimumSizeHint().height())

    def in_order(self) -> list[QWidget]:
        """What can be used by keys."""
        return [self.person, self.part]

    @property
    def shown_person(self) -> PersonCurves | None:
        """Whose curves are shown."""
        return next((one for one in self._people if one.id == self.person.currentData()), None)

    def show_people(self, people: Sequence[PersonCurves], offset_s: float) -> None:
        """Show *people*, whose times begin *offset_s* before those of the playback."""
        before, part = self.person.currentData(), self.part.currentData()
        self._people, self._offset_s = people, offset_s
        self.person.clear()
        for one in people:
            self.person.addItem(f"Person {one.id}", one.id)
        self.person.setCurrentIndex(max(0, self.person.findData(before)))
        self.person.setVisible(len(people) > 1)
        self._list_parts(part)
        self._show()

    def set_exercise(self, exercise: Exercise | None) -> None:
        """Count *exercise*, and show its angle."""
        if exercise != self._exercise:
            self._exercise = exercise
            self._list_parts(part_of(exercise.angles[0]) if exercise is not None else self.part.currentData())
            self._show()

    def show_state(self, state: PlaybackState, marked: tuple[float, float] | None) -> None:
        """The playback stands as in *state*; *marked* are the times of A and B, s, where both are set."""
        self.plot.show_time(state.t, state.duration_s)
        if (marked, state.duration_s) != (self._marked, self._duration_s):
            self._marked, self._duration_s = marked, state.duration_s
            self._show()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.plot.set_theme(theme)
        self._show()

    # -- inside ------------------------------------------------------------------------------------------------

    def _person_chosen(self) -> None:
        self._list_parts(self.part.currentData())
        self._show()

    def _list_parts(self, wanted: str | None) -> None:
        """List the parts of the body that are seen, and choose *wanted*, else the knee where it moves, else what moves most."""
        person = self.shown_person
        self.part.clear()
        if person is None:
            return
        moves: dict[str, float] = {}
        for name, values in person.angles.items():
            seen = values[~np.isnan(values)]
            if part_of(name) in LISTED and seen.size:
                low, high = np.percentile(seen, (5, 95))
                moves[part_of(name)] = max(moves.get(part_of(name), 0.0), float(high - low))
        for part in LISTED:
            if part in moves:
                self.part.addItem(title(part), part)
        usual = USUAL if moves.get(USUAL, 0.0) >= MOVES_DEG else max(moves, key=lambda part: moves[part], default=None)
        chosen = wanted if wanted in moves else usual
        self.part.setCurrentIndex(max(0, self.part.findData(chosen)))

    def _show(self) -> None:
        person, part = self.shown_person, self.part.currentData()
        names = [name for name in (f"left_{part}", f"right_{part}", part) if person is not None and name in person.angles]
        span = self._marked or (0.0, self._duration_s)
        recorded = (span[0] + self._offset_s, span[1] + self._offset_s)
        what = "A–B" if self._marked is not None else "Whole recording"
        self.span.set_text(f"{what}: {time_code(span[0])} – {time_code(span[1])}")
        for row in (1, 2):
            name = names[row - 1] if row <= len(names) else ""
            figures = _figures(person.summary(name, recorded)) if person is not None and name else [""] * len(HEADINGS)
            colour = f"color: {side_colour(name, self._theme)}" if name else ""
            self._cells[row, 0].setText(angle_title(name) if name else "")
            self._cells[row, 0].setStyleSheet(colour)
            for column, figure in enumerate(figures, 1):
                self._cells[row, column].setText(figure)
        found = person.repetitions(self._exercise, recorded) if person is not None and self._exercise is not None else []
        usual = tempo(found)
        text = f"{self._exercise.name}: {len(found)}" if self._exercise is not None else ""
        if usual is not None and self._exercise is not None:
            there, back = self._exercise.phases
            text += f" · usually {there} {usual.there_s:.1f} s, {back} {usual.back_s:.1f} s, to {usual.depth_deg:.0f}°"
        self.count.set_text(text)
        if person is not None:
            shift = self._offset_s
            shown = [
                replace(one, start_t=one.start_t - shift, turn_t=one.turn_t - shift, end_t=one.end_t - shift) for one in found
            ]
            self.plot.show_curves(person.t - shift, {name: person.angles[name] for name in names}, shown, self._marked)
        else:
            self.plot.show_curves(np.empty(0), {}, (), self._marked)


def _figures(summary: AngleSummary) -> list[str]:
    values = (summary.least, summary.most, summary.range, summary.mean, summary.fastest)
    return ["–" if math.isnan(value) else f"{round(value)}".replace("-", "−") for value in values]
