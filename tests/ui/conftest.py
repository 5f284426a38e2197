"""A window on the real pipeline: the bundled model and clip, settings of its own, closed and stopped at the end."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import Loader
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from poseapp.live.session import Session
from poseapp.live.sources import Source, VideoSource
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.theme import Themes

WAIT_MS = 30_000
OpenWindow = Callable[..., MainWindow]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, repo_root: Path) -> Path:
    """A model store: two good models, a truncated graph, a model.json without a key, and one of an unknown family."""
    folder = tmp_path_factory.mktemp("engines")
    original = repo_root / "engines" / "hourglass-s"
    for name in ("first", "second", "truncated", "keyless", "foreign"):
        (folder / name).mkdir()
        shutil.copy(original / "model.onnx", folder / name)
        spec = json.loads((original / "model.json").read_text(encoding="utf-8"))
        spec["name"] = name
        if name == "keyless":
            del spec["stride"]
        if name == "foreign":
            spec["family"] = "vitpose"
        (folder / name / "model.json").write_text(json.dumps(spec), encoding="utf-8")
    graph = folder / "truncated" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:1000])
    return folder


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    """Where this test's preferences are."""
    return tmp_path / "settings.json"


@pytest.fixture
def make_preferences(settings_file: Path, tmp_path: Path) -> Callable[[], Preferences]:
    """Preferences as a new start of the app reads them."""

    def make() -> Preferences:
        preferences = Preferences(settings_file)
        preferences.folder = tmp_path / "recordings"
        return preferences

    return make


@pytest.fixture(scope="session")
def themes(qapp: QApplication) -> Themes:
    """The themes of the application."""
    themes = Themes(qapp)
    themes.use("dark")
    return themes


@pytest.fixture
def open_window(
    qtbot: QtBot, store: Path, themes: Themes, make_preferences: Callable[[], Preferences], demo_clip: Path
) -> Iterator[OpenWindow]:
    """Opens windows, on the demo clip unless told otherwise, and closes them at the end; *load* makes stand-in engines."""
    windows: list[MainWindow] = []

    def open_one(
        source: Source | None = None,
        model: str | None = "first",
        remembered: bool = False,
        engines_dir: Path = store,
        device: str | None = "cpu",
        load: Loader | None = None,
    ) -> MainWindow:
        window = MainWindow(make_preferences(), themes, engines_dir, device)
        windows.append(window)
        if load is not None:
            window.controller.make_session = functools.partial(Session, load=load, builds_first=load.builds_first)
        window.resize(1024, 640)
        window.show()
        window.begin(None if remembered else source or VideoSource(demo_clip, loop=True), model)
        return window

    yield open_one
    for window in windows:
        close(qtbot, window)
        window.deleteLater()


@pytest.fixture
def window(qtbot: QtBot, open_window: OpenWindow) -> MainWindow:
    """A window that shows the demo clip with the model "first"."""
    window = open_window()
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: state(window) == "running", timeout=WAIT_MS)
    window.bridge.poll()  # what the session says now is on the screen, too
    return window


def close(qtbot: QtBot, window: MainWindow) -> None:
    """Close *window* and wait until all has stopped."""
    if not window.is_closed:
        with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
            window.close()


def state(window: MainWindow) -> str:
    """The session's state."""
    status = window.bridge.status()
    return status.state if status is not None else "none"
