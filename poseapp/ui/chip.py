"""A pill with a coloured dot and a line of text."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from poseapp.ui.colours import DARK, Theme


class Chip(QWidget):
    """A pill with a dot and a line of text, or a shorter one where it is *compact*."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._compact = True
        self._theme, self._level = DARK, "muted"
        self._texts = ("", "")

    @property
    def text(self) -> str:
        """The whole text."""
        return self._texts[0]

    @property
    def level(self) -> str:
        """The name of the dot's colour."""
        return self._level

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def show_text(self, text: str, short: str, level: str, tip: str) -> None:
        """Show *text*; *level* is success, warning, danger, info or muted. The owner hides it where *text* is empty."""
        if (text, short) != self._texts:
            self._texts = text, short
            self.setAccessibleName(text)
            self.updateGeometry()
        self._level = level
        if tip != self.toolTip():
            self.setToolTip(tip)
        self.update()

    def set_compact(self, compact: bool) -> None:
        """Show the short text, or the whole one."""
        if compact != self._compact:
            self._compact = compact
            self.updateGeometry()

    @property
    def whole_width(self) -> int:
        """The width that the whole text takes, in px."""
        return self._width_of(self._texts[0])

    def sizeHint(self) -> QSize:
        """Room for the text that is shown."""
        return QSize(self._width_of(self._texts[self._compact]), self.fontMetrics().height() + 10)

    def minimumSizeHint(self) -> QSize:
        """None: it must not keep a window from getting narrower, and who owns it shortens or hides it then."""
        return QSize(0, self.sizeHint().height())

    @property
    def compact_width(self) -> int:
        """The width that the short text takes, in px."""
        return self._width_of(self._texts[1])

    def paintEvent(self, event: QPaintEvent) -> None:
        """The pill, the dot and the text."""
        t = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        plain = self._level in ("success", "muted")
        colour = QColor(getattr(t, self._level))
        painter.setPen(QPen(QColor(t.border) if plain else colour, 1))
        painter.setBrush(QColor(t.raised))
        pill = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawEllipse(QPointF(pill.left() + 13, pill.center().y()), 3.5, 3.5)
        painter.setPen(QColor(t.text))
        room, middle = self.rect().adjusted(23, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(room, middle, self._texts[self._compact])
        painter.end()

    def _width_of(self, text: str) -> int:
        return self.fontMetrics().horizontalAdvance(text) + 36
