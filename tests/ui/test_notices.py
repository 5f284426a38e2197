"""Notices over the picture: those that stay leave the picture room, so that feet are seen, and remarks go away by themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Loader, MarkerSource
from on_screen import WAIT_MS, status
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from recordings import make_recording

from poseapp.ui import banner as banner_module
from poseapp.ui.main_window import MainWindow

OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow) -> MainWindow:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    return window


def lower_edge(window: MainWindow) -> int:
    """Where the picture ends, px of the view."""
    return int(window.view._picture_rect().bottom())


def test_a_notice_that_stays_covers_nothing_of_the_picture(qtbot: QtBot, window: MainWindow) -> None:
    whole = lower_edge(window)
    window.banner.say("test", "A camera has been unplugged.", "warning")
    assert lower_edge(window) < window.banner.geometry().top() < whole
    frame = window.view.result
    assert frame is not None
    h, w = frame.frame.hw
    at = window.view._picture_rect().bottomRight().toPointF()
    place = window.view._frame_xy(at)
    assert place is not None, "a click still finds the place in the frame"
    assert place == pytest.approx((w - 1, h - 1), abs=2)
    window.banner.dismiss()
    assert lower_edge(window) == whole


def test_the_picture_does_not_move_for_a_remark(qtbot: QtBot, window: MainWindow) -> None:
    whole = lower_edge(window)
    window.banner.say("test", "Opening…", "info")
    assert lower_edge(window) == whole
    window.banner.say("test", "It cannot be opened.", "error")
    assert lower_edge(window) < whole, "also where the notice keeps its size"


def test_an_opened_recording_takes_the_notice_after_stop_away(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    QTest.keyClick(window.view, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: status(window).recording is not None and status(window).recording.frames > 2, timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_R)
    qtbot.waitUntil(window.saved.isVisible, timeout=WAIT_MS)
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(make_recording(tmp_path / "other", frames=10))
    assert window.saved.isHidden()


def test_a_remark_goes_away_and_a_warning_stays(qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(banner_module, "LINGER_MS", 50)
    window.banner.say("a", "A warning.", "warning")
    window.banner.say("b", "A remark.", "info")
    window.banner.say("c", "Another one.", "success")
    qtbot.waitUntil(lambda: set(window.banner._notices) == {"a"}, timeout=WAIT_MS)
    window.banner.say("b", "A remark.", "info")
    assert "b" in window.banner._notices, "said again, it comes again"
