"""Outputs in the window: switches, lights, addresses, what is remembered, and commands of receivers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import Loader, MarkerSource
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from websockets.sync.client import connect

from poseapp.core.errors import OutputError
from poseapp.live.outputs import OUTPUTS, parse_output
from poseapp.ui.main_window import MainWindow
from poseapp.ui.output_actions import chosen_outputs
from poseapp.ui.output_controls import TITLE, OutputControls
from poseapp.ui.preferences import Preferences

WAIT_MS = 30_000
OpenWindow = Callable[..., MainWindow]


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20)
        yield receiver


def address(kind: str, receiver: socket.socket) -> str:
    return f"{kind}://127.0.0.1:{receiver.getsockname()[1]}"


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def type_address(window: MainWindow, kind: str, text: str) -> None:
    """Replace the address of *kind* by *text*, and press Enter."""
    edit = window.sidebar.outputs.rows[kind].address
    edit.selectAll()
    QTest.keyClicks(edit, text)
    QTest.keyClick(edit, Qt.Key.Key_Return)


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow) -> MainWindow:
    window = open_window(MarkerSource(), load=Loader())
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    return window


def test_by_keys_an_output_goes_on_shows_its_light_and_goes_off(
    qtbot: QtBot, window: MainWindow, receiver: socket.socket
) -> None:
    window.activateWindow()
    QTest.keyClick(window, Qt.Key.Key_L, Qt.KeyboardModifier.ShiftModifier)
    controls = window.sidebar.outputs
    row = controls.rows["udp"]
    assert controls.is_open
    assert row.address.isHidden() or not row.address.isVisible()
    row.restore(address("udp", receiver), False)
    row.switch.setFocus()
    QTest.keyClick(row.switch, Qt.Key.Key_Space)
    assert row.address.isVisible()
    line = json.loads(receiver.recv(1 << 16))
    while "people" not in line:
        line = json.loads(receiver.recv(1 << 16))
    assert line["people"][0]["id"] == 1
    qtbot.waitUntil(lambda: row.light.toolTip() == "UDP with JSON: Live", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: controls.button.text() == f"{TITLE}: 1 LIVE", timeout=WAIT_MS)
    assert "dropped" in row.figures.full_text()
    assert not row.figures.full_text().startswith("Live · 0 frames")
    QTest.keyClick(row.switch, Qt.Key.Key_Space)
    assert window.output_actions.outputs.status() == ()
    assert (row.light.toolTip(), controls.button.text()) == ("UDP with JSON: Off", TITLE)


def test_an_address_is_taken_with_enter_and_a_wrong_one_changes_nothing(
    qtbot: QtBot, window: MainWindow, receiver: socket.socket
) -> None:
    row = window.sidebar.outputs.rows["osc"]
    row.switch.setChecked(True)
    type_address(window, "osc", "osc://host:99999")
    assert "expected a host and a port" in row.message.text()
    assert [str(status.address) for status in window.output_actions.outputs.status()] == [OUTPUTS["osc"].default]
    type_address(window, "osc", "udp://127.0.0.1:9001")
    assert "expected an address such as osc://" in row.message.text()
    type_address(window, "osc", address("osc", receiver))
    assert receiver.recv(1 << 16).startswith(b"#bundle\0")
    assert row.address.text() == address("osc", receiver)


def test_what_is_wrong_is_said_in_the_row(qtbot: QtBot, window: MainWindow) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        row = window.sidebar.outputs.rows["ws"]
        row.restore(f"ws://127.0.0.1:{port}", False)
        row.switch.setChecked(True)
        qtbot.waitUntil(lambda: f"port {port} is in use" in row.message.text(), timeout=WAIT_MS)
        assert row.light.toolTip().endswith("Failed")
        assert row.message.property("role") == "danger"


def test_outputs_are_remembered_but_not_those_for_other_machines(
    qtbot: QtBot,
    open_window: OpenWindow,
    make_preferences: Callable[[], Preferences],
    receiver: socket.socket,
    settings_file: Path,
) -> None:
    first = open_window(MarkerSource(), load=Loader())
    for kind, text in (("udp", address("udp", receiver)), ("ws", f"ws://0.0.0.0:{free_port()}")):
        first.sidebar.outputs.rows[kind].restore(text, False)
        first.sidebar.outputs.rows[kind].switch.setChecked(True)
    assert set(first.preferences.outputs_on) == {"udp", "ws"}
    token = first.output_actions.outputs.token
    with qtbot.waitSignal(first.closed, timeout=WAIT_MS):
        first.close()
    assert token not in settings_file.read_text(encoding="utf-8")
    second = open_window(MarkerSource(), load=Loader())
    assert [str(one.address) for one in second.output_actions.outputs.status()] == [address("udp", receiver)]
    assert second.sidebar.outputs.rows["ws"].text.startswith("ws://0.0.0.0:")
    assert second.output_actions.outputs.token != token


def test_outputs_of_the_command_line_are_on_for_this_time_alone(window: MainWindow, receiver: socket.socket) -> None:
    window.output_actions.give([parse_output(address("osc", receiver))])
    assert receiver.recv(1 << 16)
    assert window.sidebar.outputs.is_open
    assert not list(window.preferences.outputs_on)
    window.sidebar.outputs.rows["udp"].switch.setChecked(True)
    assert list(window.preferences.outputs_on) == ["udp"]
    assert window.preferences.output_addresses["osc"] == OUTPUTS["osc"].default


def test_two_outputs_of_a_kind_are_for_a_run_without_a_window() -> None:
    assert [address.kind for address in chosen_outputs(["osc", "udp"])] == ["osc", "udp"]
    with pytest.raises(OutputError, match="one output of each kind"):
        chosen_outputs(["osc", "osc://stage.local"])


def test_a_program_far_away_begins_and_finishes_a_recording(qtbot: QtBot, window: MainWindow) -> None:
    port = free_port()
    row = window.sidebar.outputs.rows["ws"]
    row.restore(f"ws://127.0.0.1:{port}", False)
    row.switch.setChecked(True)
    qtbot.waitUntil(lambda: row.message.text() == "No client yet.", timeout=WAIT_MS)
    with connect(f"ws://127.0.0.1:{port}/ws") as client:

        def answer(command: dict[str, str], key: str) -> dict[str, object]:
            """What the server says with *key* once *command* was sent, while the window works."""
            if command:
                client.send(json.dumps(command))
            found: list[dict[str, object]] = []

            def look() -> bool:
                try:
                    message = json.loads(client.recv(timeout=0))
                except TimeoutError:
                    return False
                if key in message:
                    found.append(message)
                return bool(found)

            qtbot.waitUntil(look, timeout=WAIT_MS)
            return found[0]

        assert answer({"command": "stop"}, "ok")["error"] == "Nothing is recorded now."
        assert answer({"command": "start", "name": "Squats #knee"}, "ok") == {"command": "start", "ok": True}
        status = window.bridge.status()
        assert status is not None
        assert status.recording is not None
        folder = status.recording.folder
        assert folder.name.endswith("Squats")
        assert answer({"command": "start"}, "ok")["error"] == "A recording runs already."
        assert answer({"command": "toggle"}, "ok")["ok"] is True
    manifest = folder / "session.json"
    qtbot.waitUntil(lambda: json.loads(manifest.read_text(encoding="utf-8")).get("finished"), timeout=WAIT_MS)
    assert json.loads(manifest.read_text(encoding="utf-8"))["tags"] == ["knee"]


def test_the_address_of_the_page_is_copied_with_its_token(window: MainWindow) -> None:
    row = window.sidebar.outputs.rows["ws"]
    row.restore("ws://0.0.0.0:8765", False)
    window.sidebar.outputs.copy.click()
    token = window.output_actions.outputs.token
    assert QGuiApplication.clipboard().text() == f"http://127.0.0.1:8765/#token={token}"


def test_outputs_draw_and_count_what_the_window_draws_and_counts(window: MainWindow) -> None:
    settings = window.output_actions.outputs.settings
    window.sidebar.view.step_threshold(0.1)
    assert settings.draw.threshold == pytest.approx(window.view.options.threshold)
    window.menus.actions["mirror"].setChecked(True)
    assert not settings.draw.mirror
    exercise = window.sidebar.measure.exercise
    exercise.setCurrentIndex(1)
    exercise.activated.emit(1)
    assert settings.exercise is exercise.itemData(1)
    count = settings.count_number
    window.sidebar.measure.again.click()
    assert settings.count_number == count + 1


def test_each_output_has_a_row(qtbot: QtBot) -> None:
    controls = OutputControls()
    qtbot.addWidget(controls)
    assert list(controls.rows) == list(OUTPUTS)
    assert controls.chosen() == ()
    assert all(part in controls.in_order() for row in controls.rows.values() for part in (row.switch, row.address))


def test_a_preset_has_the_outputs_that_are_on_and_sets_them(window: MainWindow, receiver: socket.socket) -> None:
    rows = window.sidebar.outputs.rows
    rows["udp"].restore(address("udp", receiver), False)
    rows["udp"].switch.setChecked(True)
    preset = window.preset_actions.present("Stage")
    assert preset.outputs == (address("udp", receiver),)
    rows["udp"].switch.setChecked(False)
    rows["osc"].switch.setChecked(True)
    window.preset_actions.use(preset)
    assert [str(one.address) for one in window.output_actions.outputs.status()] == [address("udp", receiver)]
    assert list(window.preferences.outputs_on) == ["udp"]
