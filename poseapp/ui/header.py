"""The strip above the picture: what is playing, how fast, and the buttons that change the window."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from poseapp.live.status import Status
from poseapp.ui.actions import action
from poseapp.ui.chip import Chip
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import icon_button, label, paint_icon

_STATE = {
    "idle": ("muted", "Idle"),
    "starting": ("warning", "Starting"),
    "running": ("success", "Running"),
    "reconnecting": ("warning", "Reconnecting"),
    "ended": ("muted", "Ended"),
    "failed": ("danger", "Failed"),
    "stopped": ("muted", "Stopped"),
}

LONGEST_NAME = 220  # px that the source's name keeps beside the badge


class Header(QWidget):
    """Source and its mode on the left; what the network runs on, rate, latency and people on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = DARK
        self._status: Status | None = None
        self._dot = Dot()
        self.source = ElidedLabel("Starting…", "title")
        self.detail = ElidedLabel("", "muted")
        names = QVBoxLayout()
        names.setSpacing(0)
        names.addWidget(self.source)
        names.addWidget(self.detail)
        self.backend = Chip()
        self.rate, self.latency, self.person_count = Figure("fps"), Figure("ms"), Figure("people")
        self.rate.setToolTip("Pictures with poses on the screen in a second")
        self.latency.setToolTip("From the camera to the screen: the median of the last seconds")
        self.person_count.setToolTip("People found in the picture")
        self.buttons = {
            "fullscreen": icon_button("fullscreen", action("fullscreen").tooltip),
            "help": icon_button("help", action("help").tooltip),
            "sidebar": icon_button("sidebar", action("sidebar").tooltip, checkable=True),
        }
        row = self._row = QHBoxLayout(self)
        row.setContentsMargins(14, 7, 8, 7)
        row.addWidget(self._dot)
        row.addLayout(names, 1)
        row.addWidget(self.backend)
        row.addSpacing(4)
        for figure in (self.rate, self.latency, self.person_count):
            row.addWidget(figure)
        row.addSpacing(4)
        for button in self.buttons.values():
            row.addWidget(button)
        row.setSpacing(6)

    def show_status(self, status: Status) -> None:
        """Say what *status* says."""
        self._status = status
        level, word = _STATE[status.state]
        self._dot.set_colour(getattr(self._theme, level), word)
        mode = status.actual
        if mode is not None and status.state == "running":
            self.detail.set_text(str(mode), f"{mode.width}×{mode.height}")
        else:
            self.detail.set_text(" · ".join(part for part in (word, str(mode or "")) if part), word)
        self._show_backend(status)
        stats = status.stats
        running = status.state == "running"
        self.rate.set_value(f"{stats.fps.get('display', 0.0):.1f}" if running else "–")
        total = stats.ms.get("total")
        self.latency.set_value(f"{total[0]:.0f}" if running and total else "–")
        if not running:
            self.person_count.set_value("–", "people")

    def show_recording(self, name: str) -> None:
        """The recording *name* is shown: nothing is measured."""
        self._status = None
        self._dot.set_colour(self._theme.muted, "recording")
        self.source.set_text(name)
        self.detail.set_text("Recording")
        self.rate.set_value("–")
        self.latency.set_value("–")
        self.backend.show_text("", "", "muted", "")
        self._fit_backend()

    def _show_backend(self, status: Status) -> None:
        backend = status.backend
        if status.state == "starting":
            return  # nothing runs until the first picture comes; a change of source must not make the badge blink
        if backend is None:
            self.backend.show_text("", "", "muted", "")
            self._fit_backend()
            return
        tip = f"{status.model} runs in {backend.runtime} on {backend.device}, {backend.precision}."
        self.backend.show_text(
            str(backend),
            f"{backend.device.removeprefix('NVIDIA ').removeprefix('GeForce ')} · {backend.precision}",
            "warning" if backend.fallback else "success",
            f"{backend.fallback}\n{tip}" if backend.fallback else tip,
        )
        self._fit_backend()

    def _fit_backend(self) -> None:
        """The badge gives way to the name of the source: it gets shorter, then it goes. The sidebar tells what differs."""
        others = (self._dot, self.rate, self.latency, self.person_count, *self.buttons.values())
        margins = self._row.contentsMargins()
        taken = sum(part.sizeHint().width() for part in others) + margins.left() + margins.right() + self._row.spacing() * 12
        detail, source = self.detail.sizeHint().width(), min(self.source.sizeHint().width(), LONGEST_NAME)
        room = self.width() - taken - max(detail, source)
        self.backend.set_compact(room < self.backend.whole_width)
        self.backend.setVisible(bool(self.backend.text) and room >= self.backend.compact_width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The badge gives way to the name of the source."""
        super().resizeEvent(event)
        self._fit_backend()

    def show_people(self, n: int) -> None:
        """How many people are in the picture on the screen."""
        self.person_count.set_value(str(n), "person" if n == 1 else "people")

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.backend.set_theme(theme)
        for name, button in self.buttons.items():
            paint_icon(button, name, theme.text)
        if self._status is not None:
            self.show_status(self._status)


class Figure(QWidget):
    """A number and its unit; as wide as four digits, so that nothing around it jumps."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._value, self._unit = label("–", "number"), label(unit, "muted")
        self._value.setMinimumWidth(46 if unit != "people" else 14)
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 6, 0)
        row.setSpacing(4)
        row.addWidget(self._value)
        row.addWidget(self._unit, 0, Qt.AlignmentFlag.AlignVCenter)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)

    def set_value(self, value: str, unit: str | None = None) -> None:
        """Show *value*."""
        self._value.setText(value)
        if unit is not None:
            self._unit.setText(unit)

    @property
    def value(self) -> str:
        """The number that is shown."""
        return self._value.text()


class Dot(QWidget):
    """A coloured dot for the state, with its name in the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(12, 12)
        self._colour = QColor(DARK.muted)

    def set_colour(self, colour: str, word: str) -> None:
        """Show *colour*; *word* says what it means."""
        if self._colour.name() != colour:
            self._colour = QColor(colour)
            self.update()
        if self.toolTip() != word:
            self.setToolTip(word)
            self.setAccessibleName(word)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The dot in a pale ring."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        halo = QColor(self._colour)
        halo.setAlpha(70)
        painter.setBrush(halo)
        painter.drawEllipse(self.rect())
        painter.setBrush(self._colour)
        painter.drawEllipse(self.rect().adjusted(3, 3, -3, -3))
        painter.end()
