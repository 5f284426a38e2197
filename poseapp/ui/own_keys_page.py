"""The page on which a key or a foot pedal is assigned to an action."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QKeySequenceEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from poseapp.ui.actions import action
from poseapp.ui.combo_box import ComboBox
from poseapp.ui.own_keys import assignable, holder, why_not
from poseapp.ui.widgets import describe, label, set_role

HINT = (
    "A foot pedal or a remote sends a key, as a keyboard does. Choose what it shall do, click into the field, and press the key "
    "or the pedal. The window must be in front when it is used."
)


class OwnKeysPage(QDialog):
    """Shows the keys that are assigned (*own*, key by action), and assigns more. ``changed`` tells all of them."""

    changed = Signal(object)  # dict[str, str]

    def __init__(self, own: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Assign a key or a pedal")
        self._own = dict(own)
        self.actions_box = ComboBox()
        describe(self.actions_box, "Action", "What the key shall do")
        for name in assignable():
            self.actions_box.addItem(_title(name), name)
        self.actions_box.setCurrentIndex(self.actions_box.findData("record"))
        self.key = QKeySequenceEdit()
        self.key.setMaximumSequenceLength(1)
        self.key.setClearButtonEnabled(True)
        describe(self.key, "Key", "Press the key or the pedal here")
        self.assign, self.remove, self.done_button = QPushButton("Assign"), QPushButton("Remove"), QPushButton("Close")
        self.assign.setProperty("role", "primary")
        self.note = label("", "muted")
        self.note.setWordWrap(True)
        self.list = QListWidget()
        describe(self.list, "Assigned keys", "The keys that you have assigned")
        for button in (self.assign, self.remove, self.done_button):
            button.setAutoDefault(False)  # Enter may be what a pedal sends: it must not press a button unseen
        self.assign.clicked.connect(self._assign)
        self.remove.clicked.connect(self._remove)
        self.done_button.clicked.connect(self.accept)
        self.key.keySequenceChanged.connect(self._pressed)
        self.list.currentItemChanged.connect(lambda *_: self.remove.setEnabled(self.list.currentItem() is not None))
        self._lay_out()
        self._fill()
        self._pressed()
        self.key.setFocus()

    def _lay_out(self) -> None:
        hint = label(HINT, "muted")
        hint.setWordWrap(True)
        choice = QHBoxLayout()
        choice.setSpacing(8)
        choice.addWidget(self.actions_box, 1)
        choice.addWidget(self.key, 1)
        choice.addWidget(self.assign)
        foot = QHBoxLayout()
        foot.addWidget(self.remove)
        foot.addStretch(1)
        foot.addWidget(self.done_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 16)
        layout.setSpacing(12)
        layout.addWidget(hint)
        layout.addLayout(choice)
        layout.addWidget(self.note)
        layout.addWidget(self.list, 1)
        layout.addLayout(foot)

    def sizeHint(self) -> QSize:
        """Room for some keys."""
        return QSize(max(560, super().sizeHint().width()), 420)

    def _text(self) -> str:
        return self.key.keySequence().toString(QKeySequence.SequenceFormat.PortableText)

    def _pressed(self) -> None:
        """Say what the key that was pressed does now, or why it cannot be had."""
        key = self._text()
        problem = why_not(key) if key else ""
        holds = holder(key, self._own) if key else ""
        self.assign.setEnabled(bool(key) and not problem)
        set_role(self.note, "warning" if problem else "muted")
        text = f"{key} is now the key of “{_title(holds)}”, which would lose it." if holds else ""
        self.note.setText(problem or text)

    def _assign(self) -> None:
        key, name = self._text(), str(self.actions_box.currentData())
        self._own = {other: own for other, own in self._own.items() if own != key} | {name: key}
        self.key.clear()
        self._tell()

    def _remove(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            del self._own[item.data(Qt.ItemDataRole.UserRole)]
            self._tell()

    def _tell(self) -> None:
        self._fill()
        self.changed.emit(dict(self._own))

    def _fill(self) -> None:
        self.list.clear()
        for name, key in self._own.items():
            item = QListWidgetItem(f"{key}  –  {_title(name)}")
            item.setData(Qt.ItemDataRole.UserRole, name)
            self.list.addItem(item)
        self.remove.setEnabled(False)


def _title(name: str) -> str:
    return action(name).text.rstrip("…")
