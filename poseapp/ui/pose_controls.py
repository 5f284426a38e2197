"""The sidebar's section on people: one or several, how they are found, the time it may take, and smoothing."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGroupBox, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from poseapp.core.types import POSE_MODES, PoseMode
from poseapp.live.status import Status
from poseapp.pipeline.modes import LATENCY_BUDGET_MS, STRENGTH, PoseSettings
from poseapp.ui.actions import action
from poseapp.ui.colours import Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.switch import Switch
from poseapp.ui.widgets import describe, label, toggle

# The modes, as the menu names them; the sidebar asks how many, and under Advanced how several are found.
MODE_NAMES: dict[str, str] = {"one": "One person", "top-down": "Several people", "bottom-up": "Several people, all at once"}
METHOD_NAMES: dict[PoseMode, str] = {"top-down": "One by one (top-down)", "bottom-up": "All at once (bottom-up)"}
METHOD_TIPS: dict[PoseMode, str] = {
    "top-down": "Finds each person, then looks at them closely. Each person takes more time",
    "bottom-up": "Finds the joints of all people at once, then joins them. The number of people does not matter",
}
BUDGETS_MS = (30.0, 50.0, LATENCY_BUDGET_MS, 200.0, math.inf)


class PoseControls(QWidget):
    """One person or several, how they are found, and how much their joints are smoothed."""

    changed = Signal(object)  # PoseSettings

    def __init__(self) -> None:
        super().__init__()
        self._pose_settings = PoseSettings()
        self._method: PoseMode = "top-down"  # how several people are found
        key = action("next_mode").keys[0]
        self.one = toggle("One person", f"Finds one person and follows them. The fastest ({key})")
        self.several = toggle("Several people", f"Finds, numbers and follows each person ({key})")
        group = QGroupBox()
        describe(group, "People", "How many people are found")
        buttons = QHBoxLayout(group)
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.setSpacing(6)
        for button in (self.one, self.several):
            button.setAutoExclusive(True)  # and so a radio button for those who hear the window
            buttons.addWidget(button, 1)
        self.one.clicked.connect(lambda: self._change(mode="one"))
        self.several.clicked.connect(lambda: self._change(mode=self._method))
        self.method = ComboBox(whole=True)
        describe(
            self.method,
            "How several people are found",
            "One by one is more exact. All at once takes the same time for any number of people",
        )
        for mode, name in METHOD_NAMES.items():
            self.method.addItem(name, mode)
            self.method.setItemData(self.method.count() - 1, METHOD_TIPS[mode], Qt.ItemDataRole.ToolTipRole)
        self.method.activated.connect(lambda row: self._change(mode=self.method.itemData(row)))
        self.budget = ComboBox(whole=True)
        describe(
            self.budget,
            "Latency budget",
            "The longest time for the poses of one frame. Who does not fit in is predicted, and measured in a later frame",
        )
        for ms in BUDGETS_MS:
            self.budget.addItem("no limit" if math.isinf(ms) else f"{ms:g} ms", ms)
        self.budget.activated.connect(lambda row: self._change(latency_budget_ms=self.budget.itemData(row)))
        self.advanced = (("Method", self.method), ("Budget", self.budget))
        tip = "Higher values make joints steadier, but they lag a little. Recordings hold raw and smoothed joints"
        self.smooth = Switch("Smoothing", "Steadies the joints (One-Euro filter)")
        self.smooth.toggled.connect(lambda on: self._change(smoothing=self._strength() if on else 0.0))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(1, 100)
        self.slider.setPageStep(10)
        self.slider.setValue(round(100 * STRENGTH))
        describe(self.slider, "Strength of the smoothing", tip)
        self.slider.valueChanged.connect(lambda _value: self._change(smoothing=self._strength()))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(label("PEOPLE", "section"))
        layout.addWidget(group)
        steady = QHBoxLayout()
        steady.setSpacing(12)
        steady.addWidget(self.slider, 1)
        steady.addWidget(self.smooth)
        layout.addLayout(steady)
        self.show_pose_settings(self._pose_settings)

    @property
    def pose_settings(self) -> PoseSettings:
        """What is chosen."""
        return self._pose_settings

    def show_pose_settings(self, pose_settings: PoseSettings) -> None:
        """Show *pose_settings*, without telling that they changed."""
        self._pose_settings = pose_settings
        if pose_settings.mode != "one":
            self._method = pose_settings.mode
        with QSignalBlocker(self.smooth), QSignalBlocker(self.slider):
            (self.one if pose_settings.mode == "one" else self.several).setChecked(True)
            self.smooth.set_on(pose_settings.smoothing > 0)
            if pose_settings.smoothing > 0:
                self.slider.setValue(round(100 * pose_settings.smoothing))
        self.slider.setEnabled(pose_settings.smoothing > 0)
        nearest = min(range(len(BUDGETS_MS)), key=lambda i: abs(1 / BUDGETS_MS[i] - 1 / pose_settings.latency_budget_ms))
        self.budget.setCurrentIndex(nearest)
        self.method.setCurrentIndex(self.method.findData(self._method))
        self.method.setEnabled(pose_settings.mode != "one")
        self.budget.setEnabled(pose_settings.mode == "top-down")

    def show_status(self, status: Status) -> None:
        """Show the mode that is requested; the buttons go back when it cannot be had."""
        if status.model_request.mode != self._pose_settings.mode:
            self.show_pose_settings(replace(self._pose_settings, mode=status.model_request.mode))

    def next_mode(self) -> None:
        """Choose the next mode."""
        self._change(mode=POSE_MODES[(POSE_MODES.index(self._pose_settings.mode) + 1) % len(POSE_MODES)])

    def choose_mode(self, name: str) -> None:
        """Choose the mode called *name*, one of POSE_MODES."""
        self._change(mode=name)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.smooth.set_theme(theme)

    def _strength(self) -> float:
        return self.slider.value() / 100

    def _change(self, **changes: object) -> None:
        pose_settings: PoseSettings = replace(self._pose_settings, **changes)  # type: ignore[arg-type]
        sliding = self.smooth.isVisible() and changes.keys() == {"smoothing"}
        if sliding:  # the switch slides to its place by itself
            self._pose_settings = pose_settings
            self.slider.setEnabled(pose_settings.smoothing > 0)
        else:
            self.show_pose_settings(pose_settings)
        self.changed.emit(pose_settings)
