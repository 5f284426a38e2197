"""What the user does about recordings and snapshots: begin, finish, save, choose and open their folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QFile, QTimer, QUrl
from PySide6.QtGui import QDesktopServices

from poseapp.live.recording import RecordOptions, delete_recording, rename_recording, split_name
from poseapp.live.sound import parse_microphone
from poseapp.ui import dialogs
from poseapp.ui.banner import NOTICE_MS
from poseapp.ui.preferences import Preferences
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.view_actions import recorded
from poseapp.ui.window_layout import WindowLayout

FACES_IN_CLEAN = "The clean copy shows people as they are: their faces can be recognised in clean.mkv."


def to_trash(folder: Path) -> bool:
    """Move *folder* to the trash; False where that cannot be. Takes a while: call it off the UI thread."""
    return QFile(str(folder)).moveToTrash()


class RecordingActions:
    """Works on the picture, the record bar and the banner of *window*."""

    def __init__(self, window: WindowLayout, bridge: SessionBridge, preferences: Preferences) -> None:
        self._window, self._bridge, self._preferences = window, bridge, preferences

    def toggle(self) -> None:
        """Begin a recording, or finish the one that runs."""
        status = self._bridge.status()
        if status is not None and status.recording is not None and status.recording.active:
            self._bridge.stop_recording()
            return
        self.start()

    def start(self, called: str = "", done: Callable[[str], None] = lambda _error: None) -> None:
        """Begin a recording, *called* as somebody has typed, else as the bar says; *done* hears "", or why it has not begun."""
        bar, status = self._window.record_bar, self._bridge.status()
        if status is None:
            bar.show_recording(None)
            nothing = "Choose a camera or a clip first: nothing is captured now."
            self._window.banner.say("record", nothing, "info")
            done(nothing)
            return
        bar.show_recording(status.recording)
        name, tags = split_name(called or bar.name.text())
        self._window.banner.take_back("record")
        if bar.clean.isChecked() and self._window.view.options.hides_people:
            self._window.banner.say("record", FACES_IN_CLEAN, "warning")
        self._bridge.start_recording(
            RecordOptions(
                folder=self._preferences.folder,
                clean_video=bar.clean.isChecked(),
                draw=recorded(self._window.view.options),
                name=name,
                tags=tags,
                start_stop=self._preferences.start_stop,
                microphone=parse_microphone(self._preferences.microphone) if self._preferences.microphone else None,
            ),
            done,
        )

    def snapshot(self) -> None:
        """Save what is on the screen, unmirrored."""
        view = self._window.view
        if view.result is None:
            self._window.banner.say("snapshot", "There is no picture to save yet.", "info")
            return
        self._bridge.snapshot(view.result, self._preferences.folder, replace(view.options, mirror=False), self._snapshot_saved)

    def choose_folder(self) -> None:
        """Ask where recordings go."""
        folder = dialogs.ask_folder(self._window, self._preferences.folder)
        if folder is not None:
            self.set_folder(folder)

    def set_folder(self, folder: Path) -> None:
        """Put recordings into *folder*."""
        self._preferences.folder = folder
        self._window.record_bar.set_folder(folder)
        self._window.banner.take_back("record")

    def open_folder(self, folder: Path) -> None:
        """Show *folder* in the file manager."""
        if not folder.exists():
            self._window.banner.say("folder", f"{folder}: there is nothing recorded yet.", "info")
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
            self._window.banner.say("folder", f"No file manager could be opened. The files are in {folder}.", "info")

    def rename(self, folder: Path, typed: str) -> None:
        """Call the finished recording in *folder* as the user has *typed*."""
        name, tags = split_name(typed)

        def renamed(to: Path) -> None:
            self._window.record_bar.moved(folder, to)
            self._window.saved.renamed(to, typed)
            self._window.banner.take_back("record")

        self._bridge.jobs.run("rename", lambda: rename_recording(folder, name, tags), renamed, self._failed)

    def discard(self, folder: Path) -> None:
        """Move the recording in *folder* to the trash; where there is none, ask whether to delete it for good."""

        def moved(in_trash: bool) -> None:
            if in_trash:
                self._gone(folder)
            elif dialogs.ask_delete(self._window, folder):
                self._bridge.jobs.run("delete", lambda: delete_recording(folder), lambda _: self._gone(folder), self._failed)

        self._bridge.jobs.run("discard", lambda: to_trash(folder), moved, self._failed)

    def _gone(self, folder: Path) -> None:
        self._window.record_bar.moved(folder, None)
        self._window.saved.dismiss()
        self._bridge.poll()

    def _failed(self, error: str) -> None:
        self._window.banner.say("record", error)

    def _snapshot_saved(self, path: Path) -> None:
        banner, text = self._window.banner, f"Snapshot saved: {path.name}"
        banner.say("snapshot", text, "success", str(path), "Open folder", lambda: self.open_folder(path.parent))
        QTimer.singleShot(NOTICE_MS, banner, lambda: banner.take_back("snapshot") if banner.text == text else None)
