"""The live plots of the benchmark panel, made when it first opens: importing pyqtgraph costs half a second."""

from __future__ import annotations

import time
from collections import deque

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QSizePolicy, QVBoxLayout, QWidget

from poseapp.live.stats import Snapshot
from poseapp.ui.colours import DARK, Theme
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.plot_cards import HISTORY_S, Curves, Line, StageBars, short_ms

DRAW_S = 0.4  # drawing takes as long as a frame: often enough for eyes, not so often that the picture suffers
SPACING = 8


RATES = (Line("capture", "cap.", "left"), Line("inference", "inf.", "accent"), Line("display", "disp.", "success"))
LATENCY = (Line("p50", "p50", "accent"), Line("p95", "p95", "accent", dashed=True), Line("network", "net", "right"))
CPU = (Line("cpu", "", "success"),)
MEMORY = (Line("memory", "", "info"),)


class LivePlots(QWidget):
    """A minute of rates, latencies, stage times, CPU and memory."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._theme = DARK
        self._history: deque[tuple[float, Snapshot]] = deque()
        self._drawn = 0.0
        self.rates = Curves("Rate", "fps", RATES)
        self.latency = Curves("Latency, end to end", "ms", LATENCY)
        self.stages = StageBars()
        self.cpu = Curves("CPU", "% of one core", CPU)
        self.memory = Curves("Memory", "MB", MEMORY)
        self.drops = ElidedLabel("", "small")
        self.drops.setToolTip(
            "capture: replaced by a newer frame before inference · display: replaced before painting · recording: queue full"
        )
        self.drops.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.rates.layout_.addWidget(self.drops)
        self._load = QFrame()
        self._load.setProperty("role", "card")
        load = QVBoxLayout(self._load)
        load.setContentsMargins(0, 0, 0, 0)
        load.setSpacing(0)
        for card in (self.cpu, self.memory):
            card.setProperty("role", "")
            load.addWidget(card)
        self._cards: list[QWidget] = [self.rates, self.latency, self.stages, self._load]
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(SPACING)
        self._columns = 0
        self._arrange(4)

    @property
    def samples(self) -> int:
        """How many snapshots are in the plots."""
        return len(self._history)

    def add(self, snapshot: Snapshot) -> None:
        """Add *snapshot*, of now; drawn where the plots are visible."""
        now = time.monotonic()
        self._history.append((now, snapshot))
        while now - self._history[0][0] > HISTORY_S:
            self._history.popleft()
        if self.isVisible() and now - self._drawn >= DRAW_S:
            self._drawn = now
            self._draw(now)

    def restart(self) -> None:
        """Forget what is drawn: what comes now is of something else."""
        self._history.clear()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        for curves in (self.rates, self.latency, self.cpu, self.memory):
            curves.set_theme(theme)
        self.stages.set_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """One row where there is room, else two, else a column."""
        super().resizeEvent(event)
        needed = max(self.rates.needed_width("000"), self.latency.needed_width("00.0")) + SPACING
        self._arrange(next((columns for columns in (4, 2) if self.width() >= columns * needed - SPACING), 1))

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        self._columns = columns
        for i, card in enumerate(self._cards):
            self._grid.addWidget(card, i // columns, i % columns)
        for column in range(4):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)

    def _draw(self, now: float) -> None:
        t = [when - now for when, _ in self._history]
        snapshots = [snapshot for _, snapshot in self._history]
        nan = float("nan")
        self.rates.draw(t, {line.name: [s.fps.get(line.name, 0.0) for s in snapshots] for line in RATES}, "{:.0f}".format)
        total = [s.ms.get("total", (nan, nan)) for s in snapshots]
        inference = [s.ms.get("inference", (nan, nan))[0] for s in snapshots]
        values = {"p50": [p[0] for p in total], "p95": [p[1] for p in total], "network": inference}
        self.latency.draw(t, values, short_ms)
        self.cpu.draw(t, {"cpu": [s.cpu_percent for s in snapshots]}, "{:.0f} %".format)
        self.memory.draw(t, {"memory": [s.memory_mb for s in snapshots]}, "{:.0f} MB".format)
        newest = snapshots[-1]
        self.stages.draw(newest)
        short = {line.name: line.short for line in RATES} | {"recording": "rec."}
        whole = "Dropped: " + ", ".join(f"{name} {n}" for name, n in newest.drops.items())
        abbreviated = "Dropped: " + ", ".join(f"{short.get(name, name)} {n}" for name, n in newest.drops.items())
        self.drops.set_text(whole, abbreviated, f"Dropped: {sum(newest.drops.values())}")
