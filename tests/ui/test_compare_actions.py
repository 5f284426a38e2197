"""Two recordings compared in the window, by keys: side by side and as a ghost, at a marked frame."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import Loader, MarkerSource
from on_screen import WAIT_MS
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from recordings import make_recording

from poseapp.ui.main_window import MainWindow
from poseapp.ui.recordings_page import RecordingsPage

OpenWindow = Callable[..., MainWindow]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two recordings, the second one shorter."""
    parent = tmp_path_factory.mktemp("recordings")
    return make_recording(parent, name="Monday"), make_recording(parent, frames=30, name="Friday")


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow, folders: tuple[Path, Path]) -> MainWindow:
    """A window that plays the first one, standing still."""
    window = open_window(MarkerSource(), load=Loader())
    window.activateWindow()
    play(qtbot, window, folders[0])
    return window


def play(qtbot: QtBot, window: MainWindow, folder: Path) -> None:
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(folder)
    window.review.command(lambda playback: playback.pause())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.view.setFocus()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=WAIT_MS)


def pair(window: MainWindow) -> tuple[int, int | None]:
    """The numbers of the pictures of both recordings on the screen."""
    result = window.view.result
    assert result is not None
    return result.frame.index, result.beside.frame.index if result.beside is not None else None


def go_to(qtbot: QtBot, window: MainWindow, number: int) -> None:
    window.review.command(lambda playback: playback.seek(number))
    qtbot.waitUntil(lambda: pair(window)[0] == number, timeout=WAIT_MS)


def compare(qtbot: QtBot, window: MainWindow, folder: Path) -> None:
    window.compare_actions.open(folder)
    qtbot.waitUntil(lambda: pair(window)[1] is not None, timeout=WAIT_MS)


def test_it_is_chosen_on_the_page_of_recordings_by_keys(qtbot: QtBot, window: MainWindow, folders: tuple[Path, Path]) -> None:
    window.preferences.folder = folders[0].parent
    QTest.keyClick(window.view, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
    page = window.findChild(RecordingsPage)
    assert page is not None
    qtbot.waitUntil(lambda: page.list.count() == 2, timeout=WAIT_MS)
    QTest.keyClicks(page.search, "friday")
    QTest.keyClick(page.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: pair(window)[1] is not None, timeout=WAIT_MS)
    assert "Compared with Friday" in window.banner.text
    window.menus.actions["compare"].trigger()
    qtbot.waitUntil(lambda: pair(window)[1] is None, timeout=WAIT_MS)
    assert window.compare_actions.comparison is None


def test_both_are_seen_side_by_side_and_then_as_a_ghost(qtbot: QtBot, window: MainWindow, folders: tuple[Path, Path]) -> None:
    go_to(qtbot, window, 10)
    alone = window.view.picture()
    assert alone is not None
    alone = alone.copy()
    compare(qtbot, window, folders[1])
    view = window.view
    both = view.picture()
    assert both is not None
    assert both.shape[1] / both.shape[0] == pytest.approx(2 * 160 / 120, rel=0.03)
    own = view._own_rect()
    assert own.width() == pytest.approx(view._picture_rect().width() / 2, abs=4)
    assert view._frame_xy(QPointF(own.right() + 20.0, own.center().y())) is None  # a click there is on the other one
    here = view._frame_xy(QPointF(own.center()))
    assert here is not None
    assert here[0] == pytest.approx(79.5, abs=1.0)
    QTest.keyClick(view, Qt.Key.Key_Period)
    qtbot.waitUntil(lambda: pair(window) == (10, 11), timeout=WAIT_MS)
    for _ in range(5):
        QTest.keyClick(view, Qt.Key.Key_Comma)
    qtbot.waitUntil(lambda: pair(window) == (10, 6), timeout=WAIT_MS)
    QTest.keyClick(view, Qt.Key.Key_W)
    ghost = view.picture()
    assert ghost is not None
    assert ghost.shape == alone.shape
    changed = (ghost != alone).any(axis=2)
    assert 20 < changed.sum() < 0.2 * changed.size
    QTest.keyClick(view, Qt.Key.Key_W)
    again = view.picture()
    assert again is not None
    assert again.shape == both.shape


def test_the_marked_frames_are_shown_together(qtbot: QtBot, window: MainWindow, folders: tuple[Path, Path]) -> None:
    play(qtbot, window, folders[1])
    go_to(qtbot, window, 5)
    QTest.keyClick(window.view, Qt.Key.Key_Y)
    play(qtbot, window, folders[0])
    go_to(qtbot, window, 30)
    QTest.keyClick(window.view, Qt.Key.Key_Y)
    assert "Marked 0:01.000" in window.banner.text
    compare(qtbot, window, folders[1])
    qtbot.waitUntil(lambda: pair(window) == (30, 5), timeout=WAIT_MS)
    go_to(qtbot, window, 40)
    qtbot.waitUntil(lambda: pair(window) == (40, 15), timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_Y)  # that one is the marked frame now
    qtbot.waitUntil(lambda: pair(window) == (40, 5), timeout=WAIT_MS)


def test_without_another_one_the_keys_say_what_to_do(qtbot: QtBot, window: MainWindow) -> None:
    for name in ("next_layout", "other_forward"):
        window.banner.take_back("compare")
        window.menus.actions[name].trigger()
        assert "Ctrl+D" in window.banner.text


def test_what_cannot_be_opened_is_told_and_the_first_one_stays(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    window.compare_actions.open(tmp_path)
    qtbot.waitUntil(lambda: "no recording" in window.banner.text, timeout=WAIT_MS)
    assert window.review.player is not None
    assert pair(window)[1] is None


def test_another_recording_or_none_ends_it(qtbot: QtBot, window: MainWindow, folders: tuple[Path, Path], tmp_path: Path) -> None:
    compare(qtbot, window, folders[1])
    third = tmp_path / "Sunday"
    shutil.copytree(folders[0], third)
    play(qtbot, window, third)
    assert window.compare_actions.comparison is None
    compare(qtbot, window, folders[1])
    window.review.leave()
    assert window.compare_actions.comparison is None
    assert window.view._beside is None


def test_one_asked_for_before_is_compared_when_the_first_one_is_there(
    qtbot: QtBot, open_window: OpenWindow, folders: tuple[Path, Path]
) -> None:
    window = open_window(MarkerSource(), load=Loader())
    window.compare_actions.open(folders[1])
    play(qtbot, window, folders[0])
    qtbot.waitUntil(lambda: pair(window)[1] is not None, timeout=WAIT_MS)
    np.testing.assert_allclose(window.compare_actions.comparison.offset_s, 0.0)  # type: ignore[union-attr]
