"""People in the window: the switch, smoothing, the budget, clicks that lock, and what is remembered."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from painted import PaintedSource, PaintedStore, standing
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import Result
from poseapp.live.session import Session
from poseapp.pipeline.modes import PoseSettings
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.theme import Themes

WAIT_MS = 30_000
HW = (360, 640)


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, themes: Themes, make_preferences: Callable[[], Preferences]) -> Iterator[MainWindow]:
    """A window on two painted people, without a model that really runs."""
    folder = tmp_path / "painted"
    folder.mkdir()
    store = PaintedStore(folder)
    window = MainWindow(make_preferences(), themes, folder, "cpu")
    window.controller.make_session = lambda *arguments, **options: Session(
        *arguments, **options, load=store, builds_first=lambda *_: False, open_detector=store.open_detector
    )
    window.resize(1024, 640)
    window.show()
    window.begin(PaintedSource([standing(150, 150, 160), standing(450, 150, 160)], fps=10, hw=HW), "hourglass-s")
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    yield window
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    window.deleteLater()


def until(qtbot: QtBot, window: MainWindow, condition: Callable[[Result], object]) -> Result:
    """The first result on the screen that fulfils *condition*."""
    found: list[Result] = []

    def look() -> bool:
        if window.view.result is not None and condition(window.view.result):
            found.append(window.view.result)
        return bool(found)

    qtbot.waitUntil(look, timeout=WAIT_MS)
    return found[0]


def spot(window: MainWindow, result: Result, n: int) -> QPoint:
    """Where the middle of person *n* is in the view."""
    x, y = result.shown.xy[n].mean(axis=0).tolist()
    area = window.view._picture_rect()
    if window.view.options.mirror:
        x = result.frame.hw[1] - 1 - x
    return QPoint(
        round(area.left() + (x + 0.5) * area.width() / result.frame.hw[1]),
        round(area.top() + (y + 0.5) * area.height() / result.frame.hw[0]),
    )


def test_the_switch_changes_the_mode_and_is_remembered(qtbot: QtBot, window: MainWindow) -> None:
    people = window.sidebar.pose
    until(qtbot, window, lambda r: r.mode == "one")
    qtbot.waitUntil(lambda: not window.sidebar.view.fields.isEnabled(), timeout=WAIT_MS)
    QTest.mouseClick(people.several, Qt.MouseButton.LeftButton)
    until(qtbot, window, lambda r: r.mode == "top-down" and len(r.poses) == 2)
    assert window.preferences.pose_settings.mode == "top-down"
    assert people.budget.isEnabled()
    QTest.keyClick(window, Qt.Key.Key_P)
    until(qtbot, window, lambda r: r.mode == "bottom-up" and len(r.poses) == 2)
    qtbot.waitUntil(lambda: window.sidebar.view.fields.isEnabled(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.banner.text == ALL_AT_ONCE, timeout=WAIT_MS)
    assert not people.budget.isEnabled()
    qtbot.waitUntil(lambda: window.sidebar.model.box.currentText() == "Many people", timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_P)
    until(qtbot, window, lambda r: r.mode == "one")
    assert window.controller.folder is not None
    assert window.controller.folder.name == "hourglass-s"


ALL_AT_ONCE = "Balanced cannot find all people at once: Many people does it instead."  # the names of the model list


def test_fields_are_asked_for_and_drawn(qtbot: QtBot, window: MainWindow) -> None:
    window.sidebar.pose.choose_mode("bottom-up")
    until(qtbot, window, lambda r: r.mode == "bottom-up")
    qtbot.waitUntil(lambda: window.sidebar.view.fields.isEnabled(), timeout=WAIT_MS)
    window.sidebar.view.fields.setChecked(True)
    result = until(qtbot, window, lambda r: r.heatmaps)
    assert result.heatmaps[0].fields is not None
    assert window.menus.actions["fields"].isChecked()
    assert window.preferences.draw.fields


@pytest.mark.parametrize("mirror", [False, True])
def test_a_click_locks_the_person_under_it_and_esc_lets_go(qtbot: QtBot, window: MainWindow, mirror: bool) -> None:
    window.sidebar.pose.choose_mode("top-down")
    window.menus.actions["mirror"].setChecked(mirror)
    result = until(qtbot, window, lambda r: r.mode == "top-down" and len(r.poses) == 2)
    QTest.mouseClick(window.view, Qt.MouseButton.LeftButton, pos=spot(window, result, 1))
    locked = until(qtbot, window, lambda r: r.locked is not None)
    assert locked.locked == result.poses.ids[1]
    assert window.view.locked == locked.locked
    QTest.keyClick(window, Qt.Key.Key_Escape)
    until(qtbot, window, lambda r: r.locked is None)


def test_the_two_clicks_of_a_double_click_undo_each_other(qtbot: QtBot, window: MainWindow) -> None:
    window.sidebar.pose.choose_mode("top-down")
    result = until(qtbot, window, lambda r: r.mode == "top-down" and len(r.poses) == 2)
    clicks: list[tuple[float, float]] = []
    window.view.clicked.connect(lambda x, y: clicks.append((x, y)))
    QTest.mouseClick(window.view, Qt.MouseButton.LeftButton, pos=spot(window, result, 0))
    QTest.mouseDClick(window.view, Qt.MouseButton.LeftButton, pos=spot(window, result, 0))
    np.testing.assert_allclose(clicks, [result.shown.xy[0].mean(axis=0)] * 2, atol=1.5)
    until(qtbot, window, lambda r: r.frame.index > result.frame.index + 3 and r.locked is None)
    window.menus.actions["fullscreen"].setChecked(False)


def test_a_hand_says_that_a_person_can_be_clicked_on(qtbot: QtBot, window: MainWindow) -> None:
    window.sidebar.pose.choose_mode("top-down")
    result = until(qtbot, window, lambda r: r.mode == "top-down" and len(r.poses) == 2)
    QTest.mouseMove(window.view, spot(window, result, 0))
    qtbot.waitUntil(lambda: window.view.cursor().shape() == Qt.CursorShape.PointingHandCursor, timeout=WAIT_MS)
    area = window.view._picture_rect()
    QTest.mouseMove(window.view, area.topLeft() + QPoint(3, area.height() - 3))
    qtbot.waitUntil(lambda: window.view.cursor().shape() == Qt.CursorShape.ArrowCursor, timeout=WAIT_MS)


def test_smoothing_has_a_slider_and_an_off_switch(qtbot: QtBot, window: MainWindow) -> None:
    people = window.sidebar.pose
    until(qtbot, window, lambda r: r.smoothed is not None)
    people.smooth.setChecked(False)
    until(qtbot, window, lambda r: r.smoothed is None)
    assert not people.slider.isEnabled()
    assert window.preferences.pose_settings.smoothing == 0.0
    people.smooth.setChecked(True)
    people.slider.setValue(75)
    until(qtbot, window, lambda r: r.smoothed is not None)
    assert window.preferences.pose_settings.smoothing == 0.75
    session = window.bridge.session
    assert session is not None
    assert session.settings.smoothing == SmoothRule(min_cutoff_hz=SmoothRule().min_cutoff_hz / 2)


def test_the_budget_reaches_the_session(qtbot: QtBot, window: MainWindow) -> None:
    box = window.sidebar.pose.budget
    session = window.bridge.session
    assert session is not None
    for text, ms in (("30 ms", 30.0), ("no limit", math.inf)):
        box.setCurrentIndex(box.findText(text))
        box.activated.emit(box.currentIndex())
        assert session.settings.latency_budget_ms == ms
        assert window.preferences.pose_settings.latency_budget_ms == ms


def test_joint_confidences_are_of_the_locked_person(qtbot: QtBot, window: MainWindow) -> None:
    window.sidebar.pose.choose_mode("top-down")
    result = until(qtbot, window, lambda r: r.mode == "top-down" and len(r.poses) == 2)
    for identity, xy in zip(result.poses.ids.tolist(), result.poses.xy, strict=True):
        x, y = xy.mean(axis=0).tolist()
        window.bridge.lock_person((x, y))
        expected = f"person {identity} "
        qtbot.waitUntil(partial(_says, window, expected), timeout=WAIT_MS)


def _says(window: MainWindow, expected: str) -> bool:
    return window.view.locked is not None and window.sidebar.measure._person.text().startswith(expected)


@pytest.mark.parametrize(
    "pose_settings",
    [PoseSettings("bottom-up", 0.0, 50.0), PoseSettings("top-down", 0.25, math.inf), PoseSettings("one", 1.0, 200.0)],
)
def test_what_is_chosen_is_remembered(make_preferences: Callable[[], Preferences], pose_settings: PoseSettings) -> None:
    preferences = make_preferences()
    assert preferences.pose_settings == PoseSettings()
    preferences.pose_settings = pose_settings
    preferences.save()
    assert make_preferences().pose_settings == pose_settings
