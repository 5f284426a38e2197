"""The model in the window: changed while it runs, broken, gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from on_screen import WAIT_MS, choose_model, status
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from poseapp.ui.main_window import MainWindow


def test_changing_the_model_does_not_stop_the_camera(qtbot: QtBot, window: MainWindow) -> None:
    indices: list[int] = []
    window.bridge.arrived.connect(lambda result: indices.append(result.frame.index))
    choose_model(window, "second")
    qtbot.waitUntil(lambda: status(window).model == "second", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.result.model == "second", timeout=WAIT_MS)
    assert indices == sorted(set(indices)), "frames came twice or out of order: the source was opened again"
    assert status(window).state == "running"
    qtbot.waitUntil(lambda: window.sidebar.model.box.currentText() == "second", timeout=WAIT_MS)
    assert window.preferences.model == "second"
    qtbot.waitUntil(lambda: window.header.backend.text.endswith("· CPU · FP32"), timeout=WAIT_MS)


def test_a_model_that_fails_keeps_the_old_one_and_says_why(qtbot: QtBot, window: MainWindow) -> None:
    choose_model(window, "truncated")
    qtbot.waitUntil(lambda: "truncated" in window.banner.text and "SHA-256" in window.banner.text, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.sidebar.model.box.currentText() == "first", timeout=WAIT_MS)
    before = window.view.result
    qtbot.waitUntil(lambda: window.view.result is not before, timeout=WAIT_MS)
    assert status(window).model == "first"
    assert window.view.result is not None
    assert window.view.result.model == "first"
    window.banner.dismiss()
    window.bridge.poll()
    assert window.banner.text == "", "a dismissed message must not come back"


@pytest.mark.parametrize(
    ("name", "why"),
    [("keyless", "missing stride"), ("foreign", "got 'vitpose'")],
)
def test_a_broken_model_cannot_be_chosen_and_its_tooltip_says_why(window: MainWindow, name: str, why: str) -> None:
    box = window.sidebar.model.box
    row = box.findText(f"{name} (broken)")
    assert row >= 0
    item = box.model().index(row, 0)
    assert not item.flags() & Qt.ItemFlag.ItemIsEnabled
    assert why in item.data(Qt.ItemDataRole.ToolTipRole)


def test_a_remembered_model_that_is_gone_is_said(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    window = open_window(model="gone")
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.bridge.poll()
    assert "'gone'" in window.banner.text
    assert status(window).model == "first"


def test_no_model_at_all_is_said(qtbot: QtBot, open_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window = open_window(model=None, engines_dir=tmp_path)
    qtbot.waitUntil(lambda: window.view.message is not None and window.view.message.title == "No model to run", timeout=WAIT_MS)
    assert window.bridge.session is None
