"""The report in the window: asked for by key and by mouse, written beside the recording, opened from the notice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from fakes import Loader, MarkerSource
from movers import recorded, squatter
from on_screen import WAIT_MS
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from saved import two_people

from poseapp.core.repetitions import EXERCISES, marked
from poseapp.render import DrawOptions
from poseapp.review.saved_recording import SavedRecording
from poseapp.ui import report_actions
from poseapp.ui.main_window import MainWindow
from poseapp.ui.report_dialog import ReportDialog, seen_longest_first
from poseapp.ui.report_file import default_path
from poseapp.ui.theme import Themes

OpenWindow = Callable[..., MainWindow]
T = np.arange(9 * 25) / 25
SQUAT = EXERCISES[0]


@pytest.fixture
def squats(tmp_path: Path) -> Path:
    return recorded(tmp_path / "recordings", T, squatter(45 - 45 * np.cos(2 * np.pi * T / 3)))


def dialog_of(qtbot: QtBot, window: MainWindow) -> ReportDialog:
    """The dialog, when it is open."""
    qtbot.waitUntil(lambda: bool(window.findChildren(ReportDialog)), timeout=WAIT_MS)
    return window.findChildren(ReportDialog)[0]


def opened(qtbot: QtBot, window: MainWindow, folder: Path) -> None:
    window.activateWindow()
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(folder)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    qtbot.waitUntil(window.transport.buttons["report"].isVisible, timeout=WAIT_MS)
    window.view.setFocus()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=WAIT_MS)


def test_a_report_is_made_by_keys(qtbot: QtBot, open_window: OpenWindow, squats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = default_path(squats)
    monkeypatch.setattr(report_actions, "ask_path", lambda _window, _folder: path)  # the system's dialog
    window = open_window(MarkerSource(), load=Loader())
    window.sidebar.measure.restore("Squat", confidence=False)
    opened(qtbot, window, squats)
    QTest.keyClick(window.view, Qt.Key.Key_P, Qt.KeyboardModifier.ControlModifier)
    dialog = dialog_of(qtbot, window)
    playback = window.review.playback
    assert playback is not None
    assert not playback.state().playing, "it stands still while one writes"
    assert dialog.exercise.currentText() == "Squat", "what the sidebar counts"
    assert not dialog.person.isVisible(), "there is one person"
    QTest.keyClicks(dialog.title, "Anna")
    QTest.keyClicks(dialog.note, "Week 3")
    QTest.keyClick(dialog.note, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.banner.text.startswith("Report saved"), timeout=WAIT_MS)
    assert window.banner.action == "Open"
    text = pypdfium2.PdfDocument(path.read_bytes())[0].get_textpage().get_text_range()
    for part in ("Anna", "Week 3", "Squat: 3"):
        assert part in text


def test_the_mouse_opens_it_and_esc_leaves_it(qtbot: QtBot, open_window: OpenWindow, squats: Path) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: not window.menus.actions["report"].isEnabled(), timeout=WAIT_MS)
    opened(qtbot, window, squats)
    QTest.mouseClick(window.transport.buttons["report"], Qt.MouseButton.LeftButton)
    dialog = dialog_of(qtbot, window)
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not window.findChildren(ReportDialog), timeout=WAIT_MS)
    assert not (squats / "exports").exists()


def test_what_cannot_be_written_is_one_line(
    qtbot: QtBot, open_window: OpenWindow, squats: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(report_actions, "ask_path", lambda _window, _folder: tmp_path / "file" / "page.pdf")
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, squats)
    window.menus.actions["report"].trigger()
    dialog_of(qtbot, window).accept()
    qtbot.waitUntil(lambda: "cannot be written" in window.banner.text, timeout=WAIT_MS)
    assert window.banner.text.endswith("Choose another file.")


def test_people_are_offered_by_how_long_they_are_seen(qtbot: QtBot, themes: Themes, tmp_path: Path) -> None:
    recording = SavedRecording.read(two_people(tmp_path))
    assert [number for number, _ in seen_longest_first(recording)] == [1, 2]
    own = marked("My own exercise", "left_knee", 5, 60)
    draw = DrawOptions(threshold=0.4, blur_faces=True, background="green", labels=True)
    dialog = ReportDialog(recording, draw, own, 2, themes.current)
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.person.isVisible()
    options = dialog.options
    assert (options.person, options.exercise) == (2, own), "the person whom the user holds on to"
    assert options.draw == DrawOptions(threshold=0.4, blur_faces=True, background="green")
    dialog.person.setCurrentIndex(0)
    dialog.exercise.setCurrentIndex(0)
    dialog.blur.set_on(False)
    assert (dialog.options.person, dialog.options.exercise, dialog.options.draw.blur_faces) == (1, None, False)
