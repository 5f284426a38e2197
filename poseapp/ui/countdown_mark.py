"""What is painted over the picture before a recording begins: the large digits, and the ring of a raised hand."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from poseapp.ui.colours import CHIP

DIGITS = 0.42  # of the height of the picture: somebody across the room reads them
SEE_THROUGH = 120  # of 255: whoever gets into position sees themselves behind the digits
RING = 0.16  # the ring's diameter


def paint_digits(painter: QPainter, area: QRect, text: str) -> None:
    """The digits *text* on a dark disc in the middle of *area*."""
    height = min(area.height(), area.width()) * DIGITS
    disc = QRectF(0, 0, height * 1.45, height * 1.45)
    disc.moveCenter(QPointF(area.center()))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_ground(SEE_THROUGH))
    painter.drawEllipse(disc)
    font = QFont(painter.font())
    font.setWeight(QFont.Weight.Bold)
    font.setPixelSize(max(12, round(height * (1.0 if len(text) < 2 else 0.85))))
    painter.setFont(font)
    painter.setPen(QColor(CHIP.text))
    painter.drawText(disc, Qt.AlignmentFlag.AlignCenter, text)


def paint_ring(painter: QPainter, area: QRect, progress: float, colour: QColor) -> None:
    """A ring in the middle of the upper edge of *area* that fills with *progress*, 0..1."""
    size = max(48.0, min(area.height(), area.width()) * RING)
    disc = QRectF(area.center().x() - size / 2, area.top() + 16.0, size, size)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_ground())
    painter.drawEllipse(disc)
    inner = disc.adjusted(size * 0.16, size * 0.16, -size * 0.16, -size * 0.16)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(255, 255, 255, 60), size * 0.1))
    painter.drawEllipse(inner)
    painter.setPen(QPen(colour, size * 0.1, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
    painter.drawArc(inner, 90 * 16, -round(360 * 16 * progress))  # from above, clockwise


def _ground(opacity: int = CHIP.opacity) -> QColor:
    ground = QColor(CHIP.ground)
    ground.setAlpha(opacity)
    return ground
