"""The sidebar: source, model, view and the joints' confidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QScrollArea, QSlider, QVBoxLayout, QWidget

from poseapp.core.types import Result
from poseapp.engine.load import StoredModel
from poseapp.live.session import Status
from poseapp.live.source import DEFAULT_MODE, Camera, Mode
from poseapp.render import DrawOptions
from poseapp.ui import icons
from poseapp.ui.choices import DEMO, DEVICE_NAMES, DEVICE_TIPS, PRECISION_NAMES, SYNTHETIC, Choice, find_camera
from poseapp.ui.joints import JointList
from poseapp.ui.people_controls import PeopleControls
from poseapp.ui.theme import DARK, Theme
from poseapp.ui.widgets import Badge, ComboBox, Elided, icon_button, label, paint_icon, rule, toggle

WIDTH = 312
SIZES = ((640, 360), (640, 480), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
RATES = (15.0, 24.0, 30.0, 60.0, 120.0)
OPENERS = (
    ("video", "Open video…"),
    ("picture", "Open picture…"),
    ("folder", "Open folder…"),
    ("address", "Network address…"),
)
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

    chosen = Signal(object)  # Choice
    open_asked = Signal(str)  # kind of an Open… entry
    refresh_asked = Signal()
    mode_chosen = Signal(object)  # Mode

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._cameras: list[Camera] = []
        self._current: Choice | None = None
        self.box = ComboBox()
        self.box.setObjectName("source")
        self.box.setAccessibleName("Source")
        self.box.setToolTip("Camera, file or address to look at")
        self.box.activated.connect(self._activated)
        self.refresh = icon_button("refresh", "Look for cameras again (F5)")
        self.refresh.clicked.connect(self.refresh_asked)
        self.size_box, self.rate_box = ComboBox(), ComboBox()
        for box, tip in ((self.size_box, "Picture size asked of the camera"), (self.rate_box, "Frame rate asked of the camera")):
            box.setToolTip(tip)
            box.setAccessibleName(tip)
            box.setProperty("role", "compact")
            box.setMinimumContentsLength(1)
            box.activated.connect(self._mode_activated)
        self._asked_name, self._granted_name = label("Asked", "muted"), label("Granted", "muted")
        self.granted = Elided("–")
        top = QHBoxLayout()
        top.setSpacing(6)
        top.addWidget(self.box, 1)
        top.addWidget(self.refresh)
        self._modes = QWidget()
        modes = QHBoxLayout(self._modes)
        modes.setContentsMargins(0, 0, 0, 0)
        modes.setSpacing(4)
        modes.addWidget(self.size_box, 7)
        modes.addWidget(self.rate_box, 5)
        facts = QGridLayout()
        facts.setHorizontalSpacing(10)
        facts.setVerticalSpacing(6)
        facts.addWidget(self._asked_name, 0, 0)
        facts.addWidget(self._modes, 0, 1)
        facts.addWidget(self._granted_name, 1, 0)
        facts.addWidget(self.granted, 1, 1)
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

    @property
    def current(self) -> Choice | None:
        """The choice that is shown."""
        return self._current

    def set_cameras(self, cameras: list[Camera]) -> None:
        """Offer *cameras*."""
        if cameras != self._cameras:
            self._cameras = cameras
            self._fill()

    def set_current(self, choice: Choice) -> None:
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
        """Show what was asked and what was granted."""
        camera = status.asked is not None
        self._show_modes(camera)
        if status.asked is not None and not self.size_box.view().isVisible() and not self.rate_box.view().isVisible():
            self._show_mode(status.asked)
        self.granted.set_text(str(status.granted) if status.granted is not None else "–")
        differs = status.asked is not None and status.granted is not None and not _same(status.asked, status.granted)
        colour = self._theme.warning if differs else self._theme.text
        self.granted.setStyleSheet(f"color: {colour}")

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        paint_icon(self.refresh, "refresh", theme.muted)
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
            add(camera.name, "camera", Choice.camera(camera))
        if current is not None and current.kind == "camera" and find_camera(current, self._cameras) is None:
            add(f"{current.label} (not plugged in)", "camera", current)
        elif not self._cameras:
            add("No camera found", "camera", None, enabled=False)
        separate()
        for kind, text in OPENERS:
            add(text, kind, kind)
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
            same = isinstance(data, Choice) and self._current is not None and data.kind == self._current.kind
            if same and (data.kind != "camera" or self._same_camera(data)):
                index = row
                break
        self.box.setCurrentIndex(index)

    def _same_camera(self, choice: Choice) -> bool:
        assert self._current is not None
        current = find_camera(self._current, self._cameras)
        return choice == self._current if current is None else current == find_camera(choice, self._cameras)

    def _activated(self, row: int) -> None:
        data = self.box.itemData(row, _ROLE)
        with QSignalBlocker(self.box):
            self._show_current()  # what runs stays shown until the new one runs
        if isinstance(data, Choice):
            self.chosen.emit(data)
        elif isinstance(data, str):
            self.open_asked.emit(data)

    def _fill_modes(self, mode: Mode) -> None:
        sizes = sorted({*SIZES, (mode.width, mode.height)})
        rates = sorted({*RATES, mode.fps})
        with QSignalBlocker(self.size_box), QSignalBlocker(self.rate_box):
            self.size_box.clear()
            for width, height in sizes:
                self.size_box.addItem(f"{width} × {height}", (width, height))
            self.size_box.setCurrentIndex(sizes.index((mode.width, mode.height)))
            self.rate_box.clear()
            for fps in rates:
                self.rate_box.addItem(f"{fps:g} fps", fps)
            self.rate_box.setCurrentIndex(rates.index(mode.fps))

    def _show_modes(self, camera: bool) -> None:
        for widget in (self._modes, self._asked_name):
            widget.setVisible(camera)
        self._granted_name.setText("Granted" if camera else "Picture")

    def _show_mode(self, mode: Mode) -> None:
        if (mode.width, mode.height, mode.fps) != (*self.size_box.currentData(), self.rate_box.currentData()):
            self._fill_modes(mode)

    def _mode_activated(self) -> None:
        self.mode_chosen.emit(self.mode())


def _same(asked: Mode, granted: Mode) -> bool:
    return (asked.width, asked.height) == (granted.width, granted.height) and (
        granted.fps <= 0 or abs(asked.fps - granted.fps) < 0.5
    )


class ModelControls(QWidget):
    """Which network runs, and on what."""

    chosen = Signal(object)  # Path of the folder
    device_chosen = Signal(str)
    precision_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._models: list[StoredModel] = []
        self._current = ""
        self.box = ComboBox()
        self.box.setObjectName("model")
        self.box.setAccessibleName("Model")
        self.box.setToolTip("The network; changing it does not stop the camera (Ctrl+1 … Ctrl+9)")
        self.box.activated.connect(self._activated)
        self.device_box, self.precision_box = ComboBox(), ComboBox()
        self._missing: dict[str, str] = {}  # device → why it cannot be used
        for box, tip, signal in (
            (self.device_box, "Where the network runs", self.device_chosen),
            (self.precision_box, "In which precision the network runs", self.precision_chosen),
        ):
            box.setToolTip(tip)
            box.setAccessibleName(tip)
            box.setProperty("role", "compact")
            box.setMinimumContentsLength(1)
            box.activated.connect(lambda row, box=box, signal=signal: signal.emit(box.itemData(row, _ROLE)))
        how = QHBoxLayout()
        how.setSpacing(4)
        how.addWidget(self.device_box, 1)
        how.addWidget(self.precision_box, 1)
        self.detail = Elided("", "muted")
        self.badge = Badge()  # says what is not as expected; what runs stands in the header
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(label("MODEL", "section"))
        layout.addWidget(self.box)
        layout.addWidget(self.detail)
        layout.addLayout(how)
        layout.addWidget(self.badge)
        self._fill_devices()
        self._fill_precisions()

    @property
    def current(self) -> str:
        """The folder name of the model that is shown as running."""
        return self._current

    def set_models(self, models: list[StoredModel]) -> None:
        """Offer *models*; broken ones cannot be chosen, and their tooltip says why."""
        self._models = models
        model = QStandardItemModel(self.box)
        for stored in models:
            item = QStandardItem(stored.name if stored.spec is not None else f"{stored.name} (broken)")
            item.setData(stored.folder, _ROLE)
            item.setEnabled(stored.spec is not None)
            item.setToolTip(describe(stored))
            model.appendRow(item)
        with QSignalBlocker(self.box):
            self.box.setModel(model)
        self._show_current()

    def show_status(self, status: Status) -> None:
        """Show what runs; the box goes back to it when a change has failed."""
        name = status.loading or self._folder_name(status.model)
        if name != self._current:
            self._current = name
            self._show_current()
        if status.loading:
            self.badge.show_text(
                f"Loading {status.loading}…", f"{status.model} runs until it is ready." if status.model else "", "info"
            )
        elif status.backend is None:
            self.badge.show_text("No model runs", "", "danger" if status.model_error else "muted")
        elif status.backend.fallback:
            self.badge.show_text(f"Runs on {status.backend.device} instead", status.backend.fallback, "warning")
        serves = status.backend is not None and not status.backend.fallback
        self.badge.setVisible(not serves or (bool(status.loading) and status.build is None))
        _select(self.device_box, status.wish.device)
        _select(self.precision_box, status.wish.precision)

    def set_devices(self, missing: dict[str, str]) -> None:
        """Offer the devices that can be used; the others' tooltips say what they lack."""
        self._missing = missing
        self._fill_devices()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.badge.set_theme(theme)

    def _fill_devices(self) -> None:
        entries = {key: (name, self._missing.get(key, ""), DEVICE_TIPS[key]) for key, name in DEVICE_NAMES.items()}
        _fill(self.device_box, entries)

    def _fill_precisions(self) -> None:
        spec = next((m.spec for m in self._models if m.name == self._current), None)
        lacking = spec is not None and "int8" not in spec.precisions
        why = f"{self._current} has no INT8 variant. Make one with: poseapp models quantise {self._current} --images DIR"
        _fill(
            self.precision_box,
            {key: (name, why if key == "int8" and lacking else "", name) for key, name in PRECISION_NAMES.items()},
        )

    def _folder_name(self, spec_name: str) -> str:
        if any(m.name == spec_name for m in self._models):
            return spec_name
        return next((m.name for m in self._models if m.spec is not None and m.spec.name == spec_name), spec_name)

    def _show_current(self) -> None:
        index = next((i for i, m in enumerate(self._models) if m.name == self._current), -1)
        with QSignalBlocker(self.box):
            self.box.setCurrentIndex(index)
        self._fill_precisions()
        self.detail.set_text(summary(self._models[index]) if index >= 0 else "")
        self.detail.setVisible(index >= 0)

    def _activated(self, row: int) -> None:
        folder: Path = self.box.itemData(row, _ROLE)
        self._show_current()
        self.chosen.emit(folder)


def _fill(box: ComboBox, entries: dict[str, tuple[str, str, str]]) -> None:
    """Put (name, why it cannot be chosen or "", tooltip) by key into *box*; the chosen one stays."""
    chosen = box.currentData(_ROLE)
    model = QStandardItemModel(box)
    for key, (name, why_not, tip) in entries.items():
        item = QStandardItem(name)
        item.setData(key, _ROLE)
        item.setEnabled(not why_not)
        item.setToolTip(why_not or tip)
        model.appendRow(item)
    with QSignalBlocker(box):
        box.setModel(model)
        box.setCurrentIndex(max(0, list(entries).index(chosen) if chosen in entries else 0))


def _select(box: ComboBox, key: str) -> None:
    """Show *key* in *box*, unless the user is choosing just now."""
    if box.currentData(_ROLE) != key and not box.view().isVisible():
        with QSignalBlocker(box):
            box.setCurrentIndex(box.findData(key, _ROLE))


def summary(model: StoredModel) -> str:
    """A line about *model*, such as "Hourglass · 192 × 144 px · 0.9 M weights"."""
    if model.spec is None:
        return ""
    h, w = model.spec.input_hw
    names = {"hourglass": "Hourglass", "hrnet": "HRNet", "cpm": "CPM", "openpose": "OpenPose"}
    return f"{names[model.spec.family]} · {w} × {h} px · {model.spec.parameters / 1e6:.1f} M weights"


def describe(model: StoredModel) -> str:
    """The tooltip of *model*: what it is, or why it cannot be used."""
    if model.spec is None:
        return f"Cannot be used: {model.error}"
    metrics = "\n".join(f"{name}: {value:g}" for name, value in list(model.spec.metrics.items())[:4])
    return f"{summary(model)}\n{model.spec.source.paper}" + (f"\n{metrics}" if metrics else "")


class ViewControls(QWidget):
    """How the poses are shown. None of it touches the data."""

    changed = Signal(object)  # DrawOptions

    def __init__(self) -> None:
        super().__init__()
        self._options = DrawOptions()
        self.threshold = QSlider(Qt.Orientation.Horizontal)
        self.threshold.setRange(0, 100)
        self.threshold.setPageStep(5)
        self.threshold.setAccessibleName("Confidence threshold")
        tip = "Joints of a lower confidence are hidden; recorded data keep them ([ and ])"
        self.threshold.setToolTip(tip)
        self.value = label("", "title")
        self.value.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.value.setMinimumWidth(34)
        self.mirror = toggle("Mirror", "Flip the preview; recordings and data stay as the camera sees them (M)")
        self.heatmaps = toggle("Heatmap", "Show where the network sees joints (H)")
        self.fields = toggle("Fields", "")
        self.labels = toggle("Names", "Write name and confidence beside each joint (L)")
        name = label("Threshold")
        name.setToolTip(tip)
        head = QHBoxLayout()
        head.addWidget(name)
        head.addWidget(self.value, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(label("VIEW", "section"))
        layout.addLayout(head)
        layout.addWidget(self.threshold)
        buttons = QGridLayout()
        buttons.setSpacing(6)
        layout.addLayout(buttons)
        for i, button in enumerate((self.mirror, self.labels, self.heatmaps, self.fields)):
            buttons.addWidget(button, i // 2, i % 2)
            button.toggled.connect(self._collect)
        self.threshold.valueChanged.connect(self._collect)
        self.set_options(self._options)

    @property
    def options(self) -> DrawOptions:
        """What is chosen."""
        return self._options

    def set_options(self, options: DrawOptions) -> None:
        """Show *options*, without telling that they changed."""
        buttons = (self.mirror, self.heatmaps, self.fields, self.labels)
        blockers = [QSignalBlocker(widget) for widget in (self.threshold, *buttons)]
        self.threshold.setValue(round(options.threshold * 100))
        for button, on in zip(buttons, (options.mirror, options.heatmaps, options.fields, options.labels), strict=True):
            button.setChecked(on)
        for blocker in blockers:
            blocker.unblock()
        self._options = options
        self.value.setText(f"{options.threshold:.2f}")

    def show_status(self, status: Status) -> None:
        """Only bottom-up has fields to show."""
        there = status.way == "bottom-up"
        self.fields.setEnabled(there)
        self.fields.setToolTip(
            "Show the part affinity fields that join joints to people; the hue says where to (A)"
            if there
            else "The part affinity fields that join joints to people: choose Bottom-up to see them"
        )

    def step_threshold(self, step: float) -> None:
        """Raise or lower the threshold."""
        self.threshold.setValue(self.threshold.value() + round(step * 100))

    def _collect(self) -> None:
        self._options = replace(
            self._options,
            threshold=self.threshold.value() / 100,
            mirror=self.mirror.isChecked(),
            heatmaps=self.heatmaps.isChecked(),
            fields=self.fields.isChecked(),
            labels=self.labels.isChecked(),
        )
        self.value.setText(f"{self._options.threshold:.2f}")
        self.changed.emit(self._options)


class Controls(QWidget):
    """The whole sidebar; it scrolls where the window is low."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(WIDTH)
        self.source, self.model, self.people, self.view = SourceControls(), ModelControls(), PeopleControls(), ViewControls()
        self.joints = JointList()
        self._person = label("", "muted")
        self._person.setAlignment(Qt.AlignmentFlag.AlignRight)
        body = QWidget()
        body.setObjectName("sidebarBody")
        layout = QVBoxLayout(body)
        layout.setContentsMargins(16, 12, 16, 4)
        layout.setSpacing(10)
        for section in (self.source, self.model, self.people, self.view):
            layout.addWidget(section)
            layout.addWidget(rule())
        head = QHBoxLayout()
        head.addWidget(label("JOINT CONFIDENCE", "section"))
        head.addWidget(self._person, 1)
        joints = QVBoxLayout()
        joints.setSpacing(4)
        joints.addLayout(head)
        joints.addWidget(self.joints, 1000)
        joints.addStretch(1)
        layout.addLayout(joints, 1)
        scroll = QScrollArea()
        scroll.setWidget(body)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.view.changed.connect(lambda options: self.joints.set_threshold(options.threshold))

    def show_status(self, status: Status) -> None:
        """Show what *status* says."""
        for section in (self.source, self.model, self.people, self.view):
            section.show_status(status)

    def show_result(self, result: Result) -> None:
        """Show the joints of *result*."""
        shown = self.joints.show_result(result)
        text = "nobody in sight"
        if shown is not None:
            text = f"score {100 * float(result.poses.person_score[shown]):.0f}"
            if result.people != "one":
                text = f"person {result.poses.ids[shown]} · {text}"
        if self._person.text() != text:
            self._person.setText(text)

    def set_options(self, options: DrawOptions) -> None:
        """Show *options*."""
        self.view.set_options(options)
        self.joints.set_threshold(options.threshold)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        for part in (self.source, self.model, self.people, self.joints):
            part.set_theme(theme)
