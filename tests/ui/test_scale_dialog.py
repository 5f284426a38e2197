"""The scale of a recording in the window: by a height, and by two clicks in the picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Loader, MarkerSource
from on_screen import WAIT_MS
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from recordings import make_recording

from poseapp.review.saved_recording import SavedRecording
from poseapp.ui.main_window import MainWindow
from poseapp.ui.measure_controls import MeasureControls
from poseapp.ui.scale_dialog import ScaleDialog

OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow, tmp_path: Path) -> MainWindow:
    """A window that plays a recording."""
    window = open_window(MarkerSource(), load=Loader())
    window.activateWindow()
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(make_recording(tmp_path / "recordings", name="Walk"))
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    return window


def opened(qtbot: QtBot, window: MainWindow) -> ScaleDialog:
    window.menus.actions["scale"].trigger()
    dialog = window.scale_actions.dialog
    assert dialog is not None
    qtbot.waitUntil(dialog.isVisible, timeout=WAIT_MS)
    return dialog


def said(measure: MeasureControls) -> str:
    return measure._view.text()


def test_a_height_is_given_by_keys_and_kept(qtbot: QtBot, window: MainWindow) -> None:
    dialog = opened(qtbot, window)
    dialog.tall.setFocus()
    dialog.tall.selectAll()
    QTest.keyClicks(dialog.tall, "1.80")
    QTest.keyClick(dialog.tall, Qt.Key.Key_Return)
    player = window.review.player
    assert player is not None
    qtbot.waitUntil(lambda: SavedRecording.read(player.folder).scale is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "by a person of 1.8 m" in said(window.sidebar.measure), timeout=WAIT_MS)
    assert player.recording is not None
    assert player.recording.scale is not None
    assert "by a person of 1.8 m" in dialog.now.text()
    QTest.mouseClick(dialog.off, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: SavedRecording.read(player.folder).scale is None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "1 m is" not in said(window.sidebar.measure), timeout=WAIT_MS)


def test_two_clicks_make_a_scale_and_then_measure(qtbot: QtBot, window: MainWindow) -> None:
    dialog = opened(qtbot, window)
    view = window.view
    qtbot.waitUntil(window.curves.isVisible, timeout=WAIT_MS)  # they take some of the room
    area = view._picture_rect()
    assert not dialog.by_points.isEnabled()
    a, b = QPoint(area.left() + 20, area.center().y()), QPoint(area.right() - 20, area.center().y())
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=a)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=b)
    (ax, ay), (bx, by) = dialog.points
    assert [*view._points] == [(ax, ay), (bx, by)]
    assert view._widget_xy(ax, ay).toPoint() == a
    assert view.result is not None
    assert bx - ax == pytest.approx((b.x() - a.x()) * view.result.frame.hw[1] / area.width(), abs=0.01)
    dialog.distance.setValue(2.0)
    QTest.mouseClick(dialog.by_points, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dialog.off.isEnabled(), timeout=WAIT_MS)
    assert window.review.player is not None
    scale = SavedRecording.read(window.review.player.folder).scale
    assert scale is not None
    assert scale.px_per_m == pytest.approx(math.dist(*dialog.points) / 2, rel=1e-3)
    assert dialog.measured.text().endswith(": 2 m.")
    middle = QPoint((a.x() + b.x()) // 2, a.y())
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=a)
    assert len(dialog.points) == 1
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=middle)
    half = float(dialog.measured.text().split()[-2])
    assert half == pytest.approx(1.0, abs=0.01)
    dialog.close()
    assert len(view._points) == 0
    assert window.scale_actions.dialog is None


def test_what_cannot_be_is_told_and_the_dialog_stays(qtbot: QtBot, window: MainWindow) -> None:
    dialog = opened(qtbot, window)
    dialog.height_given.emit(9.0, 1)
    qtbot.waitUntil(lambda: "expected a height" in window.banner.text, timeout=WAIT_MS)
    assert dialog.isVisible()


def test_leaving_the_recording_closes_it(qtbot: QtBot, window: MainWindow) -> None:
    opened(qtbot, window)
    window.review.leave()
    assert window.scale_actions.dialog is None
    qtbot.waitUntil(lambda: not window.menus.actions["scale"].isEnabled(), timeout=WAIT_MS)
