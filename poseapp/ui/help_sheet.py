"""The F1 sheet: every key and what it does."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QDialog, QGridLayout, QPushButton, QVBoxLayout, QWidget

from poseapp.ui.actions import SECTIONS, sheet_lines
from poseapp.ui.colours import Theme
from poseapp.ui.own_keys import effective_keys
from poseapp.ui.scroll_column import ScrollColumn
from poseapp.ui.widgets import describe, label


class HelpSheet(QDialog):
    """All shortcuts on one page, which scrolls on a low screen; *own_keys* are those of the user, by action."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, own_keys: Mapping[str, str] | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        body = QWidget()
        body.setObjectName("sheetBody")
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 12, 0)
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(16)
        keys = effective_keys(own_keys or {})
        for i, section in enumerate(SECTIONS):
            grid.addWidget(_card(section, keys), i // 2, i % 2, Qt.AlignmentFlag.AlignTop)
        scroll = ScrollColumn(body, theme.window)
        scroll.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # arrows and Page Down scroll
        describe(scroll, "Keyboard shortcuts", "Keys and what they do")
        close = QPushButton("Close")
        close.setDefault(True)
        close.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 16)
        layout.setSpacing(14)
        layout.addWidget(label("Keyboard shortcuts", "display"))
        layout.addWidget(scroll, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        close.setFocus()
        self._body, self._scroll, self._rest = body, scroll, layout

    def sizeHint(self) -> QSize:
        """So that all of it is seen."""
        self._scroll.setMinimumWidth(self._scroll.needed_width())
        hint = self._body.sizeHint()
        margins = self._rest.contentsMargins()
        rest = self._rest.sizeHint().height() - self._scroll.sizeHint().height()
        return QSize(self._scroll.minimumWidth() + margins.left() + margins.right(), hint.height() + rest + 4)


def _card(section: str, keys: Mapping[str, tuple[str, ...]]) -> QWidget:
    card = QWidget()
    grid = QGridLayout(card)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(12)
    grid.setVerticalSpacing(7)
    grid.addWidget(label(section.upper(), "section"), 0, 0, 1, 2)
    for row, (caps, what) in enumerate(sheet_lines(section, keys), 1):
        cap = label(caps, "key")
        cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
        grid.addWidget(cap, row, 0)
        grid.addWidget(label(what), row, 1)
    grid.setColumnMinimumWidth(0, 86)
    grid.setColumnStretch(1, 1)
    return card
