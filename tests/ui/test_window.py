"""The window on the real pipeline: model, view, recording, faults, closing."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from fakes import HungCamera, Loader
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QScrollArea
from pytestqt.qtbot import QtBot

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray, Result
from poseapp.live.sources import Camera, Mode, SyntheticSource, VideoSource
from poseapp.ui import dialogs
from poseapp.ui.app import close_on_signals
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.source_choice import SYNTHETIC, SourceChoice, find_camera

WAIT_MS = 30_000


def status(window: MainWindow):  # type: ignore[no-untyped-def]
    found = window.bridge.status()
    assert found is not None
    return found


def choose_model(window: MainWindow, name: str) -> None:
    box = window.sidebar.model.box
    row = next(i for i in range(box.count()) if box.itemText(i).startswith(name))
    box.activated.emit(row)


def wait_for_person(qtbot: QtBot, window: MainWindow, after: Result | None = None) -> Result:
    """The first result with a person that is on the screen, or comes *after* that one."""
    found: list[Result] = []

    def seen() -> bool:
        result = window.view.result
        if result is not None and result is not after and len(result.poses):
            found.append(result)
        return bool(found)

    qtbot.waitUntil(seen, timeout=WAIT_MS)
    return found[0]


# -- model -----------------------------------------------------------------------------------------------------


def test_changing_the_model_does_not_stop_the_camera(qtbot: QtBot, window: MainWindow) -> None:
    indices: list[int] = []
    window.bridge.arrived.connect(lambda result: indices.append(result.frame.index))
    choose_model(window, "second")
    qtbot.waitUntil(lambda: status(window).model == "second", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.result.model == "second", timeout=WAIT_MS)
    assert indices == sorted(set(indices)), "frames came twice or out of order: the source was opened again"
    assert status(window).state == "running"
    qtbot.waitUntil(lambda: window.sidebar.model.box.currentText() == "second", timeout=WAIT_MS)
    assert window.preferences.model == "second"
    qtbot.waitUntil(lambda: window.header.backend.text.endswith("· CPU · FP32"), timeout=WAIT_MS)


def test_a_model_that_fails_keeps_the_old_one_and_says_why(qtbot: QtBot, window: MainWindow) -> None:
    choose_model(window, "truncated")
    qtbot.waitUntil(lambda: "truncated" in window.banner.text and "SHA-256" in window.banner.text, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.sidebar.model.box.currentText() == "first", timeout=WAIT_MS)
    before = window.view.result
    qtbot.waitUntil(lambda: window.view.result is not before, timeout=WAIT_MS)
    assert status(window).model == "first"
    assert window.view.result is not None
    assert window.view.result.model == "first"
    window.banner.dismiss()
    window.bridge.poll()
    assert window.banner.text == "", "a dismissed message must not come back"


@pytest.mark.parametrize(
    ("name", "why"),
    [("keyless", "missing stride"), ("foreign", "got 'vitpose'")],
)
def test_a_broken_model_cannot_be_chosen_and_its_tooltip_says_why(window: MainWindow, name: str, why: str) -> None:
    box = window.sidebar.model.box
    row = box.findText(f"{name} (broken)")
    assert row >= 0
    item = box.model().index(row, 0)
    assert not item.flags() & Qt.ItemFlag.ItemIsEnabled
    assert why in item.data(Qt.ItemDataRole.ToolTipRole)


# -- view ------------------------------------------------------------------------------------------------------


def test_threshold_hides_joints_in_the_picture_and_leaves_the_result_alone(qtbot: QtBot, window: MainWindow) -> None:
    wait_for_person(qtbot, window)
    window.menus.actions["pause"].setChecked(True)
    result = window.view.result
    while result is None or not len(result.poses):  # the very last frame before the pause may have lost the person
        window.menus.actions["pause"].setChecked(False)
        wait_for_person(qtbot, window)
        window.menus.actions["pause"].setChecked(True)
        result = window.view.result
    scores = np.full_like(result.poses.score, 0.6)  # a sure model's may all be 1, which no threshold hides
    result = replace(result, poses=replace(result.poses, score=scores.copy()), smoothed=None)
    window.view.show_result(result)
    pictures: dict[int, ImageArray] = {}
    for value in (1, 100):
        window.sidebar.view.threshold.setValue(value)
        picture = window.view.picture()
        assert picture is not None
        pictures[value] = picture.copy()
    assert window.sidebar.view.value.text() == "1.00"
    drawn = np.abs(pictures[1].astype(int) - pictures[100]).max(axis=2) > 30
    assert drawn.sum() > 100, "joints that the lowest threshold shows must be gone at the highest"
    assert window.view.result is result
    np.testing.assert_array_equal(result.poses.score, scores)
    assert window.preferences.draw.threshold == 1.0


def test_mirror_flips_the_preview_and_not_the_data(window: MainWindow) -> None:
    window.menus.actions["pause"].setChecked(True)
    window.sidebar.view.threshold.setValue(100)
    result, before = window.view.result, window.view.picture()
    assert result is not None
    assert before is not None
    before, frame, xy = before.copy(), result.frame.image.copy(), result.poses.xy.copy()
    window.sidebar.view.mirror.click()
    after = window.view.picture()
    assert after is not None
    # Scaling samples at places that mirror each other up to a part of a pixel.
    assert np.abs(after.astype(int) - before[:, ::-1]).mean() < 2
    assert np.abs(after.astype(int) - before).mean() > 10
    assert window.view.result is result
    np.testing.assert_array_equal(result.frame.image, frame)
    np.testing.assert_array_equal(result.poses.xy, xy)


def test_heatmaps_and_labels_are_drawn(qtbot: QtBot, window: MainWindow) -> None:
    def changed_by(key: Qt.Key) -> int:
        """How many pixels of a picture that stands still *key* changes; a second one takes that back."""
        pictures = []
        for _ in range(2):
            QTest.keyClick(window.view, key)
            picture = window.view.picture()
            assert picture is not None
            pictures.append(picture.astype(int))
        return int((np.abs(pictures[1] - pictures[0]).max(axis=2) > 8).sum())

    result = wait_for_person(qtbot, window)
    assert not result.heatmaps, "they cost time, so they come when they are asked for"
    QTest.keyClick(window.view, Qt.Key.Key_H)
    assert window.sidebar.view.heatmaps.isChecked()
    while not result.heatmaps:
        result = wait_for_person(qtbot, window, result)
    window.menus.actions["pause"].setChecked(True)
    # Sure of everything, so that every joint there is has its name.
    sure = replace(result.poses, score=np.ones_like(result.poses.score))
    window.view.show_result(replace(result, poses=sure, smoothed=None))
    assert changed_by(Qt.Key.Key_H) > 1000
    assert changed_by(Qt.Key.Key_L) > 200
    QTest.keyClick(window.view, Qt.Key.Key_L)
    assert window.view.options.heatmaps
    assert window.view.options.labels
    assert window.menus.actions["labels"].isChecked()


def test_pictures_fill_the_stage_in_device_pixels_and_keep_their_shape(window: MainWindow) -> None:
    picture = window.view.picture()
    assert picture is not None
    ratio = window.view.devicePixelRatioF()
    h, w = picture.shape[:2]
    assert w == int(window.view.width() * ratio) or h == int(window.view.height() * ratio)
    assert w / h == pytest.approx(1280 / 720, rel=0.01)


def test_every_joint_is_listed_with_its_confidence(qtbot: QtBot, window: MainWindow) -> None:
    result = wait_for_person(qtbot, window)
    qtbot.waitUntil(lambda: window.sidebar.joints.scores is not None, timeout=WAIT_MS)
    scores = window.sidebar.joints.scores
    assert scores is not None
    assert scores.shape == (result.poses.skeleton.k,)


def test_pause_holds_the_preview_while_capture_goes_on(qtbot: QtBot, window: MainWindow) -> None:
    window.view.setFocus()
    QTest.keyClick(window.view, Qt.Key.Key_Space)
    assert window.bridge.paused
    held = window.view.result
    drops = status(window).stats.drops["display"]
    qtbot.waitUntil(lambda: status(window).stats.drops["display"] > drops + 2, timeout=WAIT_MS)
    assert window.view.result is held
    QTest.keyClick(window.view, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.view.result is not held, timeout=WAIT_MS)


def test_painted_frames_are_counted(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: status(window).stats.fps["display"] > 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "total" in status(window).stats.ms and "draw" in status(window).stats.ms, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: float(window.header.rate.value.replace("–", "0")) > 1, timeout=WAIT_MS)


def test_full_screen_shows_the_picture_alone_and_brings_everything_back(qtbot: QtBot, window: MainWindow) -> None:
    window.panel.setVisible(True)
    parts = (window.header, window.record_bar, window.sidebar_dock, window.panel, window.menuBar())
    QTest.keyClick(window.view, Qt.Key.Key_F)
    assert window.isFullScreen()
    assert not any(part.isVisible() for part in parts)
    QTest.keyClick(window.view, Qt.Key.Key_M)
    assert window.view.options.mirror, "shortcuts work without the menu bar"
    QTest.keyClick(window.view, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert all(part.isVisible() for part in parts)
    QTest.keyClick(window.view, Qt.Key.Key_C)
    assert not window.sidebar_dock.isVisible()
    assert not window.header.buttons["sidebar"].isChecked()


def test_nothing_is_cut_at_the_smallest_size(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    window = open_window(BusyCamera(free=True))
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.sidebar.source.size_box.isVisible(), timeout=WAIT_MS)
    assert window.minimumSizeHint().width() <= 1024
    assert window.minimumSizeHint().height() <= 640
    assert (window.width(), window.height()) == (1024, 640)
    scroll = window.sidebar.findChild(QScrollArea)
    assert scroll is not None
    body = scroll.widget()
    assert body is not None
    assert body.minimumSizeHint().width() <= scroll.viewport().width()


# -- recording -------------------------------------------------------------------------------------------------


def recorded_frames(folder: Path, name: str) -> int:
    with av.open(str(folder / name)) as container:
        return sum(1 for _ in container.decode(video=0))


def start_recording(qtbot: QtBot, window: MainWindow, frames: int = 5) -> Path:
    QTest.mouseClick(window.record_bar.record, Qt.MouseButton.LeftButton)

    def enough() -> bool:
        recording = status(window).recording
        return recording is not None and recording.active and recording.frames >= frames

    qtbot.waitUntil(enough, timeout=WAIT_MS)
    return Path(status(window).recording.folder)


def test_record_writes_video_and_keypoints_that_the_view_does_not_touch(qtbot: QtBot, window: MainWindow) -> None:
    window.record_bar.clean.setChecked(True)
    window.sidebar.view.threshold.setValue(100)  # hides every joint
    window.sidebar.view.mirror.setChecked(True)
    wait_for_person(qtbot, window)
    people: list[int] = []
    window.bridge.arrived.connect(lambda result: people.append(len(result.poses)))
    folder = start_recording(qtbot, window)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    qtbot.waitUntil(lambda: window.record_bar.record.text().startswith("Stop"), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: any(people), timeout=WAIT_MS)
    QTest.mouseClick(window.record_bar.record, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not status(window).recording.active, timeout=WAIT_MS)
    lines = [json.loads(line) for line in (folder / "keypoints.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [person for line in lines for person in line["people"]]
    assert found, "a threshold of 1 must not keep joints out of the data"
    assert all(len(person["keypoints"]) == 17 for person in found)
    assert recorded_frames(folder, "annotated.mkv") == recorded_frames(folder, "clean.mkv") == len(lines)
    manifest = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    assert manifest["finished"]
    assert manifest["draw"]["mirror"] is False
    qtbot.waitUntil(lambda: window.record_bar.info.full_text().startswith("Saved"), timeout=WAIT_MS)
    assert window.record_bar.open.isVisible()


def test_a_disk_that_gets_full_ends_the_recording_and_the_window_says_so(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start_recording(qtbot, window)
    info = window.record_bar.info
    qtbot.waitUntil(lambda: "dropped" in info.full_text() and "disk lasts" in info.full_text(), timeout=WAIT_MS)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1_000_000))
    qtbot.waitUntil(lambda: "the disk is nearly full (1 MB left)" in window.banner.text, timeout=WAIT_MS)
    assert window.banner.action == "Choose folder…"
    qtbot.waitUntil(lambda: info.full_text().startswith("Saved"), timeout=WAIT_MS)  # what ended it is said once
    qtbot.waitUntil(lambda: not window.record_bar.record.isChecked(), timeout=WAIT_MS)
    assert status(window).state == "running"
    qtbot.waitUntil(lambda: json.loads((folder / "session.json").read_text(encoding="utf-8"))["finished"], timeout=WAIT_MS)
    assert recorded_frames(folder, "annotated.mkv") >= 5


def test_a_folder_that_cannot_be_written_is_said_and_nothing_is_recorded(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    window.recording_actions.set_folder(file / "below")
    QTest.keyClick(window.view, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: "cannot be written" in window.banner.text, timeout=WAIT_MS)
    assert not window.record_bar.record.isChecked()
    assert status(window).recording is None


def test_snapshot_saves_pictures_and_keypoints(qtbot: QtBot, window: MainWindow) -> None:
    QTest.keyClick(window.view, Qt.Key.Key_S)
    qtbot.waitUntil(lambda: window.banner.text.startswith("Snapshot saved"), timeout=WAIT_MS)
    suffixes = sorted(path.suffix for path in window.preferences.folder.iterdir())
    assert suffixes == [".json", ".png", ".png"]


def test_closing_while_recording_finishes_the_files(qtbot: QtBot, window: MainWindow) -> None:
    folder = start_recording(qtbot, window)
    started = time.monotonic()
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
        card = window.view.message
        assert card is not None
        assert card.title == "Finishing the recording…"
    assert time.monotonic() - started < 20  # a second where the machine does nothing else
    assert json.loads((folder / "session.json").read_text(encoding="utf-8"))["finished"]
    assert recorded_frames(folder, "annotated.mkv") >= 5


# -- sources and faults ----------------------------------------------------------------------------------------


class BusyCamera:
    """A camera that another program uses until ``free`` is set."""

    name, live, requested = "Desk camera", True, Mode(1280, 720, 30.0, "MJPG")

    def __init__(self, free: bool = False) -> None:
        self.free = free
        self._figure = SyntheticSource((480, 640))

    def open(self) -> Mode:
        if not self.free:
            raise SourceError("Desk camera: cannot be opened. Close the other program that uses it.")
        return self._figure.open()

    def read(self) -> tuple[ImageArray, float] | None:
        time.sleep(1 / 60)
        item = self._figure.read()
        assert item is not None
        return item[0], time.monotonic()

    def close(self) -> None:
        pass


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


def test_a_remembered_model_that_is_gone_is_said(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    window = open_window(model="gone")
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.bridge.poll()
    assert "'gone'" in window.banner.text
    assert status(window).model == "first"


def test_no_model_at_all_is_said(qtbot: QtBot, open_window: Callable[..., MainWindow], tmp_path: Path) -> None:
    window = open_window(model=None, engines_dir=tmp_path)
    qtbot.waitUntil(lambda: window.view.message is not None and window.view.message.title == "No model to run", timeout=WAIT_MS)
    assert window.bridge.session is None


def test_without_a_camera_the_demo_clip_runs_and_says_so(
    qtbot: QtBot, open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("poseapp.ui.session_controller.list_cameras", list)  # whatever is plugged into this machine
    window = open_window(remembered=True)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    assert window.sidebar.source.box.currentText() == "Demo clip"
    assert "No camera found" in window.banner.text
    assert window.preferences.source is None, "a stand-in is not a choice to remember"


def test_a_camera_plugged_in_later_appears_and_is_offered(
    qtbot: QtBot, open_window: Callable[..., MainWindow], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugged: list[Camera] = []
    monkeypatch.setattr("poseapp.ui.session_controller.list_cameras", lambda: list(plugged))
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


def test_a_camera_is_known_by_its_make_and_then_by_its_place() -> None:
    logitech = SourceChoice("camera", "/dev/video2", "Logitech (2)")
    built_in, first, second = Camera(2, "Built-in", 0, "/dev/video2"), Camera(0, "Logitech (1)"), Camera(4, "Logitech (2)")
    assert find_camera(logitech, [built_in]) is None, "another camera has its place now"
    assert find_camera(logitech, [built_in, first, second]) is second
    alone = Camera(2, "Logitech", 0, "/dev/video2")
    assert find_camera(logitech, [Camera(0, "Built-in"), alone]) is alone, "its twin is gone, and the number with it"


# -- preferences -----------------------------------------------------------------------------------------------


def test_choices_are_remembered(
    qtbot: QtBot,
    open_window: Callable[..., MainWindow],
    make_preferences: Callable[[], Preferences],
    window: MainWindow,
    sample_picture: Path,
) -> None:
    window.source_actions.open_path(sample_picture)
    choose_model(window, "second")
    window.sidebar.view.threshold.setValue(55)
    window.sidebar.view.mirror.setChecked(True)
    window.sidebar.view.labels.setChecked(True)
    window.record_bar.clean.setChecked(True)
    window.view_actions.use_theme("light")
    window.resize(1100, 700)
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    again = open_window(model=None, remembered=True)
    again.view_actions.use_theme("dark")
    qtbot.waitUntil(lambda: again.view.result is not None, timeout=WAIT_MS)
    assert again.sidebar.source.current == SourceChoice.file("picture", sample_picture)
    qtbot.waitUntil(lambda: status(again).model == "second", timeout=WAIT_MS)
    assert again.view.options.threshold == 0.55
    assert again.view.options.mirror
    assert again.sidebar.view.labels.isChecked()
    assert again.record_bar.clean.isChecked()
    assert again.record_bar.record.isEnabled()


@pytest.mark.parametrize(
    ("key", "value"), [("view/threshold", "nan"), ("source/choice", "{"), ("source/mode", "0xax9"), ("window/theme", "pink")]
)
def test_preferences_that_cannot_be_read_count_as_not_there(
    make_preferences: Callable[[], Preferences], key: str, value: str
) -> None:
    preferences = make_preferences()
    preferences._settings.set_value(key, value)
    assert preferences.draw.threshold == 0.3
    assert preferences.source is None
    assert preferences.mode == Mode(1280, 720, 30.0, "MJPG")
    assert preferences.theme == "system"


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


def test_a_signal_closes_the_window_whatever_it_interrupts(qtbot: QtBot, window: MainWindow) -> None:
    session = window.bridge.session
    assert session is not None
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        close_on_signals(window)
        with qtbot.waitSignal(window.closed, timeout=WAIT_MS), session._stats._lock:
            signal.raise_signal(signal.SIGTERM)  # closing asks for the status, which takes this lock
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert window.is_closed


@pytest.mark.parametrize(
    ("address", "offered"),
    [
        ("rtsp//cam/live", "rtsp//cam/live"),  # a slip of the pen, to be mended
        ("rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://cam/hunter2", ""),
        ("rtsp://admin:hunter2@cam/live", ""),
        ("admin:hunter2@cam/live", ""),
    ],
)
def test_an_address_is_offered_again_unless_a_password_may_be_in_it(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch, address: str, offered: str
) -> None:
    requested: list[str] = []
    monkeypatch.setattr(dialogs, "ask_source", lambda _parent, _kind, _start, address: requested.append(address))
    window.controller._tried = SourceChoice("address", address, "an address")
    window.source_actions.open("address")
    assert requested == [offered]
