"""The list of joints with their confidence as bars, left and right side by side."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import FloatArray, Result
from poseapp.ui.colours import DARK, Theme

ROWS_PX = (20, 27)  # height of a line: least, and where there is room
HEAD = 20
LEAST_BAR = 40  # px


def rows(skeleton: Skeleton) -> list[tuple[str, int | None, int | None, int | None]]:
    """Lines of the list: name, left joint, right joint, middle joint; from head to foot as the skeleton has them."""
    lines: list[tuple[str, int | None, int | None, int | None]] = []
    for k, name in enumerate(skeleton.keypoints):
        side = skeleton.side(k)
        if side == "middle":
            lines.append((name.replace("_", " ").capitalize(), None, None, k))
        elif side == "left":
            lines.append((name.removeprefix("left_").replace("_", " ").capitalize(), k, skeleton.flip[k], None))
    return lines


class JointList(QWidget):
    """Bars grow outwards from the joint's name: the person's left side to the left, the right to the right."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = DARK
        self._skeleton = COCO_17  # until the first pose says otherwise
        self._rows = rows(COCO_17)
        self._score: FloatArray | None = None
        self._identity: int | None = None  # of the person shown
        self._threshold = 0.3
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._fit()
        self.setMouseTracking(True)
        self.setAccessibleName("Confidence of each joint")

    @property
    def scores(self) -> FloatArray | None:
        """The confidences shown (K,), or None while nobody is seen."""
        return self._score

    def show_result(self, result: Result) -> int | None:
        """Show the locked person, else the one shown before, else the one with the highest score; returns the row in poses."""
        poses, ids = result.poses, result.poses.ids.tolist()
        known = next((identity for identity in (result.locked, self._identity) if identity in ids), None)
        row = None if not ids else ids.index(known) if known is not None else int(np.argmax(poses.person_score))
        self._identity = ids[row] if row is not None else None
        if poses.skeleton is not self._skeleton:
            self._skeleton, self._rows = poses.skeleton, rows(poses.skeleton)
            self._fit()
        self._score = poses.score[row] if row is not None else None
        self.update()
        return row

    def describe_scores(self) -> None:
        """Tell the scores to those who hear the window."""
        names = [name.replace("_", " ") for name in self._skeleton.keypoints]
        pairs = zip(names, self._score, strict=True) if self._score is not None else ()
        self.setAccessibleDescription(", ".join(f"{name} {100 * score:.0f}" for name, score in pairs) or "Nobody in sight")

    def set_threshold(self, threshold: float) -> None:
        """Joints below *threshold* are shown pale."""
        self._threshold = threshold
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        """A heading and all lines, with bars that can be told apart."""
        names, numbers = self._columns()
        return QSize(round(names + 2 * (numbers + 6 + LEAST_BAR)), HEAD + ROWS_PX[0] * self._lines())

    def minimumSizeHint(self) -> QSize:
        """Every line is shown."""
        return self.sizeHint()

    def event(self, event: QEvent) -> bool:
        """A tooltip with the exact figures of a line."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = int((event.pos().y() - HEAD) // self._row())
            if 0 <= index < len(self._rows) and self._score is not None:
                joints = [k for k in self._rows[index][1:] if k is not None]
                text = "\n".join(f"{self._skeleton.keypoints[k].replace('_', ' ')}: {self._score[k]:.2f}" for k in joints)
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """All lines."""
        t = self._theme
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        small, bold = self._fonts()
        name_width, number_width = self._columns()
        half = (self.width() - name_width) / 2
        bar = half - number_width - 6
        painter.setFont(bold)
        for text, colour, x in (("Left", t.left, 0.0), ("Right", t.right, self.width() - half)):
            painter.setPen(QColor(colour))
            align = Qt.AlignmentFlag.AlignRight if text == "Left" else Qt.AlignmentFlag.AlignLeft
            painter.drawText(QRectF(x, 0, half, HEAD - 4), align | Qt.AlignmentFlag.AlignVCenter, text)
        painter.setFont(small)
        row = self._row()
        for i, (name, left, right, middle) in enumerate(self._rows):
            y = HEAD + i * row
            seen = self._score is not None
            painter.setPen(QColor(t.text if seen else t.muted))
            painter.drawText(QRectF(half, y, name_width, row), Qt.AlignmentFlag.AlignCenter, name)
            for k, outwards in ((left if middle is None else middle, -1), (right if middle is None else middle, 1)):
                colour = t.middle if middle is not None else (t.left if outwards < 0 else t.right)
                inner = half - 2 if outwards < 0 else half + name_width + 2
                self._bar(painter, k, colour, inner, y, bar, outwards, number_width)
        painter.end()

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
        names = max(metrics.horizontalAdvance(name) for name, *_ in self._rows)
        return max(66.0, names + 10), max(26.0, metrics.horizontalAdvance("100") + 3)

    def _lines(self) -> int:
        return max(len(self._rows), 9)

    def _row(self) -> float:
        """Height of a line, px."""
        return min((self.height() - HEAD) / self._lines(), ROWS_PX[1])

    def _fit(self) -> None:
        self.setMaximumHeight(HEAD + ROWS_PX[1] * self._lines())
        self.updateGeometry()

    def _bar(
        self,
        painter: QPainter,
        k: int | None,
        colour: str,
        inner: float,
        y: float,
        width: float,
        outwards: int,
        number_width: float,
    ) -> None:
        t = self._theme
        score = float(self._score[k]) if self._score is not None and k is not None else 0.0
        hidden = score < self._threshold
        track = QRectF(inner if outwards > 0 else inner - width, y + self._row() / 2 - 3, width, 6)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(t.track))
        painter.drawRoundedRect(track, 3, 3)
        if score > 0:
            fill = QColor(colour)
            fill.setAlphaF(0.32 if hidden else 1.0)
            painter.setBrush(fill)
            length = max(6.0, width * min(score, 1.0))
            painter.drawRoundedRect(QRectF(inner if outwards > 0 else inner - length, track.top(), length, 6), 3, 3)
        mark = inner + outwards * width * self._threshold
        painter.fillRect(QRectF(mark - 0.5, track.top() - 2, 1, 10), QColor(t.muted))
        if self._score is not None and k is not None:
            painter.setPen(QColor(t.muted if hidden else t.text))
            box = QRectF(inner + outwards * (width + 4) - (0 if outwards > 0 else number_width), y, number_width, self._row())
            align = Qt.AlignmentFlag.AlignLeft if outwards > 0 else Qt.AlignmentFlag.AlignRight
            painter.drawText(box, align | Qt.AlignmentFlag.AlignVCenter, f"{100 * score:.0f}")
