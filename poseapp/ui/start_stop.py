"""How recordings start and stop by themselves: what the user has chosen, digits and tones, the raised hand."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from poseapp.live.recording import StartStop, ended_text
from poseapp.live.sound import list_microphones
from poseapp.live.status import Status
from poseapp.ui.banner import NOTICE_MS
from poseapp.ui.beep import Tone, play
from poseapp.ui.preferences import Preferences
from poseapp.ui.screen_fit import open_on_screen
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.start_stop_dialog import StartStopDialog, duration
from poseapp.ui.theme import Themes
from poseapp.ui.window_layout import WindowLayout

DIGIT_MS = 40  # how often the digits are looked at; the status comes too seldom


class StartStopActions(QObject):
    """Works on the picture and the record bar of *window*; *toggle* begins or finishes a recording, as the button does."""

    def __init__(
        self,
        window: WindowLayout,
        bridge: SessionBridge,
        preferences: Preferences,
        themes: Themes,
        toggle: Callable[[], None],
    ) -> None:
        super().__init__(window)
        self._themes = themes
        self._window, self._bridge, self._preferences, self._toggle = window, bridge, preferences, toggle
        self.sound: Callable[[Tone], None] = self._play
        self._begins_t: float | None = None  # on the monotonic clock, while digits are shown
        self._digit = 0
        self._recording_is_active = False
        self._signs = 0  # raised hands that were acted on
        self._timer = QTimer(self)
        self._timer.setInterval(DIGIT_MS)
        self._timer.timeout.connect(self._count)
        bridge.status_changed.connect(self.show_status)

    def open(self) -> None:
        """Let the user choose."""
        dialog = StartStopDialog(self._preferences.start_stop, self._preferences.beeps, self._themes.current, self._window)
        dialog.show_microphones([], self._preferences.microphone)
        dialog.chosen.connect(self.choose)
        dialog.microphone_chosen.connect(self.choose_microphone)
        listed = lambda names: dialog.show_microphones(names, self._preferences.microphone)  # noqa: E731
        self._bridge.jobs.run("microphones", list_microphones, listed, dialog.show_trouble)
        dialog.beeps_chosen.connect(lambda on: setattr(self._preferences, "beeps", on))
        open_on_screen(dialog)

    def choose(self, chosen: StartStop) -> None:
        """Start and stop as *chosen*, and remember it."""
        self._preferences.start_stop = chosen
        self._bridge.set_hand_sign(chosen.hand != "off")
        self._window.record_bar.show_start_stop(summary(chosen, self._preferences.microphone))

    def choose_microphone(self, name: str) -> None:
        """Let recordings listen to the microphone *name*, and remember it; "" for none."""
        self._preferences.microphone = name
        self.choose(self._preferences.start_stop)

    def show_status(self, status: Status) -> None:
        """Show what *status* says, and act on a raised hand."""
        recording = status.recording
        active = recording is not None and recording.active
        waits_s = recording.waits_s if recording is not None and active else 0.0
        if waits_s > 0:
            self._begins_t = time.monotonic() + waits_s
            if not self._timer.isActive():
                self._timer.start()
                self._count()
        elif self._begins_t is not None:
            self._end_countdown(begun=active)
        if self._recording_is_active and recording is not None and not active and recording.ended_by:
            self._beep("end")
            self._window.banner.say("ended by", ended_text(recording.ended_by), "info")
            QTimer.singleShot(NOTICE_MS, self._window.banner, lambda: self._window.banner.take_back("ended by"))
        self._recording_is_active = active and waits_s == 0
        self._see_hand(status, active, waits_s > 0)

    def _see_hand(self, status: Status, active: bool, counting: bool) -> None:
        """A raised hand begins a recording, or ends one where the user wants that too."""
        hand = self._preferences.start_stop.hand
        stops = hand == "start-stop"
        means_something = hand != "off" and not counting and (stops or not active)
        self._window.view.set_hand(status.hand_progress if means_something else 0.0)
        signed, self._signs = status.hand_signs > self._signs, status.hand_signs
        if signed and means_something:
            if active:
                self._beep("end")
            self._toggle()

    def _count(self) -> None:
        """Show the digit that is due, with a tone for each."""
        if self._begins_t is None:
            return
        digit = math.ceil(self._begins_t - time.monotonic())
        if digit < 1:
            self._bridge.poll()
        elif digit != self._digit:
            self._digit = digit
            self._window.view.set_countdown(str(digit))
            self._beep("count")

    def _end_countdown(self, begun: bool) -> None:
        self._timer.stop()
        self._begins_t, self._digit = None, 0
        self._window.view.set_countdown("")
        if begun and not self._preferences.microphone:  # it would be the first thing to be heard in the recording
            self._beep("begin")

    def _beep(self, tone: Tone) -> None:
        if self._preferences.beeps:
            self.sound(tone)

    def _play(self, tone: Tone) -> None:
        self._bridge.jobs.run("beep", lambda: play(tone), lambda played: None if played else QApplication.beep())


def summary(chosen: StartStop, microphone: str = "") -> str:
    """What is *chosen*, in few words; "" where recordings start and stop by the button alone."""
    parts = [
        f"countdown {chosen.countdown_s:g} s" if chosen.countdown_s else "",
        f"stops after {duration(chosen.stop_after_s)}" if chosen.stop_after_s else "",
        f"stops when nobody is there for {duration(chosen.stop_empty_s)}" if chosen.stop_empty_s else "",
        {"off": "", "start": "a raised hand starts", "start-stop": "a raised hand starts and stops"}[chosen.hand],
        "with sound" if microphone else "",
    ]
    return ", ".join(part for part in parts if part)
