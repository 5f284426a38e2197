"""A card with a coloured dot, a line of text, and a second line that explains it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QVBoxLayout

from poseapp.ui.colours import DARK, Theme
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import describe, label


class Badge(QFrame):
    """A coloured dot, a line of text, and a second, wrapped line where there is something to explain."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._theme, self._level = DARK, "muted"
        self.title = ElidedLabel(role="title")
        self.detail = label(role="muted")
        self.detail.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(26, 7, 10, 7)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addWidget(self.detail)
        self.show_text("", "", "muted")

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def show_text(self, title: str, detail: str, level: str, tip: str = "") -> None:
        """Show *title* and, if any, *detail*; *level* is success, warning, danger, info or muted; *tip* is the tooltip."""
        self.title.set_text(title)
        describe(self, title, tip or detail)
        self.detail.setText(detail)
        self.detail.setVisible(bool(detail))
        if level != self._level:
            self._level = level
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The card and its dot."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(self._theme, self._level)))
        middle = self.title.geometry().center().y() + 0.5
        painter.drawEllipse(QPointF(15, middle), 4, 4)
        painter.end()
