"""Keys and pedals that the user assigns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes import Loader, MarkerSource
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from poseapp.ui.actions import ACTIONS
from poseapp.ui.help_sheet import HelpSheet
from poseapp.ui.main_window import MainWindow
from poseapp.ui.own_keys import assignable, effective_keys, holder, why_not
from poseapp.ui.own_keys_page import OwnKeysPage
from poseapp.ui.theme import Themes

WAIT_MS = 30_000
OpenWindow = Callable[..., MainWindow]


@pytest.mark.parametrize("key", ["F13", "B", "PgDown", "Media Play", "Ctrl+Shift+Y", "Ctrl+Left", "Num+5"])
def test_any_key_that_a_pedal_may_send_can_be_assigned(key: str) -> None:
    assert why_not(key) == ""


@pytest.mark.parametrize("key", ["", "Space", "Esc", "Return", "Num+Enter", "Tab", "Left", "Home", "Ctrl+1", "ctrl+9", "A, B"])
@pytest.mark.parametrize("more", ["", "nonsense+"])
def test_keys_that_the_window_needs_are_refused(key: str, more: str) -> None:
    assert why_not(more + key)


def test_without_own_keys_all_is_as_in_the_table() -> None:
    assert effective_keys({}) == {one.name: one.keys for one in ACTIONS if one.name and one.menu}
    assert set(assignable()) == effective_keys({}).keys()


def test_a_key_belongs_to_one_action_alone() -> None:
    keys = effective_keys({"record": "B", "fullscreen": "F13"})
    assert keys["record"] == ("R", "B")
    assert keys["panel"] == ()
    assert keys["fullscreen"] == ("F", "F11", "F13")
    assert (holder("B", {"record": "B"}), holder("B", {}), holder("F13", {})) == ("record", "panel", "")
    assert effective_keys({"record": "R"})["record"] == ("R",)


def test_a_pedal_records_after_it_was_assigned_and_after_a_restart(qtbot: QtBot, open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    page = OwnKeysPage({}, window)
    qtbot.addWidget(page)
    page.changed.connect(window._assign_keys)
    page.show()
    QTest.keyClick(page.key, Qt.Key.Key_B)
    assert page.note.text() == "B is now the key of “Benchmark panel”, which would lose it."
    page.assign.click()
    assert [page.list.item(n).text() for n in range(page.list.count())] == ["B  –  Record"]
    assert window.menus.actions["record"].shortcuts() == [QKeySequence("R"), QKeySequence("B")]
    assert window.menus.actions["panel"].shortcuts() == []
    assert window.preferences.own_keys == {"record": "B"}
    page.close()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow, timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_B)
    qtbot.waitUntil(lambda: _records(window), timeout=WAIT_MS)
    assert not window.panel.isVisible()
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    again = open_window(MarkerSource(), load=Loader())
    assert QKeySequence("B") in again.menus.actions["record"].shortcuts()


def _records(window: MainWindow) -> bool:
    status = window.bridge.status()
    return status is not None and status.recording is not None and status.recording.active


def test_a_key_that_cannot_be_had_is_said_and_an_assigned_one_can_be_removed(qtbot: QtBot) -> None:
    page = OwnKeysPage({"snapshot": "F14"})
    qtbot.addWidget(page)
    told: list[dict[str, str]] = []
    page.changed.connect(told.append)
    page.key.setKeySequence(QKeySequence("Space"))
    assert "The window itself needs Space" in page.note.text()
    assert not page.assign.isEnabled()
    page.key.setKeySequence(QKeySequence("F14"))
    assert "“Snapshot”" in page.note.text()
    page.assign.click()
    assert told == [{"record": "F14"}]
    page.list.setCurrentRow(0)
    page.remove.click()
    assert told[-1] == {}
    assert page.list.count() == 0


def test_the_sheet_of_keys_has_them(qtbot: QtBot, themes: Themes) -> None:
    sheet = HelpSheet(themes.current, own_keys={"record": "B"})
    qtbot.addWidget(sheet)
    texts = [label.text() for label in sheet.findChildren(QLabel)]
    assert texts[texts.index("Start or finish a recording") - 1] == "R  ·  B"
    assert "Benchmark panel" not in texts


def test_keys_in_the_file_that_are_none_count_as_not_there(window: MainWindow) -> None:
    window.preferences._set("keys/record", "Space")
    window.preferences._set("keys/snapshot", "F15")
    window.preferences._set("keys/nothing", "F16")
    assert window.preferences.own_keys == {"snapshot": "F15"}
