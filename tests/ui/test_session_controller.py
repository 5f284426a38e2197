"""Sources in the window: busy, hung, broken, plugged in later, at their end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import BusyCamera, HungCamera, Loader
from on_screen import WAIT_MS, status
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot

from poseapp.live.sources import Camera, Mode, SyntheticSource, VideoSource
from poseapp.ui.main_window import MainWindow
from poseapp.ui.source_choice import SYNTHETIC, SourceChoice


def test_a_camera_that_is_busy_is_said_and_comes_back(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    camera = BusyCamera()
    window = open_window(camera)
    qtbot.waitUntil(lambda: window.view.message is not None and "cannot be opened" in window.view.message.text, timeout=WAIT_MS)
    card = window.view.message
    assert card is not None
    assert "Desk camera" in card.title
    assert window.banner.text == "", "the card says it"
    camera.free = True
    qtbot.waitUntil(lambda: window.view.message is None, timeout=WAIT_MS)
    assert window.banner.text == ""
    qtbot.waitUntil(lambda: window.sidebar.source.actual.full_text() == "640×480 at 30 fps", timeout=WAIT_MS)
    assert window.sidebar.source.mode() == Mode(1280, 720, 30.0, "MJPG")
    assert window.sidebar.source.size_box.isVisible()


def test_a_file_that_is_no_video_is_said_without_a_dialog(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QMessageBox, "exec", lambda _self: pytest.fail("a dialog was opened"))
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video" * 100)
    window.source_actions.open_path(broken)
    qtbot.waitUntil(lambda: window.view.message is not None and "not a video" in window.view.message.text, timeout=WAIT_MS)
    card = window.view.message
    assert card is not None
    assert card.actions == (("video", "Open another video…"), ("again", "Try again"), ("demo", "Demo clip"))
    assert window.banner.text == "", "an error is said once"
    window.view.action.emit("demo")
    qtbot.waitUntil(lambda: status(window).state == "running" and window.view.message is None, timeout=WAIT_MS)
    assert window.banner.text == ""


def test_a_file_from_the_command_line_that_is_no_video_can_be_replaced(
    qtbot: QtBot, open_window: Callable[..., MainWindow], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video" * 100)
    window = open_window(VideoSource(broken))
    qtbot.waitUntil(lambda: window.view.message is not None and "not a video" in window.view.message.text, timeout=WAIT_MS)
    assert window.view.message is not None
    assert window.view.message.actions[0] == ("video", "Open another video…")


def test_an_address_that_is_none_is_said_and_what_runs_goes_on(qtbot: QtBot, window: MainWindow) -> None:
    window.controller.choose(SourceChoice("address", "camera.local/stream", "camera.local/stream"))
    assert "no such file, folder or address" in window.banner.text
    assert window.banner.action == "Change address…"
    before = window.view.result
    qtbot.waitUntil(lambda: window.view.result is not before, timeout=WAIT_MS)
    window.bridge.poll()
    assert "no such file, folder or address" in window.banner.text
    assert status(window).state == "running"
    assert window.preferences.source is None
    window.controller.choose(SYNTHETIC)
    assert window.banner.text == ""


def test_a_camera_that_hangs_is_said_and_another_source_can_be_chosen(
    qtbot: QtBot, open_window: Callable[..., MainWindow]
) -> None:
    camera = HungCamera(unblocks=False)
    window = open_window(camera, load=Loader())
    qtbot.waitUntil(lambda: "hung camera: does not deliver pictures" in window.banner.text, timeout=WAIT_MS)
    window.controller.choose(SYNTHETIC)
    qtbot.waitUntil(lambda: status(window).state == "running" and window.banner.text == "", timeout=WAIT_MS)
    camera.let_go.set()


def test_without_a_camera_the_demo_clip_runs_and_says_so(
    qtbot: QtBot, open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseapp.ui.startup.list_cameras", list)  # whatever is plugged into this machine
    window = open_window(remembered=True)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    assert window.sidebar.source.box.currentText() == "Demo clip"
    assert "No camera found" in window.banner.text
    assert window.preferences.source is None, "a stand-in is not a choice to remember"


def test_the_note_about_the_demo_clip_can_be_dismissed(
    qtbot: QtBot, open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseapp.ui.startup.list_cameras", list)
    window = open_window(remembered=True)
    qtbot.waitUntil(lambda: "No camera found" in window.banner.text, timeout=WAIT_MS)
    qtbot.waitUntil(window.banner.isVisible, timeout=WAIT_MS)
    dismiss = window.banner.buttons[-1]
    assert dismiss.accessibleName() == "Dismiss"
    QTest.mouseClick(dismiss, Qt.MouseButton.LeftButton)
    assert not window.banner.isVisible()
    window.bridge.poll()
    assert window.banner.text == ""


def test_a_camera_plugged_in_later_appears_and_is_offered(
    qtbot: QtBot, open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged: list[Camera] = []
    monkeypatch.setattr("poseapp.ui.startup.list_cameras", lambda: list(plugged))
    window = open_window(remembered=True)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    plugged += [Camera(90, "Twin", path="/dev/a"), Camera(91, "Twin", path="/dev/b")]
    window.menus.actions["cameras"].trigger()
    box = window.sidebar.source.box
    qtbot.waitUntil(lambda: box.findText("Twin (1)") >= 0 and box.findText("Twin (2)") >= 0, timeout=WAIT_MS)
    assert window.banner.text == "Twin (1) is plugged in."
    assert box.currentText() == "Demo clip", "a source does not change by itself"
    box.activated.emit(box.findText("Twin (2)"))
    qtbot.waitUntil(lambda: status(window).source == "Twin (2)", timeout=WAIT_MS)
    assert window.preferences.source == SourceChoice("camera", "/dev/b", "Twin (2)")
    qtbot.waitUntil(lambda: window.view.message is not None and "cannot be opened" in window.view.message.text, timeout=WAIT_MS)
    assert window.view.message is not None
    assert window.view.message.actions[0] == ("again", "Try now")
    assert window.sidebar.source.size_box.isVisible()


def test_a_clip_at_its_end_offers_to_play_again(qtbot: QtBot, open_window: Callable[..., MainWindow], demo_clip: Path) -> None:
    window = open_window(SyntheticSource((240, 320), 30, seconds=0.5))
    qtbot.waitUntil(lambda: window.view.message is not None and window.view.message.title == "The end", timeout=WAIT_MS)
    index = window.view.result.frame.index if window.view.result is not None else 0
    window.view.action.emit("again")
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.result.frame.index > index, timeout=WAIT_MS)
    window.controller.choose(SourceChoice.file("video", demo_clip))
    qtbot.waitUntil(lambda: status(window).source == VideoSource(demo_clip).name, timeout=WAIT_MS)


def test_space_plays_again_what_has_ended(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    window = open_window(SyntheticSource((240, 320), 30, seconds=0.5))
    qtbot.waitUntil(lambda: window.view.message is not None and window.view.message.title == "The end", timeout=WAIT_MS)
    index = window.view.result.frame.index if window.view.result is not None else 0
    window.view.setFocus()
    QTest.keyClick(window.view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.result.frame.index > index, timeout=WAIT_MS)
    assert not window.bridge.paused
