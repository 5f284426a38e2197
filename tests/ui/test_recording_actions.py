"""Recording and snapshots from the window: files, full disks, folders, closing."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
from on_screen import WAIT_MS, status, wait_for_person
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poseapp.ui import dialogs, recording_actions
from poseapp.ui.main_window import MainWindow


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
    manifest = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    assert manifest["finished"]
    assert recorded_frames(folder, "annotated.mkv") == len(lines) == manifest["counts"]["written"]
    assert recorded_frames(folder, "clean.mkv") == manifest["counts"]["clean_written"] >= len(lines)
    assert manifest["settings"][0]["draw"]["mirror"] is False
    qtbot.waitUntil(lambda: window.record_bar.info.full_text().startswith("Saved"), timeout=WAIT_MS)
    assert window.record_bar.open.isVisible()


def test_a_disk_that_gets_full_ends_the_recording_and_the_window_says_so(
    qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = start_recording(qtbot, window)
    info = window.record_bar.info
    qtbot.waitUntil(lambda: "captured" in info.full_text() and "disk lasts" in info.full_text(), timeout=WAIT_MS)
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


def finished_recording(qtbot: QtBot, window: MainWindow) -> Path:
    folder = start_recording(qtbot, window)
    QTest.mouseClick(window.record_bar.record, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(window.saved.isVisible, timeout=WAIT_MS)
    return folder


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "session.json").read_text(encoding="utf-8"))
    return content


def test_a_name_and_tags_may_be_given_before(qtbot: QtBot, window: MainWindow) -> None:
    window.record_bar.name.setText("Squats left #knee #week2")
    folder = finished_recording(qtbot, window)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d Squats left", folder.name)
    content = manifest_of(folder)
    assert (content["name"], content["tags"]) == ("Squats left", ["knee", "week2"])
    assert folder.name in window.saved.text.full_text()
    counts = content["counts"]
    told = [f"{counts[key]} {key}" for key in ("captured", "analysed", "written", "lost")]
    assert window.saved.counts.full_text() == " · ".join(told)


def test_a_recording_is_renamed_after_stop(qtbot: QtBot, window: MainWindow) -> None:
    folder = finished_recording(qtbot, window)
    QTest.mouseClick(window.saved.rename, Qt.MouseButton.LeftButton)
    assert window.saved.name.isVisible()
    window.saved.name.setText("")
    QTest.keyClicks(window.saved.name, "Sit to stand #chair")
    QTest.keyClick(window.saved.name, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: not folder.exists() and window.saved.text.isVisible(), timeout=WAIT_MS)
    (renamed,) = folder.parent.iterdir()
    assert renamed.name == f"{folder.name[:10]} Sit to stand"
    assert manifest_of(renamed)["tags"] == ["chair"]
    assert recorded_frames(renamed, "annotated.mkv") >= 5
    shown: list[object] = []
    window.saved.show_asked.disconnect()
    window.record_bar.open_asked.disconnect()
    window.saved.show_asked.connect(shown.append)
    window.record_bar.open_asked.connect(shown.append)
    QTest.mouseClick(window.saved.show_folder, Qt.MouseButton.LeftButton)
    qtbot.wait(400)  # the bar asks the session again, which knows the first name only
    QTest.mouseClick(window.record_bar.open, Qt.MouseButton.LeftButton)
    assert shown == [renamed, renamed]


def test_play_shows_the_recording_and_takes_the_notice_off_the_picture(qtbot: QtBot, window: MainWindow) -> None:
    folder = finished_recording(qtbot, window)
    QTest.mouseClick(window.saved.play, Qt.MouseButton.LeftButton)
    assert window.saved.isHidden()
    qtbot.waitUntil(lambda: window.review.player is not None, timeout=WAIT_MS)
    assert folder.name in window.windowTitle()
    qtbot.wait(400)  # the bar asks the session again, which still knows the recording
    assert window.saved.isHidden()


def test_discard_moves_the_recording_to_the_trash(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(dialogs, "ask_delete", lambda *_: pytest.fail("there is a trash"))
    folder = finished_recording(qtbot, window)
    QTest.mouseClick(window.saved.discard, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(window.saved.isHidden, timeout=WAIT_MS)
    assert not folder.exists()
    qtbot.waitUntil(lambda: not window.record_bar.open.isVisible(), timeout=WAIT_MS)
    assert "Recordings go to" in window.record_bar.info.full_text()


@pytest.mark.parametrize("sure", [True, False])
def test_without_a_trash_discard_asks_before_it_deletes(
    sure: bool, qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    monkeypatch.setattr(recording_actions, "to_trash", lambda _folder: False)

    def ask(_parent: object, folder: Path) -> bool:
        asked.append(folder)
        return sure

    monkeypatch.setattr(dialogs, "ask_delete", ask)
    folder = finished_recording(qtbot, window)
    QTest.mouseClick(window.saved.discard, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: asked == [folder], timeout=WAIT_MS)
    if sure:
        qtbot.waitUntil(window.saved.isHidden, timeout=WAIT_MS)
    assert folder.exists() is not sure
    assert window.saved.isVisible() is not sure


def test_the_notice_about_a_recording_can_be_closed_and_goes_with_the_next_one(qtbot: QtBot, window: MainWindow) -> None:
    finished_recording(qtbot, window)
    QTest.mouseClick(window.saved.close_button, Qt.MouseButton.LeftButton)
    qtbot.wait(400)
    assert window.saved.isHidden(), "said once"
    second = finished_recording(qtbot, window)
    assert window.saved.folder == second
    start_recording(qtbot, window)
    qtbot.waitUntil(window.saved.isHidden, timeout=WAIT_MS)


def test_a_change_of_drawing_reaches_the_recording_with_its_frame(qtbot: QtBot, window: MainWindow) -> None:
    folder = start_recording(qtbot, window)
    before = status(window).recording.frames
    window.sidebar.view.threshold.setValue(80)
    qtbot.waitUntil(lambda: status(window).recording.frames > before + 3, timeout=WAIT_MS)
    QTest.mouseClick(window.record_bar.record, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not status(window).recording.active, timeout=WAIT_MS)
    settings = manifest_of(folder)["settings"]
    first = json.loads((folder / "keypoints.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert settings[0]["from_frame"] == first["frame"] < settings[-1]["from_frame"]
    assert settings[-1]["draw"]["threshold"] == pytest.approx(0.8)
