"""Keeps notices over the lower edge of the picture, which therefore does not move when they come and go."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

WIDEST = 760  # px
MARGIN = 10
_EVENTS = (QEvent.Type.Resize, QEvent.Type.LayoutRequest, QEvent.Type.ShowToParent, QEvent.Type.HideToParent)


class Notices(QObject):
    """Stacks *parts* over *stage*, the last one lowest. ``height_changed`` tells how much of the lower edge they cover, px."""

    height_changed = Signal(int)

    def __init__(self, stage: QWidget, *parts: QWidget) -> None:
        super().__init__(stage)
        self._stage, self._parts = stage, parts
        self._height = 0
        stage.installEventFilter(self)
        for part in parts:
            part.setParent(stage)
            part.installEventFilter(self)
            part.setCursor(Qt.CursorShape.ArrowCursor)
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Something came, went or has another size."""
        if event.type() in _EVENTS and (watched is not self._stage or event.type() == QEvent.Type.Resize):
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        width = min(WIDEST, self._stage.width() - 2 * MARGIN)
        bottom = self._stage.height() - MARGIN
        for part in reversed(self._parts):
            if part.isHidden():
                continue
            part.ensurePolished()
            height = part.heightForWidth(width) if part.hasHeightForWidth() else part.sizeHint().height()
            bottom -= height
            part.setGeometry((self._stage.width() - width) // 2, bottom, width, height)
            part.raise_()
            bottom -= 6
        covered = self._stage.height() - MARGIN - bottom
        if covered != self._height:
            self._height = covered
            self.height_changed.emit(covered)
