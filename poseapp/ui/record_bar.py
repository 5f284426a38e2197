"""The bar below the picture: recording, snapshot and where they go."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from poseapp.live.recording import Recording
from poseapp.ui import icons
from poseapp.ui.actions import action
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.saved_notice import NAME_TIP, numbers
from poseapp.ui.switch import Switch
from poseapp.ui.widgets import describe, icon_button, paint_icon, set_role

LOW_DISK_S = 300.0
ROOMY, ROOMY_FOR_NAME = 700, 760  # px
NAME_WIDTH = 150  # px
LONGEST_TYPED = 200  # characters of a name with its tags


class RecordBar(QWidget):
    """Record and snapshot on the left, how it goes in the middle, where to on the right."""

    record_asked = Signal(bool)  # True: begin, False: finish
    snapshot_asked = Signal()
    start_stop_asked = Signal()
    folder_asked = Signal()
    open_asked = Signal(object)  # Path

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("recordBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = DARK
        self._folder = Path()
        self._finished: Path | None = None
        self.record = QPushButton(action("record").button_text)
        self.record.setProperty("role", "record")
        self.record.setCheckable(True)
        self.record.setIconSize(QSize(18, 18))
        self.record.setCursor(Qt.CursorShape.PointingHandCursor)
        describe(self.record, action("record").button_text, action("record").tooltip)
        self.record.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.record.setMinimumWidth(128)
        self.record.clicked.connect(self.record_asked)
        self.snapshot = icon_button("camera", action("snapshot").tooltip)
        self.snapshot.clicked.connect(self.snapshot_asked)
        self.timer = icon_button("timer", action("start_stop").tooltip, checkable=True)
        self.timer.clicked.connect(self._timer_clicked)
        self.info = ElidedLabel("", "muted")
        self.name = QLineEdit()
        self.name.setObjectName("recordingName")
        self.name.setPlaceholderText("Name #tag")
        self.name.setMaxLength(LONGEST_TYPED)
        self.name.setFixedWidth(NAME_WIDTH)
        describe(self.name, "Name of the next recording", NAME_TIP)
        self.name.returnPressed.connect(self.name.clearFocus)
        self.open = QPushButton("Open folder")
        self.open.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        describe(self.open, "Open folder", "Show the last recording in the file manager")
        self.open.clicked.connect(self._open)
        self.clean = Switch("Clean copy", "Also record every captured picture, without the skeleton")
        self.folder = icon_button("folder", "")
        self.folder.clicked.connect(self.folder_asked)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 9, 10, 9)
        row.setSpacing(10)
        row.addWidget(self.record)
        row.addWidget(self.timer)
        row.addWidget(self.snapshot)
        row.addWidget(self.name)
        row.addWidget(self.info, 1)
        row.addWidget(self.open)
        row.addWidget(self.clean)
        row.addWidget(self.folder)
        self.open.hide()
        self._moved: dict[Path, Path | None] = {}
        self._active = self._by_itself = False
        self._idle()

    def set_folder(self, folder: Path) -> None:
        """Show where recordings go."""
        self._folder = folder
        describe(self.folder, "Choose the folder for recordings", f"Recordings go to {folder}. Choose another folder…")
        if self._finished is None and not self.record.isChecked():
            self._idle()

    def show_start_stop(self, summary: str) -> None:
        """Show that recordings start or stop by themselves, and how; "" where they do not."""
        self._by_itself = bool(summary)
        self.timer.setChecked(self._by_itself)
        tip = action("start_stop").tooltip
        self.timer.setToolTip(f"{tip}\nNow: {summary}" if summary else tip)
        self.timer.setAccessibleDescription(self.timer.toolTip())

    def _timer_clicked(self) -> None:
        self.timer.setChecked(self._by_itself)  # it shows what is chosen; a click changes nothing by itself
        self.start_stop_asked.emit()

    def show_recording(self, recording: Recording | None) -> None:
        """Show where *recording* stands: running, finished, or none."""
        if recording is not None and recording.folder in self._moved:
            folder = self._moved[recording.folder]
            recording = replace(recording, folder=folder) if folder is not None else None
        active = recording is not None and recording.active
        if active != self._active:
            self._active = active
            self._show_name()
        self.record.setChecked(active)
        waits = recording is not None and active and recording.waits_s > 0
        stop = "Cancel" if waits else f"Stop  {clock(recording.seconds)}" if recording is not None else ""
        text = stop if active else "Record"
        if self.record.text() != text:
            self.record.setText(text)
            called = "Cancel the countdown" if waits else "Finish recording" if active else "Record"
            self.record.setAccessibleName(called)
            self._paint_record()
        self.clean.setEnabled(not active)
        self.folder.setEnabled(not active)
        self.open.setVisible(recording is not None and not active)
        if recording is None:
            self._finished = None
            self._idle()
            return
        self._finished = recording.folder
        if waits:
            self._say("", f"Begins in {recording.waits_s:.0f} s", "")
            return
        counts, written = recording.counts, size(recording.bytes)
        if active:
            low = recording.disk_left_s < LOW_DISK_S
            lasts = left(recording.disk_left_s)
            part = f"part {recording.segment} · " if recording.segment > 1 else ""
            lost = f"{counts.all_lost} lost"
            short_ = f"{written} · {lost}" if counts.all_lost else f"{written} · {lasts}"
            role = "warning" if low or counts.all_lost else ""
            self._say(
                role, f"{part}{written} · {numbers(counts)} · {lasts}", f"{part}{written} · {lost} · {lasts}", short_, written
            )
            self.info.setToolTip(counts.sentence())
        else:  # what ended it, a notice says
            saved = f"Saved {clock(recording.seconds)}"
            parts = f", {recording.segment} parts" if recording.segment > 1 else ""
            role = "warning" if recording.error else ""
            self._say(role, f"{saved}, {written}{parts} · {numbers(counts)}", f"{saved}, {written}{parts}", saved, "Saved", "")
            self.info.setToolTip(f"{recording.folder}\n{counts.sentence()}")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A shorter word where there is little room."""
        super().resizeEvent(event)
        self.open.setText("Open folder" if event.size().width() >= ROOMY else "Open")
        self._show_name()

    def moved(self, folder: Path, to: Path | None) -> None:
        """The recording that was in *folder* is in the folder *to* now, or nowhere."""
        self._moved = {old: to if new == folder else new for old, new in self._moved.items()} | {folder: to}

    def _show_name(self) -> None:
        """The field for the name, where there is room for it and a recording may begin."""
        self.name.setVisible(self.width() >= ROOMY_FOR_NAME and not self._active)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        paint_icon(self.snapshot, "camera", theme.text)
        paint_icon(self.timer, "timer", theme.text)
        paint_icon(self.folder, "folder", theme.text)
        self.clean.set_theme(theme)
        self._paint_record()

    def _open(self) -> None:
        self.open_asked.emit(self._finished or self._folder)

    def _idle(self) -> None:
        folder = short(self._folder) if self._folder != Path() else ""
        self._say("muted", f"Recordings go to {folder}" if folder else "", folder)

    def _say(self, role: str, text: str, *shorter: str) -> None:
        self.info.set_text(text, *shorter)
        set_role(self.info, role)

    def _paint_record(self) -> None:
        self.record.setIcon(icons.icon("stop" if self.record.isChecked() else "record", self._theme.danger))


def short(folder: Path) -> str:
    """*folder*, with ~ for the home folder."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or no home
        return str(folder)


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour on."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def size(n: int) -> str:
    """Bytes for people: 640 kB, 12.4 MB, 3.10 GB."""
    if n < 1e6:
        return f"{n / 1e3:.0f} kB"
    return f"{n / 1e6:.1f} MB" if n < 1e9 else f"{n / 1e9:.2f} GB"


def left(seconds: float) -> str:
    """How long the disk lasts, for people."""
    if not math.isfinite(seconds):
        return "disk time …"
    hours = seconds / 3600
    if hours >= 48:
        return f"disk lasts {hours / 24:.0f} days"
    if hours >= 1:
        return f"disk lasts {int(hours)} h {int(seconds % 3600 // 60)} min"
    return f"disk lasts {clock(seconds)} min" if seconds >= 60 else f"disk lasts {seconds:.0f} s"
