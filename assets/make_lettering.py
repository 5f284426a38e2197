"""Makes the letters that are drawn into pictures: ``python assets/make_lettering.py``.

Each printable ASCII character in DejaVu Sans Condensed Bold, white on black, in a cell of poseapp/render/lettering.png; the
module beside it puts texts together from them. The font must be installed (Debian: fonts-dejavu-extra).
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import cv2
import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QFontInfo, QGuiApplication, QImage, QPainter

from poseapp.render.lettering import CELL, CHARACTERS, COLUMNS, EM

FILE = Path(__file__).resolve().parent.parent / "poseapp" / "render" / "lettering.png"
FAMILY = "DejaVu Sans Condensed"
BASELINE = 37  # px below the upper edge of a cell
LEFT = 2


def main() -> None:
    """Draw the sheet."""
    app = QGuiApplication([])
    font = QFont(FAMILY)
    font.setPixelSize(EM)
    font.setBold(True)
    assert QFontInfo(font).family() == FAMILY, f"{FAMILY} is not installed"
    sheet = QImage(COLUMNS * CELL, -(-len(CHARACTERS) // COLUMNS) * CELL, QImage.Format.Format_Grayscale8)
    sheet.fill(Qt.GlobalColor.black)
    painter = QPainter(sheet)
    painter.setFont(font)
    painter.setPen(Qt.GlobalColor.white)
    for i, character in enumerate(CHARACTERS):
        painter.drawText(i % COLUMNS * CELL + LEFT, i // COLUMNS * CELL + BASELINE, character)
    painter.end()
    pixels = np.frombuffer(sheet.constBits(), np.uint8).reshape(sheet.height(), sheet.bytesPerLine())[:, : sheet.width()]
    cv2.imwrite(str(FILE), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    del app
    print(f"wrote {FILE}: {FILE.stat().st_size / 1000:.1f} kB")


if __name__ == "__main__":
    main()
