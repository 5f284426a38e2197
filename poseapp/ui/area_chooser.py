"""Draws a rectangle on the picture: the part of it that is to be used."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from poseapp.core.framing import SMALLEST_SHARE, Crop
from poseapp.ui.colours import CHIP


class AreaChooser(QWidget):
    """Lies over *view* while the user draws; ``chosen`` tells the part, as shares of the shown picture.

    *picture* gives where in *view* the picture lies. Esc, and a click without drawing, end it without a choice.
    """

    chosen = Signal(object)  # Crop
    ended = Signal()

    def __init__(self, view: QWidget, picture: Callable[[], QRect]) -> None:
        super().__init__(view)
        self._picture = picture
        self._from: QPoint | None = None
        self._to = QPoint()
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Choose a part of the picture")
        view.installEventFilter(self)
        self.hide()

    def begin(self) -> None:
        """Let the user draw."""
        parent = self.parentWidget()
        assert parent is not None
        self.setGeometry(parent.rect())
        self._from = None
        self.show()
        self.raise_()
        self.setFocus()

    def part(self) -> Crop | None:
        """What is drawn; None where that is too little."""
        area, drawn = self._picture(), self._drawn()
        if drawn.isEmpty() or area.isEmpty():
            return None
        left, right = (drawn.left() - area.left()) / area.width(), (drawn.right() - area.left()) / area.width()
        top, bottom = (drawn.top() - area.top()) / area.height(), (drawn.bottom() - area.top()) / area.height()
        left, top, right, bottom = max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
        return (left, top, right, bottom) if min(right - left, bottom - top) >= SMALLEST_SHARE else None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as large as the view."""
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._end()
        return super().eventFilter(watched, event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """One corner."""
        self._from = self._to = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """The other corner, for now."""
        self._to = event.position().toPoint()
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """The other corner."""
        self._to = event.position().toPoint()
        part = self.part()
        self._end()
        if part is not None:
            self.chosen.emit(part)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc thinks better of it."""
        if event.key() == Qt.Key.Key_Escape:
            self._end()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Darken all but the part, and say what to do."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shade = QPainterPath()
        shade.addRect(QRectF(self._picture()))
        drawn = self._drawn()
        if not drawn.isEmpty():
            shade.addRect(drawn)
        painter.fillPath(shade, QColor(8, 9, 13, 150))
        painter.setPen(QPen(QColor("#ffffff"), 2))
        if not drawn.isEmpty():
            painter.drawRect(drawn)
            return
        text = "Draw a rectangle around what is to be used · Esc leaves it as it is"
        box = QRectF(painter.fontMetrics().boundingRect(text)).adjusted(-16, -10, 16, 10)
        box.moveCenter(QPointF(self._picture().center()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(CHIP.ground))
        painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        painter.setPen(QColor(CHIP.text))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _drawn(self) -> QRectF:
        """The rectangle so far, within the picture."""
        if self._from is None:
            return QRectF()
        return QRectF(self._from, self._to).normalized().intersected(QRectF(self._picture()))

    def _end(self) -> None:
        self._from = None
        self.hide()
        self.ended.emit()
