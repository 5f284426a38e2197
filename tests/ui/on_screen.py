"""What a window shows and does, as the tests of its parts ask for it."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from poseapp.core.types import Result
from poseapp.ui.main_window import MainWindow

WAIT_MS = 30_000


def status(window: MainWindow):  # type: ignore[no-untyped-def]
    found = window.bridge.status()
    assert found is not None
    return found


def choose_model(window: MainWindow, name: str) -> None:
    box = window.sidebar.model.box
    row = next(i for i in range(box.count()) if box.itemText(i).startswith(name))
    box.activated.emit(row)


def wait_for_person(qtbot: QtBot, window: MainWindow, after: Result | None = None) -> Result:
    """The first result with a person that is on the screen, or comes *after* that one."""
    found: list[Result] = []

    def seen() -> bool:
        result = window.view.result
        if result is not None and result is not after and len(result.poses):
            found.append(result)
        return bool(found)

    qtbot.waitUntil(seen, timeout=WAIT_MS)
    return found[0]
