"""The page of recordings: search, play, delete, and pictures only for what is in sight."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import Loader, MarkerSource
from on_screen import WAIT_MS
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox
from pytestqt.qtbot import QtBot
from recordings import make_recording

from poseapp.ui.jobs import Jobs
from poseapp.ui.main_window import MainWindow
from poseapp.ui.recordings_page import RecordingsPage
from poseapp.ui.theme import Themes

OpenPage = Callable[..., RecordingsPage]


@pytest.fixture
def open_page(qtbot: QtBot, themes: Themes) -> Iterator[OpenPage]:
    """Opens the page on a folder, and waits for its list."""
    jobs = Jobs()

    def open_one(folder: Path, busy: Path | None = None) -> RecordingsPage:
        page = RecordingsPage(folder, jobs, themes.current, busy)
        qtbot.addWidget(page)
        page.resize(page.sizeHint())
        with qtbot.waitSignal(page.listed, timeout=WAIT_MS):
            page.show()
        return page

    yield open_one
    jobs.close()


def names(page: RecordingsPage) -> list[str]:
    items = [page.list.item(row) for row in range(page.list.count())]
    return [item.text().splitlines()[0] for item in items if not item.isHidden()]


def test_search_and_enter_play_by_keys_alone(qtbot: QtBot, open_page: OpenPage, tmp_path: Path) -> None:
    for name in ("Squats left", "Squats right", "Walk"):
        make_recording(tmp_path, frames=3, name=name)
    page = open_page(tmp_path)
    assert sorted(names(page)) == ["Squats left", "Squats right", "Walk"]
    QTest.keyClicks(page.search, "squ right")
    assert names(page) == ["Squats right"]
    assert page.note.text() == "1 of 3 recordings"
    with qtbot.waitSignal(page.play_asked, timeout=WAIT_MS) as asked:
        QTest.keyClick(page.search, Qt.Key.Key_Return)
    assert asked.args == [tmp_path / "Squats right"]


def test_a_double_click_plays(qtbot: QtBot, open_page: OpenPage, tmp_path: Path) -> None:
    folder = make_recording(tmp_path, frames=3)
    page = open_page(tmp_path)
    place = page.list.visualItemRect(page.list.item(0)).center()
    QTest.mouseClick(page.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    with qtbot.waitSignal(page.play_asked, timeout=WAIT_MS) as asked:
        QTest.mouseDClick(page.list.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert asked.args == [folder]


def test_pictures_and_people_come_later(qtbot: QtBot, open_page: OpenPage, tmp_path: Path) -> None:
    make_recording(tmp_path, frames=40, people=2)
    page = open_page(tmp_path)
    blank = page.list.item(0).icon().cacheKey()
    qtbot.waitUntil(lambda: "2 people" in page.list.item(0).text(), timeout=WAIT_MS)
    assert page.list.item(0).icon().cacheKey() != blank
    assert "0:01" in page.list.item(0).text()


def test_of_a_thousand_only_those_in_sight_are_read(qtbot: QtBot, open_page: OpenPage, tmp_path: Path) -> None:
    for n in range(1000):
        folder = tmp_path / f"Take {n:04d}"
        folder.mkdir()
        content = {"schema": 2, "started": f"2026-11-05T10:{n // 60:02d}:{n % 60:02d}+00:00", "seconds": n}
        (folder / "session.json").write_text(json.dumps(content), encoding="utf-8")
    page = open_page(tmp_path)
    assert page.list.count() == 1000
    assert names(page)[0] == "Take 0999"
    qtbot.waitUntil(lambda: 2 < len(page._in_sight()) < 12, timeout=WAIT_MS)
    in_sight = {item.data(Qt.ItemDataRole.UserRole).folder for item in page._in_sight()}
    qtbot.waitUntil(lambda: set(page._previews) >= in_sight, timeout=WAIT_MS)
    page.list.scrollToBottom()
    qtbot.waitUntil(lambda: tmp_path / "Take 0000" in page._previews, timeout=WAIT_MS)
    assert len(page._previews) < 30


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the trash is not at a place that a test can choose")
def test_delete_asks_first_and_moves_to_the_trash(
    qtbot: QtBot, open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # the trash lies in it
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    folder = make_recording(recordings, frames=3, name="Squats")
    page = open_page(recordings)
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    asked: list[str] = []

    def answer(_parent: object, _title: str, text: str, *_more: object) -> QMessageBox.StandardButton:
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr(QMessageBox, "question", answer)
    page.list.setFocus()
    QTest.keyClick(page.list, Qt.Key.Key_Delete)
    assert folder.exists()
    assert "Squats" in asked[0]
    QTest.mouseClick(page.delete, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not folder.exists(), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: page.list.count() == 0, timeout=WAIT_MS)
    assert list(tmp_path.glob("data/Trash/files/Squats/session.json"))


def test_what_cannot_be_moved_to_the_trash_stays(
    qtbot: QtBot, open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_recording(tmp_path, frames=3)
    page = open_page(tmp_path)
    entry = page.entry
    assert entry is not None
    monkeypatch.setattr("poseapp.ui.recordings_page.QFile.moveToTrash", lambda _path: False)
    page.move_to_trash(entry)
    qtbot.waitUntil(lambda: "could not be moved" in page.note.text(), timeout=WAIT_MS)
    assert folder.exists()
    assert page.list.count() == 1


def test_the_recording_that_goes_on_cannot_be_deleted(open_page: OpenPage, tmp_path: Path) -> None:
    folder = make_recording(tmp_path, frames=3)
    page = open_page(tmp_path, busy=folder)
    page.ask_to_delete()
    assert "Stop it first" in page.note.text()


def test_where_nothing_was_recorded_the_page_says_how(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(tmp_path / "recordings")
    assert "no recordings" in page.note.text()
    assert not page.play.isEnabled()


def test_play_after_stop_opens_the_recording_just_made(qtbot: QtBot, open_window: Callable[..., MainWindow]) -> None:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    window.menus.actions["record"].trigger()
    notice = window.saved

    def frames() -> int:
        status = window.bridge.status()
        return status.recording.frames if status is not None and status.recording is not None else 0

    qtbot.waitUntil(lambda: frames() > 5, timeout=WAIT_MS)
    window.menus.actions["record"].trigger()
    qtbot.waitUntil(notice.play.isVisible, timeout=WAIT_MS)
    with qtbot.waitSignal(window.review.opened, timeout=WAIT_MS) as opened:
        QTest.mouseClick(notice.play, Qt.MouseButton.LeftButton)
    assert opened.args is not None
    assert opened.args[0].parent == window.preferences.folder
    qtbot.waitUntil(window.transport.isVisible, timeout=WAIT_MS)
