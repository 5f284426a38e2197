"""The card in the middle of the picture: a message, and buttons that help."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from poseapp.ui.spinner import Spinner
from poseapp.ui.widgets import label


@dataclass(frozen=True)
class Message:
    """What the card over the picture says. ``actions`` are (key, text) of its buttons, the first one the main one."""

    title: str
    text: str = ""
    busy: bool = False
    dim: bool = True  # darken the picture behind
    actions: tuple[tuple[str, str], ...] = ()


class MessageCard(QFrame):
    """A card in the middle of the stage: a spinner, a title, what to do, and buttons to do it."""

    action = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("messageCard")
        self.message: Message | None = None
        self._spinner = Spinner()
        self._title, self._text = label(role="display"), label(role="muted")
        for line in (self._title, self._text):
            line.setAlignment(Qt.AlignmentFlag.AlignCenter)
            line.setWordWrap(True)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(8)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(28, 22, 28, 22)
        self._column.setSpacing(10)
        self._column.addWidget(self._spinner, 0, Qt.AlignmentFlag.AlignHCenter)
        self._column.addWidget(self._title)
        self._column.addWidget(self._text)
        self._column.addLayout(self._buttons)
        self.hide()

    def show_message(self, message: Message | None) -> None:
        """Show *message*, or nothing."""
        before, self.message = self.message, message
        if message is None:
            self._spinner.set_busy(False)
            self.hide()
            return
        self._spinner.set_busy(message.busy)
        self._spinner.setVisible(message.busy)
        self._title.setText(message.title)
        self._text.setText(message.text)
        self._text.setVisible(bool(message.text))
        if before is None or before.actions != message.actions:  # a button must not go away under the pointer
            self._make_buttons(message.actions)
        self.show()

    def _make_buttons(self, actions: tuple[tuple[str, str], ...]) -> None:
        while (item := self._buttons.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        before = self.parentWidget() or self  # Tab comes from the picture
        for i, (key, text) in enumerate(actions):
            button = QPushButton(text)
            button.setObjectName(f"action_{key}")
            if i == 0:
                button.setProperty("role", "primary")
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _checked=False, key=key: self.action.emit(key))
            self._buttons.addWidget(button)
            button.show()
            QWidget.setTabOrder(before, button)
            before = button

    def needed_width(self) -> int:
        """The width in which no button is cut."""
        margins = self._column.contentsMargins()
        return self._buttons.sizeHint().width() + margins.left() + margins.right()

    def height_for(self, width: int) -> int:
        """How high it must be so that all lines fit into *width*."""
        for part in (self._title, self._text):
            part.ensurePolished()  # the style sheet's fonts, before the first painting
        self._column.activate()
        return self._column.totalHeightForWidth(width)

    def set_accent(self, colour: str) -> None:
        """The spinner's colour."""
        self._spinner.colour = QColor(colour)
