"""People are hidden in the picture, in the annotated video and in snapshots: black, green, blurred faces."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
from fakes import Loader, MarkerSource
from on_screen import WAIT_MS, status
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from recordings import make_recording

from poseapp.core.types import ImageArray
from poseapp.live.recording import read_manifest
from poseapp.render.privacy import PLAIN
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.recording_actions import FACES_IN_CLEAN

OpenWindow = Callable[..., MainWindow]


def corner(picture: ImageArray | None) -> tuple[int, ...]:
    """The colour of the upper left of *picture*."""
    assert picture is not None
    return tuple(int(value) for value in picture[2, 2])


def test_keys_change_the_background_and_blur_faces_and_both_are_remembered(
    qtbot: QtBot, open_window: OpenWindow, make_preferences: Callable[[], Preferences]
) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.menus.actions["pause"].setChecked(True)
    seen = []
    for _ in range(3):
        QTest.keyClick(window.view, Qt.Key.Key_G)
        seen.append((window.view.options.background, window.sidebar.view.background.currentData()))
        if window.view.options.background != "picture":
            assert corner(window.view.picture()) == PLAIN[window.view.options.background]
    assert seen == [("black", "black"), ("green", "green"), ("picture", "picture")]
    QTest.keyClick(window.view, Qt.Key.Key_U)
    assert window.sidebar.view.blur_faces.isChecked()
    QTest.keyClick(window.view, Qt.Key.Key_G)
    window.preferences.save()
    again = make_preferences().draw
    assert (again.background, again.blur_faces) == ("black", True)


def test_the_mouse_does_the_same(qtbot: QtBot, open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    QTest.mouseClick(window.sidebar.view.blur_faces, Qt.MouseButton.LeftButton)
    assert window.menus.actions["blur_faces"].isChecked()
    box = window.sidebar.view.background
    box.setCurrentIndex(2)
    box.activated.emit(2)
    assert window.view.options.background == "green"
    assert window.view.options.blur_faces


def test_settings_from_outside_name_a_known_background(settings_file: Path) -> None:
    settings_file.write_text('{"view/background": "pink", "view/blur_faces": "yes"}', encoding="utf-8")
    assert (Preferences(settings_file).draw.background, Preferences(settings_file).draw.blur_faces) == ("picture", False)


def test_the_annotated_video_is_on_green_and_the_user_hears_of_the_clean_copy(qtbot: QtBot, open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.sidebar.view.choose_background("green")
    window.record_bar.clean.setChecked(True)
    QTest.keyClick(window.view, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: status(window).recording is not None and status(window).recording.frames > 3, timeout=WAIT_MS)
    assert window.banner.text == FACES_IN_CLEAN
    QTest.keyClick(window.view, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: not status(window).recording.active, timeout=WAIT_MS)
    folder = status(window).recording.folder
    assert read_manifest(folder)["settings"][0]["draw"]["background"] == "green"
    with av.open(str(folder / "annotated.mkv")) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert np.abs(picture[2, 2].astype(int) - PLAIN["green"]).max() < 12


def test_a_recording_with_a_burnt_in_skeleton_shows_its_joints_on_black(
    qtbot: QtBot, open_window: OpenWindow, tmp_path: Path
) -> None:
    folder = make_recording(tmp_path / "recordings", frames=20, clean=False, name="Drawn")
    window = open_window(MarkerSource(), load=Loader())
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(folder)
    qtbot.waitUntil(lambda: window.view.result is not None and len(window.view.result.poses) > 0, timeout=WAIT_MS)
    window.sidebar.view.choose_background("black")
    picture = window.view.picture()
    assert picture is not None
    assert corner(picture) == (0, 0, 0)
    assert int((picture.max(axis=2) > 60).sum()) > 100
    shutil.rmtree(folder, ignore_errors=True)
