"""Marks on the picture: the points of a distance, and the line between them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

RADIUS = 7.0
_STROKES = ((QColor(0, 0, 0, 170), 4.0), (QColor("#ffffff"), 1.6))  # seen on any ground


def paint_points(painter: QPainter, points: Sequence[QPointF]) -> None:
    """Paint a ring with a dot about each of *points*, widget px, and a line between two."""
    if not points:
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for colour, width in _STROKES:
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        if len(points) == 2:
            painter.drawLine(points[0], points[1])
        for point in points:
            painter.drawEllipse(point, RADIUS, RADIUS)
            painter.drawPoint(point)
    painter.restore()
