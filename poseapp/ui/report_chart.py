"""The curves of a report: angles over time, with the repetitions behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from poseapp.core.repetitions import Repetition
from poseapp.review.measurements import Floats
from poseapp.ui.angle_list import part_of, title
from poseapp.ui.colours import LIGHT
from poseapp.ui.record_bar import clock
from poseapp.ui.report_sheet import Sheet

HEAD, FOOT, SIDE = 13.0, 11.0, 24.0  # points, for the title, the times and the degrees
MOST_POINTS = 1200  # of a curve: two for each point of paper
LONGEST_LINE_S = 0.5  # between two values; over a longer gap nobody knows the angle
MOST_NUMBERED = 25  # repetitions
_STEPS_DEG = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 45.0, 60.0, 90.0, 180.0, 360.0)
_STEPS_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_GRID = "#e3e6ee"
_BAND = "#f0f1f6"
# Left and right differ without colour, too: many print in black.
_STYLES = {"left": (LIGHT.left, False), "right": (LIGHT.right, True), "": (LIGHT.middle, False)}


@dataclass(frozen=True, kw_only=True, eq=False)
class Chart:
    """Angles *curves* (n,) in degrees by name, of one part of the body, at the times *t* (n,) s, which grow."""

    t: Floats
    curves: Mapping[str, Floats]
    repetitions: Sequence[Repetition] = ()
    numbered: bool = False  # the repetitions have their numbers above

    def draw(self, sheet: Sheet, x: float, y: float, width: float, height: float) -> None:
        """Draw it into the box, in points."""
        left, top = x + SIDE, y + HEAD
        right, bottom = x + width, y + height - FOOT
        begin, end = float(self.t[0]), float(self.t[-1])
        span = max(end - begin, 1e-3)
        low, high, step = scale(list(self.curves.values()))

        def at(t: float) -> float:
            return left + (right - left) * (t - begin) / span

        def up(degrees: float) -> float:
            return bottom - (bottom - top) * (degrees - low) / (high - low)

        for number, one in enumerate(self.repetitions, 1):
            sheet.box(at(one.start_t), top, max(at(one.end_t) - at(one.start_t), 0.3), bottom - top, _BAND)
            if self.numbered and number <= MOST_NUMBERED:
                sheet.text(at(one.turn_t), top - 2, str(number), 6.5, colour=LIGHT.muted, align=0.5)
        for degrees in np.arange(low, high + step / 2, step).tolist():
            sheet.line(left, up(degrees), right, up(degrees), colour=LIGHT.muted if degrees == 0 else _GRID, width=0.4)
            sheet.text(left - 4, up(degrees) + 2.3, f"{degrees:g}°".replace("-", "−"), 6.5, colour=LIGHT.muted, align=1)
        for t in _ticks(begin, end):
            sheet.line(at(t), bottom, at(t), bottom + 2, colour=LIGHT.muted, width=0.4)
            sheet.text(at(t), bottom + 9, _time(t, end), 6.5, colour=LIGHT.muted, align=0.5)
        for name, values in self.curves.items():
            colour, dashed = _style(name)
            for points in pieces(*thinned(self.t, values, MOST_POINTS)):
                sheet.curve([(at(t), up(value)) for t, value in points], colour=colour, width=1.1, dashed=dashed)
        self._head(sheet, x, y, right)

    def _head(self, sheet: Sheet, x: float, y: float, right: float) -> None:
        """The part of the body, and which line is which side."""
        part = part_of(next(iter(self.curves)))
        sheet.text(x, y + 8, title(part), 8.5, bold=True)
        if len(self.curves) > 1 or part not in self.curves:
            for name in reversed(list(self.curves)):
                colour, dashed = _style(name)
                word = name.partition("_")[0].capitalize()
                right -= sheet.text(right, y + 8, word, 7.5, colour=colour, align=1) + 4
                sheet.line(right - 18, y + 5.5, right, y + 5.5, colour=colour, width=1.2, dashed=dashed)
                right -= 30


def _style(name: str) -> tuple[str, bool]:
    """Colour, and whether the line is dashed."""
    side = name.partition("_")[0]
    return _STYLES.get(side, _STYLES[""])


def scale(curves: Sequence[Floats]) -> tuple[float, float, float]:
    """The least and the most of an axis for *curves* in degrees, and the step between its lines. 0° is on it."""
    values = np.concatenate([values[~np.isnan(values)] for values in curves])
    low, high = min(0.0, float(values.min(initial=0.0))), max(0.0, float(values.max(initial=0.0)))
    step = next((step for step in _STEPS_DEG if (high - low) / step <= 4), _STEPS_DEG[-1])
    low, high = np.floor(low / step) * step, np.ceil(high / step) * step
    return float(low), float(high if high > low else low + step), step


def _ticks(begin: float, end: float) -> list[float]:
    step = next((step for step in _STEPS_S if (end - begin) / step <= 10), _STEPS_S[-1])
    first = np.ceil(begin / step - 1e-6) * step
    return [abs(float(t)) for t in np.arange(first, end + step * 1e-6, step)]  # no -0


def _time(t: float, end: float) -> str:
    return clock(t) if end >= 60 else f"{round(t, 2):g} s"


def pieces(t: Floats, values: Floats) -> list[list[tuple[float, float]]]:
    """The curve in pieces: it breaks where the angle is not seen, and over gaps in time."""
    found: list[list[tuple[float, float]]] = []
    last = -np.inf
    seen = True
    for at, value in zip(t.tolist(), values.tolist(), strict=True):
        if value != value:
            seen = False
            continue
        if not seen or at - last > LONGEST_LINE_S or not found:
            found.append([])
        found[-1].append((at, value))
        seen, last = True, at
    return found


def thinned(t: Floats, values: Floats, most: int) -> tuple[Floats, Floats]:
    """The curve *values* (n,) at *t* (n,) with at most about *most* points, in which the peaks and the gaps are kept."""
    if len(t) <= most:
        return t, values
    keep: list[int] = []
    for part in np.array_split(np.arange(len(t)), most // 2):
        there = part[~np.isnan(values[part])]
        if not there.size:
            keep.append(int(part[0]))
            continue
        keep += sorted({int(there[values[there].argmin()]), int(there[values[there].argmax()])})
    return t[keep], values[keep]
