"""The settings file: plain values alone, whole or put aside, the owner's, and without secrets."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from on_screen import choose_model, status
from pytestqt.qtbot import QtBot

from poseapp.live.sources import DEFAULT_MODE, Mode
from poseapp.pipeline.modes import PoseSettings
from poseapp.ui import key_store
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.settings_file import MOST_BYTES, SettingsFile, Value, take_over
from poseapp.ui.source_choice import SYNTHETIC, SourceChoice

SECRET = SourceChoice("address", "rtsp://admin:hunter2@cam/live", "rtsp://cam/live")
WAIT_MS = 30_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.json"


def test_what_is_set_is_there_at_the_next_start(path: Path) -> None:
    settings = SettingsFile(path)
    values: dict[str, Value] = {"a": "text", "b": True, "c": 3, "d": 0.5}
    for key, value in values.items():
        settings.set_value(key, value)
    settings.save()
    again = SettingsFile(path)
    assert {key: again.value(key) for key in values} == values
    assert again.problem == ""
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_the_file_is_the_owners_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("{}")
    path.chmod(0o644)
    settings = SettingsFile(path)
    settings.set_value("a", 1)
    settings.save()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_windows_keep_each_others_settings(path: Path) -> None:
    one, two = SettingsFile(path), SettingsFile(path)
    one.set_value("a", 1)
    one.save()
    two.set_value("b", 2)
    two.save()
    assert (SettingsFile(path).value("a"), SettingsFile(path).value("b")) == (1, 2)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff\xfe{}", b'{"a": 1}}', b"[" * 100_000, b'{"a": ' * 50_000,
        b" " * (MOST_BYTES + 1), b"9" * 5000,
    ],
    ids=["empty", "cut", "list", "null", "not UTF-8", "more behind", "deep", "deep objects", "huge", "huge number"],
)  # fmt: skip
def test_a_damaged_file_is_kept_aside_and_said_in_one_line(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    preferences = Preferences(path)
    assert preferences.problem.startswith(f"{path}: is ")
    assert preferences.problem.endswith("The default settings are used; the old file is kept as settings.json.broken.")
    assert "\n" not in preferences.problem
    assert path.with_name("settings.json.broken").read_bytes() == content
    assert preferences.theme == "system"
    preferences.theme = "dark"
    preferences.save()
    again = Preferences(path)
    assert (again.theme, again.problem) == ("dark", "")


def test_a_file_that_cannot_be_read_or_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "settings.json").mkdir()
    preferences = Preferences(tmp_path / "settings.json")
    assert "cannot be read" in preferences.problem
    preferences.theme = "dark"
    preferences.save()
    assert preferences.theme == "dark"


HOSTILE: list[Any] = [
    "\x00",
    "x" * 40_000,
    "@Invalid()",
    "@Variant(\\0)",
    "ff" * 20_000,
    "zz",
    {"a": 1},
    [1],
    None,
    1e400,
    -1,
    2**70,
    True,
]
KEYS = ["window/geometry", "window/state", "window/panel", "window/theme", "source/choice", "source/mode", "model/name",
        "model/device", "model/precision", "people/mode", "people/way", "people/smoothing", "people/budget_ms", "view/threshold",
        "view/labels", "recording/folder", "recording/clean_video", "source/last_folder"]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
def test_no_value_can_break_a_start(path: Path, value: Any) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps(dict.fromkeys(KEYS, value)))
    preferences = Preferences(path)
    assert preferences.problem == ""
    assert preferences.geometry.size() <= 20_000
    assert preferences.mode == DEFAULT_MODE
    assert preferences.source is None
    assert preferences.theme == "system"
    assert (preferences.device, preferences.precision) == ("auto", "auto")
    assert 0 <= preferences.draw.threshold <= 1
    assert "\x00" not in str(preferences.folder)
    assert 0 < preferences.pose_settings.latency_budget_ms < float("inf")


@pytest.mark.parametrize("choice", ["[" * 5000, '{"kind": []}', '{"kind": "video", "value": "\\u0000", "label": ""}',
                                    json.dumps({"kind": "video", "value": "x" * 5000, "label": ""})])  # fmt: skip
def test_a_remembered_source_that_makes_no_sense_is_none(choice: str) -> None:
    assert SourceChoice.from_text(choice) is None


@pytest.mark.parametrize("mode", ["99999x99999x30", "1280x720xinf", "1280x720xnan", "-1x720x30", "9" * 5000 + "x1x1"])
def test_a_camera_is_asked_for_sizes_that_exist(path: Path, mode: str) -> None:
    preferences = Preferences(path)
    preferences._settings.set_value("source/mode", mode)
    assert preferences.mode == DEFAULT_MODE
    preferences.mode = Mode(1920, 1080, 60.0)
    assert preferences.mode == Mode(1920, 1080, 60.0, DEFAULT_MODE.codec)


def test_the_mode_is_read_under_its_old_name_and_written_under_its_new_one(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"people/way": "top-down"}')
    preferences = Preferences(path)
    assert preferences.pose_settings.mode == "top-down"
    preferences.pose_settings = PoseSettings("bottom-up")
    preferences.save()
    assert json.loads(path.read_text())["people/mode"] == "bottom-up"
    assert Preferences(path).pose_settings.mode == "bottom-up"


# -- the file of Qt ---------------------------------------------------------------------------------------------------


def test_what_is_harmless_in_the_old_file_is_taken_over_and_nothing_is_unpickled(path: Path) -> None:
    ran = path.parent / "ran"
    old = path.with_name("poseapp.conf")
    path.parent.mkdir()
    pickled = "@Variant(\\0\\0\\0\\x7f\\0\\0\\0\\xePyQt_PyObject\\0cposix\\nsystem\\n(S'touch " + str(ran) + "'\\ntR.)"
    old.write_text(
        f"[window]\ntheme=dark\npanel=true\ngeometry={pickled}\n[model]\nname=hourglass-t\n[view]\nthreshold=0.55\n"
        '[source]\nchoice="{\\"kind\\": \\"address\\", \\"value\\": \\"rtsp://admin:hunter2@cam/live\\"}"\nmode=640x480x30\n'
    )
    take_over(old, path)
    preferences = Preferences(path)
    assert (preferences.theme, preferences.panel_open, preferences.model) == ("dark", True, "hourglass-t")
    assert preferences.draw.threshold == 0.55
    assert (preferences.mode.width, preferences.mode.height) == (640, 480)
    assert preferences.geometry.isEmpty()
    assert not ran.exists()
    assert [*path.parent.iterdir()] == [path], "the old file may hold a password"
    assert "hunter2" not in path.read_text()


def test_the_new_file_wins_over_the_old_one(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"window/theme": "light"}')
    path.with_name("poseapp.conf").write_text("[window]\ntheme=dark\n")
    take_over(path.with_name("poseapp.conf"), path)
    assert Preferences(path).theme == "light"


# -- secrets ----------------------------------------------------------------------------------------------------------


class KeyStore:
    """A system's key store."""

    priority = 5.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def set_password(self, service: str, name: str, secret: str) -> None:
        self.kept[service, name] = secret

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture
def key_vault(monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    store = KeyStore()
    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_keyring=lambda: store))
    return store


def test_the_key_store_keeps_one_address(key_vault: KeyStore) -> None:
    assert key_store.recall() is None
    key_store.keep(SECRET.value)
    assert key_store.recall() == SECRET.value
    key_store.forget()
    key_store.forget()
    assert key_store.recall() is None


@pytest.mark.parametrize("priority", [0.5, -1])
def test_a_store_in_plain_text_is_none(key_vault: KeyStore, priority: float) -> None:
    key_vault.priority = priority
    key_store.keep(SECRET.value)
    assert key_vault.kept == {}


def test_without_a_store_nothing_is_kept_and_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    key_store.keep(SECRET.value)
    assert key_store.recall() is None


def test_only_addresses_without_secrets_are_in_the_file(path: Path) -> None:
    preferences = Preferences(path)
    preferences.source = SECRET
    preferences.save()
    assert "hunter2" not in path.read_text()
    assert Preferences(path).source == SourceChoice("address", "", "rtsp://cam/live")
    open_one = SourceChoice("address", "rtsp://cam/live", "rtsp://cam/live")
    preferences.source = open_one
    preferences.save()
    assert Preferences(path).source == open_one


def said(window: MainWindow) -> str:
    """What the notice and the card over the picture say."""
    card = window.view.message
    return window.banner.text + (f"{card.title} {card.text}" if card is not None else "")


def test_an_address_with_a_password_comes_back_from_the_key_store(
    qtbot: QtBot,
    open_window: Callable[..., MainWindow],
    window: MainWindow,
    key_vault: KeyStore,
    settings_file: Path,
) -> None:
    secret = SourceChoice("address", "http://admin:hunter2@127.0.0.1:9/live", "http://127.0.0.1:9/live")
    window.controller.choose(secret)
    qtbot.waitUntil(lambda: bool(key_vault.kept), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: "127.0.0.1:9" in said(window), timeout=WAIT_MS)
    for text in (window.windowTitle(), said(window), window.sidebar.source.box.currentText()):
        assert "hunter2" not in text
        assert "127.0.0.1:9" in text
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    assert "hunter2" not in settings_file.read_text()
    again = open_window(remembered=True)
    qtbot.waitUntil(lambda: "127.0.0.1:9" in again.windowTitle(), timeout=WAIT_MS)
    assert again.bridge.session is not None
    qtbot.waitUntil(lambda: again.bridge.session is not None and again.bridge.status() is not None, timeout=WAIT_MS)
    again.controller.choose(SYNTHETIC)
    qtbot.waitUntil(lambda: not key_vault.kept, timeout=WAIT_MS)


def test_without_a_key_store_the_address_is_asked_for_again(
    qtbot: QtBot, open_window: Callable[..., MainWindow], settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr("poseapp.ui.startup.list_cameras", list)
    preferences = Preferences(settings_file)
    preferences.source = SECRET
    preferences.save()
    window = open_window(remembered=True)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    assert window.banner.text == "rtsp://cam/live: this address holds a password, which is not kept. Enter it again (Ctrl+U)."
    assert window.sidebar.source.box.currentText() == "Demo clip"


def test_a_damaged_file_is_said_in_the_window(qtbot: QtBot, open_window: Callable[..., MainWindow], settings_file: Path) -> None:
    settings_file.write_text("{")
    window = open_window()
    assert "is damaged. The default settings are used" in window.banner.text
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)


# -- what is chosen ---------------------------------------------------------------------------------------------------


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
