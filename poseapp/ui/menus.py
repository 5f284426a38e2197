"""The menu bar: one QAction for each action of the table, and the menus of which one entry is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from poseapp.engine.store import StoredModel
from poseapp.ui import actions
from poseapp.ui.actions import MENUS, Action
from poseapp.ui.display_names import model_title
from poseapp.ui.own_keys import effective_keys

Handler = Callable[..., object]


class Menus:
    """Builds the menu bar of *window*. Each QAction belongs to the window, too, so that its keys work in full screen.

    *handlers* has for each action what it calls; a checkable one hands over its new state. ``actions`` are the QActions by the
    names of the table, ``by_title`` the menus.
    """

    def __init__(self, window: QMainWindow, handlers: Mapping[str, Handler]) -> None:
        self._window = window
        self._model_group: list[QAction] = []
        self._model_entries: list[QAction] = []  # those, and what parts them from the rest of the menu
        self.by_title = {name: window.menuBar().addMenu(f"&{name}") for name in MENUS}
        self.actions: dict[str, QAction] = {}
        self._choices: dict[str, tuple[QMenu, QActionGroup]] = {}
        for action in actions.ACTIONS:
            if action.name and action.menu:
                self._add(action, handlers[action.name])
            elif action.menu:
                self.by_title[action.menu].addSeparator()

    def _add(self, action: Action, handler: Handler) -> None:
        made = QAction(action.text + (f"\t{action.gesture}" if action.gesture else ""), self._window)
        made.setCheckable(action.checkable)
        made.setShortcuts([QKeySequence(key) for key in action.keys])
        if action.checkable:
            made.toggled.connect(handler)
        else:
            made.triggered.connect(lambda _checked=False: handler())
        self.by_title[action.menu].addAction(made)
        self._window.addAction(made)
        self.actions[action.name] = made

    def check(self, name: str, on: bool) -> None:
        """Set a checkable action without calling its handler."""
        action = self.actions[name]
        blocked = action.blockSignals(True)
        action.setChecked(on)
        action.blockSignals(blocked)

    def set_own_keys(self, own: Mapping[str, str]) -> None:
        """Give each action the keys of the table, and those that the user has assigned (*own*, by action)."""
        for name, keys in effective_keys(own).items():
            self.actions[name].setShortcuts([QKeySequence(key) for key in keys])

    def add_choice(
        self, menu: str, title: str, names: Mapping[str, str], chosen: str, handler: Callable[[str], None], before: str = ""
    ) -> None:
        """A menu called *title* in *menu*, of which one entry is chosen; *names* are key → text.

        It comes *before* the action of that name, else last.
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
            self.by_title[menu].insertMenu(self.actions[before], choice)
        else:
            self.by_title[menu].addMenu(choice)

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
        menu = self.by_title["Model"]
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
