"""Cameras beside the first one: shown, recorded together, closed, and out of the way of everything else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import cv2
import pytest
from fake_camera import FakeDevice, plug_in
from fakes import Loader
from on_screen import WAIT_MS
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu
from pytestqt.qtbot import QtBot

from poseapp.core.framing import Framing
from poseapp.live.sources import Camera
from poseapp.live.sources.setup import SourceSetup
from poseapp.pipeline.modes import PoseSettings
from poseapp.ui import startup
from poseapp.ui.main_window import MainWindow
from poseapp.ui.side_cameras import SideCamera

OpenWindow = Callable[..., MainWindow]
DESK, SIDE = Camera(0, "Desk camera", path="/dev/video0"), Camera(1, "Side camera", path="/dev/video1")


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> MainWindow:
    """A window on the desk camera, while the side camera is plugged in, too."""
    plug_in(monkeypatch, FakeDevice())

    def opened(*_: Any) -> FakeDevice:
        return FakeDevice(fps=60)

    monkeypatch.setattr(cv2, "VideoCapture", opened)
    monkeypatch.setattr(startup, "list_cameras", lambda: [DESK, SIDE])
    window = open_window(remembered=True, load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    return window


def add(qtbot: QtBot, window: MainWindow) -> SideCamera:
    side = window.side_cameras.add(SIDE)
    qtbot.waitUntil(lambda: side.view.result is not None, timeout=WAIT_MS)
    return side


def test_by_keys_another_camera_is_shown_beside_the_first_and_closed_again(qtbot: QtBot, window: MainWindow) -> None:
    QTest.keyClick(window, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    menu = next(menu for menu in window.findChildren(QMenu) if menu.isVisible())
    assert [action.text() for action in menu.actions()] == ["Side camera"], "not the one that is shown"
    QTest.keyClick(menu, Qt.Key.Key_Return)
    (side,) = window.side_cameras.cameras
    qtbot.waitUntil(lambda: side.view.result is not None and len(side.view.result.poses) == 1, timeout=WAIT_MS)
    assert side.view.isVisible()
    assert window.view.isVisible()
    qtbot.waitUntil(lambda: side.offset.text().startswith("Offset ") and side.offset.text().endswith(" ms"), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "±" in side.offset.text(), timeout=WAIT_MS)
    session = side.session
    assert session is not None
    window.menus.actions["no_beside"].trigger()
    assert window.side_cameras.cameras == []
    qtbot.waitUntil(lambda: session.status().state == "stopped", timeout=WAIT_MS)


def test_where_there_is_no_further_camera_that_is_said(qtbot: QtBot, window: MainWindow) -> None:
    add(qtbot, window)
    window.side_cameras.ask()
    assert window.banner.text == "There is no further camera. Plug one in, and choose again."


def test_all_are_recorded_together_and_finished_together(qtbot: QtBot, window: MainWindow) -> None:
    side = add(qtbot, window)
    window.recording_actions.toggle()

    def frames() -> list[int]:
        found = [session.status().recording for session in (window.bridge.session, side.session) if session is not None]
        return [recording.frames if recording is not None else 0 for recording in found]

    qtbot.waitUntil(lambda: min(frames()) > 5, timeout=WAIT_MS)
    window.view_actions.set_draw(blur_faces=True)  # nobody may be seen in one of the videos who is hidden in the other
    window.side_cameras.look()
    before = frames()
    qtbot.waitUntil(lambda: all(now > then + 3 for now, then in zip(frames(), before, strict=True)), timeout=WAIT_MS)
    window.recording_actions.toggle()
    folder = window.preferences.folder

    def finished() -> bool:
        contents = [json.loads(path.read_text()) for path in folder.glob("*/session.json")]
        return len(contents) == 2 and all(content["finished"] for content in contents)

    qtbot.waitUntil(finished, timeout=WAIT_MS)
    contents = sorted((json.loads(path.read_text()) for path in folder.glob("*/session.json")), key=lambda one: one["name"])
    assert [content["name"] for content in contents] == ["1 Desk camera", "2 Side camera"]
    assert contents[0]["together"] == contents[1]["together"]
    assert len(contents[0]["together"]) == 2
    assert [content["settings"][-1]["draw"]["blur_faces"] for content in contents] == [True, True]


def test_it_follows_model_smoothing_and_drawing_of_the_first(qtbot: QtBot, window: MainWindow) -> None:
    side = add(qtbot, window)
    folder = window.controller.folder
    assert folder is not None
    window.controller.choose_model(folder.with_name("second"))
    window.controller.set_pose_settings(PoseSettings("one", 0.0))
    window.view_actions.set_draw(labels=True)
    session = side.session
    assert session is not None
    qtbot.waitUntil(lambda: session.status().model == "second", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: side.view.options.labels and session.settings.smoothing is None, timeout=WAIT_MS)


def test_its_own_turn_is_the_one_that_is_remembered_for_it(qtbot: QtBot, window: MainWindow) -> None:
    window.preferences.set_setup("Side camera", SourceSetup(Framing(90)))
    side = add(qtbot, window)
    assert side.view.result is not None
    assert side.view.result.frame.hw == (640, 360)
    assert window.view.result is not None
    assert window.view.result.frame.hw == (360, 640)


def test_it_waits_while_the_first_one_does(qtbot: QtBot, window: MainWindow) -> None:
    """A benchmark needs the whole machine."""
    side = add(qtbot, window)
    session = side.session
    assert session is not None
    done = threading.Event()
    window.controller.suspend(done.set)
    qtbot.waitUntil(lambda: done.is_set() and session.status().state == "stopped", timeout=WAIT_MS)
    assert side.isHidden()
    window.controller.resume()
    qtbot.waitUntil(lambda: side.session is not None and side.isVisible(), timeout=WAIT_MS)


def test_the_window_closes_with_all_of_them(qtbot: QtBot, window: MainWindow) -> None:
    side = add(qtbot, window)
    session = side.session
    assert session is not None
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    qtbot.waitUntil(lambda: session.status().state == "stopped", timeout=WAIT_MS)
