"""The window's icons, drawn here as strokes on a 24 × 24 grid and coloured by the theme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from poseapp import resources

_SHAPES = {
    "camera": '<path d="M3 8.5h4l2-3h6l2 3h4v11H3z"/><circle cx="12" cy="13.5" r="3.6"/>',
    "video": '<rect x="3" y="6" width="12" height="12" rx="2.5"/><path d="M15 11l6-3.5v9L15 13z"/>',
    "picture": '<rect x="3" y="5" width="18" height="14" rx="2.5"/><circle cx="8.5" cy="10" r="1.6"/>'
    '<path d="M4 17.5l5.5-4.5 3.5 3 3-2.5 4.5 4"/>',
    "folder": '<path d="M3 7.5V18a1.5 1.5 0 0 0 1.5 1.5h15'
    'A1.5 1.5 0 0 0 21 18V9.5A1.5 1.5 0 0 0 19.5 8H12l-2-2.5H4.5A1.5 1.5 0 0 0 3 7z"/>',
    "network": '<circle cx="12" cy="12" r="9"/><path d="M3 12h18'
    'M12 3c3 2.5 3.5 6 3.5 9s-.5 6.5-3.5 9c-3-2.5-3.5-6-3.5-9s.5-6.5 3.5-9z"/>',
    "figure": '<circle cx="12" cy="4.8" r="2.3"/><path d="M4.5 10.5L12 9.5l7.5 1M12 9.5V15m0 0l-3.5 6M12 15l3.5 6"/>',
    "play": '<path d="M7 4.5v15l12.5-7.5z"/>',
    "refresh": '<path d="M20 11a8 8 0 1 0-1.5 5.5M20 5v6h-6"/>',
    "panel": '<path d="M4 20V4M4 20h16M8 16.5l3.5-5 3 2.5L20 7"/>',
    "sidebar": '<rect x="3" y="5" width="18" height="14" rx="2.5"/><path d="M15 5v14"/>',
    "fullscreen": '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>',
    "help": '<circle cx="12" cy="12" r="9"/><path d="M9.5 9.5a2.5 2.5 0 1 1 3.6 2.3c-.7.4-1.1.9-1.1 1.7M12 16.8v.2"/>',
    "down": '<path d="M6 9.5l6 6 6-6"/>',
    "right": '<path d="M9.5 6l6 6-6 6"/>',
    "close": '<path d="M6 6l12 12M18 6L6 18"/>',
    "warning": '<path d="M12 4L2.8 20h18.4zM12 10v4.5M12 17.2v.2"/>',
    "info": '<circle cx="12" cy="12" r="9"/><path d="M12 11v5.5M12 7.5v.2"/>',
    "check": '<path d="M5 12.5l4.5 4.5L19 7.5"/>',
    "pause": '<path d="M8 5v14M16 5v14"/>',
    "previous": '<path d="M7 5v14M18 5.5v13L9.5 12z"/>',
    "next": '<path d="M17 5v14M6 5.5v13l8.5-6.5z"/>',
    "loopFrom": '<path d="M6 4v16M6 12h13M15 8l4 4-4 4"/>',
    "loopTo": '<path d="M18 4v16M18 12H5M9 8l-4 4 4 4"/>',
    "loopOff": '<path d="M5 11a7 7 0 0 1 12-4.5M19 13a7 7 0 0 1-12 4.5M17 3v4h-4M7 21v-4h4M4 4l16 16"/>',
    "everyFrame": '<path d="M4 6h16v12H4zM8 6v12M12 6v12M16 6v12M2.5 10h3M18.5 10h3M2.5 14h3M18.5 14h3"/>',
    "page": '<path d="M6 3h8l4.5 4.5V21H6zM14 3v4.5h4.5M9 12.5h6.5M9 16.5h6.5"/>',
    "theme": '<circle cx="12" cy="12" r="8.5"/><path fill="{colour}" d="M12 3.5a8.5 8.5 0 0 1 0 17z"/>',
    "timer": '<circle cx="12" cy="13.5" r="7.5"/><path d="M12 9.5v4l2.5 2M9.5 3h5M18 6l1.5 1.5"/>',
    "copy": '<rect x="8.5" y="8.5" width="11" height="11" rx="2"/>'
    '<path d="M15.5 5.5v-.5a1.5 1.5 0 0 0-1.5-1.5H6A2 2 0 0 0 4 5.5v8a2 2 0 0 0 1.5 2"/>',
    "save": '<path d="M12 4v11m0 0l-4.5-4.5M12 15l4.5-4.5M4.5 19.5h15"/>',
}
_FILLED = {
    "record": '<circle cx="12" cy="12" r="7.5"/>',
    "stop": '<rect x="6" y="6" width="12" height="12" rx="2.5"/>',
}
NAMES = (*_SHAPES, *_FILLED)


@lru_cache(maxsize=256)
def pixmap(name: str, colour: str, size: int = 18, ratio: float = 2.0) -> QPixmap:
    """The icon *name* in *colour* (#rrggbb), *size* px, drawn for a screen of *ratio* device px a px."""
    if name in _FILLED:
        body, paint = _FILLED[name], f'fill="{colour}"'
    else:
        body = _SHAPES[name].replace("{colour}", colour)
        paint = f'fill="none" stroke="{colour}" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><g {paint}>{body}</g></svg>'
    image = QPixmap(QSize(round(size * ratio), round(size * ratio)))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(image.rect()))
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


def icon(name: str, colour: str, size: int = 18) -> QIcon:
    """The icon *name* in *colour* for buttons and menus."""
    return QIcon(pixmap(name, colour, size))


def app_icon() -> QIcon:
    """The application's icon; an empty one where the assets are not installed."""
    result = QIcon()
    renderer = QSvgRenderer(str(resources.asset("icon.svg")))
    for size in (16, 24, 32, 48, 64, 128, 256) if renderer.isValid() else ():
        image = QPixmap(size, size)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        renderer.render(painter, QRectF(image.rect()))
        painter.end()
        result.addPixmap(image)
    return result
