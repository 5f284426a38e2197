"""The page of recordings: look for one, play it, show its folder, move it to the trash."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QFile, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QImage, QKeyEvent, QPainter, QPixmap, QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from poseapp.core.errors import RecordError
from poseapp.core.types import ImageArray
from poseapp.review.listing import Preview, RecordingEntry, list_recordings, read_preview
from poseapp.ui.colours import Theme
from poseapp.ui.jobs import Jobs
from poseapp.ui.record_bar import clock
from poseapp.ui.widgets import describe, label

THUMBNAIL = QSize(144, 81)
_ENTRY = Qt.ItemDataRole.UserRole
LOOK_MS = 80  # after scrolling, until pictures are read for what is in sight


class RecordingsPage(QDialog):
    """The recordings in *folder*; the list is read by *jobs*, then the pictures of what is in sight, one after another.

    ``play_asked`` and ``show_asked`` tell the folder of a recording; ``deleting`` tells one that is about to go, so that nobody
    plays it. *busy* is the folder that is being recorded, which cannot go.
    """

    play_asked = Signal(object)  # Path
    show_asked = Signal(object)  # Path
    deleting = Signal(object)  # Path
    listed = Signal(int)  # how many there are

    def __init__(self, folder: Path, jobs: Jobs, theme: Theme, busy: Path | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Recordings")
        self._folder, self._jobs, self._busy = folder, jobs, busy
        self._previews: dict[Path, Preview] = {}
        self._reading = self._gone = False
        self._blank = QIcon(_blank(theme))
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search by name, date or source")
        self.search.setClearButtonEnabled(True)
        describe(self.search, "Search", "Search by name, date or source")
        self.list = QListWidget()
        self.list.setIconSize(THUMBNAIL)
        self.list.setUniformItemSizes(True)
        self.list.setSpacing(2)
        self.list.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        describe(self.list, "Recordings", "Enter plays a recording, Delete moves it to the trash")
        self.note = label("Looking for recordings…", "muted")
        self.note.setWordWrap(True)
        self.play, self.show_folder = QPushButton("Play"), QPushButton("Show in folder")
        self.delete = QPushButton("Move to trash…")
        self.play.setProperty("role", "primary")
        self.play.setAutoDefault(False)
        self._lay_out()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._read_next)
        self.search.textChanged.connect(self._filter)
        self.search.returnPressed.connect(self._play)
        self.list.itemActivated.connect(lambda _item: self._play())
        self.list.currentItemChanged.connect(lambda *_: self._show_choice())
        self.list.verticalScrollBar().valueChanged.connect(lambda _v: self._timer.start())
        self.play.clicked.connect(self._play)
        self.show_folder.clicked.connect(self._show_folder)
        self.delete.clicked.connect(self.ask_to_delete)
        self.finished.connect(self._leave)
        self._show_choice()
        jobs.run("recordings", partial(list_recordings, folder), self._listed, self._failed)

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        buttons.addWidget(self.play)
        buttons.addWidget(self.show_folder)
        buttons.addStretch(1)
        buttons.addWidget(self.delete)
        for button in (self.show_folder, self.delete):
            button.setAutoDefault(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 16, 16, 16)
        layout.setSpacing(10)
        layout.addWidget(self.search)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.note)
        layout.addLayout(buttons)

    @property
    def entry(self) -> RecordingEntry | None:
        """The recording that is chosen."""
        item = self.list.currentItem()
        return item.data(_ENTRY) if self.list.currentRow() >= 0 and not item.isHidden() else None

    def ask_to_delete(self) -> None:
        """Ask, and move the chosen recording to the trash."""
        entry = self.entry
        if entry is None:
            return
        if entry.folder == self._busy:
            self.note.setText("This recording still goes on. Stop it first.")
            return
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        question = f"Move the recording “{entry.name}” to the trash?"
        if QMessageBox.question(self, "Move to trash", question, yes | no, no) == yes:
            self.move_to_trash(entry)

    def move_to_trash(self, entry: RecordingEntry) -> None:
        """Move *entry* to the trash of the system; where that is not possible, nothing is lost."""
        self.deleting.emit(entry.folder)
        self._jobs.run("trash", partial(_trash, entry.folder), lambda _none: self._removed(entry.folder), self._say)

    # -- Qt ----------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:
        """So that some recordings are in sight with all that is said of them."""
        return QSize(760, 560)

    def showEvent(self, event: QShowEvent) -> None:
        """Typing looks for a recording at once."""
        super().showEvent(event)
        self.search.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Delete asks; up and down in the search move in the list."""
        if event.key() == Qt.Key.Key_Delete and self.list.hasFocus():
            self.ask_to_delete()
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self.search.hasFocus():
            self.list.setFocus()
        else:
            super().keyPressEvent(event)

    # -- inside ------------------------------------------------------------------------------------------------

    def _listed(self, entries: list[RecordingEntry]) -> None:
        if self._gone:
            return
        for entry in entries:
            item = QListWidgetItem(self._blank, _text(entry, None))
            item.setData(_ENTRY, entry)
            item.setSizeHint(QSize(0, THUMBNAIL.height() + 10))
            item.setToolTip(entry.problem or str(entry.folder))
            self.list.addItem(item)
        self._filter(self.search.text())
        self.listed.emit(len(entries))

    def _failed(self, error: str) -> None:
        if not self._gone:
            self.note.setText(error)

    def _say(self, text: str) -> None:
        if not self._gone:
            self.note.setText(text)

    def _items(self) -> list[QListWidgetItem]:
        return [self.list.item(row) for row in range(self.list.count())]

    def _filter(self, text: str) -> None:
        """Show the recordings that match *text*."""
        found = 0
        for item in self._items():
            matches = item.data(_ENTRY).matches(text)
            item.setHidden(not matches)
            found += matches
        if self.entry is None:
            first = next((item for item in self._items() if not item.isHidden()), None)
            if first is not None:
                self.list.setCurrentItem(first)
        count = self.list.count()
        if not count:
            self.note.setText(f"There are no recordings in {self._folder} yet. R records.")
        else:
            self.note.setText(f"{found} of {count} recordings" if found != count else f"{count} recordings")
        self._show_choice()
        self._timer.start()

    def _show_choice(self) -> None:
        entry = self.entry
        for button in (self.play, self.show_folder, self.delete):
            button.setEnabled(entry is not None)

    def _play(self) -> None:
        if self.entry is not None:
            folder = self.entry.folder
            self.accept()
            self.play_asked.emit(folder)

    def _show_folder(self) -> None:
        if self.entry is not None:
            self.show_asked.emit(self.entry.folder)

    def _in_sight(self) -> list[QListWidgetItem]:
        area = self.list.viewport().rect()
        return [i for i in self._items() if not i.isHidden() and self.list.visualItemRect(i).intersects(area)]

    def _read_next(self) -> None:
        """Read the picture of the first recording in sight that has none yet, then the next one's."""
        if self._reading or self._gone:
            return
        for item in self._in_sight():
            folder = item.data(_ENTRY).folder
            if folder not in self._previews:
                self._reading = True
                read = partial(read_preview, folder, (THUMBNAIL.height() * 2, THUMBNAIL.width() * 2))
                self._jobs.run("preview", read, partial(self._came, folder), partial(self._lost, folder))
                return

    def _lost(self, folder: Path, error: str) -> None:
        del error  # such as no memory: the recording stays in the list without a picture
        self._came(folder, None)

    def _came(self, folder: Path, preview: Preview | None) -> None:
        self._reading = False
        if self._gone:
            return
        self._previews[folder] = preview or Preview(picture=None, person_count=0)
        for item in self._items():
            entry: RecordingEntry = item.data(_ENTRY)
            if entry.folder == folder and preview is not None:
                item.setText(_text(entry, preview.person_count))
                if preview.picture is not None:
                    item.setIcon(_framed(preview.picture, self._blank))
        self._read_next()

    def _removed(self, folder: Path) -> None:
        if self._gone:
            return
        for item in self._items():
            if item.data(_ENTRY).folder == folder:
                self.list.takeItem(self.list.row(item))
        self._filter(self.search.text())

    def _leave(self) -> None:
        self._gone = True
        self._timer.stop()


def _text(entry: RecordingEntry, person_count: int | None) -> str:
    """The two lines of *entry*."""
    if entry.problem:
        return f"{entry.name}\nits description cannot be read"
    parts = [f"{entry.started:%d %b %Y, %H:%M}"] if entry.started is not None else []
    parts.append(clock(entry.seconds) if entry.seconds is not None else "not finished")
    if person_count is not None:
        parts.append("nobody" if not person_count else "1 person" if person_count == 1 else f"{person_count} people")
    return f"{entry.name}\n{'  ·  '.join(parts)}"


def _trash(folder: Path) -> None:
    if not QFile.moveToTrash(str(folder)):
        raise RecordError(f"{folder}: could not be moved to the trash. Delete the folder in the file manager.")


def _blank(theme: Theme) -> QPixmap:
    pixmap = QPixmap(THUMBNAIL * 2)
    pixmap.fill(QColor(theme.stage))
    pixmap.setDevicePixelRatio(2)
    return pixmap


def _framed(picture: ImageArray, blank: QIcon) -> QIcon:
    """*picture* in the middle of a thumbnail, in its own colours also where it is chosen."""
    pixmap = QPixmap(blank.pixmap(THUMBNAIL * 2))
    pixmap.setDevicePixelRatio(1)
    h, w = picture.shape[:2]
    image = QImage(picture.data, w, h, 3 * w, QImage.Format.Format_BGR888)
    painter = QPainter(pixmap)
    painter.drawImage((pixmap.width() - w) // 2, (pixmap.height() - h) // 2, image)
    painter.end()
    pixmap.setDevicePixelRatio(2)
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)
    return icon
