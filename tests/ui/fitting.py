"""Measures whether what a window holds can be reached and read."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollBar,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QTableWidget,
    QWidget,
)

from poseapp.ui.angle_list import AngleList
from poseapp.ui.chip import Chip
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.joint_list import JointList
from poseapp.ui.scroll_column import ScrollColumn

CONTROLS = (QAbstractButton, QComboBox, QAbstractSlider, QLineEdit, QTabBar, QTableWidget)


def controls(window: QWidget) -> list[QWidget]:
    """Whatever can be used in *window* now."""
    found = [w for kind in CONTROLS for w in window.findChildren(kind) if w.isVisibleTo(window)]
    return [w for w in found if not isinstance(w, QScrollBar) and w.window() is window.window()]


def _column(widget: QWidget) -> ScrollColumn | None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, ScrollColumn):
        parent = parent.parentWidget()
    return parent


def unreachable(window: QWidget) -> list[str]:
    """The controls of *window* that are not whole inside it, scrolled there where they are in a column that scrolls.

    A column with more than it shows must look so: by its scroll bar and by a fade at the edge.
    """
    wrong = []
    for widget in controls(window):
        column = _column(widget)
        if column is not None:
            column.ensureWidgetVisible(widget, 0, 0)
        place = QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())
        if not window.rect().contains(place):
            wrong.append(f"{_name(widget)} at {place.getRect()} is not inside {window.rect().getRect()}")
        if column is not None:
            view = QRect(column.viewport().mapTo(window, QPoint(0, 0)), column.viewport().size())
            if not view.contains(place):
                wrong.append(f"{_name(widget)} at {place.getRect()} is not inside its column {view.getRect()}")
    for column in window.findChildren(ScrollColumn):
        bar = column.verticalScrollBar()
        if column.isVisibleTo(window) and bar.maximum() > 0:
            for value, more in ((0, (False, True)), (bar.maximum(), (True, False))):
                bar.setValue(value)
                if tuple(fade.isVisibleTo(window) for fade in column.fades) != more or not bar.isVisibleTo(window):
                    wrong.append(f"it does not show that {_name(column)} has more")
            bar.setValue(0)
    return wrong


def cut_texts(window: QWidget) -> list[str]:
    """The texts of *window* for which there is not enough room."""
    return [f"{_name(w)} {problem}" for w in window.findChildren(QWidget) if w.isVisibleTo(window) for problem in _cut(w)]


def _cut(widget: QWidget) -> list[str]:
    if isinstance(widget, ElidedLabel):
        return [] if widget.text() in (widget.full_text(), *widget.shorter) else [f"shows {widget.text()!r}"]
    if isinstance(widget, QLabel):
        return _too_small(widget.contentsRect().size(), _label_size(widget))
    if isinstance(widget, QComboBox):
        option = QStyleOptionComboBox()
        widget.initStyleOption(option)
        field = widget.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, widget
        )
        icon = 0 if widget.itemIcon(widget.currentIndex()).isNull() else widget.iconSize().width() + 4
        return _too_small(field.size(), QSize(widget.fontMetrics().horizontalAdvance(widget.currentText()) + icon, 0))
    if isinstance(widget, (QAbstractButton, Chip)):
        return _too_small(widget.size(), widget.sizeHint())
    if isinstance(widget, (AngleList, JointList)):
        return _too_small(widget.size(), widget.minimumSizeHint())
    if isinstance(widget, QTabBar):
        texts = [widget.fontMetrics().horizontalAdvance(widget.tabText(i)) for i in range(widget.count())]
        return [problem for i, w in enumerate(texts) for problem in _too_small(widget.tabRect(i).size(), QSize(w, 0))]
    return []


def _label_size(label: QLabel) -> QSize:
    if not label.text():
        return QSize(0, 0)
    if label.wordWrap():
        words = max(label.fontMetrics().horizontalAdvance(word) for word in label.text().split())
        return QSize(words, label.heightForWidth(label.width()) - label.height() + label.contentsRect().height())
    if "<" in label.text():
        document = QTextDocument()
        document.setDefaultFont(label.font())
        document.setDocumentMargin(0)
        document.setHtml(label.text())
        return QSize(int(document.idealWidth()), int(document.size().height()))
    return QSize(label.fontMetrics().horizontalAdvance(label.text()), 0)


def _too_small(room: QSize, needed: QSize) -> list[str]:
    if room.width() >= needed.width() and room.height() >= needed.height():
        return []
    return [f"has {room.width()} × {room.height()} px and needs {needed.width()} × {needed.height()}"]


def _name(widget: QWidget) -> str:
    text = widget.accessibleName() or getattr(widget, "text", str)() or widget.objectName()
    return f"{type(widget).__name__} {text!r}"
