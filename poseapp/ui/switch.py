"""A check box that looks like a switch."""

from __future__ import annotations

from PySide6.QtCore import QEasingCurve, QPoint, QPointF, QRectF, QSize, Qt, QVariantAnimation
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox

from poseapp.ui.colours import DARK, Theme
from poseapp.ui.widgets import describe


class Switch(QCheckBox):
    """A check box that looks like a switch: text on the left, track and knob on the right."""

    TRACK = QSize(34, 20)

    def __init__(self, text: str, tip: str = "") -> None:
        super().__init__(text)
        self._theme = DARK
        self._knob = 0.0  # 0 off … 1 on
        self._slide = QVariantAnimation(self)
        self._slide.setDuration(120)
        self._slide.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._slide.valueChanged.connect(self._moved)
        self.toggled.connect(self._toggled)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        if tip:
            describe(self, text, tip)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def set_on(self, on: bool) -> None:
        """Set it without sliding, also while its signals are blocked."""
        self.setChecked(on)
        self._slide.stop()
        self._moved(float(on))

    def sizeHint(self) -> QSize:
        """Text, gap, track."""
        text = self.fontMetrics().horizontalAdvance(self.text())
        return QSize(text + 12 + self.TRACK.width() + 4, max(self.fontMetrics().height(), self.TRACK.height()) + 6)

    def minimumSizeHint(self) -> QSize:
        """Nothing of it can be left out."""
        return self.sizeHint()

    def hitButton(self, at: QPoint) -> bool:
        """All of it is the button."""
        return self.rect().contains(at)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw text, track and knob."""
        t = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setOpacity(1.0 if self.isEnabled() else 0.45)
        painter.setPen(QColor(t.text))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text())
        w, h = self.TRACK.width(), self.TRACK.height()
        track = QRectF(self.width() - w - 2, (self.height() - h) / 2, w, h)
        over = self.underMouse() and self.isEnabled()
        off, on = QColor(t.hover if t.dark else "#c3c9d5"), QColor(t.accent_hover if over else t.accent)
        painter.setPen(QPen(QColor(t.muted), 1) if over else Qt.PenStyle.NoPen)
        painter.setBrush(off)
        painter.drawRoundedRect(track, h / 2, h / 2)
        painter.setOpacity(painter.opacity() * self._knob)
        painter.setBrush(on)
        painter.drawRoundedRect(track, h / 2, h / 2)
        painter.setOpacity(1.0 if self.isEnabled() else 0.6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor("#ffffff"))
        radius = h / 2 - (5 if self.isDown() else 3)
        painter.drawEllipse(QPointF(track.left() + h / 2 + self._knob * (w - h), track.center().y()), radius, radius)
        if self.hasFocus():
            painter.setPen(QPen(QColor(t.ring), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(track.adjusted(-0.5, -0.5, 0.5, 0.5), h / 2, h / 2)
        painter.end()

    def _toggled(self, on: bool) -> None:
        self._slide.stop()
        if not self.isVisible():
            self._moved(float(on))
            return
        self._slide.setStartValue(self._knob)
        self._slide.setEndValue(float(on))
        self._slide.start()

    def _moved(self, knob: float) -> None:
        self._knob = knob
        self.update()
