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
from poseapp.ui import icons
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.screen_fit import fit_to_screen
from poseapp.ui.theme import Themes, app_font

FRAMED_MS = 500  # by then the window manager has put its frame around the window, and its size is known


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the user gave on the command line, in the place of what was chosen last: fields of PoseSettings and DrawOptions.

    ``outputs`` are on for this time, beside those that were on before.
    """

    pose_settings: Mapping[str, Any] = field(default_factory=dict)
    draw: Mapping[str, Any] = field(default_factory=dict)
    outputs: Sequence[OutputAddress] = ()


def run_app(
    source: Source | None,
    model: str | None,
    engines_dir: Path,
    device: str | None = None,
    precision: str | None = None,
    folder: Path | None = None,
    given: Given | None = None,
    recording: Path | None = None,
) -> int:
    """Open the window on *source* and return the exit code when it has been closed.

    None takes the source used last, else the first camera, else the bundled demo clip. *model* is the name
    of a folder in *engines_dir*; None takes the one used last, else the default, and so it is with *device* and
    *precision*. Recordings go into *folder* from now on; None keeps the one chosen last. *given* says what
    differs from what was chosen last. *recording* is the folder of one that is played first.
    """
    app = make_application(sys.argv[:1])
    preferences = Preferences()
    themes = Themes(app)
    themes.use(preferences.theme)
    given = given or Given()
    preferences.pose_settings = replace(preferences.pose_settings, **given.pose_settings)
    preferences.draw = replace(preferences.draw, **given.draw)
    window = MainWindow(preferences, themes, engines_dir, device, precision)
    window.closed.connect(app.quit)
    if folder is not None:
        window.recording_actions.set_folder(folder.expanduser().resolve())
    window.output_actions.give(given.outputs)
    window.show()
    QTimer.singleShot(FRAMED_MS, window, lambda: fit_to_screen(window))
    close_on_signals(window)
    QTimer.singleShot(0, lambda: window.begin(source, model, recording))
    return app.exec()


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
