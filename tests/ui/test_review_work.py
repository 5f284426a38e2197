"""What is done with a recording on the screen: curves and spans, exports, and analysing every frame."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import Loader, MarkerSource
from movers import recorded, squatter
from on_screen import WAIT_MS
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from recordings import make_recording

from poseapp.live.sources import VideoSource
from poseapp.review.exports import EXPORTS
from poseapp.review.exports.base import ExportFormat
from poseapp.review.saved_recording import SavedRecording
from poseapp.ui.export_dialog import ExportDialog
from poseapp.ui.main_window import MainWindow

OpenWindow = Callable[..., MainWindow]
T = np.arange(9 * 25) / 25


@pytest.fixture
def squats(tmp_path: Path) -> Path:
    """Three squats in nine seconds."""
    return recorded(tmp_path / "recordings", T, squatter(45 - 45 * np.cos(2 * np.pi * T / 3)))


@pytest.fixture
def skipped(tmp_path: Path) -> Path:
    """A recording of which the model saw every third frame live."""
    folder = make_recording(tmp_path / "recordings", 90)
    path = folder / "keypoints.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::3]))
    return folder


def opened(qtbot: QtBot, window: MainWindow, folder: Path) -> None:
    window.activateWindow()
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS):
        window.review.open(folder)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    qtbot.waitUntil(window.transport.isVisible, timeout=WAIT_MS)
    window.view.setFocus()
    qtbot.waitUntil(lambda: QApplication.activeWindow() is window, timeout=WAIT_MS)


def number(window: MainWindow) -> int:
    playback = window.review.playback
    assert playback is not None
    return playback.state().number


def figures(window: MainWindow) -> list[str]:
    return [window.curves._cells[1, column].text() for column in range(6)]


# -- curves ----------------------------------------------------------------------------------------------------


def test_curves_are_under_the_picture_and_a_click_seeks(qtbot: QtBot, open_window: OpenWindow, squats: Path) -> None:
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, squats)
    qtbot.waitUntil(window.curves.isVisible, timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_K)
    plot = window.curves.plot
    assert set(plot.curves) == {"left_knee", "right_knee"}
    assert figures(window)[:3] == ["Left knee", "0", "90"]

    def click(share: float) -> None:
        x = round(plot._x(share * T[-1]))
        QTest.mouseClick(plot, Qt.MouseButton.LeftButton, pos=QPoint(x, 40))
        qtbot.waitUntil(lambda: abs(number(window) - share * (len(T) - 1)) <= 2, timeout=WAIT_MS)
        qtbot.waitUntil(lambda: abs(plot.cursor_x - x) <= 3, timeout=WAIT_MS)  # the cursor follows

    click(0.5)
    click(0.25)
    drawn = plot.grab().toImage()
    assert any(drawn.pixelColor(round(plot.cursor_x), y).lightness() > 200 for y in range(drawn.height()))
    # A–B is the span of the figures.
    playback = window.review.playback
    assert playback is not None
    playback.seek_time(1.401)
    qtbot.waitUntil(lambda: number(window) == 35, timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_I)
    playback.seek_time(1.601)
    qtbot.waitUntil(lambda: number(window) == 40, timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_O)
    qtbot.waitUntil(lambda: window.curves.span.full_text().startswith("A–B: 0:01.4"), timeout=WAIT_MS)
    assert 85 <= int(figures(window)[1]) <= 90
    QTest.keyClick(window.view, Qt.Key.Key_X)
    qtbot.waitUntil(lambda: window.curves.span.full_text().startswith("Whole recording"), timeout=WAIT_MS)
    assert figures(window)[1] == "0"


def test_repetitions_are_counted_over_the_recording(qtbot: QtBot, open_window: OpenWindow, squats: Path) -> None:
    window = open_window(MarkerSource(), load=Loader())
    window.sidebar.measure.restore("Squat", confidence=False)
    opened(qtbot, window, squats)
    qtbot.waitUntil(lambda: window.curves.count.full_text().startswith("Squat: 3 · usually down 1."), timeout=WAIT_MS)
    assert window.curves.part.currentData() == "knee"


def test_curves_can_be_put_away_by_key_and_the_threshold_counts(qtbot: QtBot, open_window: OpenWindow, squats: Path) -> None:
    path = squats / "keypoints.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for joint in (joint for line in lines for person in line["people"] for joint in person["keypoints"]):
        joint[2] = min(joint[2], 0.8)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, squats)
    qtbot.waitUntil(window.curves.isVisible, timeout=WAIT_MS)
    window.sidebar.view.threshold.setValue(90)
    qtbot.waitUntil(lambda: figures(window)[1] in ("", "–"), timeout=WAIT_MS)
    window.sidebar.view.threshold.setValue(30)
    qtbot.waitUntil(lambda: figures(window)[1] == "0", timeout=WAIT_MS)
    QTest.keyClick(window.view, Qt.Key.Key_V)
    assert not window.curves.isVisible()
    assert not window.preferences.shows_curves
    QTest.mouseClick(window.transport.buttons["curves"], Qt.MouseButton.LeftButton)
    assert window.curves.isVisible()
    window.menus.actions["close_recording"].trigger()
    assert not window.curves.isVisible()


# -- export ----------------------------------------------------------------------------------------------------


def dialog_of(qtbot: QtBot, window: MainWindow) -> ExportDialog:
    qtbot.waitUntil(lambda: bool(window.findChildren(ExportDialog)), timeout=WAIT_MS)
    return window.findChildren(ExportDialog)[-1]


def choose(dialog: ExportDialog, *names: str) -> None:
    for row, name in enumerate(EXPORTS):
        items = dialog.list.findItems(EXPORTS[name].label, Qt.MatchFlag.MatchStartsWith)
        del row
        for item in items:
            item.setCheckState(Qt.CheckState.Checked if name in names else Qt.CheckState.Unchecked)


def test_a_recording_is_exported_by_keys(qtbot: QtBot, open_window: OpenWindow, squats: Path) -> None:
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, squats)
    window.menus.actions["export"].trigger()
    dialog = dialog_of(qtbot, window)
    assert dialog.formats == ("csv",)
    choose(dialog, "csv", "angles", "trc")
    QTest.keyClick(dialog.list, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.banner.text.startswith("Exported 3 files to"), timeout=WAIT_MS)
    names = sorted(path.name for path in (squats / "exports").iterdir())
    assert names == [f"{squats.name}-angles.csv", f"{squats.name}-person1.trc", f"{squats.name}.csv"]
    assert window.preferences.export_formats == ("csv", "angles", "trc")
    assert window.banner.action == "Open folder"
    # Once more: nothing is replaced unless that is asked for.
    before = (squats / "exports" / names[0]).stat().st_mtime_ns
    QTest.mouseClick(window.transport.buttons["export"], Qt.MouseButton.LeftButton)
    dialog = dialog_of(qtbot, window)
    assert dialog.formats == ("csv", "angles", "trc")
    dialog.accept()
    qtbot.waitUntil(lambda: "is there already" in window.banner.text, timeout=WAIT_MS)
    assert "\n" not in window.banner.text
    assert (squats / "exports" / names[0]).stat().st_mtime_ns == before
    window.menus.actions["export"].trigger()
    dialog = dialog_of(qtbot, window)
    dialog.replace.set_on(True)
    dialog.accept()
    qtbot.waitUntil(lambda: window.banner.text.startswith("Exported 3 files to"), timeout=WAIT_MS)


def test_a_missing_library_is_one_line_that_says_how_to_install_it(
    qtbot: QtBot, open_window: OpenWindow, squats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = ExportFormat(label="Rare format", ending=".rare", write=lambda _t, _p: None, packages=("no_such_x",), extra="rare")
    monkeypatch.setitem(EXPORTS, "rare", missing)
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, squats)
    window.menus.actions["export"].trigger()
    dialog = dialog_of(qtbot, window)
    (item,) = dialog.list.findItems("Rare format", Qt.MatchFlag.MatchStartsWith)
    assert "not installed" in item.text()
    dialog.list.setCurrentItem(item)
    assert dialog.note.text() == 'no_such_x is not installed. Install with: pip install "poseapp[rare]"'
    item.setCheckState(Qt.CheckState.Checked)
    assert not dialog.export.isEnabled()
    item.setCheckState(Qt.CheckState.Unchecked)
    assert dialog.export.isEnabled()
    dialog.reject()


# -- every frame -----------------------------------------------------------------------------------------------


def test_the_frames_that_live_skipped_are_analysed_in_the_background(
    qtbot: QtBot, open_window: OpenWindow, skipped: Path
) -> None:
    window = open_window(MarkerSource(), load=Loader())
    window.analysis_actions.load = Loader()
    opened(qtbot, window, skipped)
    QTest.keyClick(window.view, Qt.Key.Key_K)
    playback = window.review.playback
    assert playback is not None
    playback.seek(40)
    qtbot.waitUntil(lambda: number(window) == 40, timeout=WAIT_MS)
    window.menus.actions["analyse"].trigger()
    assert window.analysis_progress.isVisible()
    qtbot.waitUntil(lambda: "All 90 frames" in window.banner.text, timeout=WAIT_MS)
    assert SavedRecording.read(skipped).frame_count == 90
    # The recording on the screen has the new joints, and stands where it stood.
    qtbot.waitUntil(lambda: (p := window.review.player) is not None and len(p.saved.times_s) == 90, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: number(window) == 40, timeout=WAIT_MS)
    assert not window.analysis_progress.isVisible()


def test_it_stops_and_goes_on(qtbot: QtBot, open_window: OpenWindow, skipped: Path) -> None:
    window = open_window(MarkerSource(), load=Loader())
    window.analysis_actions.load = Loader(delay_s=0.02)
    opened(qtbot, window, skipped)
    QTest.mouseClick(window.transport.buttons["analyse"], Qt.MouseButton.LeftButton)
    assert window.menus.actions["stop_analysis"].isEnabled()
    window.menus.actions["analyse"].trigger()  # one at a time
    assert "is being analysed" in window.banner.text
    qtbot.waitUntil(lambda: "of 90 frames" in window.analysis_progress.text.full_text(), timeout=WAIT_MS)
    QTest.mouseClick(window.analysis_progress.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "The rest can follow" in window.banner.text, timeout=WAIT_MS)
    assert SavedRecording.read(skipped).frame_count == 30
    assert window.banner.action == "Go on"
    window.analysis_actions.load = Loader()
    window.banner._act()
    qtbot.waitUntil(lambda: "All 90 frames" in window.banner.text, timeout=WAIT_MS)


def test_a_recording_with_a_stopped_analysis_offers_to_go_on(qtbot: QtBot, open_window: OpenWindow, skipped: Path) -> None:
    (skipped / "analysis.part.json").write_text(json.dumps({"of": {}, "total": 90}))
    (skipped / "analysis.part.jsonl").write_text("{}\n" * 12)
    window = open_window(MarkerSource(), load=Loader())
    opened(qtbot, window, skipped)
    qtbot.waitUntil(lambda: window.banner.text.startswith("12 of 90 frames"), timeout=WAIT_MS)


def test_a_clip_is_copied_and_analysed_and_the_window_may_close_meanwhile(
    qtbot: QtBot, open_window: OpenWindow, skipped: Path, tmp_path: Path
) -> None:
    window = open_window(VideoSource(skipped / "clean.mkv", loop=True), load=Loader())
    window.preferences.folder = tmp_path / "made"
    gate = threading.Event()
    loader = Loader()
    loader.gates["first"] = gate
    window.analysis_actions.load = loader
    qtbot.waitUntil(window.transport.isVisible, timeout=WAIT_MS)
    window.menus.actions["analyse"].trigger()
    qtbot.waitUntil(lambda: "Loading the model" in window.analysis_progress.text.full_text(), timeout=WAIT_MS)
    (folder,) = (tmp_path / "made").iterdir()
    gate.set()
    qtbot.waitUntil(lambda: "All 90 frames" in window.banner.text, timeout=WAIT_MS)
    assert window.banner.action == "Play"
    assert SavedRecording.read(folder).frame_count == 90
    window.analysis_actions.load = Loader(delay_s=0.05)
    window.review.open(folder)
    qtbot.waitUntil(lambda: window.review.player is not None, timeout=WAIT_MS)
    window.controller.set_pose_settings(type(window.controller.pose_settings)(smoothing=0.0))  # another analysis
    window.menus.actions["analyse"].trigger()
    qtbot.waitUntil(lambda: "of 90 frames" in window.analysis_progress.text.full_text(), timeout=WAIT_MS)
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    assert not window.analysis_actions.running
    assert SavedRecording.read(folder).frame_count == 90


def test_a_camera_has_no_frames_to_analyse(qtbot: QtBot, open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.menus.actions["analyse"].trigger()
    assert "Open a recording or a clip first" in window.banner.text
    assert not window.analysis_actions.running
