"""What an export asks for: which formats, whom, and into which folder."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from poseapp.render import DrawOptions
from poseapp.review.exports import EXPORTS, ExportOptions
from poseapp.review.exports.base import DEFAULT_FOLDER
from poseapp.review.saved_recording import SavedRecording
from poseapp.ui import dialogs
from poseapp.ui.colours import Theme
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.switch import Switch
from poseapp.ui.widgets import describe, label

_NAME = Qt.ItemDataRole.UserRole


class ExportDialog(QDialog):
    """Asks about an export of *recording*; ``formats``, ``options`` and ``folder`` are the answers.

    *draw* is how videos are drawn; *formats* are those that were chosen last time. A format whose library is missing says how to
    install it.
    """

    def __init__(
        self, recording: SavedRecording, formats: Sequence[str], draw: DrawOptions, theme: Theme, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export")
        self._draw = draw
        self.folder = recording.folder / DEFAULT_FOLDER
        self.list = QListWidget()
        describe(self.list, "Formats", "Space chooses a format")
        stills = bool(recording.parts) and all(part.is_stills for part in recording.parts)
        for name, one in EXPORTS.items():
            if one.of_stills if stills else one.of_film:
                self._add(name, name in formats)
        self.person = ComboBox()
        describe(self.person, "Person", "Who is exported")
        self.person.addItem("Everybody", None)
        for number in recording.person_ids:
            self.person.addItem(f"Person {number}", number)
        self.smoothed = Switch("Smoothed joints", "Take the steadied joints where a format has room for one kind")
        self.replace = Switch("Replace files", "Replace files of an earlier export")
        for switch in (self.smoothed, self.replace):
            switch.set_theme(theme)
        self.place = ElidedLabel("", "muted", mode=Qt.TextElideMode.ElideMiddle)
        self.choose = QPushButton("Choose…")
        describe(self.choose, "Folder", "Choose where the files go")
        self.choose.setAutoDefault(False)
        self.choose.clicked.connect(self._choose_folder)
        self.note = label("", "small")
        self.note.setWordWrap(True)
        buttons = QDialogButtonBox()
        self.export = buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export.setProperty("role", "primary")
        self.export.setDefault(True)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.list.itemChanged.connect(lambda _item: self._show())
        self.list.currentItemChanged.connect(lambda *_: self._show())
        self._lay_out(buttons, len(recording.person_ids) > 1)
        self._show()
        self.list.setCurrentRow(0)
        self.list.setFocus()

    def _lay_out(self, buttons: QDialogButtonBox, several: bool) -> None:
        where = QHBoxLayout()
        where.addWidget(self.place, 1)
        where.addWidget(self.choose)
        form = QFormLayout()
        form.setSpacing(10)
        form.addRow("Person", self.person)
        form.setRowVisible(self.person, several)
        form.addRow("", self.smoothed)
        form.addRow("Folder", where)
        form.addRow("", self.replace)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(12)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.note)
        layout.addLayout(form)
        layout.addWidget(buttons)
        self.setMinimumWidth(460)
        self.list.setMinimumHeight(24 * min(9, self.list.count()))

    @property
    def formats(self) -> tuple[str, ...]:
        """The names of the formats that are chosen."""
        items = [self.list.item(row) for row in range(self.list.count())]
        return tuple(item.data(_NAME) for item in items if item.checkState() == Qt.CheckState.Checked)

    @property
    def options(self) -> ExportOptions:
        """What the user has chosen."""
        return ExportOptions(smoothed=self.smoothed.isChecked(), person=self.person.currentData(), draw=self._draw)

    # -- inside ------------------------------------------------------------------------------------------------

    def _add(self, name: str, chosen: bool) -> None:
        missing = EXPORTS[name].unavailable()
        item = QListWidgetItem(EXPORTS[name].label + (" – not installed" if missing else ""))
        item.setData(_NAME, name)
        item.setToolTip(missing)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
        item.setCheckState(Qt.CheckState.Checked if chosen and not missing else Qt.CheckState.Unchecked)
        self.list.addItem(item)

    def _choose_folder(self) -> None:
        folder = dialogs.ask_folder(self, self.folder if self.folder.is_dir() else self.folder.parent)
        if folder is not None:
            self.folder = folder
            self._show()

    def _show(self) -> None:
        """Say what is missing of a format, and where the files go."""
        self.place.set_text(str(self.folder))
        item = self.list.currentItem()
        missing = [reason for name in self.formats if (reason := EXPORTS[name].unavailable())]
        here = EXPORTS[item.data(_NAME)].unavailable() if self.list.currentRow() >= 0 else ""
        self.note.setText(missing[0] if missing else here)
        self.export.setEnabled(bool(self.formats) and not missing)
