"""A turning arc: something is going on."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from poseapp.ui.colours import DARK

SPIN_MS = 40


class Spinner(QWidget):
    """A turning arc; the timer runs while it is busy only."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(34, 34)
        self.colour = QColor(DARK.accent)
        self._angle = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._turn)

    def set_busy(self, busy: bool) -> None:
        """Turn, or stop turning."""
        if busy:
            self._timer.start(SPIN_MS)
        else:
            self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        """A ring and an arc on it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ring = QRectF(4, 4, 26, 26)
        painter.setPen(QPen(QColor(255, 255, 255, 36), 3))
        painter.drawEllipse(ring)
        painter.setPen(QPen(self.colour, 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawArc(ring, -self._angle * 16, 100 * 16)
        painter.end()

    def _turn(self) -> None:
        self._angle = (self._angle + 14) % 360
        self.update()
