"""The line over the picture while an engine is compiled: what is done, how far it is, and Cancel."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout

from poseapp.live.status import Status
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import describe, label


class BuildProgress(QFrame):
    """Hidden while nothing is built."""

    cancel_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("buildProgress")
        self.text, self.share = ElidedLabel(), label("", "title")
        self.share.setMinimumWidth(38)
        self.share.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.cancel = QPushButton("Cancel")
        self.cancel.setObjectName("cancelBuild")
        self.cancel.setProperty("role", "flat")
        describe(self.cancel, "Cancel the build", "Stop building; what runs now goes on")
        self.cancel.setCursor(Qt.CursorShape.PointingHandCursor)
        self.cancel.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.cancel.clicked.connect(self.cancel_asked)
        self.progress = QProgressBar()
        self.progress.setProperty("role", "edge")
        self.progress.setRange(0, 1000)
        self.progress.setTextVisible(False)
        row = QHBoxLayout()
        row.setContentsMargins(14, 4, 8, 4)
        row.setSpacing(10)
        row.addWidget(self.text, 1)
        row.addWidget(self.share)
        row.addWidget(self.cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(1, 0, 1, 1)
        layout.setSpacing(0)
        layout.addLayout(row)
        layout.addWidget(self.progress)
        self.hide()

    def show_status(self, status: Status) -> None:
        """Show how far a build is while another engine serves, or nothing."""
        build, serves = status.build, status.backend
        if build is not None and serves is None and status.model:
            return  # the source was changed just now: the same engine serves again with its first picture
        if build is not None and serves is not None:
            self.text.set_text(f"{build.text.rstrip('.… ')} … {serves.runtime} runs meanwhile")
            self.share.setText(f"{build.done:.0%}")
            self.progress.setValue(round(build.done * 1000))
        self.setVisible(build is not None and serves is not None)
