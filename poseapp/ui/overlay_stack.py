"""Stacks notices over the lower edge of the picture, so that the picture does not move when they come and go."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QWidget

WIDEST = 760  # px
MARGIN = 10
_EVENTS = (QEvent.Type.Resize, QEvent.Type.LayoutRequest, QEvent.Type.ShowToParent, QEvent.Type.HideToParent)


class OverlayStack(QObject):
    """Stacks *parts* over *view*, the last one lowest."""

    def __init__(self, view: QWidget, *parts: QWidget) -> None:
        super().__init__(view)
        self._view, self._parts = view, parts
        view.installEventFilter(self)
        for part in parts:
            part.setParent(view)
            part.installEventFilter(self)
            part.setCursor(Qt.CursorShape.ArrowCursor)
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Something came, went or has another size."""
        if event.type() in _EVENTS and (watched is not self._view or event.type() == QEvent.Type.Resize):
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        width = min(WIDEST, self._view.width() - 2 * MARGIN)
        bottom = self._view.height() - MARGIN
        for part in reversed(self._parts):
            if part.isHidden():
                continue
            part.ensurePolished()
            height = part.heightForWidth(width) if part.hasHeightForWidth() else part.sizeHint().height()
            bottom -= height
            part.setGeometry((self._view.width() - width) // 2, bottom, width, height)
            part.raise_()
            bottom -= 6
