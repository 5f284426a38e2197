"""A heading that opens and closes the widgets under it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from poseapp.ui import icons
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.widgets import describe


class Fold(QWidget):
    """A heading that opens and closes what is under it; ``content`` takes the widgets."""

    opened = Signal(bool)

    def __init__(self, text: str, name: str, tip: str) -> None:
        super().__init__()
        self._theme = DARK
        self._tip = tip
        self._name = name
        self.button = QPushButton(text)
        self.button.setProperty("role", "fold")
        self.button.setCheckable(True)
        self.button.setCursor(Qt.CursorShape.PointingHandCursor)
        self.button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._body = QWidget()
        self.content = QVBoxLayout(self._body)
        self.content.setContentsMargins(0, 0, 0, 2)
        self.content.setSpacing(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.button)
        layout.addWidget(self._body)
        self.button.toggled.connect(self._toggled)
        self._toggled(False)

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return self.button.isChecked()

    def set_open(self, on: bool) -> None:
        """Show the content, or hide it."""
        self.button.setChecked(on)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self._paint()

    def _toggled(self, on: bool) -> None:
        self._body.setVisible(on)
        describe(self.button, f"{self._name}, {'open' if on else 'closed'}", self._tip)
        self._paint()
        self.opened.emit(on)

    def _paint(self) -> None:
        self.button.setIcon(icons.icon("down" if self.is_open else "right", self._theme.muted, 14))
