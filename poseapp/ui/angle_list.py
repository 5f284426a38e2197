"""The list of a person's angles in degrees, left and right side by side, with a dot for how sure they are."""

from __future__ import annotations

import math
from functools import cache

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from poseapp.core.angles import SegmentAngle, angles_of, joints_of, measure
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import Result
from poseapp.ui.colours import DARK, Theme

ROWS_PX = (20, 27)  # height of a line: least, and where there is room
HEAD = 20
LEAST_BAR = 34  # px
FULL_DEG = 180.0  # of a whole bar
SURE = 0.6  # confidence from which the dot is green
DOT = 12  # px for a dot
LISTED = ("shoulder", "elbow", "hip", "knee", "ankle", "trunk", "neck")
TITLES = {"trunk": "Trunk lean", "upper_arm": "Upper arm"}


def title(part: str) -> str:
    """What users read for the angle *part*, which is named without its side."""
    return TITLES.get(part, part.replace("_", " ").capitalize())


def part_of(name: str) -> str:
    """The name of an angle without its side."""
    return name.removeprefix("left_").removeprefix("right_")


def angle_title(name: str) -> str:
    """What users read for the angle called *name*: "Left knee"."""
    part = part_of(name)
    return title(part) if part == name else f"{name.partition('_')[0].capitalize()} {title(part).lower()}"


@cache
def rows(skeleton: Skeleton) -> tuple[tuple[str, int | None, int | None, int | None], ...]:
    """Lines of the list: name, and where the left, right and middle angle are in ``angles_of(skeleton)``."""
    where = {angle.name: i for i, angle in enumerate(angles_of(skeleton))}
    lines = ((title(part), where.get(f"left_{part}"), where.get(f"right_{part}"), where.get(part)) for part in LISTED)
    return tuple(line for line in lines if line[1:] != (None, None, None))


class AngleList(QWidget):
    """Bars grow outwards from the angle's name: the person's left side to the left, the right to the right.

    The lean of the trunk grows to the side of the picture to which it leans.
    """

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._skeleton = COCO_17  # until the first pose says otherwise
        self._values: list[float] | None = None  # by angles_of(skeleton), degrees
        self._scores: list[float] = []
        self._threshold = 0.3
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._fit()
        self.setMouseTracking(True)
        self.setAccessibleName("Angles in degrees, as the camera sees them")

    @property
    def values(self) -> dict[str, float] | None:
        """The angles shown in degrees by their names, NaN where not seen; None while nobody is."""
        if self._values is None:
            return None
        return {angle.name: value for angle, value in zip(angles_of(self._skeleton), self._values, strict=True)}

    def show_result(self, result: Result, row: int | None) -> None:
        """Show the angles of the person in *row* of the poses, None for nobody."""
        poses = result.shown
        if poses.skeleton is not self._skeleton:
            self._skeleton = poses.skeleton
            self._fit()
        if row is None:
            self._values = None
        else:
            self._values = measure(poses.xy[row], poses.score[row], poses.skeleton, self._threshold).tolist()
            score = poses.score[row].tolist()
            self._scores = [min(score[k] for k in joints) for joints in _joints(poses.skeleton)]
        self.update()

    def describe_angles(self) -> None:
        """Tell the angles to those who hear the window."""
        values = (self.values or {}).items()
        listed = [f"{name.replace('_', ' ')} {value:.0f} degrees" for name, value in values if not math.isnan(value)]
        self.setAccessibleDescription(", ".join(listed) or "Nobody in sight")

    def set_threshold(self, threshold: float) -> None:
        """Angles with a joint below *threshold* are not shown."""
        self._threshold = threshold
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        """A heading and all lines, with bars that can be told apart."""
        names, numbers = self._columns()
        return QSize(round(names + 2 * (numbers + DOT + LEAST_BAR)), HEAD + ROWS_PX[0] * len(rows(self._skeleton)))

    def minimumSizeHint(self) -> QSize:
        """Every line is shown."""
        return self.sizeHint()

    def event(self, event: QEvent) -> bool:
        """A tooltip with both sides of a line, and how far they differ."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = int((event.pos().y() - HEAD) // self._row())
            text = self.line_text(index) if 0 <= index < len(rows(self._skeleton)) else ""
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def line_text(self, index: int) -> str:
        """What the tooltip of line *index* says; "" while nobody is seen."""
        if self._values is None:
            return ""
        name, left, right, middle = rows(self._skeleton)[index]
        if middle is not None:
            return f"{name}: {_degrees(self._values[middle])} (confidence {100 * self._scores[middle]:.0f})"
        assert left is not None
        assert right is not None
        a, b = self._values[left], self._values[right]
        lines = [f"{side} {name.lower()}: {_degrees(self._values[i])} (confidence {100 * self._scores[i]:.0f})"
                 for side, i in (("Left", left), ("Right", right))]  # fmt: skip
        if not math.isnan(a - b):
            lines.append(f"Left minus right: {_degrees(a - b)}")
        return "\n".join(lines)

    def paintEvent(self, event: QPaintEvent) -> None:
        """All lines."""
        t = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small, bold = self._fonts()
        name_width, _ = self._columns()
        half = (self.width() - name_width) / 2
        painter.setFont(bold)
        for text, colour, x in (("Left", t.left, -2.0), ("Right", t.right, self.width() - half + 2)):
            painter.setPen(QColor(colour))
            align = Qt.AlignmentFlag.AlignRight if text == "Left" else Qt.AlignmentFlag.AlignLeft
            painter.drawText(QRectF(x, 0, half, HEAD - 4), align | Qt.AlignmentFlag.AlignVCenter, text)
        painter.setFont(small)
        for i, (name, left, right, middle) in enumerate(rows(self._skeleton)):
            y = HEAD + i * self._row()
            painter.setPen(QColor(t.text if self._values is not None else t.muted))
            painter.drawText(QRectF(half, y, name_width, self._row()), Qt.AlignmentFlag.AlignCenter, name)
            for k, outwards in ((left, -1), (right, 1)) if middle is None else ((middle, self._lean(middle)),):
                colour = t.middle if middle is not None else (t.left if outwards < 0 else t.right)
                self._bar(painter, k, colour, y, outwards)
        painter.end()

    def _lean(self, middle: int) -> int:
        """The side on which the angle *middle* is shown: where the trunk leans to, else the right."""
        signed = isinstance(angles_of(self._skeleton)[middle], SegmentAngle)
        return -1 if signed and self._values is not None and self._values[middle] < 0 else 1

    def _fonts(self) -> tuple[QFont, QFont]:
        """Of the lines, and of the heading."""
        small = QFont(self.font())
        small.setPointSizeF(self.font().pointSizeF() * 0.88)
        bold = QFont(small)
        bold.setWeight(QFont.Weight.DemiBold)
        return small, bold

    def _columns(self) -> tuple[float, float]:
        """The width of the names, and that of a number, px: no text is cut, whatever the font."""
        metrics = QFontMetricsF(self._fonts()[0])
        names = max((metrics.horizontalAdvance(name) for name, *_ in rows(self._skeleton)), default=0.0)
        return max(66.0, names + 10), max(28.0, metrics.horizontalAdvance("−180°") + 3)

    def _row(self) -> float:
        """Height of a line, px."""
        return min((self.height() - HEAD) / max(len(rows(self._skeleton)), 1), ROWS_PX[1])

    def _fit(self) -> None:
        self.setMaximumHeight(HEAD + ROWS_PX[1] * max(len(rows(self._skeleton)), 1))
        self.updateGeometry()

    def _bar(self, painter: QPainter, k: int | None, colour: str, y: float, outwards: int) -> None:
        """The dot, the bar and the degrees of angle *k* of the skeleton, on the left (-1) or right (1) of the names."""
        t = self._theme
        name_width, number_width = self._columns()
        half, middle = (self.width() - name_width) / 2, y + self._row() / 2
        inner = half if outwards < 0 else half + name_width
        width = half - number_width - DOT - 4
        value = self._values[k] if self._values is not None and k is not None else math.nan
        begin = inner + outwards * DOT
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(t.track))
        painter.drawRoundedRect(QRectF(begin if outwards > 0 else begin - width, middle - 3, width, 6), 3, 3)
        if self._values is not None and k is not None:
            score = self._scores[k]
            painter.setBrush(QColor(t.success if score >= SURE else t.warning if score >= self._threshold else t.danger))
            painter.drawEllipse(QPointF(inner + outwards * DOT / 2, middle), 2.5, 2.5)
        if not math.isnan(value):
            length = max(6.0, width * min(abs(value) / FULL_DEG, 1.0))
            painter.setBrush(QColor(colour))
            painter.drawRoundedRect(QRectF(begin if outwards > 0 else begin - length, middle - 3, length, 6), 3, 3)
        if self._values is not None:
            painter.setPen(QColor(t.muted if math.isnan(value) else t.text))
            x = begin + width + 4 if outwards > 0 else begin - width - 4 - number_width
            align = Qt.AlignmentFlag.AlignLeft if outwards > 0 else Qt.AlignmentFlag.AlignRight
            painter.drawText(QRectF(x, y, number_width, self._row()), align | Qt.AlignmentFlag.AlignVCenter, _degrees(value))


def _degrees(value: float) -> str:
    return "–" if math.isnan(value) else f"{round(value)}°".replace("-", "−")


@cache
def _joints(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """The joints of each of ``angles_of(skeleton)``."""
    return tuple(tuple(k for joints, _ in joints_of(skeleton, angle) for k in joints) for angle in angles_of(skeleton))
