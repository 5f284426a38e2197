"""The transport: play, step, move, speed and loop, for a clip and a recording."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLayout, QToolButton, QWidget

from poseapp.review.playback import PlaybackState
from poseapp.ui.actions import action
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.seek_bar import SeekBar, time_code
from poseapp.ui.widgets import describe, icon_button, label, paint_icon

SPEEDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0)
# What is left out first where there is little room, by the width from which on it is there, px.
ROOM = {"frame": 940, "loop": 830, "speed": 700, "time": 580, "tools": 460}
BUTTONS = {
    "step_back": "previous",
    "pause": "play",
    "step_forward": "next",
    "loop_from": "loopFrom",
    "loop_to": "loopTo",
    "loop_off": "loopOff",
    "curves": "panel",
    "analyse": "everyFrame",
    "export": "save",
    "report": "page",
    "close_recording": "close",
}
TOOLS = ("curves", "analyse", "export", "report")
OF_RECORDINGS = ("curves", "export", "report", "close_recording")  # a clip has none of these


class TransportBar(QWidget):
    """Below the picture while a clip or a recording is shown. Its buttons are those of the table of actions, by name."""

    sought = Signal(int)  # the number of a picture
    speed_chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("transportBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = DARK
        self._state: PlaybackState | None = None
        self._is_recording = False
        self.buttons: dict[str, QToolButton] = {name: icon_button(icon, action(name).tooltip) for name, icon in BUTTONS.items()}
        self.seek = SeekBar()
        self.seek.sought.connect(self.sought)
        self.time = label()
        self.frame = label("", "muted")
        self.picture_name = ElidedLabel("", mode=Qt.TextElideMode.ElideLeft)
        self.speed = ComboBox(whole=True)
        for speed in SPEEDS:
            self.speed.addItem(f"{speed:g}×", speed)
        describe(self.speed, "Speed", "How fast it plays (J, L, −, +)")
        self.speed.activated.connect(lambda _i: self.speed_chosen.emit(self.speed.currentData()))
        self._lay_out()
        self._paint_icons()
        self.hide()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 5, 10, 5)
        row.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        row.setSpacing(4)
        for name in ("step_back", "pause", "step_forward"):
            row.addWidget(self.buttons[name])
        row.addWidget(self.seek, 1)
        row.addSpacing(4)
        row.addWidget(self.picture_name, 1)
        row.addWidget(self.time)
        row.addWidget(self.frame)
        row.addSpacing(4)
        row.addWidget(self.speed)
        for name in ("loop_from", "loop_to", "loop_off", *TOOLS, "close_recording"):
            row.addWidget(self.buttons[name])

    def in_order(self) -> list[QWidget]:
        """What can be used, from left to right."""
        names = list(self.buttons)
        return [*(self.buttons[n] for n in names[:3]), self.seek, self.speed, *(self.buttons[n] for n in names[3:])]

    def show_state(self, state: PlaybackState, is_recording: bool) -> None:
        """Show where the playback of a recording, or of a clip, stands."""
        if state == self._state and is_recording == self._is_recording:
            return
        played = self._state is None or self._state.playing != state.playing
        self._state, self._is_recording = state, is_recording
        self.seek.show_state(state)
        now = time_code(state.t)
        self.time.setText(f"{now} / {time_code(state.duration_s)}")
        self.frame.setText(f"{state.number + 1} / {state.count}" if state.name else f"frame {state.number} / {state.count - 1}")
        self.picture_name.set_text(state.name)
        if not self.speed.hasFocus():
            nearest = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - state.speed))
            self.speed.setCurrentIndex(nearest)
        self.buttons["loop_off"].setEnabled(state.loop_a is not None or state.loop_b is not None)
        if played:
            self._paint_play()
        self._make_room(self.width())

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.seek.set_theme(theme)
        self._paint_icons()

    def minimumSizeHint(self) -> QSize:
        """As narrow as the picture may be: what does not fit then is hidden."""
        return QSize(320, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The seek bar stays; what is less needed goes."""
        super().resizeEvent(event)
        self._make_room(event.size().width())

    # -- inside ------------------------------------------------------------------------------------------------

    def _make_room(self, width: int) -> None:
        stills = self._state is not None and bool(self._state.name)  # which have no times of their own, but names
        self.time.setVisible(width >= ROOM["time"] and not stills)
        self.picture_name.setVisible(stills)
        self.frame.setVisible(width >= ROOM["time" if stills else "frame"])
        self.speed.setVisible(width >= ROOM["speed"] and not stills)
        for name in ("loop_from", "loop_to", "loop_off"):
            self.buttons[name].setVisible(width >= ROOM["loop"] and not stills)
        for name in TOOLS:
            self.buttons[name].setVisible(width >= ROOM["tools"] and (self._is_recording or name not in OF_RECORDINGS))
        self.buttons["close_recording"].setVisible(self._is_recording)

    def _paint_icons(self) -> None:
        for name, icon in BUTTONS.items():
            paint_icon(self.buttons[name], icon, self._theme.text)
        self._paint_play()

    def _paint_play(self) -> None:
        playing = self._state is not None and self._state.playing
        button = self.buttons["pause"]
        paint_icon(button, "pause" if playing else "play", self._theme.text)
        describe(button, "Pause" if playing else "Play", f"{'Pause' if playing else 'Play'} (Space)")
