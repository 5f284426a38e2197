"""Starting the window."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from poseapp.live.outputs import OutputAddress
from poseapp.live.sources import Source
from poseapp.live.sources.setup import SourceSetup
from poseapp.ui import icons
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.presets import Preset
from poseapp.ui.screen_fit import fit_to_screen
from poseapp.ui.theme import Themes, app_font

FRAMED_MS = 500  # by then the window manager has put its frame around the window, and its size is known


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What the window opens with; what is None stays as the user chose it last.

    ``source`` None takes the one used last, else the first camera, else the bundled demo clip; ``setup`` is how its pictures are
    framed, and what is asked of a camera. ``model`` is the name of a folder in ``engines_dir``. Recordings go into ``folder``.
    ``pose_settings`` are fields of PoseSettings, ``draw`` some of DrawOptions, ``start_stop`` some of StartStop.
    ``typed_name`` is the name of the next recording with its tags, "Squats left #knee", and ``microphone`` what it
    listens to: "off" is none. ``recording`` is the folder of one that is played first, ``compare`` that of another one which is
    shown with it. ``preset`` is used as if it had been chosen last; the others count in
    its place. ``outputs`` are on for this time, beside those that were on before.
    """

    engines_dir: Path
    source: Source | None = None
    setup: SourceSetup | None = None
    model: str | None = None
    device: str | None = None
    precision: str | None = None
    folder: Path | None = None
    pose_settings: Mapping[str, Any] = field(default_factory=dict)
    draw: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[OutputAddress] = ()
    clean_video: bool = False
    typed_name: str = ""
    start_stop: Mapping[str, Any] = field(default_factory=dict)
    microphone: str | None = None
    recording: Path | None = None
    compare: Path | None = None
    preset: Preset | None = None


def run_app(opening: Opening) -> int:
    """Open the window with *opening*, and return the exit code when it has been closed."""
    app = make_application(sys.argv[:1])
    preferences = Preferences()
    if opening.preset is not None:
        opening.preset.apply_to(preferences)
    themes = Themes(app)
    themes.use(preferences.theme)
    preferences.pose_settings = replace(preferences.pose_settings, **opening.pose_settings)
    preferences.draw = replace(preferences.draw, **opening.draw)
    window = MainWindow(preferences, themes, opening.engines_dir, opening.device, opening.precision)
    window.closed.connect(app.quit)
    if opening.folder is not None:
        window.recording_actions.set_folder(opening.folder.expanduser().resolve())
    set_up_recordings(window, opening)
    window.output_actions.give(opening.outputs)
    if opening.compare is not None:
        window.compare_actions.open(opening.compare)
    window.show()
    QTimer.singleShot(FRAMED_MS, window, lambda: fit_to_screen(window))
    close_on_signals(window)
    QTimer.singleShot(0, lambda: window.begin(opening.source, opening.model, opening.recording, opening.setup))
    return app.exec()


def set_up_recordings(window: MainWindow, opening: Opening) -> None:
    """Let *window* make recordings as *opening* says."""
    if opening.clean_video:
        window.record_bar.clean.set_on(True)
    window.record_bar.name.setText(opening.typed_name)
    if opening.microphone is not None:
        window.preferences.microphone = "" if opening.microphone == "off" else opening.microphone
    window.start_stop.choose(replace(window.preferences.start_stop, **opening.start_stop))


def close_on_signals(window: MainWindow) -> None:
    """Ctrl-C and SIGTERM close *window*: a recording is finished first, as with the close button.

    Not within the handler, which interrupts whatever this thread does: it may hold a lock that closing waits for.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: QTimer.singleShot(0, window, window.close))


def make_application(argv: list[str]) -> QApplication:
    """The QApplication with name, icon and font."""
    running = QApplication.instance()
    app = running if isinstance(running, QApplication) else QApplication(argv)
    app.setApplicationName("poseapp")
    app.setApplicationDisplayName("poseapp")
    app.setOrganizationName("poseapp")
    app.setDesktopFileName("poseapp")
    app.setWindowIcon(icons.app_icon())
    app.setFont(app_font(app.font()))
    # The window hides first and stops its session then; it says itself when it is done.
    app.setQuitOnLastWindowClosed(False)
    return app
