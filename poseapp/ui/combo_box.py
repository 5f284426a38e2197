"""The drop-down box: arrows move in its list, Enter or a click decides, Esc goes back."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QComboBox, QStyle, QStyledItemDelegate, QStyleOptionViewItem

DETAIL = Qt.ItemDataRole.UserRole + 1  # a second, paler text of an entry
_MARK = 22  # px on the right of an entry for the mark of the one that is chosen
_GAP = 18  # px between an entry and its detail
_OPENERS = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Space,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_F4,
)


class ComboBox(QComboBox):
    """A combo box that changes nothing before the user has decided.

    Qt's own takes whatever an arrow or a letter comes across, and here each choice opens a camera or loads a network.
    Closed, it opens its list for the keys that would move in it, and leaves letters to the window's shortcuts.
    """

    def __init__(self, whole: bool = False) -> None:
        """One that is *whole* is as wide as its longest entry; the others cut long names, which their list shows."""
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # a click must not take Space from the preview
        if whole:
            self.setProperty("role", "compact")
            self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        else:
            self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            self.setMinimumContentsLength(8)
        self.setMaxVisibleItems(16)
        self.setItemDelegate(_Entry(self))

    def showPopup(self) -> None:
        """The list, wide enough for its longest entry."""
        self.view().setMinimumWidth(min(self._widest() + 24, self.screen().availableGeometry().width() - 40))
        super().showPopup()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open the list; whatever else is pressed is not for a closed box."""
        if event.key() in _OPENERS:
            self.showPopup()
            event.accept()
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the sidebar instead: a wheel over a combo box must not switch the camera."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The styled box, and the chevron."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().placeholderText().color()
        if not self.isEnabled():
            colour.setAlphaF(0.4)
        painter.setPen(QPen(colour, 1.8, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        x, y = self.width() - 18.0, self.height() / 2 - 1.5
        painter.drawPolyline([QPointF(x, y), QPointF(x + 4, y + 4), QPointF(x + 8, y)])
        painter.end()

    def _widest(self) -> int:
        metrics, widest = QFontMetrics(self.view().font()), 0
        for row in range(self.count()):
            detail = self.itemData(row, DETAIL) or ""
            width = metrics.horizontalAdvance(self.itemText(row)) + (metrics.horizontalAdvance(detail) + _GAP if detail else 0)
            widest = max(widest, width + 16 + _MARK + (0 if self.itemIcon(row).isNull() else self.iconSize().width() + 6))
        return widest


class _Entry(QStyledItemDelegate):
    """An entry of the list: its text, its detail, and a mark on the one that is chosen."""

    def __init__(self, box: ComboBox) -> None:
        super().__init__(box)
        self._box = box

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """A separator is low."""
        if _is_separator(index):
            return QSize(0, 11)
        return super().sizeHint(option, index)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """The styled entry and what is on its right."""
        rect: QRect = option.rect
        palette = option.palette
        if _is_separator(index):
            painter.setPen(palette.mid().color())
            painter.drawLine(rect.left() + 6, rect.center().y(), rect.right() - 6, rect.center().y())
            return
        super().paint(painter, option, index)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        colour: QColor = palette.highlightedText().color() if selected else palette.placeholderText().color()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        right = rect.right() - _MARK
        detail = index.data(DETAIL)
        if detail:
            painter.setPen(colour)
            painter.setFont(option.font)
            align = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRect(rect.left(), rect.top(), right - rect.left() - 2, rect.height()), align, detail)
        if index.row() == self._box.currentIndex():
            painter.setPen(QPen(colour, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
            x, y = right + 4.0, rect.center().y() + 1.0
            painter.drawPolyline([QPointF(x, y), QPointF(x + 4, y + 4), QPointF(x + 11, y - 5)])
        painter.restore()


def _is_separator(index: QModelIndex | QPersistentModelIndex) -> bool:
    return bool(index.data(Qt.ItemDataRole.AccessibleDescriptionRole) == "separator")
