"""Shows the status of the session in the parts of the window, each thing once."""

from __future__ import annotations

import re
from collections.abc import Callable

from PySide6.QtCore import QTimer

from poseapp.live.status import Status
from poseapp.ui import session_messages
from poseapp.ui.banner import NOTICE_MS, Level
from poseapp.ui.display_names import model_title
from poseapp.ui.menus import Menus
from poseapp.ui.record_bar import clock
from poseapp.ui.source_choice import SourceKind
from poseapp.ui.window_layout import WindowLayout

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


def in_users_words(status: Status) -> str:
    """The note of *status* with the names that models have in the window."""
    titles = {name: model_title(name) for name in (status.model_request.folder.name, status.model)}
    return re.sub(r"[\w-]+", lambda found: titles.get(found[0], found[0]), status.note)


class StatusPresenter:
    """Shows a Status in the parts of *window* and in *menus*.

    *act* does what a button of the card or of a notice stands for, by its key.
    """

    def __init__(self, window: WindowLayout, menus: Menus, act: Callable[[str], None]) -> None:
        self._window, self._menus, self._act = window, menus, act
        self.seen = False  # the present source has given a picture
        self._note = ""  # what the session last remarked on model and mode

    def show(self, status: Status, kind: SourceKind) -> None:
        """Show *status* of a session on a source of *kind*."""
        for part in (self._window.header, self._window.sidebar, self._window.build_progress):
            part.show_status(status)
        self._check_menus(status)
        self._show_recording(status)
        if self._window.panel.isVisible():
            self._window.panel.show_status(status)
        self._say(status, kind)

    def say(self, topic: str, text: str, level: Level = "error", episode: str = "") -> None:
        """A notice about *topic*, with the button that helps; "" takes it back."""
        key, label = HELP.get(topic, ("", ""))
        handler = (lambda: self._act(key)) if key else None
        self._window.banner.say(topic, text, level, episode, label, handler)

    def _say(self, status: Status, kind: SourceKind) -> None:
        """What is wrong is said by the card over the picture, or else by a notice; never by both."""
        card = session_messages.session_message(status, self.seen, kind)
        self._window.view.set_message(card)
        told = card.text if card is not None else ""
        episode = f"{status.state} {status.source}"
        level: Level = "error" if status.state == "failed" else "warning"
        self.say("source", "" if status.message == told else status.message, level, episode)
        instead = status.backend is None or status.backend.fallback == status.model_error
        error = "" if status.state == "failed" or status.model_error == told else status.model_error
        self.say("model", error, "warning" if instead else "error")
        if status.note != self._note:
            self._note = status.note
            self.say("mode", in_users_words(status), "info")
            QTimer.singleShot(NOTICE_MS, self._window.banner, lambda: self._window.banner.dismiss_topic("mode"))
        self.say("recording", status.recording.error if status.recording is not None else "")
        sound = status.recording.sound if status.recording is not None else None
        self.say("sound", sound.error if sound is not None else "", "warning")

    def _check_menus(self, status: Status) -> None:
        self._menus.check_model(self._window.sidebar.model.current)
        self._menus.check_choice("People", status.model_request.mode)
        self._menus.actions["heatmaps"].setEnabled(status.has_heatmaps)
        self._menus.actions["fields"].setEnabled(status.has_fields)
        self._menus.check_choice("Device", status.model_request.device)
        self._menus.check_choice("Precision", status.model_request.precision)

    def _show_recording(self, status: Status) -> None:
        recording = status.recording
        active = recording is not None and recording.active
        self._window.record_bar.show_recording(recording)
        self._window.saved.show_recording(recording, self._window.record_bar.name.text())
        self._menus.actions["record"].setText("Finish recording" if active else "Record")
        begun = recording is not None and active and recording.waits_s == 0
        self._window.view.set_recording(clock(recording.seconds) if recording is not None and begun else "")
