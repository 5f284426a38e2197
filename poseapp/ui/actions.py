"""Every command of the window once: menu entry, shortcut, and what it calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

from poseapp.engine.load import StoredModel
from poseapp.ui.theme import THEME_NAMES

Handler = Callable[..., object]


class Actions:
    """Builds the menu bar of *window*. Actions belong to the window, too, so that they work in full screen."""

    def __init__(self, window: QMainWindow) -> None:
        self._window = window
        self._model_group: list[QAction] = []
        self.menus = {name: window.menuBar().addMenu(f"&{name}") for name in ("File", "Record", "View", "Model", "Help")}
        self.by_name: dict[str, QAction] = {}
        self.theme_group = QActionGroup(window)

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

    def add_themes(self, chosen: str, handler: Callable[[str], None]) -> None:
        """The theme menu."""
        menu = QMenu("Theme", self._window)
        for name in THEME_NAMES:
            action = QAction({"system": "Like the system", "dark": "Dark", "light": "Light"}[name], self._window)
            action.setCheckable(True)
            action.setChecked(name == chosen)
            action.setData(name)
            action.triggered.connect(lambda _checked=False, name=name: handler(name))
            self.theme_group.addAction(action)
            menu.addAction(action)
        self.menus["View"].addMenu(menu)

    def check_theme(self, chosen: str) -> None:
        """Mark *chosen* in the theme menu."""
        for action in self.theme_group.actions():
            action.setChecked(action.data() == chosen)

    def set_models(self, models: list[StoredModel], handler: Callable[[Path], None]) -> None:
        """The model menu, with Ctrl+1 … Ctrl+9."""
        menu = self.menus["Model"]
        menu.clear()
        menu.setToolTipsVisible(True)
        for old in self._model_group:
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
            menu.addAction(action)
            self._window.addAction(action)
        if not models:
            menu.addAction("No model found").setEnabled(False)

    def check_model(self, name: str) -> None:
        """Mark the model that runs."""
        for action in self._model_group:
            action.setChecked(action.text() == name)
