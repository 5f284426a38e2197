"""Makes the pictures of the window in the README: ``python assets/make_screenshots.py``.

Runs the real window on the demo clip, with the benchmark panel open, and saves ``screenshot.png`` (dark) and
``screenshot-light.png`` beside this file. Needs no screen: with QT_QPA_PLATFORM=offscreen, which is the
default here, the window is drawn in memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QTimer

from poseapp.engine.store import default_engines_dir
from poseapp.live.sources import VideoSource
from poseapp.ui.app import make_application
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.theme import ThemeName, Themes

ASSETS = Path(__file__).resolve().parent
SIZE = (1280, 800)
PICTURES: tuple[tuple[str, ThemeName, bool], ...] = (("screenshot.png", "dark", True), ("screenshot-light.png", "light", False))
JOINTS = 17  # all of them seen above the threshold: the whole person is in the picture
PATIENCE_S = 30.0
RUN_S = float(os.environ.get("SCREENSHOT_S", "14"))  # until the plots are worth looking at


def main() -> None:
    """One window a picture."""
    app = make_application(sys.argv[:1])
    themes = Themes(app)
    for name, theme, recording in PICTURES:
        with tempfile.TemporaryDirectory() as folder:
            preferences = Preferences(Path(folder) / "settings.json")
            if recording:
                preferences.folder = Path(folder)
            preferences.panel_open = True
            themes.use(theme)
            window = MainWindow(preferences, themes, default_engines_dir())
            window.resize(*SIZE)
            window.closed.connect(app.quit)
            window.show()
            window.begin(VideoSource(ASSETS / "demo.mp4", loop=True))
            if recording:
                QTimer.singleShot(round(RUN_S * 500), window.toggle_recording)
            QTimer.singleShot(round(RUN_S * 1000), lambda window=window, name=name: take(window, ASSETS / name))
            app.exec()
            print(f"wrote {ASSETS / name}")


def take(window: MainWindow, path: Path, patience_s: float = PATIENCE_S) -> None:
    """Save the window as a picture as soon as most joints are seen (or after *patience_s*), and close it."""
    result = window.view.result
    seen = int((result.poses.score >= window.view.options.threshold).sum()) if result is not None else 0
    if seen < JOINTS and patience_s > 0:
        QTimer.singleShot(50, lambda: take(window, path, patience_s - 0.05))
        return
    window.grab().save(str(path))
    window.close()


if __name__ == "__main__":
    main()
