"""Full screen: the picture alone. The sidebar and the panel can be called, and all is as before on the way back."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMainWindow, QWidget

from poseapp.ui.menus import Menus

DRAWERS = ("sidebar", "panel")


class FullScreen:
    """*bars* go with the frame; what the actions in ``DRAWERS`` show is put away, and can be called back."""

    def __init__(self, window: QMainWindow, menus: Menus, bars: Sequence[QWidget]) -> None:
        self._window, self._menus, self._bars = window, menus, bars
        self._before: dict[str, bool] = {}
        self.on = False

    def set(self, on: bool) -> None:
        """Go there, or back."""
        if on == self.on:
            return
        drawers = {name: self._menus.actions[name] for name in DRAWERS}
        if on:
            self._before = {name: drawer.isChecked() for name, drawer in drawers.items()}
            self.on = True
        for bar in self._bars:
            bar.setVisible(not on)
        for name, drawer in drawers.items():
            drawer.setChecked(not on and self._before[name])
        self.on = on
        full = Qt.WindowState.WindowFullScreen
        state = self._window.windowState()
        self._window.setWindowState(state | full if on else state & ~full)
