"""The bar on which one moves in a clip: where it stands, the loop, and the time under the mouse."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from poseapp.review.playback import PlaybackState
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.widgets import describe

GROOVE, KNOB = 4.0, 7.0  # px: the height of the groove, and the radius of what is dragged on it
TIP_PX = 68  # how far above the tip is asked for: Qt shows it lower by the height of the cursor, and on it a click would be lost
MARGIN = 9.0  # px on both sides, so that the knob is whole at the ends


class SeekBar(QWidget):
    """``sought`` tells, while the user clicks and drags, to which picture. Keys are left to the window."""

    sought = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumWidth(90)
        self.setFixedHeight(26)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        describe(self, "Position", "")
        self._theme = DARK
        self._state = PlaybackState()
        self._over = False

    def show_state(self, state: PlaybackState) -> None:
        """Show where *state* stands."""
        if state != self._state:
            self._state = state
            self.update()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def time_at(self, x: float) -> float:
        """The time of the clip under *x*, widget px, in s."""
        room = max(1.0, self.width() - 2 * MARGIN)
        return min(max(0.0, (x - MARGIN) / room), 1.0) * self._state.duration_s

    def number_at(self, x: float) -> int:
        """The number of the picture under *x*, as if they were evenly spaced: exact at both ends, and near enough between."""
        duration = self._state.duration_s
        return round(self.time_at(x) / duration * (self._state.count - 1)) if duration > 0 else 0

    # -- Qt ----------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go there."""
        if event.button() == Qt.MouseButton.LeftButton:
            self.sought.emit(self.number_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Go along while the button is held; else say which time is there."""
        x = event.position().x()
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.sought.emit(self.number_at(x))
        if self._state.count:
            at = self.mapToGlobal(QPoint(round(x) - 20, -TIP_PX))
            number = f"{self.number_at(x) + 1} / {self._state.count}"
            QToolTip.showText(at, number if self._state.name else time_code(self.time_at(x)), self)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The window knows all keys."""
        event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """A ring shows who has the keyboard."""
        super().focusInEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The groove, the loop on it, how far it has come, and the knob."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        theme, state, middle = self._theme, self._state, self.height() / 2
        self._bar(painter, QColor(theme.track), 0.0, 1.0, GROOVE)
        here = self._share(state.number)
        self._bar(painter, QColor(theme.accent), 0.0, here, GROOVE)
        a, b = state.loop_a, state.loop_b
        if a is not None and b is not None:
            loop = QColor(theme.warning)
            loop.setAlpha(120)
            self._bar(painter, loop, self._share(a), self._share(b), 3 * GROOVE)
        for mark in (a, b):
            if mark is not None:
                self._mark(painter, self._share(mark))
        x = MARGIN + here * (self.width() - 2 * MARGIN)
        painter.setPen(QPen(QColor(theme.ring if self.hasFocus() else theme.muted), 2 if self.hasFocus() else 1))
        painter.setBrush(QColor("#ffffff"))
        painter.drawEllipse(QRectF(x - KNOB, middle - KNOB, 2 * KNOB, 2 * KNOB))
        painter.end()

    # -- inside ------------------------------------------------------------------------------------------------

    def _share(self, number: int) -> float:
        return number / max(1, self._state.count - 1)

    def _bar(self, painter: QPainter, colour: QColor, start: float, end: float, height: float) -> None:
        room = self.width() - 2 * MARGIN
        painter.setBrush(colour)
        box = QRectF(MARGIN + start * room, (self.height() - height) / 2, (end - start) * room, height)
        painter.drawRoundedRect(box, GROOVE / 2, GROOVE / 2)

    def _mark(self, painter: QPainter, share: float) -> None:
        x = MARGIN + share * (self.width() - 2 * MARGIN)
        painter.setBrush(QColor(self._theme.warning))
        painter.drawRect(QRectF(x - 1, 4, 2, self.height() - 8))


def time_code(seconds: float) -> str:
    """Minutes, seconds and ms: 1:02.345, with hours where there are any."""
    ms = round(max(0.0, seconds) * 1000)
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}:{ms // 1000:02d}.{ms % 1000:03d}" if hours else f"{minutes}:{ms // 1000:02d}.{ms % 1000:03d}"
    return f"{hours}:{text}" if hours else text
