"""The transport in the window: a clip and a recording are played by mouse and by keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import Loader, MarkerSource
from on_screen import WAIT_MS
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from recordings import SOURCE, make_recording

from poseapp.live.sources import VideoSource
from poseapp.review.playback import PlaybackState
from poseapp.ui.main_window import MainWindow
from poseapp.ui.seek_bar import time_code
from poseapp.ui.transport_bar import TransportBar

OpenWindow = Callable[..., MainWindow]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two seconds with a clean video."""
    return make_recording(tmp_path_factory.mktemp("recordings"), name="Squats left")


def state(window: MainWindow) -> PlaybackState:
    playback = window.review.playback
    assert playback is not None
    return playback.state()


def key(window: MainWindow, which: Qt.Key) -> None:
    QTest.keyClick(window.view, which)


def at(window: MainWindow) -> int:
    assert window.view.result is not None
    return window.view.result.frame.index


def opened(qtbot: QtBot, window: MainWindow, folder: Path) -> None:
    window.activateWindow()
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(folder)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    qtbot.waitUntil(window.transport.isVisible, timeout=WAIT_MS)
    window.view.setFocus()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=WAIT_MS)


def test_a_recording_is_stepped_through_by_keys_and_shows_its_own_joints(
    qtbot: QtBot, open_window: OpenWindow, original: Path
) -> None:
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, original)
    assert window.bridge.session is None  # nothing is computed again
    key(window, Qt.Key.Key_K)
    key(window, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: at(window) == 0, timeout=WAIT_MS)
    for _ in range(3):
        key(window, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: at(window) == 3, timeout=WAIT_MS)
    key(window, Qt.Key.Key_Left)
    qtbot.waitUntil(lambda: at(window) == 2, timeout=WAIT_MS)
    assert window.view.result is not None
    np.testing.assert_allclose(window.view.result.poses.xy[0], SOURCE.truth(2 / 30), atol=0.006)
    assert window.transport.frame.text() == "frame 2 / 59"
    assert window.transport.time.text().startswith("0:00.067 / 0:01.967")
    key(window, Qt.Key.Key_I)
    key(window, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: at(window) == 59, timeout=WAIT_MS)
    key(window, Qt.Key.Key_O)
    assert (state(window).loop_a, state(window).loop_b) == (2, 59)
    key(window, Qt.Key.Key_X)
    assert state(window).loop_a is None
    key(window, Qt.Key.Key_Minus)
    assert state(window).speed == 0.5
    key(window, Qt.Key.Key_Space)
    assert state(window).playing
    key(window, Qt.Key.Key_J)
    assert state(window).backwards


def test_the_mouse_seeks_where_it_is_pressed_and_drags(qtbot: QtBot, open_window: OpenWindow, original: Path) -> None:
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, original)
    bar = window.transport
    QTest.mouseClick(bar.buttons["pause"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not state(window).playing, timeout=WAIT_MS)
    middle = bar.seek.height() // 2
    QTest.mousePress(bar.seek, Qt.MouseButton.LeftButton, pos=QPoint(bar.seek.width() // 2, middle))
    qtbot.waitUntil(lambda: abs(at(window) - 30) <= 1, timeout=WAIT_MS)
    QTest.mouseMove(bar.seek, QPoint(bar.seek.width() - 1, middle))
    QTest.mouseRelease(bar.seek, Qt.MouseButton.LeftButton, pos=QPoint(bar.seek.width() - 1, middle))
    assert bar.seek.time_at(bar.seek.width()) == pytest.approx(59 / 30, abs=0.001)
    QTest.mouseClick(bar.seek, Qt.MouseButton.LeftButton, pos=QPoint(1, middle))
    qtbot.waitUntil(lambda: at(window) == 0, timeout=WAIT_MS)
    QTest.mouseClick(bar.buttons["step_forward"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: at(window) == 1, timeout=WAIT_MS)
    QTest.mouseClick(bar.buttons["close_recording"], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.bridge.session is not None, timeout=WAIT_MS)
    assert window.review.player is None


def test_threshold_labels_and_mirror_act_as_live_and_a_drawn_skeleton_is_not_drawn_twice(
    qtbot: QtBot, open_window: OpenWindow, original: Path, tmp_path: Path
) -> None:
    window = open_window(MarkerSource(), load=Loader())
    drawn_only = tmp_path / "drawn"
    shutil.copytree(original, drawn_only)
    (drawn_only / "clean.mkv").unlink()
    changes = []
    for folder in (original, drawn_only):
        opened(qtbot, window, folder)
        key(window, Qt.Key.Key_K)
        key(window, Qt.Key.Key_Home)
        qtbot.waitUntil(lambda: at(window) == 0, timeout=WAIT_MS)
        before = window.view.picture()
        assert before is not None
        before = before.copy()
        window.sidebar.view.threshold.setValue(100)  # hides every joint
        after = window.view.picture()
        assert after is not None
        after = after.copy()
        changes.append(int((before != after).any(axis=2).sum()))
        window.sidebar.view.threshold.setValue(30)
    assert changes[0] > 200
    assert changes[1] == 0
    key(window, Qt.Key.Key_M)
    mirrored = window.view.picture()
    assert mirrored is not None
    np.testing.assert_array_equal(mirrored[:, ::-1], after)


def test_choosing_a_source_leaves_the_recording(qtbot: QtBot, open_window: OpenWindow, original: Path) -> None:
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, original)
    assert window.windowTitle().startswith("Squats left")
    window.menus.actions["synthetic"].trigger()
    qtbot.waitUntil(lambda: window.bridge.session is not None, timeout=WAIT_MS)
    assert window.review.player is None
    qtbot.waitUntil(lambda: window.windowTitle().startswith("Synthetic"), timeout=WAIT_MS)


def test_what_is_no_recording_is_said_in_a_notice_and_the_live_picture_goes_on(
    qtbot: QtBot, open_window: OpenWindow, tmp_path: Path
) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.review.open(tmp_path)
    qtbot.waitUntil(lambda: "no recording" in window.banner.text, timeout=WAIT_MS)
    assert window.bridge.session is not None
    assert not window.transport.isVisible()


def test_a_window_that_begins_with_a_recording_opens_no_source(
    qtbot: QtBot, open_window: OpenWindow, original: Path, themes: object
) -> None:
    source = MarkerSource()
    window = open_window(source, load=Loader())
    window.close()
    qtbot.waitUntil(lambda: window.is_closed, timeout=WAIT_MS)
    source.open = lambda: pytest.fail("opened")  # type: ignore[method-assign]
    from poseapp.ui.preferences import Preferences

    second = MainWindow(window.preferences, window.themes, window.controller._engines_dir, "cpu")
    assert isinstance(second.preferences, Preferences)
    second.show()
    second.begin(source, "first", original)
    qtbot.waitUntil(lambda: second.view.result is not None, timeout=WAIT_MS)
    assert second.bridge.session is None
    with qtbot.waitSignal(second.closed, timeout=WAIT_MS):
        second.close()


def test_space_pauses_the_clip_itself_and_arrows_step_in_it(qtbot: QtBot, open_window: OpenWindow, demo_clip: Path) -> None:
    window = open_window(VideoSource(demo_clip, loop=True), load=Loader())
    window.activateWindow()
    qtbot.waitUntil(window.transport.isVisible, timeout=WAIT_MS)
    window.view.setFocus()
    key(window, Qt.Key.Key_Space)
    assert not state(window).playing
    key(window, Qt.Key.Key_Home)
    qtbot.waitUntil(lambda: state(window).number == 0, timeout=WAIT_MS)
    key(window, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: state(window).number == 1, timeout=WAIT_MS)
    first = window.view.result
    # It stands still as a picture does: it is looked at again, so that another model would show.
    qtbot.waitUntil(lambda: window.view.result is not first, timeout=WAIT_MS)
    assert state(window).number == 1
    assert not window.bridge.paused
    key(window, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: state(window).number > 1, timeout=WAIT_MS)


def test_space_pauses_the_preview_of_what_has_no_transport(qtbot: QtBot, open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    key(window, Qt.Key.Key_Space)
    assert window.bridge.paused
    assert not window.transport.isVisible()
    assert not window.menus.actions["step_forward"].isEnabled()


def test_the_bar_takes_no_more_room_than_the_picture_and_the_seek_bar_stays(qtbot: QtBot) -> None:
    bar = TransportBar()
    qtbot.addWidget(bar)
    bar.show_state(PlaybackState(number=5, count=100, t=0.2, duration_s=4.0), is_recording=True)
    bar.show()
    assert bar.minimumSizeHint().width() <= 320
    for width in (320, 450, 570, 700, 1000):
        bar.resize(width, bar.sizeHint().height())
        shown = [part for part in (*bar.in_order(), bar.time, bar.frame) if part.isVisible()]
        bar.layout().activate()  # type: ignore[union-attr]
        assert bar.seek in shown
        assert bar.buttons["close_recording"] in shown
        assert all(part.geometry().right() <= width for part in shown)
        assert all(part.width() >= part.minimumSizeHint().width() for part in shown), width


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.000"), (59.9996, "1:00.000"), (62.345, "1:02.345"), (3723.5, "1:02:03.500")]
)
def test_time_codes(seconds: float, text: str) -> None:
    assert time_code(seconds) == text
