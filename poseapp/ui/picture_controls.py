"""The sidebar's fold on the picture itself: turned, cropped, and exposure and the like where the camera has them."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QGroupBox, QHBoxLayout, QPushButton, QSlider, QSpinBox, QWidget

from poseapp.core.framing import SMALLEST_SHARE, TURNS, WHOLE, Framing
from poseapp.live.sources.camera_controls import AUTO, CONTROLS, Control, ControlKind, Setting
from poseapp.live.status import Status
from poseapp.ui.actions import action
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.fold import Fold
from poseapp.ui.widgets import describe, label, set_role, toggle

_EDGES = ("Left edge", "Top edge", "Right edge", "Bottom edge")
MOST = 1e6  # of a value whose range the driver does not tell


class ControlRow:
    """One control of the camera: its name, automatic or not, its value, and what was asked and given."""

    def __init__(self, kind: ControlKind) -> None:
        self.kind = kind
        self.caption = label(kind.label)
        self.auto = toggle("Auto", f"The camera chooses the {kind.label.lower()} itself")
        self.auto.setVisible(kind.automatic is not None)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.number = QDoubleSpinBox()
        self.number.setRange(-MOST, MOST)
        self.number.setDecimals(0)
        self.number.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.number.setKeyboardTracking(False)  # 2 on the way to 200 is not asked for
        for box in (self.slider, self.number):
            describe(box, kind.label, kind.tip)
        self.caption.setToolTip(kind.tip)
        self.said = ElidedLabel("–")
        self.widgets: tuple[QWidget, ...] = (self.caption, self.auto, self.slider, self.number, self.said)

    def show(self, control: Control | None) -> None:
        """Show how *control* stands; None hides the row."""
        has_range = control is not None and control.span is not None
        for widget in (self.caption, self.said):
            widget.setVisible(control is not None)
        self.auto.setVisible(control is not None and self.kind.automatic is not None)
        self.slider.setVisible(has_range)
        self.number.setVisible(control is not None and not has_range)
        if control is None:
            return
        with QSignalBlocker(self.auto), QSignalBlocker(self.slider), QSignalBlocker(self.number):
            if control.requested is None or isinstance(control.requested, str):
                self.auto.setChecked(control.automatic is True)
            else:
                self.auto.setChecked(False)
            if control.span is not None:
                self.slider.setRange(int(control.span.low), int(control.span.high))
                self.slider.setSingleStep(max(1, int(control.span.step)))
                self.slider.setPageStep(max(1, int((control.span.high - control.span.low) / 20)))
            value = control.actual if control.requested is None or isinstance(control.requested, str) else control.requested
            if not self.slider.isSliderDown():
                self.slider.setValue(round(value))
            if not self.number.hasFocus():
                self.number.setValue(value)
        self.said.set_text(control.sentence())
        set_role(self.said, "muted" if control.is_granted else "warning")


class PictureControls(Fold):
    """Turn, crop and camera controls. It shows what the session says, and tells what the user asks for."""

    framing_chosen = Signal(object)  # Framing
    asked = Signal(object)  # dict of Setting by the name of the control

    def __init__(self) -> None:
        super().__init__("PICTURE", "Picture", "Turn and crop the picture; exposure, gain, focus and zoom of the camera")
        self._framing = WHOLE
        self._controls: tuple[Control, ...] | None = None
        self.turns = [toggle(f"{turn}°", f"Turn the picture by {turn}° clockwise") for turn in TURNS]
        group = QGroupBox()
        describe(group, "Turn", "How the picture is turned")
        turns = QHBoxLayout(group)
        turns.setContentsMargins(0, 0, 0, 0)
        turns.setSpacing(4)
        for turn, button in zip(TURNS, self.turns, strict=True):
            button.setAutoExclusive(True)
            turns.addWidget(button, 1)
            button.clicked.connect(lambda _on=False, turn=turn: self._turn_to(turn))
        self.choose, self.whole, self.reset = (
            QPushButton(action(name).button_text) for name in ("crop", "no_crop", "reset_camera")
        )
        for name, button in (("crop", self.choose), ("no_crop", self.whole), ("reset_camera", self.reset)):
            button.setProperty("role", "toggle")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            describe(button, action(name).button_text, action(name).tooltip)
        self.edges = [self._edge(i, name) for i, name in enumerate(_EDGES)]
        self.rows = [ControlRow(kind) for kind in CONTROLS]
        self._lay_out(group)
        self.show_framing(WHOLE)
        self.show_controls(())

    def _lay_out(self, group: QGroupBox) -> None:
        self.content.addWidget(group)
        crop = QHBoxLayout()
        crop.setSpacing(6)
        crop.addWidget(self.choose, 1)
        crop.addWidget(self.whole, 1)
        self.content.addLayout(crop)
        edges = QGridLayout()
        edges.setHorizontalSpacing(6)
        edges.setVerticalSpacing(4)
        left, top, right, bottom = self.edges
        for row, (name, low, high) in enumerate((("Across", left, right), ("Down", top, bottom))):
            edges.addWidget(label(name, "muted"), row, 0)
            edges.addWidget(low, row, 1)
            edges.addWidget(label("to", "muted"), row, 2)
            edges.addWidget(high, row, 3)
        edges.setColumnStretch(1, 1)
        edges.setColumnStretch(3, 1)
        self.content.addLayout(edges)
        controls = QGridLayout()
        controls.setHorizontalSpacing(8)
        controls.setVerticalSpacing(4)
        controls.setColumnStretch(1, 1)
        for i, one in enumerate(self.rows):
            controls.addWidget(one.caption, 2 * i, 0)
            controls.addWidget(one.slider, 2 * i, 1)
            controls.addWidget(one.number, 2 * i, 1)
            controls.addWidget(one.auto, 2 * i, 2)
            controls.addWidget(one.said, 2 * i + 1, 1, 1, 2)
            one.auto.toggled.connect(lambda on, one=one: self._automatic(one, on))
            one.slider.valueChanged.connect(lambda value, one=one: self._value(one, float(value)))
            one.number.valueChanged.connect(lambda value, one=one: self._value(one, float(value)))
        self.content.addLayout(controls)
        self.content.addWidget(self.reset)

    def _edge(self, index: int, name: str) -> QSpinBox:
        box = QSpinBox()
        box.setRange(0, 100)
        box.setSuffix(" %")
        box.setButtonSymbols(QSpinBox.ButtonSymbols.NoButtons)
        box.setKeyboardTracking(False)
        describe(box, name, f"{name} of the part that is used, in per cent of the picture")
        box.valueChanged.connect(lambda _value: self._crop_typed(index))
        return box

    @property
    def framing(self) -> Framing:
        """What is shown."""
        return self._framing

    def in_order(self) -> list[QWidget]:
        """What can be used, from top to bottom."""
        rows = [widget for one in self.rows for widget in (one.slider, one.number, one.auto)]
        left, top, right, bottom = self.edges
        return [self.button, *self.turns, self.choose, self.whole, left, right, top, bottom, *rows, self.reset]

    def show_status(self, status: Status) -> None:
        """Show how the picture is framed, and how the controls of the camera stand."""
        if status.framing != self._framing:
            self.show_framing(status.framing)
        if status.controls != self._controls:
            self.show_controls(status.controls)

    def show_framing(self, framing: Framing) -> None:
        """Show *framing*, without telling that it changed."""
        self._framing = framing
        self.turns[TURNS.index(framing.turn)].setChecked(True)
        for box, share in zip(self.edges, framing.crop, strict=True):
            with QSignalBlocker(box):
                box.setValue(round(100 * share))
        self.whole.setEnabled(framing.crop != WHOLE.crop)

    def show_controls(self, controls: tuple[Control, ...]) -> None:
        """Show the *controls* that the camera has."""
        self._controls = controls
        by_name: Mapping[str, Control] = {control.name: control for control in controls}
        for row in self.rows:
            row.show(by_name.get(row.kind.name))

    def _turn_to(self, turn: int) -> None:
        by = (turn - self._framing.turn) % 360
        self._choose(self._framing.turned(by))  # type: ignore[arg-type]  # a difference of two turns is one

    def _crop_typed(self, index: int) -> None:
        """Take the edges as they were typed, the last one at *index*; the edge opposite gives way where they meet."""
        edges = list(self._framing.crop)  # exact, where a box shows whole per cents
        edges[index] = self.edges[index].value() / 100
        low, high = index % 2, index % 2 + 2
        if index < 2:
            edges[low] = min(edges[low], 1.0 - SMALLEST_SHARE)
            edges[high] = max(edges[high], edges[low] + SMALLEST_SHARE)
        else:
            edges[high] = max(edges[high], SMALLEST_SHARE)
            edges[low] = min(edges[low], edges[high] - SMALLEST_SHARE)
        left, top, right, bottom = edges
        self._choose(Framing(self._framing.turn, (left, top, min(1.0, right), min(1.0, bottom))))

    def _choose(self, framing: Framing) -> None:
        self.show_framing(framing)
        self.framing_chosen.emit(framing)

    def _automatic(self, row: ControlRow, on: bool) -> None:
        value: Setting = AUTO if on else float(row.slider.value() if row.slider.isVisibleTo(self) else row.number.value())
        self.asked.emit({row.kind.name: value})

    def _value(self, row: ControlRow, value: float) -> None:
        with QSignalBlocker(row.auto):
            row.auto.setChecked(False)
        self.asked.emit({row.kind.name: value})
