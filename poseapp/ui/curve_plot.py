"""The plot of angles over a recording: curves, repetitions, the marked span, and a cursor that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from poseapp.core.repetitions import Repetition
from poseapp.review.recorded_part import Floats
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.report_chart import pieces, scale, thinned
from poseapp.ui.widgets import describe

LEFT, TOP, BOTTOM, RIGHT = 38, 8, 6, 9  # px around the curves
HEIGHT = 118


class CurvePlot(QWidget):
    """``sought`` tells the time, s of the playback, where the user clicks or drags. The curves are drawn once."""

    sought = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(QSize(120, HEIGHT))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        describe(self, "Angles over time", "Click to go to a moment; I and O mark a span (A–B)")
        self._theme = DARK
        self._t: Floats = np.empty(0)
        self._curves: Mapping[str, Floats] = {}
        self._repetitions: Sequence[Repetition] = ()
        self._duration_s = 0.0
        self._span: tuple[float, float] | None = None
        self._now = 0.0
        self._drawn: QPixmap | None = None

    @property
    def curves(self) -> Mapping[str, Floats]:
        """What is shown, in degrees by the name of the angle."""
        return self._curves

    @property
    def cursor_x(self) -> float:
        """Where the cursor is, widget px."""
        return self._x(self._now)

    def show_curves(
        self, t: Floats, curves: Mapping[str, Floats], repetitions: Sequence[Repetition], span: tuple[float, float] | None
    ) -> None:
        """Show *curves* (n,) in degrees at *t* (n,) s of the playback, with *repetitions* and the marked *span*."""
        self._t, self._curves, self._repetitions, self._span = t, curves, repetitions, span
        self._redraw()

    def show_time(self, now: float, duration_s: float) -> None:
        """The playback is at *now* s of *duration_s*."""
        if duration_s != self._duration_s:
            self._duration_s = duration_s
            self._redraw()
        if now != self._now:
            self._now = now
            self.update()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self._redraw()

    def time_at(self, x: float) -> float:
        """The time under *x*, widget px, in s."""
        room = max(1.0, self.width() - LEFT - RIGHT)
        return min(max(0.0, (x - LEFT) / room), 1.0) * self._duration_s

    # -- Qt ----------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        """Wide and low."""
        return QSize(600, HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The curves fit the new size."""
        super().resizeEvent(event)
        self._redraw()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if event.button() == Qt.MouseButton.LeftButton and self._duration_s > 0:
            self.sought.emit(self.time_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go along while the button is held."""
        if event.buttons() & Qt.MouseButton.LeftButton and self._duration_s > 0:
            self.sought.emit(self.time_at(event.position().x()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """The curves as they were drawn, and the cursor."""
        if self._drawn is None:
            self._drawn = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._drawn)
        if self._duration_s > 0:
            painter.setPen(QPen(QColor(self._theme.text), 1))
            x = round(self.cursor_x)
            painter.drawLine(x, TOP - 4, x, self.height() - BOTTOM)
        painter.end()

    # -- inside ------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._drawn = None
        self.update()

    def _x(self, t: float) -> float:
        return LEFT + (self.width() - LEFT - RIGHT) * (t / self._duration_s if self._duration_s > 0 else 0.0)

    def _draw(self) -> QPixmap:
        ratio = max(self.devicePixelRatioF(), 1.0)
        pixmap = QPixmap(self.size() * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        low, high, step = scale(list(self._curves.values()) or [np.zeros(1)])
        top, bottom, theme = float(TOP), float(self.height() - BOTTOM), self._theme

        def up(degrees: float) -> float:
            return bottom - (bottom - top) * (degrees - low) / (high - low)

        self._shade(painter, top, bottom)
        font = QFont(self.font())
        font.setPointSizeF(7.5)
        painter.setFont(font)
        for degrees in np.arange(low, high + step / 2, step).tolist():
            painter.setPen(QPen(QColor(theme.border), 1))
            painter.drawLine(QPointF(LEFT, up(degrees)), QPointF(self.width() - RIGHT, up(degrees)))
            painter.setPen(QColor(theme.muted))
            box = QRectF(0, up(degrees) - 8, LEFT - 5, 16)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{degrees:g}°".replace("-", "−"))
        for name, values in self._curves.items():
            painter.setPen(QPen(QColor(side_colour(name, theme)), 1.6, _style(name)))
            for points in pieces(*thinned(self._t, values, 2 * max(1, self.width()))):
                painter.drawPolyline(QPolygonF([QPointF(self._x(t), up(value)) for t, value in points]))
        painter.end()
        return pixmap

    def _shade(self, painter: QPainter, top: float, bottom: float) -> None:
        """The marked span, and the repetitions as bands."""
        painter.setPen(Qt.PenStyle.NoPen)
        band = QColor(self._theme.muted)
        band.setAlpha(40)
        painter.setBrush(band)
        for one in self._repetitions:
            painter.drawRect(QRectF(self._x(one.start_t), top, max(1.0, self._x(one.end_t) - self._x(one.start_t)), bottom - top))
        if self._span is not None:
            marked = QColor(self._theme.warning)
            marked.setAlpha(46)
            painter.setBrush(marked)
            a, b = (self._x(t) for t in self._span)
            painter.drawRect(QRectF(a, top, b - a, bottom - top))
            painter.setBrush(QColor(self._theme.warning))
            for x in (a, b):
                painter.drawRect(QRectF(x - 1, top, 2, bottom - top))


def side_colour(name: str, theme: Theme) -> str:
    """The colour of the angle called *name*: that of its side of the body."""
    side = name.partition("_")[0]
    return {"left": theme.left, "right": theme.right}.get(side, theme.middle)


def _style(name: str) -> Qt.PenStyle:
    """Left and right differ without colour, too."""
    return Qt.PenStyle.DashLine if name.startswith("right_") else Qt.PenStyle.SolidLine
