"""A column of controls that scrolls, and shows that there is more below or above."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QFrame, QScrollArea, QWidget

FADE = 26  # px


class ScrollColumn(QScrollArea):
    """Scrolls upright alone, is never narrower than what is in it, and fades where something is hidden."""

    def __init__(self, body: QWidget, ground: str) -> None:
        """*ground* is the colour behind *body*, #rrggbb."""
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # it follows the focus of its controls
        self.fades = (_Fade(self, ground, above=True), _Fade(self, ground, above=False))
        self.setWidget(body)
        app = QApplication.instance()
        if isinstance(app, QApplication):
            app.focusChanged.connect(self._follow)
        body.installEventFilter(self)
        self.verticalScrollBar().valueChanged.connect(self._update_fades)
        self.verticalScrollBar().rangeChanged.connect(self._update_fades)

    def needed_width(self) -> int:
        """The width in which nothing of the body is cut, with a scroll bar beside it."""
        body = self.widget()
        return (body.minimumSizeHint().width() if body is not None else 0) + self.verticalScrollBar().sizeHint().width()

    def set_ground(self, colour: str) -> None:
        """The colour behind the body."""
        for fade in self.fades:
            fade.ground = QColor(colour)
            fade.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The body has another minimum: so has this."""
        if event.type() == QEvent.Type.LayoutRequest:
            self.setMinimumWidth(self.needed_width())
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The fades stay at the edges."""
        super().resizeEvent(event)
        self._update_fades()

    def _follow(self, _before: QWidget | None, now: QWidget | None) -> None:
        """Scroll to what has the focus; Qt's own does it only for a focus that was inside before."""
        if now is not None and self.isAncestorOf(now):
            self.ensureWidgetVisible(now)

    def _update_fades(self) -> None:
        bar, area = self.verticalScrollBar(), self.viewport().geometry()
        above, below = self.fades
        above.setGeometry(area.left(), area.top(), area.width(), FADE)
        below.setGeometry(area.left(), area.bottom() - FADE + 1, area.width(), FADE)
        for fade, more in ((above, bar.value() > bar.minimum()), (below, bar.value() < bar.maximum())):
            fade.setVisible(more)
            fade.raise_()


class _Fade(QWidget):
    """A veil over an edge behind which there is more; clicks go through it."""

    def __init__(self, parent: QWidget, ground: str, above: bool) -> None:
        super().__init__(parent)
        self.ground, self._above = QColor(ground), above
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def paintEvent(self, event: QPaintEvent) -> None:
        """From the ground's colour at the edge to nothing."""
        clear = QColor(self.ground)
        clear.setAlpha(0)
        gradient = QLinearGradient(0, 0, 0, self.height())
        gradient.setColorAt(0.0, self.ground if self._above else clear)
        gradient.setColorAt(1.0, clear if self._above else self.ground)
        painter = QPainter(self)
        painter.fillRect(self.rect(), gradient)
        painter.end()
