"""Sheet: a page of paper to write and draw on in points (1/72 inch), which becomes a PDF with real text."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QPointF, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QFontMetricsF,
    QImage,
    QPageSize,
    QPainter,
    QPdfWriter,
    QPen,
    QTextLayout,
    QTextOption,
)

from poseapp.core.errors import ExportError
from poseapp.core.types import ImageArray

WIDTH, HEIGHT = 595.0, 842.0  # A4, points
_DPI = 1200
_UNIT = _DPI / 72
# Families that tell I from l and have many scripts; Qt takes others for what these lack.
_FAMILIES = ("Inter", "Noto Sans", "Segoe UI", "Helvetica Neue", "Liberation Sans", "DejaVu Sans")


class Sheet:
    """One page. Use it as a context manager, then take ``content``. Any thread may, while the application object lives.

    Raises ExportError where no font is installed: the page would have no text.
    """

    def __init__(self, title: str) -> None:
        if not QFontDatabase.families():
            raise ExportError("report: found no font on this machine. Install one, such as the package fonts-dejavu-core.")
        self._buffer = QBuffer()
        self._buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self._writer = QPdfWriter(self._buffer)
        self._writer.setResolution(_DPI)
        self._writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
        self._writer.setPageMargins(QMarginsF(0, 0, 0, 0))
        self._writer.setTitle(title)
        self._writer.setCreator("poseapp")
        self._painter = QPainter(self._writer)

    def __enter__(self) -> Sheet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._painter.end()
        self._buffer.close()

    @property
    def content(self) -> bytes:
        """The PDF, when the page is finished."""
        return bytes(self._buffer.data().data())

    # -- text --------------------------------------------------------------------------------------------------

    def text(
        self, x: float, y: float, text: str, size: float, *, colour: str = "#171a22", bold: bool = False, align: float = 0.0
    ) -> float:
        """One line with its base line at *y*; *align* 0 begins at *x*, 0.5 is centred on it, 1 ends there. Returns its width."""
        font = self._font(size, bold)
        width = self._metrics(font).horizontalAdvance(text)
        self._painter.setFont(font)
        self._painter.setPen(QColor(colour))
        self._painter.drawText(QPointF(x * _UNIT - align * width, y * _UNIT), text)
        return width / _UNIT

    def width_of(self, text: str, size: float, bold: bool = False) -> float:
        """How wide *text* is on one line, points."""
        return self._metrics(self._font(size, bold)).horizontalAdvance(text) / _UNIT

    def lines(self, text: str, size: float, width: float, most: int, bold: bool = False) -> list[str]:
        """*text* in lines no wider than *width*, at most *most* of them; the last one ends with … where it does not fit."""
        font = self._font(size, bold)
        layout = QTextLayout(text, font, self._writer)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        found: list[str] = []
        layout.beginLayout()
        # Python counts characters, Qt those of UTF-16.
        units = text.encode("utf-16-le")
        while (line := layout.createLine()).isValid():
            line.setLineWidth(width * _UNIT)
            start = line.textStart()
            if len(found) == most - 1:
                rest = units[2 * start :].decode("utf-16-le")
                found.append(self._metrics(font).elidedText(rest, Qt.TextElideMode.ElideRight, width * _UNIT))
                break
            found.append(units[2 * start : 2 * (start + line.textLength())].decode("utf-16-le").rstrip())
        layout.endLayout()
        return found

    def _font(self, size: float, bold: bool) -> QFont:
        font = QFont()
        font.setFamilies([*_FAMILIES, font.family()])
        font.setPointSizeF(size)
        font.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
        return font

    def _metrics(self, font: QFont) -> QFontMetricsF:
        return QFontMetricsF(font, self._writer)

    # -- pictures and lines ------------------------------------------------------------------------------------

    def image(self, x: float, y: float, width: float, height: float, image: ImageArray) -> None:
        """*image* (H, W, 3) uint8 BGR as large as it fits into the box, in the middle of it."""
        h, w = image.shape[:2]
        scale = min(width / w, height / h)
        place = QRectF(x + (width - w * scale) / 2, y + (height - h * scale) / 2, w * scale, h * scale)
        picture = QImage(image.data, w, h, 3 * w, QImage.Format.Format_BGR888).copy()
        self._painter.drawImage(_scaled(place), picture)

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle."""
        self._painter.fillRect(_scaled(QRectF(x, y, width, height)), QColor(colour))

    def line(self, x0: float, y0: float, x1: float, y1: float, *, colour: str, width: float = 0.5, dashed: bool = False) -> None:
        """A straight line of *width* points."""
        self.curve([(x0, y0), (x1, y1)], colour=colour, width=width, dashed=dashed)

    def curve(self, points: Sequence[tuple[float, float]], *, colour: str, width: float, dashed: bool = False) -> None:
        """A line through *points*; a point alone is a dot."""
        pen = QPen(QColor(colour), width * _UNIT)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap if dashed else Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        if dashed:
            pen.setDashPattern([3.0, 2.0])
        self._painter.setPen(pen)
        places = [QPointF(x * _UNIT, y * _UNIT) for x, y in points]
        if len(places) == 1:
            self._painter.drawPoint(places[0])
        else:
            self._painter.drawPolyline(places)


def _scaled(box: QRectF) -> QRectF:
    return QRectF(box.x() * _UNIT, box.y() * _UNIT, box.width() * _UNIT, box.height() * _UNIT)
