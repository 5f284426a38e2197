"""What the user does about reports: ask for one, and open it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFileDialog

from poseapp.review.report import ReportOptions
from poseapp.ui.banner import NOTICE_MS, Level
from poseapp.ui.report_dialog import ReportDialog
from poseapp.ui.report_file import WrittenReport, default_path, write_report
from poseapp.ui.screen_fit import open_on_screen

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow


class ReportActions:
    """Makes reports on the recording that *window* plays; the work is done by its jobs."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def ask(self) -> None:
        """Ask what stands on the page, then where it goes."""
        window, player = self._window, self._window.review.player
        if player is None:
            return
        if player.recording is None:
            window.banner.say("report", "The joints of this recording cannot be read, so there is nothing to report.", "info")
            return
        window.review.command(lambda playback: playback.pause())
        exercise, theme = window.sidebar.measure.repetitions.exercise, window.themes.current
        dialog = ReportDialog(player.recording, window.view.options, exercise, window.view.locked, theme, window)
        dialog.accepted.connect(lambda: self._where(player.folder, dialog.options))
        open_on_screen(dialog)

    def _where(self, folder: Path, options: ReportOptions) -> None:
        path = ask_path(self._window, folder)
        if path is not None:
            self.write(folder, path, options)

    def write(self, folder: Path, path: Path, options: ReportOptions) -> None:
        """Write the report of the recording in *folder* to *path*, which is replaced."""
        window = self._window
        window.banner.say("report", f"Writing {path.name}…", "info")
        work = partial(write_report, folder, path, options, replace=True, instead="choose another file")
        window.jobs.run("report", work, self._written, lambda error: window.banner.say("report", error))

    def _written(self, written: WrittenReport) -> None:
        banner, path = self._window.banner, written.path
        text = " ".join((f"Report saved: {path.name}.", *written.remarks))
        level: Level = "warning" if written.remarks else "success"
        banner.say("report", text, level, str(path), "Open", lambda: self._window.recording_actions.open_folder(path))
        if not written.remarks:
            QTimer.singleShot(2 * NOTICE_MS, banner, lambda: banner.take_back("report") if banner.text == text else None)


def ask_path(window: MainWindow, folder: Path) -> Path | None:
    """Where the report of the recording in *folder* goes; None when the user thinks better of it."""
    path = default_path(folder)
    start = path if path.parent.is_dir() else folder / path.name
    chosen, _ = QFileDialog.getSaveFileName(window, "Save report", str(start), "PDF (*.pdf)")
    if not chosen:
        return None
    return Path(chosen) if Path(chosen).suffix else Path(f"{chosen}.pdf")
