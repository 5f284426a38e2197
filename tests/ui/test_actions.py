"""ACTIONS is the one table: the menus, the keys, the tooltips, the F1 sheet and the README follow from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Loader, MarkerSource
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from poseapp.ui import action_handlers, actions
from poseapp.ui.actions import ACTIONS, MENUS, SECTIONS, Action, action, sheet_lines
from poseapp.ui.help_sheet import HelpSheet
from poseapp.ui.main_window import MainWindow
from poseapp.ui.menus import Handler
from poseapp.ui.theme import Themes

WAIT_MS = 30_000
OpenWindow = Callable[..., MainWindow]


def on_the_sheet(themes: Themes, qtbot: QtBot) -> list[tuple[str, str]]:
    """The lines that the F1 sheet shows: keys, and what they do."""
    sheet = HelpSheet(themes.current)
    qtbot.addWidget(sheet)
    texts = [label.text() for label in sheet.findChildren(QLabel)]
    shown = {section.upper() for section in SECTIONS} | {sheet.windowTitle()}
    lines = [text for text in texts if text not in shown]
    return list(zip(lines[::2], lines[1::2], strict=True))


def test_the_f1_sheet_shows_the_lines_of_the_table(themes: Themes, qtbot: QtBot) -> None:
    expected = [line for section in SECTIONS for line in sheet_lines(section)]
    assert on_the_sheet(themes, qtbot) == expected
    assert len(expected) > 20


def test_the_sheet_has_every_key_of_the_menus() -> None:
    lines = [line for section in SECTIONS for line in sheet_lines(section)]
    for one in ACTIONS:
        if one.keys or one.gesture:
            assert ("  ·  ".join(one.keys) or one.gesture) in [keys for keys, _ in lines], one.name
    assert len({what for _, what in lines}) == len(lines)


def test_no_two_actions_share_a_name_or_a_key() -> None:
    names = [one.name for one in ACTIONS if one.name]
    keys = [key for one in ACTIONS for key in one.keys]
    assert len(set(names)) == len(names)
    assert len(set(keys)) == len(keys)
    assert {one.menu for one in ACTIONS} <= {*MENUS, ""}
    assert {one.section for one in ACTIONS} <= {*SECTIONS, ""}


def readme_table() -> str:
    """The README's table of keys as the table of actions has it: two columns, each from top to bottom."""
    lines = [(keys.replace("  ·  ", ", "), what) for section in SECTIONS for keys, what in sheet_lines(section)]
    half = (len(lines) + 1) // 2
    right = [*lines[half:], *[("", "")] * (2 * half - len(lines))]
    rows = ["|" + "".join(f" {cell} |" if cell else " |" for cell in (*a, *b)) for a, b in zip(lines[:half], right, strict=True)]
    return "\n".join(["| key | does | key | does |", "| --- | --- | --- | --- |", *rows])


def test_the_readme_has_the_keys_of_the_table(repo_root: Path) -> None:
    readme = (repo_root / "README.md").read_text(encoding="utf-8")
    assert readme_table() in readme, f"The table of keys in README.md should be:\n{readme_table()}"


def test_every_action_of_a_menu_has_a_handler(open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    in_menus = {one.name for one in ACTIONS if one.menu and one.name}
    assert action_handlers.handlers(window).keys() == in_menus == window.menus.actions.keys()


def test_tooltips_of_buttons_end_with_the_keys_of_the_table(open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    buttons = {
        **window.header.buttons,
        "record": window.record_bar.record,
        "snapshot": window.record_bar.snapshot,
        "mirror": window.sidebar.view.mirror,
        "labels": window.sidebar.view.labels,
        "heatmaps": window.sidebar.view.heatmaps,
        "panel": window.sidebar.benchmark,
    }
    for name, button in buttons.items():
        assert button.toolTip() == action(name).tooltip
        assert button.toolTip().endswith(f"({', '.join(action(name).keys)})")


def test_an_action_is_added_by_one_line(
    qtbot: QtBot, open_window: OpenWindow, themes: Themes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of the table and its handler are enough for the menu, the key and the F1 sheet."""
    called: list[str] = []
    line = Action("wave", "View", "Wave back", keys=("Ctrl+Y",), section="View")
    known = action_handlers.handlers

    def with_wave(window: MainWindow) -> dict[str, Handler]:
        return {**known(window), "wave": lambda: called.append("wave")}

    monkeypatch.setattr(actions, "ACTIONS", (*ACTIONS, line))
    monkeypatch.setattr(action_handlers, "handlers", with_wave)
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    assert [entry.text() for entry in window.menus.by_title["View"].actions()].count("Wave back") == 1
    assert ("Ctrl+Y", "Wave back") in on_the_sheet(themes, qtbot)
    window.menus.actions["wave"].trigger()
    assert called == ["wave"]
    window.activateWindow()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert called == ["wave", "wave"]
