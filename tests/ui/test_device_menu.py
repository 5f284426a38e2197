"""Where the network runs, as the window says it: the choice, building, and what happens when a device fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import SPEC, Loader, MarkerSource
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from poseapp.core.errors import EngineError
from poseapp.core.framing import WHOLE
from poseapp.core.types import ImageArray
from poseapp.engine.store import StoredModel
from poseapp.live.status import Status
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences

WAIT_MS = 30_000
OpenWindow = Callable[..., MainWindow]


def choose(box: QComboBox, key: str) -> None:
    box.activated.emit(box.findData(key, Qt.ItemDataRole.UserRole))


def shown(box: QComboBox) -> str:
    return str(box.currentData(Qt.ItemDataRole.UserRole))


@pytest.fixture
def load() -> Loader:
    """Builds for TensorRT until ``build`` is set."""
    load = Loader()
    load.build = threading.Event()
    return load


@pytest.fixture
def building(qtbot: QtBot, open_window: OpenWindow, load: Loader) -> MainWindow:
    """A window in which the CPU serves while an engine is built."""
    window = open_window(MarkerSource(), device="tensorrt", load=load)
    qtbot.waitUntil(lambda: window.build_progress.isVisible(), timeout=WAIT_MS)
    return window


def test_building_is_shown_while_the_cpu_serves_and_goes_when_the_gpu_runs(
    qtbot: QtBot, building: MainWindow, load: Loader
) -> None:
    line = building.build_progress
    assert line.text.full_text() == "Building first … Fake 1 runs meanwhile"
    qtbot.waitUntil(lambda: line.share.text() == "90%" and line.progress.value() == 900, timeout=WAIT_MS)
    assert building.header.backend.text == "Fake 1 · CPU · FP32"
    assert building.header.backend.level == "success"
    qtbot.waitUntil(lambda: building.view.result is not None and building.view.message is None, timeout=WAIT_MS)
    assert load.build is not None
    load.build.set()
    qtbot.waitUntil(lambda: building.header.backend.text == "Fake 1 · Fake GPU · FP32", timeout=WAIT_MS)
    assert not line.isVisible()
    assert not building.sidebar.model.badge.isVisible()
    assert "Fake GPU" in building.header.backend.toolTip()


def test_cancel_keeps_the_cpu_and_says_why_on_the_badge(qtbot: QtBot, building: MainWindow) -> None:
    QTest.mouseClick(building.build_progress.cancel, Qt.MouseButton.LeftButton)
    assert not building.build_progress.isVisible()
    header, badge = building.header.backend, building.sidebar.model.badge
    qtbot.waitUntil(lambda: header.level == "warning" and header.text.endswith("CPU · FP32"), timeout=WAIT_MS)
    assert header.toolTip().startswith("The build was cancelled. Choose the device again to start it anew.")
    assert badge.isVisible()
    assert badge.title.full_text() == "Runs on CPU instead"
    assert building.banner.text == "", "the user knows: it was his click"
    choose(building.sidebar.model.device_box, "tensorrt")
    qtbot.waitUntil(lambda: building.build_progress.isVisible(), timeout=WAIT_MS)


def test_a_build_that_fails_is_said_once_and_the_picture_goes_on(qtbot: QtBot, building: MainWindow, load: Loader) -> None:
    load.build_error = EngineError("first: the engine differs by 3.1 px from ONNX Runtime. It was thrown away.")
    assert load.build is not None
    load.build.set()
    qtbot.waitUntil(lambda: building.banner.text == str(load.build_error), timeout=WAIT_MS)
    assert building.banner.frame.property("level") == "warning"
    assert str(load.build_error) in building.header.backend.toolTip()
    before = building.view.result
    qtbot.waitUntil(lambda: building.view.result is not before, timeout=WAIT_MS)
    building.banner.dismiss()
    building.bridge.poll()
    assert building.banner.text == ""


def test_a_device_that_is_lost_shows_on_the_badge(qtbot: QtBot, open_window: OpenWindow) -> None:
    load = Loader()
    load.fails_after["tensorrt"] = 20
    window = open_window(MarkerSource(), device="tensorrt", load=load)
    qtbot.waitUntil(lambda: window.header.backend.level == "warning", timeout=WAIT_MS)
    assert window.header.backend.text == "Fake 1 · CPU · FP32"
    assert window.header.backend.toolTip().startswith("first: the device is gone.")
    assert window.sidebar.model.device_box.currentData(Qt.ItemDataRole.UserRole) == "tensorrt"
    before = window.view.result
    qtbot.waitUntil(lambda: window.view.result is not before, timeout=WAIT_MS)


def test_device_and_precision_are_chosen_and_remembered(
    qtbot: QtBot, open_window: OpenWindow, make_preferences: Callable[[], Preferences]
) -> None:
    load = Loader()
    window = open_window(MarkerSource(), load=load)
    qtbot.waitUntil(lambda: window.view.result is not None, timeout=WAIT_MS)
    assert make_preferences().device == "auto", "the command line's device is for this once"
    model = window.sidebar.model
    choose(model.device_box, "tensorrt")
    qtbot.waitUntil(lambda: window.header.backend.text == "Fake 1 · Fake GPU · FP32", timeout=WAIT_MS)
    choose(model.precision_box, "fp16")
    qtbot.waitUntil(lambda: load.precisions[-1] == "fp16", timeout=WAIT_MS)
    qtbot.waitUntil(lambda: (shown(model.device_box), shown(model.precision_box)) == ("tensorrt", "fp16"), timeout=WAIT_MS)
    ticked = {action.text() for action in window.findChildren(QAction) if action.isChecked()}
    assert {"TensorRT", "FP16"} <= ticked
    window.preferences.save()
    assert (make_preferences().device, make_preferences().precision) == ("tensorrt", "fp16")
    later = open_window(MarkerSource(), device=None, load=load)
    assert (later.controller.device, later.controller.precision) == ("tensorrt", "fp16")


def test_what_is_not_installed_is_greyed_and_its_tooltip_says_what_to_install(window: MainWindow) -> None:
    why = 'TensorRT is not installed. Install it with: pip install "poseapp[tensorrt-rtx]"'
    window.controller.devices_known.emit({"auto": "", "cpu": "", "openvino": "", "cuda": "No NVIDIA driver.", "tensorrt": why})
    box = window.sidebar.model.device_box
    enabled = {}
    for row in range(box.count()):
        index = box.model().index(row, 0)
        enabled[index.data(Qt.ItemDataRole.UserRole)] = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
    assert enabled == {"auto": True, "cpu": True, "openvino": True, "cuda": False, "tensorrt": False}
    assert box.model().index(4, 0).data(Qt.ItemDataRole.ToolTipRole) == why
    assert box.currentData(Qt.ItemDataRole.UserRole) == "cpu"


def test_int8_is_greyed_for_a_model_without_it(qtbot: QtBot, window: MainWindow) -> None:
    model = window.sidebar.model
    qtbot.waitUntil(lambda: model.current == "first", timeout=WAIT_MS)
    for variants in (dict[str, str](), {"int8": "0" * 64}):
        window.controller.models_changed.emit(
            [StoredModel("first", Path("first"), replace(SPEC, name="first", variants=variants))]
        )
        index = model.precision_box.model().index(3, 0)
        assert bool(index.flags() & Qt.ItemFlag.ItemIsEnabled) == bool(variants)
        assert ("poseapp models convert first --precision int8" in index.data(Qt.ItemDataRole.ToolTipRole)) == (not variants)


def test_the_panel_starts_anew_with_another_backend(qtbot: QtBot, open_window: OpenWindow) -> None:
    window = open_window(MarkerSource(), load=Loader())
    window.panel.setVisible(True)
    qtbot.waitUntil(lambda: window.panel.backend.full_text() == "first · Fake 1 · CPU · FP32", timeout=WAIT_MS)
    plots = window.panel.plots
    assert plots is not None
    qtbot.waitUntil(lambda: plots.samples >= 4, timeout=WAIT_MS)
    restarted: list[int] = []
    window.bridge.status_changed.connect(lambda _status: restarted.append(plots.samples))
    choose(window.sidebar.model.device_box, "tensorrt")
    qtbot.waitUntil(lambda: window.panel.backend.full_text() == "first · Fake 1 · Fake GPU · FP32", timeout=WAIT_MS)
    assert 1 in restarted


class Late(MarkerSource):
    """Its first picture comes when ``gate`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def read(self) -> tuple[ImageArray, float] | None:
        assert self.gate.wait(30)
        return super().read()


def test_a_change_of_source_does_not_make_the_badge_blink(qtbot: QtBot, open_window: OpenWindow, load: Loader) -> None:
    """The engine stays, though nothing runs until the first picture comes; so does the line about the one that is built."""
    window = open_window(MarkerSource(), device="tensorrt", load=load)
    qtbot.waitUntil(lambda: window.build_progress.isVisible(), timeout=WAIT_MS)
    assert window.header.backend.text == "Fake 1 · CPU · FP32"
    seen: list[tuple[str, str, bool, bool]] = []

    def look(status: Status) -> None:
        badge, line = window.sidebar.model.badge.isVisible(), window.build_progress.isVisible()
        seen.append((status.state, window.header.backend.text, badge, line))

    window.bridge.status_changed.connect(look)
    late = Late()
    window.bridge.set_source(late, WHOLE)
    window.bridge.poll()
    late.gate.set()
    qtbot.waitUntil(lambda: seen[-1][0] == "running", timeout=WAIT_MS)
    assert seen[0][0] == "starting"
    assert {one[1:] for one in seen} == {("Fake 1 · CPU · FP32", False, True)}


def test_the_model_menu_keeps_its_other_entries_when_the_models_change(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.waitUntil(lambda: window.sidebar.model.current == "first", timeout=WAIT_MS)
    others = ["People", "Change how many people", "Get more models…", "Device", "Precision"]
    for names in (["first", "second"], [], ["third"]):
        window.controller.models_changed.emit([StoredModel(name, Path(name), replace(SPEC, name=name)) for name in names])
        shown = [action.text() for action in window.menus.by_title["Model"].actions() if action.isVisible()]
        assert [text for text in shown if text] == [*(names or ["No model found"]), *others]
