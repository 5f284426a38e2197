"""One published model in the dialog: its picture, its facts, how far its download is, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout

from poseapp.convert.catalogue import Entry
from poseapp.ui import catalogue_names
from poseapp.ui.catalogue_names import megabytes
from poseapp.ui.model_downloads import ModelState
from poseapp.ui.model_picture import PICTURE_WH
from poseapp.ui.widgets import describe, label, set_role

_BUTTON_PX = 130  # wide enough for each text, so that no text moves when another one is shown
_STEPS = 1000  # of the progress bar
_REMOVE_TIP = "Delete the model from this computer"


@dataclass(frozen=True)
class Choice:
    """A button: its text, what it does in a sentence, and the request that a click makes; "" for a button that only tells."""

    text: str
    tip: str
    request: str = ""


def choices(state: ModelState, in_use: bool, removing: bool) -> tuple[Choice, Choice | None]:
    """The two buttons of a model in *state*; *removing*: the user has asked to remove it, and is asked once more.

    What stands under the pointer after a click is never the opposite of what was clicked: a double click undoes nothing.
    """
    if removing and not in_use:
        return Choice("Remove it", _REMOVE_TIP, "remove"), Choice("Keep", "Do not delete it", "keep")
    if state.stage == "installed":
        if in_use:
            return Choice("In use", "This model runs now"), None
        return Choice("Use", "Change to this model; the camera does not stop", "use"), _removal(state)
    if state.stage == "converting":
        return Choice("Converting…", "The file is made into a model that the app runs"), None
    if state.stage in ("waiting", "downloading"):
        text = "Waiting…" if state.stage == "waiting" else "Downloading…"
        return Choice(text, "The camera goes on meanwhile"), Choice("Cancel", "Stop; what has come is kept", "cancel")
    if state.stage == "failed":
        return Choice("Try again", "Download and convert it once more; what has come is kept", "get"), None
    if state.stage == "broken":
        return Choice("Get again", "Download it again in place of the damaged one", "get"), _removal(state)
    return Choice("Go on" if state.done else "Get", "Download it, and change to it when it is ready", "get"), None


def _removal(state: ModelState) -> Choice | None:
    return Choice("Remove", _REMOVE_TIP, "ask") if state.own else None


class ModelEntry(QFrame):
    """One published model; ``asked`` is emitted with its name and "get", "cancel", "use" or "remove"."""

    asked = Signal(str, str)

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.entry, self.title = entry, catalogue_names.catalogue_title(entry.name)
        self._state, self._in_use, self._removing = ModelState(), False, False
        self.picture = QLabel()
        self.picture.setFixedSize(*PICTURE_WH)
        describe(self.picture, f"Joints of {self.title}", f"The {entry.skeleton.k} joints that it finds")
        purpose, self.facts, self.note = (
            label(catalogue_names.catalogue_purpose(entry.name)),
            label("", "muted"),
            label("", "muted"),
        )
        for text in (purpose, self.facts, self.note):
            text.setWordWrap(True)
            text.setMinimumWidth(260)
        self.facts.setToolTip(f"{entry.name}\n{entry.figure}\n{entry.data}".replace("\n\n", "\n"))
        self.note.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        describe(self.bar, f"Progress of {self.title}", "How much of it has come")
        self.main, self.second = QPushButton(), QPushButton()
        for which, button in enumerate((self.main, self.second)):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setAutoDefault(False)
            button.setMinimumWidth(_BUTTON_PX)
            button.clicked.connect(lambda _checked=False, which=which: self._request(which))
        self.second.setProperty("role", "flat")
        self._lay_out(purpose)
        self.show_speed(None)
        self._show()

    def _lay_out(self, purpose: QLabel) -> None:
        texts = QVBoxLayout()
        texts.setSpacing(3)
        texts.addWidget(label(self.title, "title"))
        for part in (purpose, self.facts, self.bar, self.note):
            texts.addWidget(part)
        texts.addStretch(1)
        buttons = QVBoxLayout()
        buttons.addWidget(self.main)
        buttons.addWidget(self.second)
        buttons.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(10, 10, 12, 10)
        row.setSpacing(14)
        row.addWidget(self.picture, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(texts, 1)
        row.addLayout(buttons)

    def show_picture(self, picture: QPixmap) -> None:
        """Show which joints it finds."""
        self.picture.setPixmap(picture)

    def show_speed(self, fps: float | None) -> None:
        """Show how fast it is estimated to be, None where nothing was measured yet."""
        one = self.entry
        facts = (catalogue_names.accuracy(one), catalogue_names.size(one), catalogue_names.speed(one, fps), one.licence)
        self.facts.setText("  ·  ".join(facts))

    def show_state(self, state: ModelState, in_use: bool) -> None:
        """Show *state*; *in_use*: it is the model that runs."""
        if (state.stage, in_use) != (self._state.stage, self._in_use):
            self._removing = False
        self._state, self._in_use = state, in_use
        self._show()

    def _show(self) -> None:
        state = self._state
        main, second = choices(state, self._in_use, self._removing)
        for button, choice in ((self.main, main), (self.second, second)):
            if choice is not None:
                button.setText(choice.text)
                describe(button, f"{choice.text.rstrip('…')} {self.title}", choice.tip)
                button.setEnabled(bool(choice.request))
            button.setVisible(choice is not None)
        busy = state.stage in ("downloading", "converting")
        known = state.stage == "downloading" and bool(state.total)
        self.bar.setRange(0, _STEPS if known else 0)  # without a range it moves to and fro
        if known and state.total:
            self.bar.setValue(round(_STEPS * min(state.done / state.total, 1.0)))
        self.bar.setVisible(busy)
        self.note.setText(_note(state))
        self.note.setVisible(bool(self.note.text()))
        set_role(self.note, "danger" if state.stage in ("failed", "broken") else "muted")

    def _request(self, which: int) -> None:
        choice = choices(self._state, self._in_use, self._removing)[which]
        if choice is None or not choice.request:
            return
        self._removing = choice.request == "ask"
        self._show()
        if choice.request not in ("ask", "keep"):
            self.asked.emit(self.entry.name, choice.request)


def _note(state: ModelState) -> str:
    """The line below the facts."""
    have, whole = megabytes(state.done), megabytes(state.total) if state.total else ""
    if state.stage == "downloading":
        so_far = f"{have} of {whole} MB" if whole else f"{have} MB" if state.done else "Asking the server…"
        return f"{so_far}  ·  {state.note}" if state.note else so_far
    if state.stage == "converting":
        return "The file is here. It is made into a model; the camera goes on meanwhile."
    if state.stage == "absent" and state.done:
        return f"{have} MB are here already."
    return state.note
