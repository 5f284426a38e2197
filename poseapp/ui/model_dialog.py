"""The dialog "Get more models": the catalogue of published models, to download, to use and to remove."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QDialog, QPushButton, QVBoxLayout, QWidget

from poseapp.convert.catalogue import Entry
from poseapp.core.types import ImageArray
from poseapp.ui.catalogue_names import entries_in_order
from poseapp.ui.colours import Theme
from poseapp.ui.jobs import Jobs
from poseapp.ui.model_downloads import ModelDownloads
from poseapp.ui.model_entry import ModelEntry
from poseapp.ui.model_picture import joints_picture, read_sample
from poseapp.ui.scroll_column import ScrollColumn
from poseapp.ui.widgets import describe, label

ABOUT = (
    "Models that others have trained and published. One download brings it, checks it and changes to it; the camera goes on. "
    "AP says how well the joints of COCO's pictures are found, from 0 to 100: more is better."
)
_TALL = 620  # px, where the screen has room for it


class ModelDialog(QDialog):
    """Shows *downloads*, which goes on when the dialog is closed. ``use_asked`` is emitted with a model's name.

    *speed* estimates the frames per second of an entry on this machine, None where nothing was measured yet.
    """

    use_asked = Signal(str)

    def __init__(
        self,
        downloads: ModelDownloads,
        jobs: Jobs,
        theme: Theme,
        speed: Callable[[Entry], float | None],
        in_use: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Get more models")
        self._downloads, self._speed, self._in_use = downloads, speed, in_use
        self.entries: dict[str, ModelEntry] = {}
        body = QWidget()
        body.setObjectName("sheetBody")
        cards = QVBoxLayout(body)
        cards.setContentsMargins(0, 0, 12, 0)
        cards.setSpacing(10)
        for entry in entries_in_order():
            card = self.entries[entry.name] = ModelEntry(entry)
            card.asked.connect(self._asked)
            cards.addWidget(card)
        cards.addStretch(1)
        self.column = ScrollColumn(body, theme.window)
        describe(self.column, "Published models", "What can be downloaded, used and removed")
        about, close = label(ABOUT, "muted"), QPushButton("Close")
        about.setWordWrap(True)
        describe(close, "Close", "Close the list; downloads go on")
        close.clicked.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(22, 18, 22, 14)
        layout.setSpacing(10)
        layout.addWidget(label("Get more models", "display"))
        layout.addWidget(about)
        layout.addWidget(self.column, 1)
        layout.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)
        downloads.changed.connect(self._refresh)
        self._refresh("")
        self.show_speeds()
        jobs.run("sample picture", read_sample, self._show_pictures)

    def sizeHint(self) -> QSize:
        """Wide enough for sentences, and tall enough for some models."""
        return QSize(max(760, self.column.needed_width() + 44), _TALL)

    def set_in_use(self, name: str) -> None:
        """The model called *name* runs now."""
        self._in_use = name
        self._refresh("")

    def set_theme(self, theme: Theme) -> None:
        """Use *theme*'s colours."""
        self.column.set_ground(theme.window)

    def show_speeds(self) -> None:
        """Estimate anew how fast each model is here."""
        for card in self.entries.values():
            card.show_speed(self._speed(card.entry))

    def _refresh(self, name: str) -> None:
        """Show the state of the model called *name*, or of all."""
        for one in (name,) if name else tuple(self.entries):
            self.entries[one].show_state(self._downloads.state(one), one == self._in_use)

    def _asked(self, name: str, request: str) -> None:
        if request == "get":
            self._downloads.get(name)
        elif request == "cancel":
            self._downloads.cancel(name)
        elif request == "remove":
            self._downloads.remove(name)
        else:
            self.use_asked.emit(name)

    def _show_pictures(self, sample: ImageArray) -> None:
        pictures = {card.entry.skeleton: None for card in self.entries.values()}
        made = {skeleton: joints_picture(sample, skeleton) for skeleton in pictures}
        for card in self.entries.values():
            card.show_picture(made[card.entry.skeleton])
