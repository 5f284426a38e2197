"""The sidebar's section on the view: the threshold, and what is drawn."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QSlider, QVBoxLayout, QWidget

from poseapp.live.status import Status
from poseapp.render import DrawOptions
from poseapp.ui.actions import action
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.widgets import action_toggle, describe, label

NO_HEATMAPS = "This model finds joints without heatmaps. Choose another model to see heatmaps"
NO_FIELDS = "Affinity fields join joints to people, in OpenPose. Choose the method “All at once” for several people to see them"
SWITCHES = ("mirror", "heatmaps", "fields", "labels", "angles", "blur_faces")  # the buttons that are fields of DrawOptions
BACKGROUND_NAMES = {"picture": "On the picture", "black": "Skeleton on black", "green": "Skeleton on green"}


class ViewControls(QWidget):
    """How the poses are shown. None of it touches the data."""

    changed = Signal(object)  # DrawOptions

    def __init__(self) -> None:
        super().__init__()
        self._options = DrawOptions()
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0, 100)
        self.threshold.setPageStep(5)
        keys = " and ".join(action(name).keys[0] for name in ("lower", "raise"))
        tip = f"Joints with a lower confidence are hidden. Recorded data keep them ({keys})"
        describe(self.threshold, "Confidence threshold", tip)
        self.value = label("", "title")
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.value.setMinimumWidth(34)
        self.mirror = action_toggle("mirror")
        self.heatmaps = action_toggle("heatmaps")
        self.fields = action_toggle("fields")
        self.labels = action_toggle("labels")
        self.angles = action_toggle("angles")
        self.blur_faces = action_toggle("blur_faces")
        self.background = ComboBox()
        tip = "What the skeletons are on, also in the annotated video. Green can be keyed out in a video editor (G)"
        describe(self.background, "Background", tip)
        for key, text in BACKGROUND_NAMES.items():
            self.background.addItem(text, key)
        self.background.activated.connect(lambda _row: self._collect())
        name = label("Threshold")
        name.setToolTip(tip)
        head = QHBoxLayout()
        head.setSpacing(10)
        head.addWidget(name)
        head.addWidget(self.threshold, 1)
        head.addWidget(self.value)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(label("VIEW", "section"))
        layout.addLayout(head)
        buttons = QGridLayout()
        buttons.setSpacing(6)
        layout.addLayout(buttons)
        for i, button in enumerate((self.mirror, self.labels, self.heatmaps)):
            buttons.addWidget(button, 0, i)
        buttons.addWidget(self.blur_faces, 1, 0)
        buttons.addWidget(self.background, 1, 1, 1, 2)
        for button in (getattr(self, name) for name in SWITCHES):
            button.toggled.connect(self._collect)
        self.threshold.valueChanged.connect(self._collect)
        self.set_options(self._options)

    @property
    def options(self) -> DrawOptions:
        """What is chosen."""
        return self._options

    def set_options(self, options: DrawOptions) -> None:
        """Show *options*, without telling that they changed."""
        switches = {name: getattr(self, name) for name in SWITCHES}
        blockers = [QSignalBlocker(widget) for widget in (self.threshold, *switches.values())]
        self.threshold.setValue(round(options.threshold * 100))
        for name, button in switches.items():
            button.setChecked(getattr(options, name))
        for blocker in blockers:
            blocker.unblock()
        self.background.setCurrentIndex(self.background.findData(options.background))
        self._options = options
        self.value.setText(f"{options.threshold:.2f}")

    def show_status(self, status: Status) -> None:
        """Only some models have heatmaps and fields to show."""
        for name, button, there, why_not in (
            ("heatmaps", self.heatmaps, status.has_heatmaps, NO_HEATMAPS),
            ("fields", self.fields, status.has_fields, NO_FIELDS),
        ):
            button.setEnabled(there)
            describe(button, action(name).button_text, action(name).tooltip if there else why_not)

    def choose_angles(self, names: tuple[str, ...]) -> None:
        """Draw the angles called *names*, and no others."""
        self._options = replace(self._options, angle_names=names)
        self.angles.setChecked(bool(names))
        self._collect()

    def choose_background(self, name: str) -> None:
        """Put the skeletons on the background called *name*, a key of BACKGROUND_NAMES."""
        self.background.setCurrentIndex(self.background.findData(name))
        self._collect()

    def next_background(self) -> None:
        """Choose the next background."""
        names = list(BACKGROUND_NAMES)
        self.choose_background(names[(names.index(self._options.background) + 1) % len(names)])

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
            angles=self.angles.isChecked(),
            blur_faces=self.blur_faces.isChecked(),
            background=self.background.currentData(),
        )
        self.value.setText(f"{self._options.threshold:.2f}")
        self.changed.emit(self._options)
