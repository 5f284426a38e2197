"""The line over the picture while something long goes on, such as compiling an engine: what, how far it is, and an end."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout

from poseapp.live.status import Status
from poseapp.ui.elided_label import ElidedLabel
from poseapp.ui.widgets import describe, label


class WorkProgress(QFrame):
    """Hidden while nothing goes on. Those who hear the window hear *name* for the button *cancel*; *tip* explains it."""

    cancel_asked = Signal()

    def __init__(self, cancel: str, name: str, tip: str) -> None:
        super().__init__()
        self.setObjectName("buildProgress")
        self.text, self.share = ElidedLabel(), label("", "title")
        self.share.setMinimumWidth(38)
        self.share.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.cancel = QPushButton(cancel)
        self.cancel.setObjectName("cancelBuild")
        self.cancel.setProperty("role", "flat")
        describe(self.cancel, name, tip)
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

    def show_work(self, text: str, share: float) -> None:
        """Show what goes on, and the *share* that is done, 0..1; nothing without *text*."""
        self.text.set_text(text)
        self.share.setText(f"{share:.0%}")
        self.progress.setValue(round(share * 1000))
        self.setVisible(bool(text))


class BuildProgress(WorkProgress):
    """Hidden while nothing is built."""

    def __init__(self) -> None:
        super().__init__("Cancel", "Cancel the build", "Stop building; what runs now goes on")

    def show_status(self, status: Status) -> None:
        """Show how far a build is while another engine serves, or nothing."""
        build, serves = status.build, status.backend
        if build is not None and serves is None and status.model:
            return  # the source was changed just now: the same engine serves again with its first picture
        if build is not None and serves is not None:
            self.show_work(f"{build.text.rstrip('.… ')} … {serves.runtime} runs meanwhile", build.done)
        else:
            self.hide()
