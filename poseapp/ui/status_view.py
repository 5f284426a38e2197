"""Passes what a session says on to the parts of the window, each thing once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QTimer

from poseapp.live.session import Status
from poseapp.ui import stage
from poseapp.ui.actions import Actions
from poseapp.ui.banner import Banner, Level
from poseapp.ui.benchmark_panel import BenchmarkPanel
from poseapp.ui.build_line import BuildLine
from poseapp.ui.choices import Kind
from poseapp.ui.controls import Controls
from poseapp.ui.header import Header
from poseapp.ui.record_bar import RecordBar, clock
from poseapp.ui.video_view import VideoView

NOTICE_MS = 6000
# The button beside a problem, by its topic: the card's key of what helps, and the text.
HELP = {
    "record": ("choose_folder", "Choose folder…"),
    "recording": ("choose_folder", "Choose folder…"),
    "snapshot": ("choose_folder", "Choose folder…"),
    "cameras": ("cameras", "Look again"),
    "model": ("model", "Choose another model"),
    "first model": ("model", "Choose another model"),
    "address": ("address", "Change address…"),
}


@dataclass
class StatusView:
    """The parts that show a Status; *act* does what a button of the card or of a notice stands for, by its key."""

    header: Header
    controls: Controls
    actions: Actions
    banner: Banner
    build_line: BuildLine
    view: VideoView
    record_bar: RecordBar
    panel: BenchmarkPanel
    act: Callable[[str], None]
    seen: bool = False  # the present source has given a picture
    _note: str = ""  # what the session last remarked on model and mode

    def show(self, status: Status, kind: Kind) -> None:
        """Show *status* of a session on a source of *kind*."""
        for part in (self.header, self.controls, self.build_line):
            part.show_status(status)
        self._check_menus(status)
        self._show_recording(status)
        if self.panel.isVisible():
            self.panel.show_status(status)
        self._say(status, kind)

    def say(self, topic: str, text: str, level: Level = "error", episode: str = "") -> None:
        """A notice about *topic*, with the button that helps; "" takes it back."""
        key, label = HELP.get(topic, ("", ""))
        handler = (lambda: self.act(key)) if key else None
        self.banner.say(topic, text, level, episode, label, handler)

    def _say(self, status: Status, kind: Kind) -> None:
        """What is wrong is said by the card over the picture, or else by a notice; never by both."""
        card = stage.stage_state(status, self.seen, kind)
        self.view.set_state(card)
        told = card.text if card is not None else ""
        episode = f"{status.state} {status.source}"
        level: Level = "error" if status.state == "failed" else "warning"
        self.say("source", "" if status.message == told else status.message, level, episode)
        instead = status.backend is None or status.backend.fallback == status.model_error
        error = "" if status.state == "failed" or status.model_error == told else status.model_error
        self.say("model", error, "warning" if instead else "error")
        if status.note != self._note:
            self._note = status.note
            self.say("mode", status.note, "info")
            QTimer.singleShot(NOTICE_MS, self.banner, lambda: self.banner.dismiss_topic("mode"))
        self.say("recording", status.recording.error if status.recording is not None else "")

    def _check_menus(self, status: Status) -> None:
        self.actions.check_model(self.controls.model.current)
        self.actions.check_choice("People", status.wish.mode)
        self.actions.by_name["fields"].setEnabled(status.mode == "bottom-up")
        self.actions.check_choice("Device", status.wish.device)
        self.actions.check_choice("Precision", status.wish.precision)

    def _show_recording(self, status: Status) -> None:
        recording = status.recording
        active = recording is not None and recording.active
        self.record_bar.show_recording(recording)
        self.actions.by_name["record"].setText("Finish recording" if active else "Record")
        self.view.set_recording(clock(recording.seconds) if recording is not None and active else "")
