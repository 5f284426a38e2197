"""What the user does about exports: ask for formats and a folder, and write the files in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from poseapp.review.exports import ExportOptions
from poseapp.review.exports.write import Exported, export_recording
from poseapp.review.saved_recording import SavedRecording
from poseapp.ui.banner import NOTICE_MS
from poseapp.ui.export_dialog import ExportDialog
from poseapp.ui.screen_fit import open_on_screen
from poseapp.ui.view_actions import recorded

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

TOPIC = "export"


class ExportActions:
    """Exports the recording that *window* plays; its jobs do the work."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._busy = False

    def ask(self) -> None:
        """Ask for formats and a folder."""
        window, player = self._window, self._window.review.player
        if player is None:
            return
        recording = player.recording
        if recording is None or not recording.parts:
            window.banner.say(TOPIC, "The joints of this recording cannot be read, so there is nothing to export.", "info")
            return
        if self._busy:
            window.banner.say(TOPIC, "Wait for the export that is being written.", "info")
            return
        window.review.command(lambda playback: playback.pause())
        draw = recorded(window.view.options)
        dialog = ExportDialog(recording, window.preferences.export_formats, draw, window.themes.current, window)
        dialog.accepted.connect(lambda: self._accepted(recording, dialog))
        open_on_screen(dialog)

    def _accepted(self, recording: SavedRecording, dialog: ExportDialog) -> None:
        self._window.preferences.export_formats = dialog.formats
        self.write(recording, dialog.formats, dialog.folder, dialog.options, dialog.replace.isChecked())

    def write(
        self, recording: SavedRecording, formats: tuple[str, ...], folder: Path, options: ExportOptions, replace: bool
    ) -> None:
        """Write *recording* in *formats* into *folder*."""
        self._busy = True
        self._window.banner.say(TOPIC, f"Exporting {recording.name}…", "info")

        def work() -> list[Exported]:
            return list(export_recording(recording, formats, folder, options, replace))

        self._window.jobs.run("export", work, lambda done: self._written(folder, done), self._failed)

    def _failed(self, error: str) -> None:
        self._busy = False
        self._window.banner.say(TOPIC, error)

    def _written(self, folder: Path, done: list[Exported]) -> None:
        self._busy = False
        banner = self._window.banner
        files = [one.path for one in done if not one.error]
        errors = list(dict.fromkeys(one.error for one in done if one.error))
        count = "1 file" if len(files) == 1 else f"{len(files)} files"
        text = f"Exported {count} to {folder}."
        if errors:
            more = f" {len(errors) - 1} more could not be written." if len(errors) > 1 else ""
            text = f"{text if files else ''} {errors[0]}{more}".strip()
        level = "warning" if errors and files else "error" if errors else "success"
        show = self._window.recording_actions.open_folder
        action = "Open folder" if files else ""
        banner.say(TOPIC, text, level, f"{folder} {text}", action, lambda: show(folder))  # type: ignore[arg-type]
        if not errors:
            QTimer.singleShot(2 * NOTICE_MS, banner, lambda: banner.take_back(TOPIC) if banner.text == text else None)
