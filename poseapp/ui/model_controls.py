"""The sidebar's section on the model: which one runs, and on what."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QVBoxLayout, QWidget

from poseapp.core.spec import ModelSpec
from poseapp.engine.backends import device_labels, device_tips
from poseapp.engine.model_folder import missing
from poseapp.engine.store import StoredModel
from poseapp.live.status import Status
from poseapp.ui.actions import action
from poseapp.ui.badge import Badge
from poseapp.ui.colours import Theme
from poseapp.ui.combo_box import DETAIL, ComboBox
from poseapp.ui.display_names import PRECISION_NAMES, model_purpose, model_title
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import describe, label

_ROLE = Qt.ItemDataRole.UserRole
CHANGE_TIP = "How exactly and how fast joints are found. The camera does not stop for a change"


class ModelControls(QWidget):
    """Which model runs, and on what."""

    chosen = Signal(object)  # Path of the folder
    more_asked = Signal()  # models that are not here yet
    device_chosen = Signal(str)
    precision_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._models: list[StoredModel] = []
        self._current = ""
        self.box = ComboBox()
        self.box.setObjectName("model")
        self.box.activated.connect(self._activated)
        self.device_box, self.precision_box = ComboBox(whole=True), ComboBox(whole=True)
        self._missing: dict[str, str] = {}  # device → why it cannot be used
        for box, name, tip, signal in (
            (self.device_box, "Device", "Where the model runs", self.device_chosen),
            (self.precision_box, "Precision", "How exactly the model calculates", self.precision_chosen),
        ):
            describe(box, name, tip)
            box.activated.connect(lambda row, box=box, signal=signal: signal.emit(box.itemData(row, _ROLE)))
        self.advanced = (("Device", self.device_box), ("Precision", self.precision_box))
        self.detail = ElidedLabel("", "muted")
        self.badge = Badge()  # says what is not as expected; what runs stands in the header
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(label("MODEL", "section"))
        layout.addWidget(self.box)
        layout.addWidget(self.detail)
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
            title = model_title(stored.name)
            item = QStandardItem(title if stored.spec is not None else f"{title} (broken)")
            item.setData(stored.folder, _ROLE)
            if title != stored.name:
                item.setData(stored.name, DETAIL)
                item.setData(f"{title}, {stored.name}", Qt.ItemDataRole.AccessibleTextRole)
            item.setEnabled(stored.spec is not None)
            item.setToolTip(explain(stored))
            model.appendRow(item)
        with QSignalBlocker(self.box):
            self.box.setModel(model)
            self.box.insertSeparator(len(models))
            self.box.addItem(action("get_models").text)
            self.box.setItemData(len(models) + 1, action("get_models").tooltip, Qt.ItemDataRole.ToolTipRole)
        self._show_current()

    def show_status(self, status: Status) -> None:
        """Show what runs; the box goes back to it when a change has failed."""
        name = status.loading or self._folder_name(status.model)
        if name != self._current:
            self._current = name
            self._show_current()
        waits = status.state == "starting" and bool(status.model)  # an engine is there, but no picture yet
        if status.loading:
            self.badge.show_text(
                f"Loading {model_title(status.loading)}…",
                f"{model_title(self._folder_name(status.model))} runs until it is ready." if status.model else "",
                "info",
            )
        elif status.backend is None and not waits:
            self.badge.show_text("No model runs", "", "danger" if status.model_error else "muted")
        elif status.backend is not None and status.backend.fallback:
            # Why is said by a notice, once; here it can be looked up.
            self.badge.show_text(f"Runs on {status.backend.device} instead", "", "warning", status.backend.fallback)
        serves = waits or (status.backend is not None and not status.backend.fallback)
        self.badge.setVisible(not serves or (bool(status.loading) and status.build is None))
        _select(self.device_box, status.model_request.device)
        _select(self.precision_box, status.model_request.precision)

    def set_devices(self, missing: dict[str, str]) -> None:
        """Offer the devices that can be used; the others' tooltips say what they lack."""
        self._missing = missing
        self._fill_devices()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.badge.set_theme(theme)

    def _fill_devices(self) -> None:
        tips = device_tips()
        entries = {key: (name, self._missing.get(key, ""), tips[key]) for key, name in device_labels().items()}
        _fill(self.device_box, entries)

    def _fill_precisions(self) -> None:
        spec = next((m.spec for m in self._models if m.name == self._current), None)
        lacking = missing(spec, "int8") if spec is not None and "int8" not in spec.precisions else ""
        entries = {key: (name, lacking if key == "int8" else "", name) for key, name in PRECISION_NAMES.items()}
        _fill(self.precision_box, entries)

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
        tip = explain(self._models[index]) if index >= 0 else ""
        describe(self.box, "Model", f"{CHANGE_TIP} ({action('choose_model').gesture})" + (f"\n\n{tip}" if tip else ""))

    def _activated(self, row: int) -> None:
        folder: Path | None = self.box.itemData(row, _ROLE)
        self._show_current()
        if folder is None:
            self.more_asked.emit()
        else:
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
    """A line about *model*: what it is for, or else its name and numbers, such as "mine · 144×192 px · 0.9 M weights"."""
    return model_purpose(model.name) or (f"{model.name} · {_numbers(model.spec)}" if model.spec is not None else "")


def explain(model: StoredModel) -> str:
    """The tooltip of *model*: what it is, or why it cannot be used."""
    if model.spec is None:
        return f"Cannot be used: {model.error}"
    metrics = "\n".join(f"{name}: {value:g}" for name, value in list(model.spec.metrics.items())[:4])
    what = f"{model.name}: {model.spec.family_label} · {_numbers(model.spec)}"
    return f"{what}\n{model.spec.source.paper}" + (f"\n{metrics}" if metrics else "")


def _numbers(spec: ModelSpec) -> str:
    """The size of the input, width×height as users say it, and the number of weights."""
    h, w = spec.input_hw
    return f"{w}×{h} px · {spec.parameters / 1e6:.1f} M weights"
