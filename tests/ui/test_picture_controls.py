"""Turning, cropping and the controls of a camera, by mouse and by keys; what was chosen is there at the next start."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_camera import AE, GAIN, E, FakeDevice, plug_in
from fakes import Loader
from on_screen import WAIT_MS
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poseapp.core.framing import WHOLE, Framing
from poseapp.live.sources import Camera, CameraSource
from poseapp.live.sources.camera_controls import AUTO
from poseapp.live.sources.setup import SourceSetup
from poseapp.ui import startup
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences

OpenWindow = Callable[..., MainWindow]
DESK = Camera(0, "Desk camera", path="/dev/video0")


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    """The camera that is plugged in."""
    device = FakeDevice(fps=60)
    plug_in(monkeypatch, device)
    monkeypatch.setattr(startup, "list_cameras", lambda: [DESK])
    return device


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow, device: FakeDevice) -> MainWindow:
    """A window on the desk camera."""
    window = open_window(remembered=True, load=Loader())
    running(qtbot, window)
    return window


def running(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.bridge.poll()


def close(qtbot: QtBot, window: MainWindow) -> None:
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()


def hw(window: MainWindow) -> tuple[int, int]:
    assert window.view.result is not None
    return window.view.result.frame.hw


def test_a_key_turns_the_picture_and_the_next_start_has_it_turned(
    qtbot: QtBot, window: MainWindow, open_window: OpenWindow, make_preferences: Callable[[], Preferences]
) -> None:
    window.view.setFocus()
    QTest.keyClick(window, Qt.Key.Key_T, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: hw(window) == (640, 360), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.sidebar.picture.turns[1].isChecked(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "turned 90°" in window.sidebar.source.actual.full_text(), timeout=WAIT_MS)
    close(qtbot, window)
    assert make_preferences().setup("Desk camera") == SourceSetup(Framing(90))
    assert make_preferences().setup("Other camera") == SourceSetup()
    again = open_window(remembered=True, load=Loader())
    running(qtbot, again)
    assert hw(again) == (640, 360)


def test_a_rectangle_on_the_picture_is_what_is_used(qtbot: QtBot, window: MainWindow) -> None:
    window.menus.actions["crop"].trigger()
    area, chooser = window.view.picture_area(), window.source_actions._area
    assert chooser.isVisible()
    quarter = area.topLeft() + QPoint(area.width() // 4, area.height() // 4)
    far = area.topLeft() + QPoint(3 * area.width() // 4, 3 * area.height() // 4)
    QTest.mousePress(chooser, Qt.MouseButton.LeftButton, pos=quarter)
    QTest.mouseMove(chooser, far)
    QTest.mouseRelease(chooser, Qt.MouseButton.LeftButton, pos=far)
    assert not chooser.isVisible()
    qtbot.waitUntil(lambda: hw(window) != (360, 640), timeout=WAIT_MS)
    assert hw(window) == pytest.approx((180, 320), abs=3)
    QTest.mouseClick(window.sidebar.picture.whole, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: hw(window) == (360, 640), timeout=WAIT_MS)


def test_in_a_mirrored_preview_the_part_that_was_drawn_is_used(qtbot: QtBot, window: MainWindow) -> None:
    window.view_actions.set_draw(mirror=True)
    window.source_actions.use_part((0.0, 0.0, 0.25, 1.0))  # on the left, so on the right of the picture
    assert window.controller.setups.of(*window.controller._shown() or ()).framing.crop == (0.75, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("key", [Qt.Key.Key_Escape, None])
def test_esc_and_a_mere_click_leave_the_picture_as_it_is(qtbot: QtBot, window: MainWindow, key: Qt.Key | None) -> None:
    window.menus.actions["crop"].trigger()
    chooser = window.source_actions._area
    if key is None:
        QTest.mouseClick(chooser, Qt.MouseButton.LeftButton, pos=window.view.picture_area().center())
    else:
        QTest.keyClick(chooser, key)
    assert not chooser.isVisible()
    status = window.bridge.status()
    assert status is not None
    assert status.framing == WHOLE


def test_the_edges_can_be_typed_and_never_cross(qtbot: QtBot, window: MainWindow) -> None:
    picture = window.sidebar.picture
    left, _, right, _ = picture.edges
    right.setValue(60)
    left.setValue(80)
    assert picture.framing.crop == pytest.approx((0.8, 0.0, 0.85, 1.0))
    assert (left.value(), right.value()) == (80, 85)
    right.setValue(2)
    assert picture.framing.crop == pytest.approx((0.0, 0.0, 0.05, 1.0))


def test_turning_by_a_button_keeps_the_part(qtbot: QtBot, window: MainWindow) -> None:
    picture = window.sidebar.picture
    picture.edges[0].setValue(50)
    QTest.mouseClick(picture.turns[2], Qt.MouseButton.LeftButton)
    assert picture.framing == Framing(180, (0.0, 0.0, 0.5, 1.0))


def test_controls_are_those_of_the_camera_and_say_what_is_asked_and_given(
    qtbot: QtBot, window: MainWindow, device: FakeDevice, make_preferences: Callable[[], Preferences]
) -> None:
    window.menus.actions["picture"].trigger()
    exposure, gain, focus, zoom = window.sidebar.picture.rows
    qtbot.waitUntil(lambda: gain.number.isVisible(), timeout=WAIT_MS)
    assert focus.auto.isVisible()
    assert not zoom.number.isVisible()
    assert exposure.auto.isChecked()
    gain.number.setValue(400)
    qtbot.waitUntil(lambda: gain.said.full_text() == "asked 400, given 100", timeout=WAIT_MS)
    assert gain.said.property("role") == "warning"
    exposure.number.setValue(80)
    qtbot.waitUntil(lambda: device.values[E] == 80, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: exposure.said.full_text() == "asked 80, given 80", timeout=WAIT_MS)
    assert not exposure.auto.isChecked()
    QTest.mouseClick(exposure.auto, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: device.values[AE] == 3.0, timeout=WAIT_MS)
    close(qtbot, window)
    assert make_preferences().setup("Desk camera").settings == {"gain": 400.0, "exposure": AUTO}


def test_reset_gives_back_the_camera_as_it_comes(qtbot: QtBot, window: MainWindow, device: FakeDevice) -> None:
    window.sidebar.picture.set_open(True)
    window.sidebar.picture.asked.emit({"gain": 50.0, "exposure": 10.0})
    window.source_actions.turn()
    qtbot.waitUntil(lambda: device.values[GAIN] == 50.0 and hw(window) == (640, 360), timeout=WAIT_MS)
    QTest.mouseClick(window.sidebar.picture.reset, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: device.values[GAIN] == 0.0 and hw(window) == (360, 640), timeout=WAIT_MS)
    assert device.values[AE] == 3.0
    assert window.preferences.setup("Desk camera") == SourceSetup()


def test_a_camera_comes_back_with_what_was_asked(
    qtbot: QtBot, open_window: OpenWindow, device: FakeDevice, make_preferences: Callable[[], Preferences]
) -> None:
    before = make_preferences()
    before.set_setup("Desk camera", SourceSetup(Framing(270), {"gain": 7.0}))
    before.save()
    window = open_window(remembered=True, load=Loader())
    running(qtbot, window)
    assert hw(window) == (640, 360)
    assert device.values[GAIN] == 7.0


def test_a_camera_from_the_command_line_is_remembered_by_its_name(
    qtbot: QtBot, open_window: OpenWindow, device: FakeDevice, make_preferences: Callable[[], Preferences]
) -> None:
    window = open_window(CameraSource(0), load=Loader())
    running(qtbot, window)
    window.source_actions.turn()
    qtbot.waitUntil(lambda: hw(window) == (640, 360), timeout=WAIT_MS)
    close(qtbot, window)
    assert make_preferences().setup("Camera 0").framing == Framing(90)


def test_a_clip_is_turned_until_the_window_is_closed(
    qtbot: QtBot, open_window: OpenWindow, make_preferences: Callable[[], Preferences]
) -> None:
    window = open_window(load=Loader())
    running(qtbot, window)
    before = hw(window)
    window.source_actions.turn()
    qtbot.waitUntil(lambda: hw(window) == before[::-1], timeout=WAIT_MS)
    window.controller.again()
    qtbot.waitUntil(lambda: (s := window.bridge.status()) is not None and s.framing == Framing(90), timeout=WAIT_MS)
    close(qtbot, window)
    assert make_preferences()._text("source/setups") == ""


@pytest.mark.parametrize("text", ["[]", "{", '{"Desk camera": 3}', '{"Desk camera": {"framing": {"turn": 45}}}', "[" * 99999])
def test_settings_that_were_damaged_count_as_none(text: str, make_preferences: Callable[[], Preferences]) -> None:
    preferences = make_preferences()
    preferences._set("source/setups", text)
    assert preferences.setup("Desk camera") == SourceSetup()
    preferences.set_setup("Desk camera", SourceSetup(Framing(90)))
    assert preferences.setup("Desk camera") == SourceSetup(Framing(90))


def test_cameras_that_were_not_used_for_long_are_forgotten(make_preferences: Callable[[], Preferences]) -> None:
    preferences = make_preferences()
    for n in range(60):
        preferences.set_setup(f"Camera {n}", SourceSetup(Framing(90)))
    assert preferences.setup("Camera 59") == SourceSetup(Framing(90))
    assert preferences.setup("Camera 9") == SourceSetup()
