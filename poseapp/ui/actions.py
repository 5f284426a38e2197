"""Every command of the window once: menu entry, shortcut, tooltip and line of the help sheet follow from the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from poseapp.engine.load import StoredModel
from poseapp.ui.choices import model_title

Handler = Callable[..., object]
MENUS = ("File", "Record", "View", "Model", "Help")


@dataclass(frozen=True)
class Command:
    """Something the window can do. Menu, shortcuts, tooltips and the sheet of F1 follow from it.

    A *checkable* one is a state that is on or off. *sheet* is what the sheet says, "" for the *text* of the menu; *section*
    where on the sheet it stands, "" for nowhere. *hint* is shown as a key that works in another way than as a shortcut.
    """

    name: str
    menu: str
    text: str
    keys: tuple[str, ...] = ()
    checkable: bool = False
    section: str = ""
    sheet: str = ""
    hint: str = ""


SEPARATOR = Command("", "", "")

COMMANDS: tuple[Command, ...] = (
    Command("open_video", "File", "Open video…", ("Ctrl+O",), section="Source"),
    Command("open_picture", "File", "Open picture…", ("Ctrl+I",), section="Source"),
    Command("open_folder", "File", "Open folder…", ("Ctrl+Shift+O",), section="Source"),
    Command("open_address", "File", "Network address…", ("Ctrl+U",), section="Source"),
    replace(SEPARATOR, menu="File"),
    Command("synthetic", "File", "Synthetic figure"),
    Command("demo", "File", "Demo clip"),
    Command("cameras", "File", "Look for cameras", ("F5",), section="Source"),
    replace(SEPARATOR, menu="File"),
    Command("quit", "File", "Quit", ("Ctrl+Q",), section="Window"),
    Command("record", "Record", "Record", ("R",), section="Record", sheet="Start or finish recording"),
    Command("snapshot", "Record", "Snapshot", ("S",), section="Record"),
    replace(SEPARATOR, menu="Record"),
    Command("choose_folder", "Record", "Choose folder…"),
    Command("open_recordings", "Record", "Open recordings", ("Ctrl+E",), section="Record"),
    Command("mirror", "View", "Mirror", ("M",), True, "View", "Mirror the preview"),
    Command("labels", "View", "Joint names", ("L",), True, "View"),
    Command("heatmaps", "View", "Heatmap", ("H",), True, "View"),
    Command("fields", "View", "Affinity fields", ("A",), True, "View"),
    Command("lower", "View", "Lower threshold", ("[",), section="View"),
    Command("raise", "View", "Raise threshold", ("]",), section="View"),
    # Space is no shortcut, so that it still presses a button that has the focus.
    Command("pause", "View", "Pause preview", (), True, "Record", "Pause the preview, and go on", hint="Space"),
    replace(SEPARATOR, menu="View"),
    Command("sidebar", "View", "Controls", ("C",), True, "Window"),
    Command("panel", "View", "Benchmark panel", ("B",), True, "Window"),
    Command("fullscreen", "View", "Full screen", ("F", "F11"), True, "View", "Full screen, and back"),
    replace(SEPARATOR, menu="View"),
    Command("next_theme", "View", "Next theme", ("Ctrl+T",), section="Window"),
    Command(
        "next_mode", "Model", "Next way to look for people", ("P",), section="Window", sheet="One person, several, all at once"
    ),
    Command("help", "Help", "Keyboard shortcuts", ("F1", "?"), section="Window", sheet="This sheet"),
    Command("run_benchmark", "Help", "Run benchmark"),
    replace(SEPARATOR, menu="Help"),
    Command("about", "Help", "About poseapp"),
)
# What the sheet tells beside the commands: keys, what they do, and where.
OTHER_KEYS: tuple[tuple[str, str, str], ...] = (
    ("View", "Click", "Hold on to a person"),
    ("View", "Esc", "Leave full screen, let go of the person"),
    ("Window", "Ctrl+1 … 9", "Choose the model"),
)
SECTIONS = ("Record", "View", "Source", "Window")


def sheet_lines(section: str) -> list[tuple[str, str]]:
    """The lines of *section* of the sheet: keys, and what they do."""
    lines = [
        ("  ·  ".join(command.keys) or command.hint, command.sheet or command.text.rstrip("…"))
        for command in COMMANDS
        if command.section == section
    ]
    return lines + [(keys, what) for where, keys, what in OTHER_KEYS if where == section]


def with_keys(tip: str, name: str) -> str:
    """*tip* with the keys of the command called *name* behind it."""
    keys = next(command.keys for command in COMMANDS if command.name == name)
    return f"{tip} ({', '.join(keys)})"


class Actions:
    """Builds the menu bar of *window*. Actions belong to the window, too, so that they work in full screen.

    *handlers* has for each command what it calls; a checkable one hands over its new state.
    """

    def __init__(self, window: QMainWindow, handlers: Mapping[str, Handler]) -> None:
        self._window = window
        self._model_group: list[QAction] = []
        self._model_entries: list[QAction] = []  # those, and what parts them from the rest of the menu
        self.menus = {name: window.menuBar().addMenu(f"&{name}") for name in MENUS}
        self.by_name: dict[str, QAction] = {}
        self._choices: dict[str, tuple[QMenu, QActionGroup]] = {}
        for command in COMMANDS:
            if command.name:
                self._add(command, handlers[command.name])
            else:
                self.menus[command.menu].addSeparator()

    def _add(self, command: Command, handler: Handler) -> None:
        action = QAction(command.text + (f"\t{command.hint}" if command.hint else ""), self._window)
        action.setCheckable(command.checkable)
        action.setShortcuts([QKeySequence(key) for key in command.keys])
        if command.checkable:
            action.toggled.connect(handler)
        else:
            action.triggered.connect(lambda _checked=False: handler())
        self.menus[command.menu].addAction(action)
        self._window.addAction(action)
        self.by_name[command.name] = action

    def check(self, name: str, on: bool) -> None:
        """Set a checkable action without calling its handler."""
        action = self.by_name[name]
        blocked = action.blockSignals(True)
        action.setChecked(on)
        action.blockSignals(blocked)

    def add_choice(
        self, menu: str, title: str, names: Mapping[str, str], chosen: str, handler: Callable[[str], None], before: str = ""
    ) -> None:
        """A menu called *title* in *menu*, of which one entry is chosen; *names* are key → text.

        It comes *before* the command of that name, else last.
        """
        choice, group = QMenu(title, self._window), QActionGroup(self._window)
        choice.setToolTipsVisible(True)
        for key, text in names.items():
            action = QAction(text, self._window)
            action.setCheckable(True)
            action.setData(key)
            action.triggered.connect(lambda _checked=False, key=key: handler(key))
            group.addAction(action)
            choice.addAction(action)
        self._choices[title] = choice, group
        self.check_choice(title, chosen)
        if before:
            self.menus[menu].insertMenu(self.by_name[before], choice)
        else:
            self.menus[menu].addMenu(choice)

    def check_choice(self, title: str, chosen: str) -> None:
        """Mark *chosen* in the menu called *title*."""
        for action in self._choices[title][1].actions():
            action.setChecked(action.data() == chosen)

    def disable_choices(self, title: str, why_not: Mapping[str, str]) -> None:
        """Grey out the entries of the menu called *title* that *why_not* gives a reason for, which is their tooltip."""
        for action in self._choices[title][1].actions():
            reason = why_not.get(action.data(), "")
            action.setEnabled(not reason)
            action.setToolTip(reason or action.text())

    def set_models(self, models: list[StoredModel], handler: Callable[[Path], None]) -> None:
        """The model menu, with Ctrl+1 … Ctrl+9."""
        menu = self.menus["Model"]
        menu.setToolTipsVisible(True)
        for old in self._model_entries:
            menu.removeAction(old)
            self._window.removeAction(old)
            old.deleteLater()
        self._model_group = []
        for i, model in enumerate(models):
            title = model_title(model.name)
            action = QAction(title if title == model.name else f"{title} ({model.name})", self._window)
            action.setData(model.name)
            action.setCheckable(True)
            action.setEnabled(model.spec is not None)
            action.setToolTip(model.error or model.name)
            if i < 9:
                action.setShortcut(QKeySequence(f"Ctrl+{i + 1}"))
            action.triggered.connect(lambda _checked=False, folder=model.folder: handler(folder))
            self._model_group.append(action)
            self._window.addAction(action)
        none, line = QAction("No model found", self._window), QAction(self._window)
        none.setEnabled(False)
        none.setVisible(not models)
        line.setSeparator(True)
        self._model_entries = [*self._model_group, none, line]
        # Above what else the menu has.
        menu.insertActions(next(iter(menu.actions()), None), self._model_entries)  # type: ignore[arg-type]

    def check_model(self, name: str) -> None:
        """Mark the model that runs."""
        for action in self._model_group:
            action.setChecked(action.data() == name)
