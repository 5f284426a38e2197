"""The cards of the live plots, each a title, a legend and a plot; the one module that imports pyqtgraph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QResizeEvent, QTextDocument
from PySide6.QtWidgets import QFrame, QLabel, QSizePolicy, QVBoxLayout

from poseapp.live.stats import STAGES, Snapshot
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.widgets import label

HISTORY_S = 60.0


STAGE_BARS = tuple(stage for stage in STAGES if stage != "total")


@dataclass(frozen=True)
class Line:
    """One curve: its name, one for where there is little room, the theme's colour it takes, and its pen."""

    name: str
    short: str
    colour: str
    dashed: bool = False


class Card(QFrame):
    """A title, a legend with the newest values, and a plot."""

    def __init__(self, title: str, unit: str) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._theme = DARK
        self._title, self._unit = title, unit
        self._legend: list[tuple[Line, str]] = []
        self._head = QLabel()
        self._head.setTextFormat(Qt.TextFormat.RichText)
        self._head.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.plot = pg.PlotWidget(background=None)
        self.plot.setMinimumHeight(48)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.plot.setAntialiasing(True)
        self.plot.setStyleSheet("background: transparent; border: 0")
        self.plot.setMouseEnabled(False, False)
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.plot.getPlotItem().setContentsMargins(0, 0, 4, 0)
        self.layout_ = QVBoxLayout(self)
        self.layout_.setContentsMargins(12, 9, 8, 8)
        self.layout_.setSpacing(4)
        self.layout_.addWidget(self._head)
        self.layout_.addWidget(self.plot, 1)

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        font = QFont(self.font())
        font.setPointSizeF(7.5)
        for name in ("left", "bottom"):
            axis = self.plot.getAxis(name)
            axis.setPen(pg.mkPen(theme.border))
            axis.setTextPen(pg.mkPen(theme.muted))
            axis.setStyle(tickFont=font, tickLength=-4)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The heading fits the new width."""
        super().resizeEvent(event)
        if self._legend:
            self._say(self._legend)

    def _say(self, legend: list[tuple[Line, str]]) -> None:
        """The heading: title, unit, and (line, newest value) of each curve, by their short names where there is little room."""
        self._legend = legend
        whole = self._heading(legend, [line.name for line, _ in legend])
        fits = len(legend) > 1 and _html_width(whole, self._head.font()) <= self._head.width()
        self._head.setText(whole if fits else self._heading(legend, [line.short for line, _ in legend]))

    def _heading(self, legend: list[tuple[Line, str]], names: list[str]) -> str:
        t = self._theme
        keys = "&nbsp; ".join(
            f'<span style="color:{getattr(t, line.colour)}">●</span>&nbsp;<span style="color:{t.muted}">{name}</span>'
            f"{'&nbsp;' if name else ''}<b>{value}</b>"
            for (line, value), name in zip(legend, names, strict=True)
        )
        title = f'<b>{self._title}</b>&nbsp; <span style="color:{t.muted}">{self._unit}</span>'
        return f'{title}<br><span style="font-size:8pt">{keys}</span>'


def _html_width(html: str, font: QFont) -> float:
    """The width of *html* in *font*, px."""
    document = QTextDocument()
    document.setDefaultFont(font)
    document.setDocumentMargin(0)
    document.setHtml(html)
    return document.idealWidth()


class Curves(Card):
    """Curves over the last minute."""

    def __init__(self, title: str, unit: str, lines: tuple[Line, ...]) -> None:
        super().__init__(title, unit)
        self._lines = lines
        self._single = len(lines) == 1
        self._curves: list[Any] = [self.plot.plot() for _ in lines]
        self.plot.setXRange(-HISTORY_S, 0, padding=0)
        self.plot.getAxis("left").setWidth(34)
        self.plot.getAxis("bottom").setHeight(16)
        if self._single:
            self.plot.getAxis("bottom").setStyle(showValues=False)
            self.plot.getAxis("bottom").setHeight(4)
            self.layout_.setContentsMargins(12, 7, 10, 5)
        self.plot.getAxis("bottom").setTicks([[(-45, "−45 s"), (-30, "−30 s"), (-15, "−15 s")]])

    def needed_width(self, widest_value: str) -> int:
        """The width in which the heading fits, by its short names, with values as long as *widest_value*."""
        widest = self._heading([(line, widest_value) for line in self._lines], [line.short for line in self._lines])
        margins = self.layout_.contentsMargins()
        return math.ceil(_html_width(widest, self._head.font())) + margins.left() + margins.right() + 4

    @property
    def data(self) -> dict[str, list[float]]:
        """The values of each curve as they are drawn."""
        drawn = {line.name: curve.getData()[1] for line, curve in zip(self._lines, self._curves, strict=True)}
        return {name: [] if y is None else list(y) for name, y in drawn.items()}

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        super().set_theme(theme)
        for line, curve in zip(self._lines, self._curves, strict=True):
            style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
            curve.setPen(pg.mkPen(getattr(theme, line.colour), width=1.6, style=style))
        if self._single:
            fill = QColor(getattr(theme, self._lines[0].colour))
            fill.setAlpha(40)
            self._curves[0].setFillLevel(0)
            self._curves[0].setBrush(fill)

    def draw(self, t: list[float], values: dict[str, list[float]], say: Callable[[float], str]) -> None:
        """Draw *values* of each line at *t* s before now; *say* gives the newest one as text."""
        everything: list[float] = []
        legend: list[tuple[Line, str]] = []
        for line, curve in zip(self._lines, self._curves, strict=True):
            y = values[line.name]
            curve.setData(t, y, connect="finite")
            everything += [v for v in y if v == v]
            newest = say(y[-1]) if y and y[-1] == y[-1] else "–"
            legend.append((line, newest))
        # One hiccup must not press all the rest flat.
        highest = max(1.0, float(np.percentile(everything, 96))) if everything else 1.0
        self.plot.setYRange(0, highest * 1.2, padding=0)
        self.plot.getAxis("left").setTickSpacing(*_ticks(highest))
        self._say(legend)


class StageBars(Card):
    """p50 and p95 of each stage as bars."""

    def __init__(self) -> None:
        super().__init__("Stages", "ms, p50 and p95")
        self._p95 = pg.BarGraphItem(x0=0, y=list(range(len(STAGE_BARS))), height=0.66, width=[0.0] * len(STAGE_BARS))
        self._p50 = pg.BarGraphItem(x0=0, y=list(range(len(STAGE_BARS))), height=0.66, width=[0.0] * len(STAGE_BARS))
        for item in (self._p95, self._p50):
            self.plot.addItem(item)
        self._texts = [pg.TextItem(anchor=(0, 0.5)) for _ in STAGE_BARS]
        for text in self._texts:
            self.plot.addItem(text)
        self.plot.invertY(True)
        self.plot.setYRange(-0.5, len(STAGE_BARS) - 0.5, padding=0.02)
        self.plot.getAxis("left").setWidth(58)
        self.plot.getAxis("left").setTicks([list(enumerate(STAGE_BARS))])
        self.plot.hideAxis("bottom")
        self._head.hide()
        self._title_line = label("", "")
        self._title_line.setTextFormat(Qt.TextFormat.RichText)
        self.layout_.insertWidget(0, self._title_line)
        self.p50: dict[str, float] = {}

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        super().set_theme(theme)
        self.plot.getAxis("left").setPen(pg.mkPen(None))
        pale = QColor(theme.accent)
        pale.setAlpha(80)
        self._p50.setOpts(brush=pg.mkBrush(theme.accent), pen=pg.mkPen(None))
        self._p95.setOpts(brush=pg.mkBrush(pale), pen=pg.mkPen(None))
        for text in self._texts:
            text.setColor(theme.text)
        self._title_line.setText(
            f'<b>{self._title}</b>&nbsp; <span style="color:{theme.muted}">ms</span>&nbsp;&nbsp; '
            f'<span style="color:{theme.accent}">■</span> <span style="color:{theme.muted}">p50</span>&nbsp;&nbsp; '
            f'<span style="color:{theme.muted}">□ p95</span>'
        )

    def draw(self, snapshot: Snapshot) -> None:
        """Draw the figures of *snapshot*; a stage that does not run has no bar."""
        known = [snapshot.ms.get(stage) for stage in STAGE_BARS]
        p50, p95 = [k[0] if k else 0.0 for k in known], [k[1] if k else 0.0 for k in known]
        self.p50 = {stage: k[0] for stage, k in zip(STAGE_BARS, known, strict=True) if k}
        self._p50.setOpts(width=p50)
        self._p95.setOpts(width=p95)
        widest = max([1.0, *p95])
        room = max(80, self.plot.width() - 62)  # right of the names; the figures take about 90 px of it
        self.plot.setXRange(0, widest * room / max(room - 90, 20), padding=0)
        for i, (text, k) in enumerate(zip(self._texts, known, strict=True)):
            text.setText(f"{short_ms(k[0])} / {short_ms(k[1])}" if k else "–")
            text.setPos(p95[i] + widest * 0.02, i)


def short_ms(ms: float) -> str:
    """*ms* in the room there is for it: 4.3, 41.5, 415, 4150."""
    return f"{ms:.1f}" if ms < 99.95 else f"{ms:.0f}"


def _ticks(highest: float) -> tuple[float, float]:
    """Two or three round ticks on an axis that ends a little above *highest*."""
    for step in (0.5, 1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000):
        if highest / step <= 3:
            return float(step), float(step)
    return highest / 2, highest / 2
