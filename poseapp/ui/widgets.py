"""Small widgets of the window: switch, section, labels with a role, badge."""

from __future__ import annotations

from PySide6.QtCore import QEasingCurve, QPoint, QPointF, QRectF, QSize, Qt, QVariantAnimation
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QCheckBox, QFrame, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from poseapp.ui import icons
from poseapp.ui.colours import DARK, Theme


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


class Elided(QLabel):
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


class Badge(QFrame):
    """A coloured dot, a line of text, and a second, wrapped line where there is something to explain."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._theme, self._level = DARK, "muted"
        self.title = Elided(role="title")
        self.detail = label(role="muted")
        self.detail.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(26, 7, 10, 7)
        layout.setSpacing(2)
        layout.addWidget(self.title)
        layout.addWidget(self.detail)
        self.show_text("", "", "muted")

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def show_text(self, title: str, detail: str, level: str, tip: str = "") -> None:
        """Show *title* and, if any, *detail*; *level* is success, warning, danger, info or muted; *tip* is the tooltip."""
        self.title.set_text(title)
        describe(self, title, tip or detail)
        self.detail.setText(detail)
        self.detail.setVisible(bool(detail))
        if level != self._level:
            self._level = level
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The card and its dot."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(getattr(self._theme, self._level)))
        middle = self.title.geometry().center().y() + 0.5
        painter.drawEllipse(QPointF(15, middle), 4, 4)
        painter.end()


class Chip(QWidget):
    """A pill with a dot and a line of text, or a shorter one where it is *compact*."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._compact = True
        self._theme, self._level = DARK, "muted"
        self._texts = ("", "")

    @property
    def text(self) -> str:
        """The whole text."""
        return self._texts[0]

    @property
    def level(self) -> str:
        """The name of the dot's colour."""
        return self._level

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def show_text(self, text: str, short: str, level: str, tip: str) -> None:
        """Show *text*; *level* is success, warning, danger, info or muted. Nothing is shown for an empty *text*."""
        if (text, short) != self._texts:
            self._texts = text, short
            self.setAccessibleName(text)
            self.updateGeometry()
        self._level = level
        if tip != self.toolTip():
            self.setToolTip(tip)
        self.setVisible(bool(text))
        self.update()

    def set_compact(self, compact: bool) -> None:
        """Show the short text, or the whole one."""
        if compact != self._compact:
            self._compact = compact
            self.updateGeometry()

    @property
    def whole_width(self) -> int:
        """The width that the whole text takes, in px."""
        return self._width_of(self._texts[0])

    def sizeHint(self) -> QSize:
        """Room for the text that is shown."""
        return QSize(self._width_of(self._texts[self._compact]), self.fontMetrics().height() + 10)

    def minimumSizeHint(self) -> QSize:
        """None: it must not keep a window from getting narrower, and who owns it shortens or hides it then."""
        return QSize(0, self.sizeHint().height())

    @property
    def compact_width(self) -> int:
        """The width that the short text takes, in px."""
        return self._width_of(self._texts[1])

    def paintEvent(self, event: QPaintEvent) -> None:
        """The pill, the dot and the text."""
        t = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        plain = self._level in ("success", "muted")
        colour = QColor(getattr(t, self._level))
        painter.setPen(QPen(QColor(t.border) if plain else colour, 1))
        painter.setBrush(QColor(t.raised))
        pill = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        painter.drawRoundedRect(pill, pill.height() / 2, pill.height() / 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawEllipse(QPointF(pill.left() + 13, pill.center().y()), 3.5, 3.5)
        painter.setPen(QColor(t.text))
        room, middle = self.rect().adjusted(23, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(room, middle, self._texts[self._compact])
        painter.end()

    def _width_of(self, text: str) -> int:
        return self.fontMetrics().horizontalAdvance(text) + 36


def paint_icon(button: QToolButton, name: str, colour: str) -> None:
    """Give *button* the icon *name* in *colour*."""
    button.setIcon(icons.icon(name, colour))
