"""Every command of the window once: menu entry, shortcut, and what it calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from poseapp.engine.load import StoredModel

Handler = Callable[..., object]


class Actions:
    """Builds the menu bar of *window*. Actions belong to the window, too, so that they work in full screen."""

    def __init__(self, window: QMainWindow) -> None:
        self._window = window
        self._model_group: list[QAction] = []
        self._model_entries: list[QAction] = []  # those, and what parts them from the rest of the menu
        self.menus = {name: window.menuBar().addMenu(f"&{name}") for name in ("File", "Record", "View", "Model", "Help")}
        self.by_name: dict[str, QAction] = {}
        self._choices: dict[str, tuple[QMenu, QActionGroup]] = {}

    def add(
        self, menu: str, name: str, text: str, handler: Handler, keys: str | tuple[str, ...] = (), checkable: bool = False
    ) -> QAction:
        """One entry in *menu*; a checkable one calls *handler* with its new state."""
        action = QAction(text, self._window)
        action.setCheckable(checkable)
        action.setShortcuts([QKeySequence(key) for key in ((keys,) if isinstance(keys, str) else keys)])
        (action.toggled if checkable else action.triggered).connect(handler if checkable else lambda _checked=False: handler())
        self.menus[menu].addAction(action)
        self._window.addAction(action)
        self.by_name[name] = action
        return action

    def separator(self, menu: str) -> None:
        """A line in *menu*."""
        self.menus[menu].addSeparator()

    def check(self, name: str, on: bool) -> None:
        """Set a checkable action without calling its handler."""
        action = self.by_name[name]
        blocked = action.blockSignals(True)
        action.setChecked(on)
        action.blockSignals(blocked)

    def add_choice(self, menu: str, title: str, names: Mapping[str, str], chosen: str, handler: Callable[[str], None]) -> None:
        """A menu called *title* in *menu*, of which one entry is chosen; *names* are key → text."""
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
            action = QAction(model.name, self._window)
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
            action.setChecked(action.text() == name)
