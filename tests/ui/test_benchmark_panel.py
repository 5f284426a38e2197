"""The benchmark panel: plots with data, and the benchmark button."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from poseapp.bench import pipeline as bench
from poseapp.ui.main_window import MainWindow

WAIT_MS = 30_000
BENCHMARK_MS = 60_000


def plots_made(window: MainWindow) -> bool:
    return window.panel.plots is not None


def test_plots_show_the_figures_of_the_pipeline(qtbot: QtBot, window: MainWindow) -> None:
    assert not plots_made(window), "plots cost half a second: they are made when the panel opens"
    QTest.keyClick(window.view, Qt.Key.Key_B)
    assert window.panel.isVisible()
    plots = window.panel.plots
    assert plots is not None
    qtbot.waitUntil(lambda: len(plots.rates.data["display"]) > 2 and plots.rates.data["display"][-1] > 1, timeout=WAIT_MS)
    assert plots.rates.data["capture"][-1] > 1
    assert plots.latency.data["p95"][-1] >= plots.latency.data["p50"][-1] > 0
    assert plots.memory.data["memory"][-1] > 10
    qtbot.waitUntil(lambda: {"wait", "crop", "inference", "decode", "draw"} <= plots.stages.p50.keys(), timeout=WAIT_MS)
    assert plots.drops.text().startswith("Dropped: capture")
    QTest.keyClick(window.view, Qt.Key.Key_B)
    assert not window.panel.isVisible()
    assert not window.preferences.panel_open


def test_the_benchmark_button_gives_a_table_and_json_and_the_view_goes_on(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "WARM_UP_S", 0.1)
    window.benchmark.seconds = 0.4
    window.panel.setVisible(True)
    window.panel.show_page("benchmark")
    shares: list[float] = []
    window.benchmark.progress.connect(lambda share, _what: shares.append(share))
    with qtbot.waitSignal(window.benchmark.finished, timeout=BENCHMARK_MS):
        QTest.mouseClick(window.panel.page.run, Qt.MouseButton.LeftButton)
        assert window.panel.page.run.text() == "Cancel"
        qtbot.waitUntil(lambda: window.bridge.session is None, timeout=WAIT_MS)
    assert shares == sorted(shares)
    assert shares[-1] > 0.9
    table = window.panel.page.table
    assert table.rowCount() == 3
    heads = [table.horizontalHeaderItem(i) for i in range(table.columnCount())]
    assert "overhead" in [head.text() for head in heads if head is not None]
    window.resize(960, 540)  # a small screen: figures without the names of what was measured would say nothing
    qtbot.waitUntil(lambda: window.width() <= 1024)
    assert table.columnWidth(0) >= table.sizeHintForColumn(0)
    window.panel.page.copy.click()
    assert "| fps |" in QGuiApplication.clipboard().text()
    assert window.panel.report is not None
    window.benchmark_actions.save_report(tmp_path / "report.json", window.panel.report.to_json())
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["model"] == "first"
    assert report["machine"]["cores"]
    before = window.view.result
    qtbot.waitUntil(lambda: window.view.result is not before and window.view.message is None, timeout=WAIT_MS)


def test_closing_in_the_middle_of_a_benchmark_stops_it(qtbot: QtBot, window: MainWindow) -> None:
    window.benchmark.seconds = 60
    with qtbot.waitSignal(window.benchmark.progress, timeout=WAIT_MS):
        window.benchmark_actions.run()
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.close()
    assert not window.benchmark.running


def test_a_benchmark_can_be_cancelled(qtbot: QtBot, window: MainWindow) -> None:
    window.benchmark.seconds = 60
    window.panel.setVisible(True)
    with qtbot.waitSignal(window.benchmark.progress, timeout=WAIT_MS):
        window.benchmark_actions.run()
    with qtbot.waitSignal(window.benchmark.ended, timeout=WAIT_MS):
        window.panel.page.run.click()
    assert window.panel.report is None
    assert window.panel.page.run.text() == "Run benchmark"
    assert window.banner.text == ""
    qtbot.waitUntil(lambda: window.bridge.session is not None, timeout=WAIT_MS)


def test_cancelled_before_it_began_it_never_runs(qtbot: QtBot, window: MainWindow) -> None:
    window.benchmark.seconds = 60
    shares: list[float] = []
    window.benchmark.progress.connect(lambda share, _what: shares.append(share))
    with qtbot.waitSignal(window.closed, timeout=WAIT_MS):
        window.benchmark_actions.run()
        window.close()
    assert shares == []


def test_what_is_chosen_during_a_benchmark_runs_after_it(qtbot: QtBot, window: MainWindow) -> None:
    window.benchmark.seconds = 60
    window.panel.setVisible(True)
    with qtbot.waitSignal(window.benchmark.progress, timeout=WAIT_MS):
        window.benchmark_actions.run()
    assert window.controller.folder is not None
    window.controller.choose_model(window.controller.folder.parent / "second")
    assert window.bridge.session is None
    with qtbot.waitSignal(window.benchmark.ended, timeout=WAIT_MS):
        window.panel.page.run.click()
    qtbot.waitUntil(lambda: window.sidebar.model.current == "second", timeout=WAIT_MS)
