"""The dialog in which the user chooses how recordings start and stop by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QGridLayout, QPushButton, QVBoxLayout, QWidget

from poseapp.live.recording import COUNTDOWNS_S, LONGEST_S, HandSign, StartStop
from poseapp.live.sound.microphones import DEFAULT
from poseapp.ui import dialogs
from poseapp.ui.colours import Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.switch import Switch
from poseapp.ui.widgets import describe, label

LENGTHS_S = (10, 15, 20, 30, 45, 60, 120, 180, 300, 600, 1800, 3600)
EMPTY_S = (2, 3, 5, 10, 30, 60)
HANDS: dict[HandSign, str] = {"off": "Does nothing", "start": "Starts a recording", "start-stop": "Starts and stops"}
OTHER = "Other…"
DEFAULT_TEXT = "Default microphone"
HINT = "Hold one hand above your head for two seconds. Lower it before you use it again."


class StartStopDialog(QDialog):
    """Countdown, length, empty picture, raised hand, sound, tones; each choice counts at once."""

    chosen = Signal(object)  # StartStop
    beeps_chosen = Signal(bool)
    microphone_chosen = Signal(str)  # as parse_microphone takes it, or "" for none

    def __init__(self, now: StartStop, beeps: bool, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Start, stop and sound")
        self._now, self._is_closed = now, False
        self.finished.connect(self._close)
        self.countdown = self._box("Countdown", "How long you have to get into the picture")
        self.length = self._box("Stop after", "A recording stops by itself when it is so long")
        self.empty = self._box("Stop when nobody is there for", "A recording stops by itself when everybody has left")
        self.hand = self._box("A raised hand", HINT)
        self.microphone = self._box("Sound", "Records what a microphone hears, in sync with the pictures", whole=False)
        self.microphone.setMinimumContentsLength(len(DEFAULT_TEXT))
        self.trouble = label("", "warning")
        self.trouble.setWordWrap(True)
        self.trouble.hide()
        self.microphone.activated.connect(lambda row: self.microphone_chosen.emit(self.microphone.itemData(row)))
        self.beeps = Switch("Tones", "A tone for each digit, at the start, and when a recording stops by itself")
        self.beeps.set_on(beeps)
        self.beeps.set_theme(theme)
        self.beeps.toggled.connect(self.beeps_chosen)
        self._fill()
        self.countdown.activated.connect(lambda row: self._change(countdown_s=self.countdown.itemData(row)))
        self.length.activated.connect(lambda row: self._choose_time(self.length, row, "stop_after_s"))
        self.empty.activated.connect(lambda row: self._choose_time(self.empty, row, "stop_empty_s"))
        self.hand.activated.connect(lambda row: self._change(hand=self.hand.itemData(row)))
        self._lay_out()

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(10)
        grid.setColumnStretch(1, 1)
        for row, box in enumerate((self.countdown, self.length, self.empty, self.hand)):
            caption = label(box.accessibleName())
            caption.setBuddy(box)
            grid.addWidget(caption, row, 0)
            grid.addWidget(box, row, 1)
        hint = label(HINT, "small")
        hint.setWordWrap(True)
        grid.addWidget(hint, 4, 0, 1, 2)
        sound = label(self.microphone.accessibleName())
        sound.setBuddy(self.microphone)
        grid.addWidget(sound, 5, 0)
        grid.addWidget(self.microphone, 5, 1)
        grid.addWidget(self.trouble, 6, 0, 1, 2)
        grid.addWidget(self.beeps, 7, 0, 1, 2)
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 16)
        layout.setSpacing(14)
        layout.addWidget(label("Start, stop and sound", "display"))
        layout.addLayout(grid)
        layout.addStretch(1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)

    def show_microphones(self, names: list[str], chosen: str) -> None:
        """Offer the microphones *names*, and *chosen*, which may not be there now; they may come when this is closed."""
        if self._is_closed:
            return
        offered = {name: name for name in names} | {"": "No sound", DEFAULT: DEFAULT_TEXT}
        offered = {key: offered[key] for key in dict.fromkeys(["", DEFAULT, *names])}
        if chosen not in offered:
            offered[chosen] = chosen
        self.microphone.clear()
        for key, text in offered.items():
            self.microphone.addItem(text, key)
        self.microphone.setCurrentIndex(self.microphone.findData(chosen))

    def show_trouble(self, text: str) -> None:
        """Say why there are no microphones."""
        if self._is_closed:
            return
        self.trouble.setText(text)
        self.trouble.show()
        self.adjustSize()

    def _close(self) -> None:
        self._is_closed = True

    def _box(self, name: str, tip: str, whole: bool = True) -> ComboBox:
        box = ComboBox(whole)
        describe(box, name, tip)
        return box

    def _fill(self) -> None:
        """Show what is chosen, also where that is none of the usual times."""
        now = self._now
        _offer(self.countdown, COUNTDOWNS_S, now.countdown_s, other=False)
        _offer(self.length, (0, *LENGTHS_S), now.stop_after_s)
        _offer(self.empty, (0, *EMPTY_S), now.stop_empty_s)
        self.hand.clear()
        for key, text in HANDS.items():
            self.hand.addItem(text, key)
        self.hand.setCurrentIndex(self.hand.findData(now.hand))

    def _choose_time(self, box: ComboBox, row: int, name: str) -> None:
        seconds = box.itemData(row)
        if seconds is None:
            seconds = dialogs.ask_seconds(self, box.accessibleName(), getattr(self._now, name) or 30, LONGEST_S)
        if seconds is None:
            self._fill()
        else:
            self._change(**{name: seconds})

    def _change(self, **changes: Any) -> None:
        self._now = replace(self._now, **changes)
        self._fill()
        self.chosen.emit(self._now)


def _offer(box: ComboBox, times_s: tuple[float, ...], now_s: float, other: bool = True) -> None:
    """Fill *box* with *times_s* and *now_s*, which is chosen, and where the user may type a time, with *other*."""
    box.clear()
    for seconds in sorted({*map(float, times_s), float(now_s)}):
        box.addItem(duration(seconds) if seconds else "Off", seconds)
    box.setCurrentIndex(box.findData(float(now_s)))
    if other:
        box.addItem(OTHER, None)


def duration(seconds: float) -> str:
    """*seconds* for people: "45 s", "2 min", "1 min 30 s"."""
    minutes, rest = divmod(seconds, 60)
    parts = [f"{minutes:.0f} min" if minutes else "", f"{rest:g} s" if rest or not minutes else ""]
    return " ".join(part for part in parts if part)
