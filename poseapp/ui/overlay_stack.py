"""Stacks notices over the lower edge of the picture. The picture moves only for those that stay, so that no feet are covered."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

WIDEST = 760  # px
MARGIN = 10
_EVENTS = (QEvent.Type.Resize, QEvent.Type.LayoutRequest, QEvent.Type.ShowToParent, QEvent.Type.HideToParent)


class OverlayStack(QObject):
    """Stacks *parts* over *view*, the last one lowest.

    ``covered`` tells how many px of the lower edge are covered by those that stay; *passes* says of which parts it is known that
    they go away by themselves soon.
    """

    covered = Signal(int)

    def __init__(self, view: QWidget, *parts: QWidget, passes: Callable[[QWidget], bool]) -> None:
        super().__init__(view)
        self._view, self._parts, self._passes = view, parts, passes
        view.installEventFilter(self)
        for part in parts:
            part.setParent(view)
            part.installEventFilter(self)
            part.setCursor(Qt.CursorShape.ArrowCursor)
        self.place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Something came, went or has another size."""
        if event.type() in _EVENTS and (watched is not self._view or event.type() == QEvent.Type.Resize):
            self.place()
        return super().eventFilter(watched, event)

    def place(self) -> None:
        """Put all parts where they belong."""
        top = self._view.height()
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
            top = top if self._passes(part) else bottom - MARGIN
            bottom -= 6
        self.covered.emit(self._view.height() - top)
