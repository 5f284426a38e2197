"""The sidebar's section on the view: the threshold, and what is drawn."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from poseapp.live.session import Status
from poseapp.render import DrawOptions
from poseapp.ui.widgets import describe, label, toggle


class ViewControls(QWidget):
    """How the poses are shown. None of it touches the data."""

    changed = Signal(object)  # DrawOptions

    def __init__(self) -> None:
        super().__init__()
        self._options = DrawOptions()
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0, 100)
        self.threshold.setPageStep(5)
        tip = "Joints of a lower confidence are hidden; recorded data keep them ([ and ])"
        describe(self.threshold, "Confidence threshold", tip)
        self.value = label("", "title")
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.value.setMinimumWidth(34)
        self.mirror = toggle("Mirror", "Flip the preview; recordings and data stay as the camera sees them (M)")
        self.heatmaps = toggle("Heatmap", "Show where the network sees joints (H)")
        self.fields = toggle("Affinity fields", "")
        self.labels = toggle("Names", "Write name and confidence beside each joint (L)")
        name = label("Threshold")
        name.setToolTip(tip)
        head = QHBoxLayout()
        head.addWidget(name)
        head.addWidget(self.value, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(label("VIEW", "section"))
        layout.addLayout(head)
        layout.addWidget(self.threshold)
        buttons = QGridLayout()
        buttons.setSpacing(6)
        layout.addLayout(buttons)
        for i, button in enumerate((self.mirror, self.labels, self.heatmaps)):
            buttons.addWidget(button, 0, i)
        for button in (self.mirror, self.labels, self.heatmaps, self.fields):
            button.toggled.connect(self._collect)
        self.threshold.valueChanged.connect(self._collect)
        self.set_options(self._options)

    @property
    def options(self) -> DrawOptions:
        """What is chosen."""
        return self._options

    def set_options(self, options: DrawOptions) -> None:
        """Show *options*, without telling that they changed."""
        buttons = (self.mirror, self.heatmaps, self.fields, self.labels)
        blockers = [QSignalBlocker(widget) for widget in (self.threshold, *buttons)]
        self.threshold.setValue(round(options.threshold * 100))
        for button, on in zip(buttons, (options.mirror, options.heatmaps, options.fields, options.labels), strict=True):
            button.setChecked(on)
        for blocker in blockers:
            blocker.unblock()
        self._options = options
        self.value.setText(f"{options.threshold:.2f}")

    def show_status(self, status: Status) -> None:
        """Only bottom-up has fields to show."""
        there = status.mode == "bottom-up"
        self.fields.setEnabled(there)
        describe(
            self.fields,
            "Affinity fields",
            "Show the part affinity fields that join joints to people; the hue says where to (A)"
            if there
            else "The part affinity fields that join joints to people: find several people all at once to see them",
        )

    def step_threshold(self, step: float) -> None:
        """Raise or lower the threshold."""
        self.threshold.setValue(self.threshold.value() + round(step * 100))

    def _collect(self) -> None:
        self._options = replace(
            self._options,
            threshold=self.threshold.value() / 100,
            mirror=self.mirror.isChecked(),
            heatmaps=self.heatmaps.isChecked(),
            fields=self.fields.isChecked(),
            labels=self.labels.isChecked(),
        )
        self.value.setText(f"{self._options.threshold:.2f}")
        self.changed.emit(self._options)
