"""Get more models: the whole way by clicks in a real window, and all that can go wrong on it."""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ready_graphs as ready
from fakes import Loader, MarkerSource
from fitting import controls
from on_screen import WAIT_MS, status
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot
from weights_server import WeightsServer, published_weights, serving

from poseapp.convert.catalogue import CATALOGUE, Entry
from poseapp.convert.download import download
from poseapp.core.errors import ModelError
from poseapp.core.spec import ModelSpec
from poseapp.ui import model_downloads
from poseapp.ui.main_window import MainWindow
from poseapp.ui.model_dialog import ModelDialog
from poseapp.ui.model_downloads import ModelState
from poseapp.ui.model_entry import ModelEntry, choices

NAME, TITLE = "hourglass-1-mpii", "Hourglass 1, 16 joints"
OTHER = "hourglass-2-mpii"
CONVERT_MS = 120_000
OpenWindow = Callable[..., MainWindow]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return published_weights(tmp_path_factory.mktemp("weights") / "weights.pth")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, weights: bytes) -> Iterator[WeightsServer]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with serving(weights) as server:
        yield server


@pytest.fixture
def own_store(store: Path, tmp_path: Path) -> Path:
    """A store of this test's own, with one model."""
    shutil.copytree(store / "first", tmp_path / "store" / "first")
    return tmp_path / "store"


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow, own_store: Path, server: WeightsServer, tmp_path: Path) -> MainWindow:
    """A window with stand-in engines, for which two published models lie on *server*."""
    window = open_window(MarkerSource(), engines_dir=own_store, load=Loader())
    offer(window, tmp_path, server.entry(), server.entry(name=OTHER))
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.message is None, timeout=WAIT_MS)
    return window


def offer(window: MainWindow, tmp_path: Path, *entries: Entry) -> None:
    window.downloads.cache = tmp_path / "cache"
    window.downloads.entries.update({entry.name: entry for entry in entries})


def open_dialog(qtbot: QtBot, window: MainWindow) -> ModelDialog:
    """Open it as users do: by the last line of the drop-down; and wait until it knows what lies on the disk."""
    box = window.sidebar.model.box
    with qtbot.waitSignal(window.downloads.changed, timeout=WAIT_MS):
        box.activated.emit(box.count() - 1)
    assert window.model_actions.dialog is not None
    return window.model_actions.dialog


def click(button: QPushButton, expected: str) -> None:
    assert button.text() == expected
    assert button.isVisible()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def begin(qtbot: QtBot, window: MainWindow, server: WeightsServer) -> ModelEntry:
    """Click on Get, and wait until half of the file has come; the server says nothing after that."""
    server.first = len(server.content) // 2
    card = open_dialog(qtbot, window).entries[NAME]
    click(card.main, "Get")
    qtbot.waitUntil(lambda: window.downloads.state(NAME).done > 1e6, timeout=WAIT_MS)
    return card


def test_a_model_is_downloaded_converted_and_switched_to_by_clicks_while_the_camera_runs(
    qtbot: QtBot, open_window: OpenWindow, own_store: Path, server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    def watched(*arguments: Any) -> Path:
        threads.append(threading.current_thread().name)
        return download(*arguments)

    monkeypatch.setattr(model_downloads, "download", watched)
    window = open_window(engines_dir=own_store)
    offer(window, tmp_path, server.entry())
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.message is None, timeout=WAIT_MS)
    indices: list[int] = []
    window.bridge.arrived.connect(lambda result: indices.append(result.frame.index))
    card = begin(qtbot, window, server)
    assert card.main.text() == "Downloading…"
    assert card.bar.isVisible()
    assert card.bar.maximum() > card.bar.value() > 0
    assert re.fullmatch(r"[1-7] of 15 MB", card.note.text()), card.note.text()
    before = window.view.result
    qtbot.waitUntil(lambda: window.view.result is not before, timeout=WAIT_MS)  # the camera runs meanwhile
    server.go_on.set()
    qtbot.waitUntil(lambda: status(window).model == NAME, timeout=CONVERT_MS)
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.result.model == NAME, timeout=WAIT_MS)
    assert indices == sorted(set(indices)), "frames came twice or out of order: the source was opened again"
    assert threads == ["poseapp-ui-download"]
    qtbot.waitUntil(lambda: card.main.text() == "In use", timeout=WAIT_MS)
    assert not card.main.isEnabled()
    assert not card.second.isVisible(), "the model that runs cannot be removed"
    qtbot.waitUntil(lambda: window.sidebar.model.box.currentText() == TITLE, timeout=WAIT_MS)
    assert window.preferences.model == NAME
    assert window.banner.text == f"{TITLE} is here, and is loaded now."
    spec = ModelSpec.read(own_store / NAME / ModelSpec.FILE)
    assert (spec.input_hw, spec.skeleton.name, spec.mapping) == ((64, 64), "mpii-16", "centre")
    assert list((tmp_path / "cache").iterdir()) == [], "the download is not kept beside the model"


def test_a_cancelled_download_goes_on_where_it_stopped(qtbot: QtBot, window: MainWindow, server: WeightsServer) -> None:
    card = begin(qtbot, window, server)
    click(card.second, "Cancel")
    qtbot.waitUntil(lambda: not window.downloads.running, timeout=WAIT_MS)
    window.downloads.look()
    qtbot.waitUntil(lambda: card.note.text().endswith(" MB are here already."), timeout=WAIT_MS)
    assert not card.bar.isVisible()
    assert window.banner.text == "", "the user cancelled it: nothing has gone wrong"
    click(card.main, "Go on")
    qtbot.waitUntil(lambda: window.downloads.state(NAME).stage == "installed", timeout=CONVERT_MS)
    first, then = server.requested
    assert first is None
    assert then is not None
    assert 1e6 < int(then.removeprefix("bytes=").removesuffix("-")) <= len(server.content) // 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sha256": "0" * 64}, "127.0.0.1 has another file than the published one (the hash differs; it was deleted)."),
        ({"url": "http://127.0.0.1:9/weights.pth"}, "127.0.0.1 cannot be reached."),
    ],
)
def test_what_goes_wrong_is_one_line_with_a_button_to_try_again(
    qtbot: QtBot, window: MainWindow, server: WeightsServer, tmp_path: Path, wrong: dict[str, str], said: str
) -> None:
    offer(window, tmp_path, server.entry(**wrong))
    card = open_dialog(qtbot, window).entries[NAME]
    click(card.main, "Get")
    qtbot.waitUntil(lambda: card.main.text() == "Try again", timeout=WAIT_MS)
    assert card.note.text() == said
    assert card.note.property("role") == "danger"
    assert window.banner.text == "", "it is said once, beside the model"
    assert window.view.message is None
    offer(window, tmp_path, server.entry())
    click(card.main, "Try again")
    qtbot.waitUntil(lambda: window.downloads.state(NAME).stage == "installed", timeout=CONVERT_MS)


def test_a_server_that_goes_in_the_middle_is_said_and_what_came_is_kept(
    qtbot: QtBot, window: MainWindow, server: WeightsServer
) -> None:
    card = begin(qtbot, window, server)
    server.status = 503  # to whoever asks again
    server.hang_up()
    qtbot.waitUntil(lambda: card.main.text() == "Try again", timeout=WAIT_MS)
    assert card.note.text() == "127.0.0.1 says 503 Service Unavailable. What has come is kept."


def test_a_full_disk_is_said(qtbot: QtBot, window: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, _content: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    open_ = Path.open

    def opened(path: Path, *arguments: Any, **more: Any) -> Any:
        file = open_(path, *arguments, **more)
        return Full(file) if path.suffix == ".part" and arguments else file

    monkeypatch.setattr(Path, "open", opened)
    card = open_dialog(qtbot, window).entries[NAME]
    click(card.main, "Get")
    qtbot.waitUntil(lambda: card.main.text() == "Try again", timeout=WAIT_MS)
    assert card.note.text() == (
        f"{tmp_path / 'cache'}: cannot be written (No space left on device). Free some space, or make it writable."
    )


def test_a_file_that_is_no_model_leaves_none_and_says_so(
    qtbot: QtBot, window: MainWindow, server: WeightsServer, own_store: Path, tmp_path: Path
) -> None:
    server.content = b"not weights, whatever their hash"
    offer(window, tmp_path, server.entry())
    card = open_dialog(qtbot, window).entries[NAME]
    click(card.main, "Get")
    qtbot.waitUntil(lambda: card.main.text() == "Try again", timeout=CONVERT_MS)
    assert card.note.text()
    assert "\n" not in card.note.text()
    assert [path.name for path in own_store.iterdir()] == ["first"]


def test_closing_the_window_in_the_middle_stops_the_download_and_keeps_what_came(
    qtbot: QtBot, window: MainWindow, server: WeightsServer, tmp_path: Path
) -> None:
    begin(qtbot, window, server)
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    assert window.model_actions.dialog is None
    qtbot.waitUntil(lambda: all(one.name != "poseapp-ui-download" for one in threading.enumerate()), timeout=WAIT_MS)
    (part,) = (tmp_path / "cache").glob("*.part")
    assert part.stat().st_size > 1e6
    assert not window.downloads.running


def test_one_is_downloaded_at_a_time_and_the_next_one_waits(qtbot: QtBot, window: MainWindow, server: WeightsServer) -> None:
    card = begin(qtbot, window, server)
    assert window.model_actions.dialog is not None
    other = window.model_actions.dialog.entries[OTHER]
    click(other.main, "Get")
    assert other.main.text() == "Waiting…"
    assert len(server.requested) == 1
    click(other.second, "Cancel")
    assert other.main.text() == "Get"
    click(other.main, "Get")
    click(card.second, "Cancel")
    qtbot.waitUntil(lambda: other.main.text() == "Downloading…", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: len(server.requested) == 2, timeout=WAIT_MS)
    assert card.main.text() in ("Get", "Go on")
    click(other.second, "Cancel")
    qtbot.waitUntil(lambda: not window.downloads.running, timeout=WAIT_MS)


def test_the_download_goes_on_when_the_dialog_is_closed_and_a_failure_is_said_with_a_button(
    qtbot: QtBot, window: MainWindow, server: WeightsServer
) -> None:
    begin(qtbot, window, server)
    assert window.model_actions.dialog is not None
    window.model_actions.dialog.reject()
    assert window.banner.text.startswith("The download goes on.")
    server.status = 404
    server.hang_up()
    qtbot.waitUntil(lambda: window.banner.action == "Try again", timeout=WAIT_MS)
    assert window.banner.text == f"{TITLE}: 127.0.0.1 says 404 Not Found. What has come is kept."
    asked = len(server.requested)
    QTest.mouseClick(window.banner.buttons[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(server.requested) > asked, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: not window.downloads.running, timeout=WAIT_MS)


def test_who_has_no_model_gets_one_from_the_card_and_the_picture_comes(
    qtbot: QtBot, open_window: OpenWindow, server: WeightsServer, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    window = open_window(MarkerSource(), model=None, engines_dir=tmp_path / "empty", load=Loader())
    offer(window, tmp_path, server.entry())
    qtbot.waitUntil(lambda: window.view.message is not None and window.view.message.title == "No model to run", timeout=WAIT_MS)
    assert window.bridge.session is None
    with qtbot.waitSignal(window.downloads.changed, timeout=WAIT_MS):
        window.view.action.emit("get_models")
    assert window.model_actions.dialog is not None
    click(window.model_actions.dialog.entries[NAME].main, "Get")
    qtbot.waitUntil(lambda: window.view.result is not None and window.view.message is None, timeout=CONVERT_MS)


def test_an_own_model_is_removed_after_a_second_click_elsewhere(
    qtbot: QtBot, window: MainWindow, own_store: Path, store: Path
) -> None:
    shutil.copytree(store / "second", own_store / NAME)
    card = open_dialog(qtbot, window).entries[NAME]
    qtbot.waitUntil(lambda: card.main.text() == "Use", timeout=WAIT_MS)
    click(card.second, "Remove")
    click(card.second, "Keep")  # a double click does not remove
    click(card.second, "Remove")
    click(card.main, "Remove it")
    qtbot.waitUntil(lambda: card.main.text() == "Get", timeout=WAIT_MS)
    assert [path.name for path in own_store.iterdir()] == ["first"]
    box = window.sidebar.model.box
    qtbot.waitUntil(lambda: box.findText(TITLE) < 0, timeout=WAIT_MS)


def test_an_installed_model_is_used_by_a_click(qtbot: QtBot, window: MainWindow, own_store: Path, store: Path) -> None:
    shutil.copytree(store / "second", own_store / NAME)
    card = open_dialog(qtbot, window).entries[NAME]
    qtbot.waitUntil(lambda: card.main.text() == "Use", timeout=WAIT_MS)
    click(card.main, "Use")
    assert card.main.text() == "In use"
    assert window.controller.folder == own_store / NAME
    qtbot.waitUntil(lambda: status(window).model_request.folder == own_store / NAME, timeout=WAIT_MS)


def test_a_graph_that_is_ready_to_run_comes_the_same_way(
    qtbot: QtBot, window: MainWindow, server: WeightsServer, own_store: Path, tmp_path: Path
) -> None:
    server.content = ready.rtmpose_archive(joints=26, input_hw=(128, 96))
    name = "rtmpose-m-feet-256x192"
    digest = hashlib.sha256(server.content).hexdigest()
    offer(window, tmp_path, replace(CATALOGUE[name], url=f"{server.url}.zip", sha256=digest))
    card = open_dialog(qtbot, window).entries[name]
    click(card.main, "Get")
    qtbot.waitUntil(lambda: status(window).model_request.folder == own_store / name, timeout=CONVERT_MS)
    spec = ModelSpec.read(own_store / name / ModelSpec.FILE)
    assert (spec.family, spec.skeleton.name, spec.source.licence) == ("rtmpose", "coco-23", "Apache-2.0")
    qtbot.waitUntil(lambda: card.main.text() == "In use", timeout=WAIT_MS)


def test_a_damaged_model_says_why_and_is_replaced(qtbot: QtBot, window: MainWindow, own_store: Path, store: Path) -> None:
    shutil.copytree(store / "keyless", own_store / NAME)
    card = open_dialog(qtbot, window).entries[NAME]
    qtbot.waitUntil(lambda: card.main.text() == "Get again", timeout=WAIT_MS)
    assert "missing stride" in card.note.text()
    click(card.main, "Get again")
    qtbot.waitUntil(lambda: window.downloads.state(NAME).stage == "installed", timeout=CONVERT_MS)
    assert ModelSpec.read(own_store / NAME / ModelSpec.FILE).skeleton.name == "mpii-16"


def test_the_dialog_is_reached_and_heard_by_the_keyboard(qtbot: QtBot, window: MainWindow) -> None:
    assert "Get more models…" in [entry.text() for entry in window.menus.by_title["Model"].actions()]
    window.menus.actions["get_models"].trigger()
    dialog = window.model_actions.dialog
    assert dialog is not None
    names: list[str] = []
    for widget in controls(dialog):
        heard = QAccessible.queryAccessibleInterface(widget)
        names.append(heard.text(QAccessible.Text.Name))
        assert heard.text(QAccessible.Text.Description), names[-1]
        if widget.isEnabled():
            assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, names[-1]
    assert len(set(names)) == len(names)
    assert f"Get {TITLE}" in names
    last, shown = list(dialog.entries.values())[-1].main, dialog.column.viewport()
    close = next(button for button in dialog.findChildren(QPushButton) if button.text() == "Close")
    qtbot.waitUntil(lambda: QApplication.activeWindow() is dialog, timeout=WAIT_MS)
    close.setFocus()
    QTest.keyClick(close, Qt.Key.Key_Backtab)
    assert dialog.focusWidget() is last
    place = QRect(last.mapTo(shown, QPoint(0, 0)), last.size())
    assert shown.rect().contains(place), "the list scrolls to what has the focus"
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert window.model_actions.dialog is None


@pytest.mark.parametrize("stage", ["waiting", "downloading", "installed", "broken", "absent", "failed"])
def test_a_double_click_undoes_nothing(stage: Any) -> None:
    """What a click brings under the pointer is not its opposite."""
    opposite = {"get": "cancel", "cancel": "get", "use": "remove", "ask": "remove"}
    state = ModelState(stage=stage, own=True)
    for button, choice in enumerate(choices(state, False, False)):
        if choice is None or not choice.request:
            continue
        then = ModelState(stage={"get": "waiting", "cancel": "absent"}.get(choice.request, stage), own=True)
        after = choices(then, choice.request == "use", choice.request == "ask")[button]
        assert after is None or after.request != opposite[choice.request]


def test_a_removal_that_fails_is_said(qtbot: QtBot, window: MainWindow, own_store: Path, store: Path, monkeypatch: Any) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("It is open. Choose another model first, and try again.")

    monkeypatch.setattr(model_downloads, "remove", refuse)
    shutil.copytree(store / "second", own_store / NAME)
    card = open_dialog(qtbot, window).entries[NAME]
    qtbot.waitUntil(lambda: card.main.text() == "Use", timeout=WAIT_MS)
    click(card.second, "Remove")
    click(card.main, "Remove it")
    qtbot.waitUntil(lambda: card.note.text().startswith("It is open."), timeout=WAIT_MS)
    assert card.main.text() == "Use"
