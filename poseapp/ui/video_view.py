"""The picture: paints the newest annotated frame, and the marks on it."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFont, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from poseapp.core.types import ImageArray, Result
from poseapp.render import MIDDLE, DrawOptions, annotate, identity_colour
from poseapp.render.compare import Beside, draw_ghost, other_options, side_by_side
from poseapp.ui.colours import CHIP, DARK, Theme
from poseapp.ui.countdown_mark import paint_digits, paint_ring
from poseapp.ui.message_card import Message, MessageCard
from poseapp.ui.point_marks import paint_points
from poseapp.ui.widgets import describe

CARD_WIDTH = 480


class VideoView(QWidget):
    """Shows Results, letterboxed, in device pixels.

    ``painted`` tells, once for each Result, that it has been painted and what drawing it took in ms.
    The threshold and its like act here alone: they change the picture, never the Result.
    """

    painted = Signal(object, float)
    action = Signal(str)  # a button of the card, by its key
    double_clicked = Signal()
    clicked = Signal(float, float)  # x, y in frame px

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumSize(320, 180)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        describe(self, "Picture", "The newest frame with the poses found in it; a click holds on to a person")
        self.setToolTip("")
        self.setMouseTracking(True)
        self._theme = DARK
        self._options = DrawOptions()
        self._result: Result | None = None
        self._picture: ImageArray | None = None  # annotated, in device pixels; drawn on, frame after frame
        self._image = QImage()  # wraps _picture without a copy
        self._pending: tuple[Result, float] | None = None  # shown next, not yet painted
        self._recording = ""
        self._drawn = False  # the picture has its skeleton on it already
        self._count = self._tempo = self._countdown = ""
        self._hand = 0.0
        self._points: tuple[tuple[float, float], ...] = ()
        self._beside: Beside | None = None  # how the frame of another recording is shown
        self._own_share = 1.0  # of the width of the picture, which is that of the frame
        self._paused = self._full_screen = False
        self._covered = 0  # px of the lower edge
        self._by_keys = False  # the focus came by Tab
        self._card = MessageCard(self)
        self._card.action.connect(self.action)

    # -- what is shown ---------------------------------------------------------------------------------------

    @property
    def result(self) -> Result | None:
        """The Result on the screen."""
        return self._result

    @property
    def options(self) -> DrawOptions:
        """How it is drawn."""
        return self._options

    @property
    def message(self) -> Message | None:
        """What the card says; None without a card."""
        return self._card.message

    @property
    def locked(self) -> int | None:
        """The identity that the user holds on to, as the Result on the screen has it."""
        return self._result.locked if self._result is not None else None

    def picture(self) -> ImageArray | None:
        """The annotated picture as it is on the screen, (h, w, 3) uint8 BGR in device pixels."""
        return self._picture

    def show_result(self, result: Result) -> None:
        """Draw *result* and paint it as soon as possible."""
        started = time.perf_counter()
        self._result = result
        self._draw()
        self._pending = (result, (time.perf_counter() - started) * 1e3)
        self.update()

    def set_options(self, options: DrawOptions) -> None:
        """Draw the present Result anew with *options*."""
        if options != self._options:
            self._options = options
            self._draw()
            self.update()

    def clear(self) -> None:
        """Forget the picture."""
        self._result = self._pending = self._picture = None
        self._image = QImage()
        self.update()

    def set_message(self, message: Message | None) -> None:
        """Show a card over the picture, or none."""
        if message != self._card.message:
            self._card.show_message(message)
            self._place_card()
            QTimer.singleShot(0, self, self._place_card)  # once more when the new lines have been laid out
            self.update()

    def set_recording(self, text: str) -> None:
        """The time of the running recording, shown in the picture; "" for none."""
        if text != self._recording:
            self._recording = text
            self.update()

    def set_countdown(self, digits: str) -> None:
        """The seconds until the recording begins, over the picture; "" for none."""
        self._countdown = digits
        self.update()

    def set_hand(self, progress: float) -> None:
        """How long a hand has been raised as a sign, 0..1 of what it takes; 0 for none."""
        if progress != self._hand:
            self._hand = progress
            self.update()

    def set_count(self, count: str, tempo: str) -> None:
        """The repetitions, as a number that can be read from afar, and the tempo of the last one; "" for none."""
        self._count, self._tempo = count, tempo
        self.update()

    def set_points(self, points: tuple[tuple[float, float], ...]) -> None:
        """Mark *points*, frame px, with a line between two of them."""
        self._points = points
        self.update()

    def set_beside(self, beside: Beside | None) -> None:
        """Show the frames of another recording, which come with the Results, as *beside* says; None: not at all."""
        self._beside = beside
        self._draw()
        self.update()

    def set_paused(self, paused: bool) -> None:
        """Show that the preview stands still."""
        self._paused = paused
        self.update()

    def set_drawn(self, drawn: bool) -> None:
        """Say whether pictures come with their skeleton on them: it is not drawn a second time."""
        if drawn != self._drawn:
            self._drawn = drawn
            self._draw()
            self.update()

    def set_covered(self, height: int) -> None:
        """So many px of the lower edge are covered by notices that stay: the picture lies above, so that feet are seen."""
        if height != self._covered:
            self._covered = height
            self._draw()
            self.update()

    def set_full_screen(self, on: bool) -> None:
        """In full screen Esc leaves that first."""
        self._full_screen = on
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self._theme = theme
        self._card.set_accent(theme.accent)
        self.update()

    # -- Qt ----------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        """16 : 9."""
        return QSize(960, 540)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Scale the present picture anew."""
        super().resizeEvent(event)
        self._draw()
        self._place_card()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Who came here by Tab sees it."""
        self._by_keys = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click on somebody locks them, or lets them go."""
        xy = self._frame_xy(event.position())
        if event.button() == Qt.MouseButton.LeftButton and xy is not None:
            self.clicked.emit(*xy)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Full screen and back; what the first of the two clicks did to a person, the second undoes."""
        self.mousePressEvent(event)
        self.double_clicked.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """A hand over a person: they can be clicked on."""
        over = self._person_at(event.position())
        self.setCursor(Qt.CursorShape.PointingHandCursor if over else Qt.CursorShape.ArrowCursor)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture and the marks on it, and a ring with the keyboard's focus; nothing is computed here."""
        started = time.perf_counter()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self._theme.stage))
        if not self._image.isNull():
            painter.drawImage(self._picture_rect().topLeft(), self._image)
        else:
            self._paint_empty(painter)
        if self._card.message is not None and self._card.message.dim and not self._image.isNull():
            painter.fillRect(self._picture_rect(), QColor(8, 9, 13, 150))
        paint_points(painter, [self._widget_xy(*point) for point in self._points])
        self._paint_marks(painter)
        if self.hasFocus() and self._by_keys:
            painter.setPen(QPen(QColor("#ffffff"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 4, 4)
        painter.end()
        if self._pending is not None:
            result, drawn_ms = self._pending
            self._pending = None
            self.painted.emit(result, drawn_ms + (time.perf_counter() - started) * 1e3)

    def picture_area(self) -> QRect:
        """Where the picture lies, in widget px; empty without one."""
        return self._picture_rect() if not self._image.isNull() else QRect()

    # -- inside ------------------------------------------------------------------------------------------------

    def _picture_rect(self) -> QRect:
        """Where the picture lies, in widget px."""
        ratio = self.devicePixelRatioF()
        size = self._image.size() / ratio if not self._image.isNull() else QSize(0, 0)
        height = self._room_height()
        return QRect((self.width() - size.width()) // 2, (height - size.height()) // 2, size.width(), size.height())

    def _room_height(self) -> int:
        """The height that the picture may have, px: notices that stay cover at most half of the view."""
        return max(self.height() - self._covered, self.height() // 2)

    def _own_rect(self) -> QRect:
        """Where the frame lies, without that of another recording, in widget px."""
        area = self._picture_rect()
        area.setWidth(round(area.width() * self._own_share))
        return area

    def _frame_xy(self, at: QPointF) -> tuple[float, float] | None:
        """The place in the frame, px, under *at* of the widget; None beside the picture."""
        area = self._own_rect()
        if self._result is None or not area.contains(at.toPoint()):
            return None
        h, w = self._result.frame.hw
        x = (at.x() - area.left()) * w / area.width() - 0.5
        y = (at.y() - area.top()) * h / area.height() - 0.5
        return (w - 1 - x if self._options.mirror else x), y

    def _widget_xy(self, x: float, y: float) -> QPointF:
        """Where the place *x*, *y* of the frame, px, is in the widget."""
        area, (h, w) = self._own_rect(), self._result.frame.hw if self._result is not None else (1, 1)
        x = w - 1 - x if self._options.mirror else x
        return QPointF(area.left() + (x + 0.5) * area.width() / w, area.top() + (y + 0.5) * area.height() / h)

    def _person_at(self, at: QPointF) -> bool:
        xy = self._frame_xy(at)
        if xy is None or self._result is None:
            return False
        poses = self._result.shown
        for joints, score in zip(poses.xy, poses.score, strict=True):
            seen = joints[(score >= self._options.threshold) & np.isfinite(joints).all(axis=1)]
            if len(seen) and (seen.min(axis=0) <= xy).all() and (xy <= seen.max(axis=0)).all():
                return True
        return False

    def _draw(self) -> None:
        if self._result is None or self.width() < 2 or self.height() < 2:
            return
        # OpenCV scales three times as fast as QPainter, and painting 1:1 is a plain copy.
        ratio = self.devicePixelRatioF()
        room = self._room_height() * ratio, self.width() * ratio
        shows_picture = self._options.background == "picture"  # on black nothing is drawn yet
        options = replace(self._options, skeleton=False) if self._drawn and shows_picture else self._options
        other, how = self._result.beside, self._beside
        self._own_share = 1.0
        if other is not None and how is not None and how.layout == "side by side":
            self._picture, own = side_by_side(self._result, other, options, other_options(self._options, how), room)
            self._own_share = own / self._picture.shape[1]
        else:
            self._picture = annotate(self._result, options, self._picture, fit(self._result.frame.hw, room[1], room[0]))
            if other is not None and how is not None:
                draw_ghost(self._picture, self._result, other, how, self._options)
        h, w = self._picture.shape[:2]
        self._image = QImage(self._picture.data, w, h, 3 * w, QImage.Format.Format_BGR888)
        self._image.setDevicePixelRatio(self.devicePixelRatioF())

    def _place_card(self) -> None:
        self._card.setFixedWidth(min(max(CARD_WIDTH, self._card.needed_width()), self.width() - 24))
        self._card.setFixedHeight(self._card.height_for(self._card.width()))
        self._card.move((self.width() - self._card.width()) // 2, (self.height() - self._card.height()) // 2)

    def _paint_empty(self, painter: QPainter) -> None:
        """A faint figure, so that the stage does not look broken."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        unit = min(self.height(), self.width()) / 11
        centre = QPointF(self.width() / 2, self.height() / 2)

        def at(x: float, y: float) -> QPointF:
            return QPointF(centre.x() + x * unit, centre.y() + y * unit)

        painter.setPen(QPen(QColor(255, 255, 255, 16), unit * 0.22, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        for a, b in _FIGURE:
            painter.drawLine(at(*a), at(*b))
        painter.setBrush(QColor(255, 255, 255, 10))
        painter.drawEllipse(at(0, -3.1), unit * 0.55, unit * 0.65)

    def _paint_marks(self, painter: QPainter) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = self._picture_rect() if not self._image.isNull() else self.rect()
        x = area.left() + 12.0
        if self._recording:
            x += self._chip(painter, f"REC  {self._recording}", QPointF(x, area.top() + 12), QColor(self._theme.danger)) + 8
        if self._paused:
            self._chip(painter, "Paused · Space goes on", QPointF(x, area.top() + 12), QColor(self._theme.warning))
        if self._count:
            self._paint_count(painter, self.rect())
        if self._hand > 0 and not self._countdown:
            paint_ring(painter, self.rect(), self._hand, QColor(self._theme.danger))
        if self._countdown:
            paint_digits(painter, self.rect(), self._countdown)
        result = self._result
        if result is not None and result.locked is not None:
            person = "the person" if result.mode == "one" else f"person {result.locked}"
            there = result.locked in result.poses.ids
            text = f"Holding on to {person}" if there else f"Waiting for {person}"
            text += "" if self._full_screen else " · Esc lets go"
            b, g, r = identity_colour(result.locked) if result.mode != "one" else MIDDLE
            below = 38 if self._recording or self._paused else 0
            self._chip(painter, text, QPointF(area.left() + 12, area.top() + 12 + below), QColor(r, g, b))

    def _paint_count(self, painter: QPainter, area: QRect) -> None:
        """The repetitions in the upper right corner of *area*, a seventh as high."""
        font = QFont(self.font())
        font.setWeight(QFont.Weight.Bold)
        font.setPixelSize(max(40, area.height() // 7))
        painter.setFont(font)
        metrics = painter.fontMetrics()
        width, height = metrics.horizontalAdvance(self._count) + 36, round(1.15 * metrics.ascent())
        small = QFont(self.font())
        below = 0
        if self._tempo:
            painter.setFont(small)
            width, below = (
                max(width, painter.fontMetrics().horizontalAdvance(self._tempo) + 28),
                painter.fontMetrics().height() + 8,
            )
        box = QRectF(area.right() - 12 - width, area.top() + 12, width, height + below)
        ground = QColor(CHIP.ground)
        ground.setAlpha(CHIP.opacity)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 12, 12)
        painter.setPen(QColor(CHIP.text))
        painter.drawText(box.adjusted(14, 0, -14, -8), Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, self._tempo)
        painter.setFont(font)
        painter.drawText(box.adjusted(0, 0, 0, -below), Qt.AlignmentFlag.AlignCenter, self._count)

    def _chip(self, painter: QPainter, text: str, at: QPointF, dot: QColor) -> float:
        """A dark pill with a dot and *text*; returns its width."""
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        font.setFeature(QFont.Tag("tnum"), 1) if hasattr(QFont, "Tag") else None
        painter.setFont(font)
        box = QRectF(at.x(), at.y(), painter.fontMetrics().horizontalAdvance(text) + 36, 30)
        painter.setPen(Qt.PenStyle.NoPen)
        ground = QColor(CHIP.ground)
        ground.setAlpha(CHIP.opacity)
        painter.setBrush(ground)
        painter.drawRoundedRect(box, 15, 15)
        painter.setBrush(dot)
        painter.drawEllipse(QPointF(box.left() + 15, box.center().y()), 4.5, 4.5)
        painter.setPen(QColor(CHIP.text))
        painter.drawText(box.adjusted(26, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        return box.width()


_FIGURE = (
    ((0, -2.2), (0, 0.6)), ((-1.0, -1.8), (1.0, -1.8)), ((-1.0, -1.8), (-1.5, -0.4)), ((-1.5, -0.4), (-1.2, 0.9)),
    ((1.0, -1.8), (1.7, -0.6)), ((1.7, -0.6), (2.2, -1.9)), ((-0.6, 0.6), (0.6, 0.6)), ((-0.6, 0.6), (-0.8, 2.3)),
    ((-0.8, 2.3), (-0.9, 3.9)), ((0.6, 0.6), (0.9, 2.2)), ((0.9, 2.2), (0.8, 3.9)),
)  # fmt: skip


def fit(hw: tuple[int, int], width: float, height: float) -> tuple[int, int]:
    """The largest height and width of the shape *hw* that fit into *width* × *height* px."""
    scale = min(width / hw[1], height / hw[0])
    return max(1, math.floor(hw[0] * scale + 1e-6)), max(1, math.floor(hw[1] * scale + 1e-6))
