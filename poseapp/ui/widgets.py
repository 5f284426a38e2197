"""The small parts that all widgets are made of: labels with a role, rules, icon buttons and toggles."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QToolButton, QWidget

from poseapp.ui import icons
from poseapp.ui.actions import action


def label(text: str = "", role: str = "", parent: QWidget | None = None) -> QLabel:
    """A label whose look the style sheet takes from *role*: muted, small, title, section, display, number, warning, danger."""
    result = QLabel(text, parent)
    result.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        result.setProperty("role", role)
    return result


def set_role(widget: QWidget, role: str) -> None:
    """Change the role, and with it the look."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def rule() -> QFrame:
    """A horizontal hairline."""
    line = QFrame()
    line.setProperty("role", "rule")
    return line


def describe(widget: QWidget, name: str, tip: str) -> None:
    """Give *widget* its *name* for those who hear the window, and *tip* as its tooltip and description."""
    if (widget.accessibleName(), widget.accessibleDescription(), widget.toolTip()) != (name, tip, tip):
        widget.setAccessibleName(name)
        widget.setAccessibleDescription(tip)
        widget.setToolTip(tip)


def icon_button(name: str, tip: str, checkable: bool = False) -> QToolButton:
    """A flat button with an icon; ``paint_icon`` gives it the theme's colour. What it is called is *tip* up to its keys."""
    button = QToolButton()
    button.setObjectName(f"{name}Button")
    describe(button, tip.partition(" (")[0].partition(":")[0], tip)
    button.setCheckable(checkable)
    button.setIconSize(QSize(18, 18))
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


def toggle(text: str, tip: str) -> QPushButton:
    """A button that stays pressed while its setting is on."""
    button = QPushButton(text)
    button.setProperty("role", "toggle")
    button.setCheckable(True)
    describe(button, text, tip)
    button.setCursor(Qt.CursorShape.PointingHandCursor)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click must not take Space from the preview
    return button


def action_toggle(name: str) -> QPushButton:
    """The toggle of the action called *name*, with its text and tooltip."""
    return toggle(action(name).button_text, action(name).tooltip)


def paint_icon(button: QToolButton, name: str, colour: str) -> None:
    """Give *button* the icon *name* in *colour*."""
    button.setIcon(icons.icon(name, colour))
