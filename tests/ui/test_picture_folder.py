"""A folder of pictures in the window: paged through by keys and by mouse, each with its name, and recorded so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest
from fakes import Loader, MarkerSource
from on_screen import WAIT_MS
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poseapp.live.sources import FolderSource
from poseapp.review.playback import PlaybackState
from poseapp.ui.main_window import MainWindow
from poseapp.ui.transport_bar import TransportBar

OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "holiday"
    place.mkdir()
    for n in range(3):
        cv2.imwrite(str(place / f"IMG_{n}.png"), MarkerSource((360, 640 + 20 * n)).picture(n / 30))
    return place


def test_it_stands_still_pages_and_says_the_name(qtbot: QtBot, open_window: OpenWindow, folder: Path) -> None:
    window = open_window(FolderSource(folder, loop=True), load=Loader())
    window.activateWindow()
    qtbot.waitUntil(window.transport.isVisible, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    bar = window.transport

    def shows(n: int) -> bool:
        result = window.view.result
        return result is not None and result.frame.file == f"IMG_{n}.png" and bar.picture_name.full_text() == f"IMG_{n}.png"

    qtbot.waitUntil(lambda: shows(0), timeout=WAIT_MS)
    assert bar.frame.text() == "1 / 3"
    assert not bar.time.isVisible()
    assert not bar.speed.isVisible()
    assert window.header.source.full_text() == "holiday"
    window.view.setFocus()
    QTest.keyClick(window.view, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: shows(1), timeout=WAIT_MS)
    QTest.mouseClick(bar.buttons["step_forward"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shows(2), timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: shows(1), timeout=WAIT_MS)
    result = window.view.result
    assert result is not None
    assert result.frame.hw == (360, 660)
    assert result.poses.ids.tolist() == [1]  # outside of a recording people of each picture are counted from 1
    assert result.smoothed is None


def test_what_was_shown_is_recorded_and_reviewed_by_name(qtbot: QtBot, open_window: OpenWindow, folder: Path) -> None:
    window = open_window(FolderSource(folder, loop=True), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.record_bar.clean.set_on(True)
    window.menus.actions["record"].trigger()
    lines: list[str] = []

    def written() -> list[str]:
        found = [*window.preferences.folder.glob("*/keypoints.jsonl")]
        lines[:] = [json.loads(line)["file"] for line in found[0].read_text().splitlines()] if found else []
        return lines

    qtbot.waitUntil(lambda: written() == ["IMG_0.png"], timeout=WAIT_MS)
    window.menus.actions["step_forward"].trigger()
    qtbot.waitUntil(lambda: written() == ["IMG_0.png", "IMG_1.png"], timeout=WAIT_MS)
    window.menus.actions["record"].trigger()
    qtbot.waitUntil(lambda: window.saved.isVisible(), timeout=WAIT_MS)
    (recording,) = window.preferences.folder.iterdir()
    assert {one.name for one in recording.iterdir()} == {"annotated", "clean", "keypoints.jsonl", "session.json"}
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(recording)
    qtbot.waitUntil(lambda: window.transport.picture_name.full_text() == "IMG_0.png", timeout=WAIT_MS)
    window.menus.actions["to_end"].trigger()
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.result.frame.file == "IMG_1.png", timeout=WAIT_MS)


def test_a_long_name_leaves_room_for_the_seek_bar(qtbot: QtBot) -> None:
    bar = TransportBar()
    qtbot.addWidget(bar)
    bar.show_state(PlaybackState(number=5, count=100, t=0.2, duration_s=4.0, name="long/" * 60 + "end.jpg"), is_recording=True)
    bar.show()
    for width in (320, 450, 570, 700, 1000):
        bar.resize(width, bar.sizeHint().height())
        bar.layout().activate()  # type: ignore[union-attr]
        assert bar.seek.width() >= bar.seek.minimumWidth()
        assert bar.buttons["close_recording"].geometry().right() <= width
        if width >= 450:
            assert bar.picture_name.text().endswith(".jpg")
