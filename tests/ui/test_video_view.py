"""The picture: its size, its figures, pause and full screen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes import BusyCamera
from on_screen import WAIT_MS, status, wait_for_person
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea
from pytestqt.qtbot import QtBot

from poseapp.live.sources import SyntheticSource
from poseapp.ui.main_window import MainWindow


def test_pictures_fill_the_stage_in_device_pixels_and_keep_their_shape(window: MainWindow) -> None:
    picture = window.view.picture()
    assert picture is not None
    ratio = window.view.devicePixelRatioF()
    h, w = picture.shape[:2]
    assert w == int(window.view.width() * ratio) or h == int(window.view.height() * ratio)
    assert w / h == pytest.approx(1280 / 720, rel=0.01)


def test_every_joint_is_listed_with_its_confidence(qtbot: QtBot, window: MainWindow) -> None:
    result = wait_for_person(qtbot, window)
    qtbot.waitUntil(lambda: window.sidebar.measure.joints.scores is not None, timeout=WAIT_MS)
    scores = window.sidebar.measure.joints.scores
    assert scores is not None
    assert scores.shape == (result.poses.skeleton.k,)


def test_pause_holds_the_preview_while_capture_goes_on(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    window = open_window(SyntheticSource())  # like a camera: it does not wait
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.view.setFocus()
    QTest.keyClick(window.view, Qt.Key.Key_Space)
    assert window.bridge.paused
    held = window.view.result
    drops = status(window).stats.drops["display"]
    qtbot.waitUntil(lambda: status(window).stats.drops["display"] > drops + 2, timeout=WAIT_MS)
    assert window.view.result is held
    QTest.keyClick(window.view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.view.result is not held, timeout=WAIT_MS)


def test_painted_frames_are_counted(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: status(window).stats.fps["display"] > 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "total" in status(window).stats.ms and "draw" in status(window).stats.ms, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: float(window.header.rate.value.replace("–", "0")) > 1, timeout=WAIT_MS)


def test_full_screen_shows_the_picture_alone_and_brings_everything_back(qtbot: QtBot, window: MainWindow) -> None:
    window.panel.setVisible(True)
    parts = (window.header, window.record_bar, window.sidebar_dock, window.panel, window.menuBar())
    QTest.keyClick(window.view, Qt.Key.Key_F)
    assert window.isFullScreen()
    assert not any(part.isVisible() for part in parts)
    QTest.keyClick(window.view, Qt.Key.Key_M)
    assert window.view.options.mirror, "shortcuts work without the menu bar"
    QTest.keyClick(window.view, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert all(part.isVisible() for part in parts)
    QTest.keyClick(window.view, Qt.Key.Key_C)
    assert not window.sidebar_dock.isVisible()
    assert not window.header.buttons["sidebar"].isChecked()


def test_nothing_is_cut_at_the_smallest_size(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    window = open_window(BusyCamera(free=True))
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.sidebar.source.size_box.isVisible(), timeout=WAIT_MS)
    assert window.minimumSizeHint().width() <= 1024
    assert window.minimumSizeHint().height() <= 640
    assert (window.width(), window.height()) == (1024, 640)
    scroll = window.sidebar.findChild(QScrollArea)
    assert scroll is not None
    body = scroll.widget()
    assert body is not None
    assert body.minimumSizeHint().width() <= scroll.viewport().width()
