"""Keeps windows and dialogs on the screen, with their frame and all that they hold."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtWidgets import QDialog, QWidget

FRAME = QSize(4, 36)  # px that a title bar takes, until the window is shown and it is known


def fit_to_screen(window: QWidget) -> None:
    """Make *window* no larger than its screen allows, and move all of it there; a maximised one stays as it is."""
    if window.windowState() & (Qt.WindowState.WindowMaximized | Qt.WindowState.WindowFullScreen):
        return
    area = window.screen().availableGeometry()
    frame = window.frameGeometry().size() - window.size() if window.isVisible() else FRAME
    if frame.height() == 0:  # not known yet, or a screen without frames
        frame = FRAME if not window.isVisible() else QSize(0, 0)
    window.resize(window.size().boundedTo(area.size() - frame))
    outer = QRect(window.pos(), window.size() + frame)
    left = max(area.left(), min(outer.left(), area.right() + 1 - outer.width()))
    top = max(area.top(), min(outer.top(), area.bottom() + 1 - outer.height()))
    if (left, top) != (outer.left(), outer.top()):
        window.move(left, top)


def open_on_screen(dialog: QDialog) -> None:
    """Open *dialog* as large as it needs, but no larger than its screen; closed, it is deleted."""
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.ensurePolished()
    dialog.resize(dialog.sizeHint())
    fit_to_screen(dialog)
    dialog.open()
