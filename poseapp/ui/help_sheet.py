"""The sheet of keyboard shortcuts, and the about box."""

from __future__ import annotations

from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QDialog, QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

import poseapp
from poseapp.ui import icons
from poseapp.ui.theme import Theme
from poseapp.ui.widgets import label

SHORTCUTS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Record",
        (
            ("R", "Start or finish recording"),
            ("S", "Snapshot"),
            ("Space", "Pause the preview"),
            ("Ctrl+E", "Open the recordings"),
        ),
    ),
    (
        "View",
        (
            ("M", "Mirror the preview"),
            ("H  ·  A", "Heatmap, affinity fields"),
            ("L", "Joint names"),
            ("[  ]", "Lower or raise the threshold"),
            ("F  ·  F11", "Full screen, and back"),
        ),
    ),
    (
        "Source",
        (
            ("Ctrl+O", "Open video"),
            ("Ctrl+I", "Open picture"),
            ("Ctrl+Shift+O", "Open folder"),
            ("Ctrl+U", "Network address"),
            ("F5", "Look for cameras"),
        ),
    ),
    (
        "Window",
        (
            ("B", "Benchmark panel"),
            ("C", "Controls"),
            ("Ctrl+1 … 9", "Choose the model"),
            ("P", "One person, top-down, bottom-up"),
            ("Click  ·  Esc", "Lock a person, let go"),
            ("Ctrl+T", "Next theme"),
            ("F1  ·  ?", "This sheet"),
            ("Ctrl+Q", "Quit"),
        ),
    ),
)


class HelpSheet(QDialog):
    """All shortcuts on one page."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard shortcuts")
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(16)
        for i, (title, keys) in enumerate(SHORTCUTS):
            grid.addWidget(_card(title, keys, theme), i // 2, i % 2, Qt.AlignmentFlag.AlignTop)
        close = QPushButton("Close")
        close.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 20, 22, 16)
        layout.setSpacing(14)
        layout.addWidget(label("Keyboard shortcuts", "display"))
        layout.addLayout(grid)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)


def _card(title: str, keys: tuple[tuple[str, str], ...], theme: Theme) -> QWidget:
    card = QWidget()
    grid = QGridLayout(card)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(12)
    grid.setVerticalSpacing(7)
    grid.addWidget(label(title.upper(), "section"), 0, 0, 1, 2)
    for row, (key, what) in enumerate(keys, 1):
        cap = label(key)
        cap.setAlignment(Qt.AlignmentFlag.AlignCenter)
        cap.setMinimumWidth(86)
        cap.setStyleSheet(
            f"background: {theme.raised}; border: 1px solid {theme.border}; border-bottom-width: 2px; border-radius: 6px; "
            "padding: 3px 8px; font-weight: 600;"
        )
        grid.addWidget(cap, row, 0)
        grid.addWidget(label(what), row, 1)
    grid.setColumnStretch(1, 1)
    return card


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
