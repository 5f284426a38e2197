"""The about box: name, version, and what the app is built with."""

from __future__ import annotations

from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QDialog, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

import poseapp
from poseapp.ui import icons
from poseapp.ui.widgets import label


class AboutBox(QDialog):
    """Name, version, and what it is built with."""

    def __init__(self, backend: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("About poseapp")
        picture = QLabel()
        picture.setPixmap(icons.app_icon().pixmap(72, 72))
        lines = QVBoxLayout()
        lines.setSpacing(4)
        lines.addWidget(label("poseapp", "display"))
        lines.addWidget(label(f"Version {poseapp.__version__}, MIT licence", "muted"))
        lines.addSpacing(8)
        text = label("A live human pose from a webcam or a video. Pictures stay on this machine.")
        text.setWordWrap(True)
        text.setMinimumWidth(340)
        lines.addWidget(text)
        lines.addSpacing(4)
        lines.addWidget(label(f"Qt {qVersion()}" + (f"  ·  {backend}" if backend else ""), "muted"))
        row = QHBoxLayout()
        row.setSpacing(20)
        row.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(lines, 1)
        close = QPushButton("Close")
        close.clicked.connect(self.reject)
        frame = QFrame()
        frame.setLayout(row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 22, 24, 16)
        layout.setSpacing(16)
        layout.addWidget(frame)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
