"""The sidebar's section on the source: what to look at, and in which size and rate."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from poseapp.live.sources import DEFAULT_MODE, Camera, Mode
from poseapp.live.status import Status
from poseapp.ui import icons
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.source_choice import DEMO, SYNTHETIC, SourceChoice, find_camera
from poseapp.ui.widgets import describe, label, set_role

SIZES = ((640, 360), (640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
RATES = (15.0, 24.0, 30.0, 60.0, 120.0)
_ICONS = {
    "camera": "camera",
    "video": "video",
    "picture": "picture",
    "folder": "folder",
    "address": "network",
    "synthetic": "figure",
    "demo": "play",
    "given": "video",
}
_ROLE = Qt.ItemDataRole.UserRole


class SourceControls(QWidget):
    """What to look at, and in which size and rate."""

    chosen = Signal(object)  # SourceChoice
    mode_chosen = Signal(object)  # Mode

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._cameras: list[Camera] = []
        self._current: SourceChoice | None = None
        self.box = ComboBox()
        self.box.setObjectName("source")
        describe(self.box, "Source", "A camera, a clip, or what was opened last")
        self.box.activated.connect(self._activated)
        self.open = QPushButton("Open…")
        self.open.setProperty("role", "toggle")
        self.open.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        describe(self.open, "Open another source", "A video, a picture, a folder of pictures or a network address")
        self.size_box, self.rate_box = ComboBox(whole=True), ComboBox(whole=True)
        for box, name in ((self.size_box, "Picture size"), (self.rate_box, "Frame rate")):
            describe(box, name, f"{name} that the camera is asked for")
            box.activated.connect(self._mode_activated)
        self._requested_name, self._actual_name = label("Asked", "muted"), label("Given", "muted")
        self.actual = ElidedLabel("–")
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.box, 1)
        top.addWidget(self.open)
        self._modes = QWidget()
        modes = QHBoxLayout(self._modes)
        modes.setContentsMargins(0, 0, 0, 0)
        modes.setSpacing(4)
        modes.addWidget(self.size_box, 7)
        modes.addWidget(self.rate_box, 5)
        facts = QGridLayout()
        facts.setHorizontalSpacing(10)
        facts.setVerticalSpacing(6)
        facts.addWidget(self._requested_name, 0, 0)
        facts.addWidget(self._modes, 0, 1)
        facts.addWidget(self._actual_name, 1, 0)
        facts.addWidget(self.actual, 1, 1)
        facts.setColumnStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(label("SOURCE", "section"))
        layout.addLayout(top)
        layout.addLayout(facts)
        self._fill_modes(DEFAULT_MODE)
        self._fill()
        self._show_modes(False)

    def set_open_menu(self, actions: list[QAction]) -> None:
        """What opens other sources; none of it is a source itself."""
        menu = QMenu(self)
        menu.addActions(actions)
        self.open.setMenu(menu)

    @property
    def current(self) -> SourceChoice | None:
        """The choice that is shown."""
        return self._current

    def set_cameras(self, cameras: list[Camera]) -> None:
        """Offer *cameras*."""
        if cameras != self._cameras:
            self._cameras = cameras
            self._fill()

    def set_current(self, choice: SourceChoice) -> None:
        """Show *choice* as the one in use."""
        self._current = choice
        self._fill()
        self._show_modes(choice.kind == "camera")

    def set_mode(self, mode: Mode) -> None:
        """Show *mode* as what is asked of cameras."""
        self._fill_modes(mode)

    def mode(self) -> Mode:
        """What is to be asked of a camera."""
        width, height = self.size_box.currentData()
        return Mode(width, height, float(self.rate_box.currentData()), DEFAULT_MODE.codec)

    def show_status(self, status: Status) -> None:
        """Show what was requested of the camera, and what it gives."""
        camera = status.requested is not None
        self._show_modes(camera)
        if status.requested is not None and not self.size_box.view().isVisible() and not self.rate_box.view().isVisible():
            self._show_mode(status.requested)
        framing = f" · {status.framing}" if not status.framing.is_whole else ""
        self.actual.set_text(f"{status.actual}{framing}" if status.actual is not None else "–")
        differs = status.requested is not None and status.actual is not None and not _same(status.requested, status.actual)
        set_role(self.actual, "warning" if differs else "")

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self._fill()

    def _fill(self) -> None:
        if self.box.view().isVisible():  # not under the user's pointer; the next listing fills it
            self._cameras = []
            return
        model = QStandardItemModel(self.box)

        def add(text: str, kind: str, data: object, enabled: bool = True) -> None:
            item = QStandardItem(icons.icon(_ICONS[kind], self._theme.muted), text)
            item.setData(data, _ROLE)
            item.setEnabled(enabled)
            item.setToolTip(text)
            model.appendRow(item)

        def separate() -> None:
            item = QStandardItem()
            item.setData("separator", Qt.ItemDataRole.AccessibleDescriptionRole)
            item.setEnabled(False)
            model.appendRow(item)

        current = self._current
        if current is not None and current.kind not in ("camera", "synthetic", "demo"):
            add(current.label, current.kind, current)
            separate()
        for camera in self._cameras:
            add(camera.name, "camera", SourceChoice.camera(camera))
        if current is not None and current.kind == "camera" and find_camera(current, self._cameras) is None:
            add(f"{current.label} (not plugged in)", "camera", current)
        elif not self._cameras:
            add("No camera found", "camera", None, enabled=False)
        separate()
        for choice in (SYNTHETIC, DEMO):
            add(choice.label, choice.kind, choice)
        with QSignalBlocker(self.box):
            self.box.setModel(model)
            self._show_current()

    def _show_current(self) -> None:
        index = -1
        for row in range(self.box.count()):
            data = self.box.itemData(row, _ROLE)
            same = isinstance(data, SourceChoice) and self._current is not None and data.kind == self._current.kind
            if same and (data.kind != "camera" or self._same_camera(data)):
                index = row
                break
        self.box.setCurrentIndex(index)

    def _same_camera(self, choice: SourceChoice) -> bool:
        assert self._current is not None
        current = find_camera(self._current, self._cameras)
        return choice == self._current if current is None else current == find_camera(choice, self._cameras)

    def _activated(self, row: int) -> None:
        data = self.box.itemData(row, _ROLE)
        with QSignalBlocker(self.box):
            self._show_current()  # what runs stays shown until the new one runs
        if isinstance(data, SourceChoice):
            self.chosen.emit(data)

    def _fill_modes(self, mode: Mode) -> None:
        sizes = sorted({*SIZES, (mode.width, mode.height)})
        rates = sorted({*RATES, mode.fps})
        with QSignalBlocker(self.size_box), QSignalBlocker(self.rate_box):
            self.size_box.clear()
            for width, height in sizes:
                self.size_box.addItem(f"{width}×{height}", (width, height))
            self.size_box.setCurrentIndex(sizes.index((mode.width, mode.height)))
            self.rate_box.clear()
            for fps in rates:
                self.rate_box.addItem(f"{fps:g} fps", fps)
            self.rate_box.setCurrentIndex(rates.index(mode.fps))

    def _show_modes(self, camera: bool) -> None:
        for widget in (self._modes, self._requested_name):
            widget.setVisible(camera)
        self._actual_name.setText("Given" if camera else "Picture")

    def _show_mode(self, mode: Mode) -> None:
        if (mode.width, mode.height, mode.fps) != (*self.size_box.currentData(), self.rate_box.currentData()):
            self._fill_modes(mode)

    def _mode_activated(self) -> None:
        self.mode_chosen.emit(self.mode())


def _same(requested: Mode, actual: Mode) -> bool:
    return (requested.width, requested.height) == (actual.width, actual.height) and (
        actual.fps <= 0 or abs(requested.fps - actual.fps) < 0.5
    )
