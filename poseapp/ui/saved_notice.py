"""The notice over the picture after Stop: what was saved, and what to do with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QPushButton, QVBoxLayout, QWidget

from poseapp.live.recording import Counts, Recording
from poseapp.ui.colours import Theme
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import describe, icon_button, paint_icon

NAME_TIP = "A name for the recording. Words that begin with # are tags: Squats left #knee"


def numbers(counts: Counts) -> str:
    """What became of the frames, in few words."""
    return f"{counts.captured} captured · {counts.analysed} analysed · {counts.written} written · {counts.all_lost} lost"


class SavedNotice(QFrame):
    """Appears when a recording is finished, and stays until it is closed or another recording begins."""

    rename_asked = Signal(object, str)  # the folder, and the name as it was typed
    discard_asked = Signal(object)  # the folder
    show_asked = Signal(object)  # the folder
    play_asked = Signal(object)  # the folder

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("banner")
        self.setProperty("level", "success")
        self.folder: Path | None = None  # of the recording that the notice is about
        self._recorded: Path | None = None  # where the session has put it; it may be called otherwise now
        self._typed = ""  # name and tags of the recording
        self.text, self.counts = ElidedLabel(), ElidedLabel("", "muted")
        self.name = QLineEdit()
        self.name.setObjectName("savedName")
        self.name.setPlaceholderText("Name #tag")
        describe(self.name, "Name of the recording", NAME_TIP)
        self.name.returnPressed.connect(self._rename)
        self.play = self._button("Play", "Play the recording", self._play)
        self.rename = self._button("Rename", "Give the recording a name and tags", self._rename_pressed)
        self.show_folder = self._button("Show in folder", "Show the recording in the file manager", self._show)
        self.discard = self._button("Discard", "Move the recording to the trash", self._discard)
        self.close_button = icon_button("savedClose", "Close")
        self.close_button.clicked.connect(self.dismiss)
        self.row = QHBoxLayout(self)
        self.row.setContentsMargins(12, 6, 6, 6)
        self.row.setSpacing(8)
        lines = QVBoxLayout()
        lines.setSpacing(0)
        lines.addWidget(self.text)
        lines.addWidget(self.counts)
        self.row.addLayout(lines, 1)
        self.row.addWidget(self.name, 1)
        for button in (self.play, self.rename, self.show_folder, self.discard, self.close_button):
            self.row.addWidget(button)
        self.name.hide()
        self.hide()

    @property
    def buttons(self) -> tuple[QWidget, ...]:
        """What can be reached by Tab, in order."""
        return self.name, self.play, self.rename, self.show_folder, self.discard, self.close_button

    def show_recording(self, recording: Recording | None, typed: str) -> None:
        """A recording goes on, has been finished, or there is none; *typed* is the name that it was given before."""
        if recording is None or recording.active:
            self._typed = typed
            self._recorded = None if recording is None else recording.folder
            self.folder = None
            self.hide()
        elif recording.folder == self._recorded and self.folder is None and self.isHidden():
            self._recorded = None  # once
            if recording.counts.written or recording.counts.clean_written:
                self.name.hide()
                counts = recording.counts
                self.counts.set_text(numbers(counts), f"{counts.captured} captured · {counts.all_lost} lost", "")
                self.counts.setToolTip(counts.sentence())
                self._set_folder(recording.folder)
                self.show()

    def renamed(self, folder: Path, typed: str) -> None:
        """The recording is in *folder* now, and called as the user has *typed*."""
        self._typed = typed
        self.name.hide()
        self.text.show()
        self._set_folder(folder)

    def dismiss(self) -> None:
        """Say nothing more about this recording."""
        self.folder = None
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        paint_icon(self.close_button, "close", theme.muted)

    def ask_name(self, now: str) -> None:
        """Let the user type a name, beginning with *now*."""
        self.text.hide()
        self.counts.hide()
        self.name.setText(now)
        self.name.show()
        self.name.setFocus()
        self.name.selectAll()

    def _set_folder(self, folder: Path) -> None:
        self.folder = folder
        self.text.set_text(f"Saved {folder.name}", folder.name, "Saved")
        self.text.setToolTip(str(folder))
        self.text.show()
        self.counts.show()

    def _button(self, text: str, tip: str, pressed: Callable[[], None]) -> QPushButton:
        button = QPushButton(text)
        describe(button, text, tip)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.clicked.connect(pressed)
        return button

    def _rename_pressed(self) -> None:
        if self.name.isVisible():
            self._rename()
        else:
            self.ask_name(self._typed)

    def _rename(self) -> None:
        if self.folder is not None:
            self.rename_asked.emit(self.folder, self.name.text())

    def _show(self) -> None:
        if self.folder is not None:
            self.show_asked.emit(self.folder)

    def _play(self) -> None:
        folder = self.folder
        if folder is not None:
            self.dismiss()  # it lies over the picture that the user wants to see now
            self.play_asked.emit(folder)

    def _discard(self) -> None:
        if self.folder is not None:
            self.discard_asked.emit(self.folder)
