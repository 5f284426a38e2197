"""The sidebar's section on people: the way of looking for them, the time it may take, and smoothing."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from poseapp.core.types import PEOPLE, People
from poseapp.live.session import Status
from poseapp.live.ways import BUDGET_MS, STRENGTH, Looking
from poseapp.ui.theme import Theme
from poseapp.ui.widgets import ComboBox, Switch, label, toggle

WAY_NAMES: dict[str, str] = {"one": "One", "top-down": "Top-down", "bottom-up": "Bottom-up"}
_TIPS = {
    "one": "One person, found and followed: the fastest way",
    "top-down": "Several people: each is found, then looked at closely. Costs more with each of them",
    "bottom-up": "Several people: the joints of all at once, then joined. Costs the same however many there are",
}
BUDGETS_MS = (30.0, 50.0, BUDGET_MS, 200.0, math.inf)


class PeopleControls(QWidget):
    """How people are looked for, and how much their joints are steadied."""

    changed = Signal(object)  # Looking

    def __init__(self) -> None:
        super().__init__()
        self._looking = Looking()
        self.ways: dict[People, QWidget] = {}
        self._group = QButtonGroup(self)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        for i, people in enumerate(PEOPLE):
            button = toggle(WAY_NAMES[people], f"{_TIPS[people]} (P)")
            self.ways[people] = button
            self._group.addButton(button, i)
            buttons.addWidget(button, 1)
        self._group.idClicked.connect(lambda i: self._change(people=PEOPLE[i]))
        self.budget = ComboBox()
        self.budget.setProperty("role", "compact")
        self.budget.setAccessibleName("Time for the poses of a frame")
        self.budget.setToolTip("How long the poses of a frame may take: who does not fit in is carried along to the next frame")
        for ms in BUDGETS_MS:
            self.budget.addItem("no limit" if math.isinf(ms) else f"{ms:g} ms", ms)
        self.budget.activated.connect(lambda row: self._change(budget_ms=self.budget.itemData(row)))
        self._budget_row = QWidget()
        row = QHBoxLayout(self._budget_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(label("Time for a frame", "muted"), 1)
        row.addWidget(self.budget)
        tip = "Steadier joints, which lag a little; recordings carry both (0 … 100)"
        self.smooth = Switch("Smoothing", "Steady joints, by the One-Euro filter")
        self.smooth.toggled.connect(lambda on: self._change(smoothing=self._strength() if on else 0.0))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, 100)
        self.slider.setPageStep(10)
        self.slider.setValue(round(100 * STRENGTH))
        self.slider.setAccessibleName("Strength of the smoothing")
        self.slider.setToolTip(tip)
        self.slider.valueChanged.connect(lambda _value: self._change(smoothing=self._strength()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(label("PEOPLE", "section"))
        layout.addLayout(buttons)
        layout.addWidget(self._budget_row)
        steady = QHBoxLayout()
        steady.setSpacing(12)
        steady.addWidget(self.slider, 1)
        steady.addWidget(self.smooth)
        layout.addLayout(steady)
        self.show_looking(self._looking)

    @property
    def looking(self) -> Looking:
        """What is chosen."""
        return self._looking

    def show_looking(self, looking: Looking) -> None:
        """Show *looking*, without telling that it changed."""
        self._looking = looking
        with QSignalBlocker(self.smooth), QSignalBlocker(self.slider), QSignalBlocker(self._group):
            self._group.button(PEOPLE.index(looking.people)).setChecked(True)
            self.smooth.set_on(looking.smoothing > 0)
            if looking.smoothing > 0:
                self.slider.setValue(round(100 * looking.smoothing))
        self.slider.setEnabled(looking.smoothing > 0)
        nearest = min(range(len(BUDGETS_MS)), key=lambda i: abs(1 / BUDGETS_MS[i] - 1 / looking.budget_ms))
        self.budget.setCurrentIndex(nearest)
        self._budget_row.setVisible(looking.people == "top-down")

    def show_status(self, status: Status) -> None:
        """Show the way that is wished for; the buttons go back when it cannot be had."""
        if status.wish.people != self._looking.people:
            self.show_looking(replace(self._looking, people=status.wish.people))

    def next_way(self) -> None:
        """Choose the next way."""
        self._change(people=PEOPLE[(PEOPLE.index(self._looking.people) + 1) % len(PEOPLE)])

    def choose(self, name: str) -> None:
        """Choose the way called *name*, one of PEOPLE."""
        self._change(people=name)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.smooth.set_theme(theme)

    def _strength(self) -> float:
        return self.slider.value() / 100

    def _change(self, **changes: object) -> None:
        looking: Looking = replace(self._looking, **changes)  # type: ignore[arg-type]
        sliding = self.smooth.isVisible() and changes.keys() == {"smoothing"}
        if sliding:  # the switch slides to its place by itself
            self._looking = looking
            self.slider.setEnabled(looking.smoothing > 0)
        else:
            self.show_looking(looking)
        self.changed.emit(looking)
