"""A label of one line that is shortened where it does not fit."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy


class ElidedLabel(QLabel):
    """One line of text; where it does not fit a shorter one is shown, or it is cut with …, and the tooltip has all of it."""

    def __init__(self, text: str = "", role: str = "", mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self._full, self._mode = text, mode
        self.shorter: tuple[str, ...] = ()
        self.setTextFormat(Qt.TextFormat.PlainText)
        if role:
            self.setProperty("role", role)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setMinimumWidth(24)
        self.set_text(text)

    def set_text(self, text: str, *shorter: str) -> None:
        """Show *text*, or the first of those *shorter* that fits."""
        if text != self._full or shorter != self.shorter or not self.text():
            self._full, self.shorter = text, shorter
            self._cut()

    def full_text(self) -> str:
        """The text before it was cut."""
        return self._full

    def sizeHint(self) -> QSize:
        """As wide as the whole text."""
        hint = super().sizeHint()
        return QSize(self.fontMetrics().horizontalAdvance(self._full) + 2, hint.height())

    def minimumSizeHint(self) -> QSize:
        """A few letters."""
        return QSize(24, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut anew."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        metrics, room = QFontMetrics(self.font()), max(self.width(), 24)
        fits = next((text for text in (self._full, *self.shorter) if metrics.horizontalAdvance(text) <= room), None)
        cut = metrics.elidedText((self._full, *self.shorter)[-1], self._mode, room) if fits is None else fits
        self.setText(cut)
        self.setToolTip(self._full if cut != self._full else "")
        if self.accessibleName() != self._full:
            self.setAccessibleName(self._full)
        self.updateGeometry()
