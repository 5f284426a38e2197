"""What the user does about recordings and snapshots: begin, finish, save, choose and open their folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QTimer, QUrl
from PySide6.QtGui import QDesktopServices

from poseapp.live.recording import RecordOptions
from poseapp.ui import dialogs
from poseapp.ui.banner import NOTICE_MS
from poseapp.ui.preferences import Preferences
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.window_layout import WindowLayout


class RecordingActions:
    """Works on the picture, the record bar and the banner of *window*."""

    def __init__(self, window: WindowLayout, bridge: SessionBridge, preferences: Preferences) -> None:
        self._window, self._bridge, self._preferences = window, bridge, preferences

    def toggle(self) -> None:
        """Begin a recording, or finish the one that runs."""
        bar, status = self._window.record_bar, self._bridge.status()
        if status is None:
            bar.show_recording(None)
            return
        if status.recording is not None and status.recording.active:
            self._bridge.stop_recording()
            return
        bar.show_recording(status.recording)
        # Only the preview is mirrored, and a heatmap would hide the person in the file.
        draw = replace(self._window.view.options, mirror=False, heatmaps=False, fields=False)
        self._window.banner.take_back("record")
        self._bridge.start_recording(RecordOptions(folder=self._preferences.folder, clean_video=bar.clean.isChecked(), draw=draw))

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

    def _snapshot_saved(self, path: Path) -> None:
        banner, text = self._window.banner, f"Snapshot saved: {path.name}"
        banner.say("snapshot", text, "success", str(path), "Open folder", lambda: self.open_folder(path.parent))
        QTimer.singleShot(NOTICE_MS, banner, lambda: banner.take_back("snapshot") if banner.text == text else None)
