"""The page of presets: save what is set now under a name, load it again, delete it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from poseapp.ui.jobs import Jobs
from poseapp.ui.presets import LONGEST_NAME, Preset, Presets
from poseapp.ui.widgets import describe, label

_PRESET = Qt.ItemDataRole.UserRole


class PresetsPage(QDialog):
    """The presets, read and written by *jobs*. ``load_asked`` tells the one to use; *present* is what is set now."""

    load_asked = Signal(object)  # Preset
    listed = Signal(int)  # how many there are

    def __init__(self, presets: Presets, present: Preset, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Presets")
        self._presets, self._present, self._jobs = presets, present, jobs
        self._gone = False
        self.finished.connect(self._leave)
        self.list = QListWidget()
        self.list.setSpacing(2)
        describe(self.list, "Presets", "Enter loads a preset, Delete deletes it")
        self.name = QLineEdit()
        self.name.setMaxLength(LONGEST_NAME)
        self.name.setPlaceholderText("Name, such as Squats from the side")
        describe(self.name, "Name of the preset", "Under this name the present source, model, people, view and outputs are saved")
        self.note = label("", "muted")
        self.note.setWordWrap(True)
        self.save, self.load, self.delete = QPushButton("Save present"), QPushButton("Load"), QPushButton("Delete")
        self.load.setProperty("role", "primary")
        for button in (self.save, self.load, self.delete):
            button.setAutoDefault(False)
        self._lay_out()
        self.list.itemActivated.connect(lambda _item: self._load())
        self.list.currentItemChanged.connect(lambda *_: self._show_choice())
        self.name.textChanged.connect(lambda _text: self._show_choice())
        self.name.returnPressed.connect(self._save)
        self.save.clicked.connect(self._save)
        self.load.clicked.connect(self._load)
        self.delete.clicked.connect(self._delete)
        self._show_choice()
        self._refresh()

    def _lay_out(self) -> None:
        row, buttons = QHBoxLayout(), QHBoxLayout()
        row.addWidget(self.name, 1)
        row.addWidget(self.save)
        buttons.addWidget(self.load)
        buttons.addStretch(1)
        buttons.addWidget(self.delete)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(10)
        text = label(
            "A preset keeps the source with its picture settings, the model, people, what is drawn, and the outputs.", "muted"
        )
        text.setWordWrap(True)
        layout.addWidget(text)
        layout.addLayout(row)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.note)
        layout.addLayout(buttons)

    @property
    def preset(self) -> Preset | None:
        """The preset that is chosen."""
        item = self.list.currentItem() if self.list.currentRow() >= 0 else None
        chosen: Preset | None = item.data(_PRESET) if item is not None else None
        return chosen

    # -- Qt ----------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        """So that some presets are in sight."""
        return QSize(600, 420)

    def showEvent(self, event: QShowEvent) -> None:
        """Who has presets wants one of them as a rule."""
        super().showEvent(event)
        self.list.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete deletes."""
        if event.key() == Qt.Key.Key_Delete and self.list.hasFocus():
            self._delete()
        else:
            super().keyPressEvent(event)

    # -- inside ------------------------------------------------------------------------------------------------

    def _refresh(self, chosen: str = "", note: str = "") -> None:
        self._jobs.run("presets", self._presets.all, partial(self._listed, chosen, note), self._say)

    def _listed(self, chosen: str, note: str, found: tuple[list[Preset], list[str]]) -> None:
        if self._gone:
            return
        presets, broken = found
        self.list.clear()
        for preset in presets:
            item = QListWidgetItem(f"{preset.name}\n{preset.summary}")
            item.setData(_PRESET, preset)
            self.list.addItem(item)
            if preset.name == chosen:
                self.list.setCurrentItem(item)
        if self.list.currentRow() < 0 and presets:
            self.list.setCurrentRow(0)
        self._say(note or (broken[0] if broken else "" if presets else "No preset is saved yet."))
        self._show_choice()
        if not presets:
            self.name.setFocus()
        self.listed.emit(len(presets))

    def _show_choice(self) -> None:
        self.load.setEnabled(self.preset is not None)
        self.delete.setEnabled(self.preset is not None)
        name = self.name.text().strip()
        self.save.setEnabled(bool(name))
        names = [self.list.item(row).data(_PRESET).name for row in range(self.list.count())]
        self.save.setText("Save in its place" if name in names else "Save present")

    def _save(self) -> None:
        name = self.name.text().strip()
        if not name:
            return
        present = self._present

        def save() -> None:
            self._presets.save(_named(present, name))

        self._jobs.run("save preset", save, lambda _none: self._refresh(name, f"“{name}” is saved."), self._say)

    def _load(self) -> None:
        preset = self.preset
        if preset is not None:
            self.accept()
            self.load_asked.emit(preset)

    def _delete(self) -> None:
        preset = self.preset
        if preset is not None:
            done = f"“{preset.name}” is deleted."
            self._jobs.run(
                "delete preset", partial(self._presets.delete, preset.name), lambda _none: self._refresh("", done), self._say
            )

    def _say(self, text: str) -> None:
        if not self._gone:
            self.note.setText(text)

    def _leave(self) -> None:
        self._gone = True


def _named(present: Preset, name: str) -> Preset:
    return replace(present, name=name)
