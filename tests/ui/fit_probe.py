"""Looks at the window on small screens, in a process of its own: Qt learns at its start which screens there are.

``python fit_probe.py STORE FOLDER`` prints one line of JSON for each font and screen: what does not fit.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fakes import FlakyCamera, Loader
from fitting import cut_texts, unreachable
from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from poseapp.live.recording import RecordOptions, StartStop
from poseapp.live.session import Session
from poseapp.ui.about_box import AboutBox
from poseapp.ui.app import make_application
from poseapp.ui.help_sheet import HelpSheet
from poseapp.ui.main_window import MainWindow
from poseapp.ui.model_downloads import ModelState
from poseapp.ui.preferences import Preferences
from poseapp.ui.screen_fit import fit_to_screen, open_on_screen
from poseapp.ui.start_stop_dialog import StartStopDialog
from poseapp.ui.theme import Themes

STORE, FOLDER = (Path(argument) for argument in sys.argv[1:3])
WAIT_S = 60.0


def until(condition: Callable[[], object]) -> None:
    """Run Qt until *condition* holds."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        QApplication.processEvents()
        time.sleep(0.002)


def settle() -> None:
    for _ in range(5):
        QApplication.processEvents()


def fonts(base: QFont) -> dict[str, QFont]:
    """What most have, and a wide one at the largest size that the window takes by itself."""
    wide = QFont(base)
    wide.setPointSizeF(11.0)
    wide.setStretch(110)
    return {"usual": QFont(base), "wide": wide}


def outside(window: QWidget, area: QRect) -> list[str]:
    """That *window* with its frame is not inside *area*."""
    frame = window.frameGeometry()
    where = f"{type(window).__name__} {frame.getRect()} is not inside {area.getRect()}"
    return [] if area.contains(frame) else [where]


def put_on(window: QWidget, area: QRect) -> None:
    window.move(area.topLeft() + QPoint(30, 30))
    window.resize(1280, 800)
    settle()
    fit_to_screen(window)
    settle()


def look(window: MainWindow, area: QRect) -> list[str]:
    """Everything that is wrong with *window* and its dialogs on the screen *area*."""
    wrong: list[str] = []
    put_on(window, area)
    for panel in (False, True):
        window.panel.setVisible(panel)
        for advanced in (False, True):
            window.sidebar.advanced.set_open(advanced)
            settle()
            wrong += [*outside(window, area), *unreachable(window), *cut_texts(window)]
    window.panel.setVisible(False)
    theme = window.themes.current
    chosen = StartStop(countdown_s=10, stop_after_s=1799, stop_empty_s=59, hand="start-stop")
    microphones = StartStopDialog(chosen, True, theme, window)
    microphones.show_microphones(["A microphone with a long name (USB Audio, hw:3,0)"], "default")
    microphones.show_trouble("Microphone: PortAudio is missing. On Debian or Ubuntu type: sudo apt-get install libportaudio2")
    about = AboutBox("ONNX Runtime 1.23.2 · CPU · FP32", window)
    for dialog in (HelpSheet(theme, window), microphones, about):
        wrong += look_at_dialog(window, dialog, area)
    return [*wrong, *look_at_catalogue(window, area)]


def look_at_catalogue(window: MainWindow, area: QRect) -> list[str]:
    """The list of published models, with one in each state that has a text of its own."""
    window.model_actions.open()
    dialog = window.model_actions.dialog
    assert dialog is not None
    failed = "download.openmmlab.com: cut off after 112.0 MB. What has come is kept."
    states = (
        ModelState(stage="downloading", done=40_000_000, total=254_000_000, note=f"{failed}: trying huggingface.co instead."),
        ModelState(stage="failed", done=112_000_000, note=failed),
        ModelState(stage="installed", folder=FOLDER, own=True),
        ModelState(stage="converting"),
        ModelState(stage="waiting"),
        ModelState(done=5_000_000),
    )
    for card, state in zip(dialog.entries.values(), states, strict=False):
        card.show_speed(0.42)
        card.show_state(state, False)
    settle()
    fit_to_screen(dialog)
    settle()
    wrong = [*outside(dialog, area), *unreachable(dialog), *cut_texts(dialog)]
    dialog.close()
    settle()
    return wrong


def look_at_dialog(window: MainWindow, dialog: QDialog, area: QRect) -> list[str]:
    open_on_screen(dialog)
    settle()
    fit_to_screen(dialog)
    settle()
    wrong = [*outside(dialog, area), *unreachable(dialog), *cut_texts(dialog)]
    dialog.close()
    settle()
    return wrong


def probe(name: str, themes: Themes, areas: dict[str, QRect]) -> None:
    """Look at a window that records a camera, on each of *areas*; *name* is the font's."""
    preferences = Preferences(FOLDER / f"{name}.json")
    preferences.folder = FOLDER / "recordings"
    window = MainWindow(preferences, themes, STORE, "cpu")
    info = window.record_bar.info
    window.controller.make_session = functools.partial(Session, load=Loader())
    window.show()
    window.begin(FlakyCamera([], fps=30), "first")
    until(lambda: window.view.result is not None and window.view.message is None)
    measure = window.sidebar.measure
    measure.restore("Sit to stand", confidence=False)  # the longest name, and the line of the count
    measure.own.show()
    window.bridge.start_recording(RecordOptions(folder=FOLDER / "recordings", draw=window.view.options))
    until(lambda: window.record_bar.record.isChecked() and info.full_text().count("·") == 5)
    for screen, area in areas.items():
        print(json.dumps({"font": name, "screen": screen, "wrong": look(window, area)}), flush=True)
    window.bridge.stop_recording()
    until(lambda: info.full_text().startswith("Saved"))
    put_on(window, areas["960x540@2"])
    print(json.dumps({"font": name, "screen": "saved", "wrong": cut_texts(window)}), flush=True)
    window.close()
    until(lambda: window.is_closed)


def main() -> None:
    app = make_application(["probe"])
    themes = Themes(app)
    areas = {screen.name(): screen.availableGeometry() for screen in app.screens()}
    for name, font in fonts(app.font()).items():
        app.setFont(font)
        themes.use("dark")
        probe(name, themes, areas)


if __name__ == "__main__":
    main()
