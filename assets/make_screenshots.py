"""Makes the pictures of the window in the README: ``python assets/make_screenshots.py``.

Runs the real window on the demo clip. ``screenshot.png`` is the dark window while it records; ``screenshot-light.png`` is the
light window that plays what was recorded, at the deepest squat. Both lie beside this file. Run it on a screen of 1366 × 768, or
on a virtual one: ``xvfb-run -s "-screen 0 1366x768x24" python assets/make_screenshots.py``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from poseapp.engine.store import default_engines_dir
from poseapp.live.sources import parse_source
from poseapp.ui.app import make_application
from poseapp.ui.main_window import MainWindow
from poseapp.ui.preferences import Preferences
from poseapp.ui.theme import Themes

ASSETS = Path(__file__).resolve().parent
SIZE = (1366, 740)  # of a maximised window on a small laptop
SQUAT_S = 8.43  # where the figure of the clip is deepest
LOOK_MS = 50
COLOURS = 256  # of the saved pictures: enough for a reader, and a third of the size
MOST_BYTES = 320_000


class Story:
    """Waits for one thing after another, then does what comes next."""

    def __init__(self, window: MainWindow, steps: list[tuple[Callable[[], bool], Callable[[], None]]]) -> None:
        self._window, self._steps = window, steps
        self._timer = QTimer(window)
        self._timer.timeout.connect(self._look)
        self._timer.start(LOOK_MS)

    def _look(self) -> None:
        if self._steps and self._steps[0][0]():
            self._steps.pop(0)[1]()


def main() -> None:
    """Record, and take the first picture meanwhile; play the recording, and take the second."""
    app = make_application(sys.argv[:1])
    themes = Themes(app)
    themes.use("dark")
    with tempfile.TemporaryDirectory() as place:
        preferences = Preferences(Path(place) / "settings.json")
        preferences.folder = Path(place) / "recordings"
        preferences.clean_video = True
        window = MainWindow(preferences, themes, default_engines_dir())
        window.resize(*SIZE)
        window.closed.connect(app.quit)
        window.show()
        window.begin(parse_source(str(ASSETS / "demo.mp4"), loop=True))
        window.record_bar.name.setText("Squats #knee")
        window.menus.actions["angles"].setChecked(True)
        story = Story(window, steps(window, themes))
        app.exec()
        del story


def steps(window: MainWindow, themes: Themes) -> list[tuple[Callable[[], bool], Callable[[], None]]]:
    """What is waited for, and what is done then."""

    def t() -> float:
        playback = window.review.playback
        return playback.state().t if playback is not None else -1.0

    def recorded() -> Path | None:
        status = window.bridge.status()
        recording = status.recording if status is not None else None
        return recording.folder if recording is not None and not recording.active else None

    def fast() -> bool:
        """The fastest engine has taken over, so no notice is on the picture."""
        status = window.bridge.status()
        return status is not None and status.state == "running" and status.build is None and not window.banner.isVisible()

    begun: list[float] = []  # where in the clip the recording begins, s

    def record() -> None:
        if not begun:
            begun.append(t())
        window.menus.actions["record"].trigger()

    def play() -> None:
        folder = recorded()
        assert folder is not None
        window.saved.dismiss()
        themes.use("light")
        window.review.open(folder)

    def go_to_the_squat() -> None:
        window.review.command(lambda playback: playback.pause())
        window.review.command(lambda playback: playback.seek_time(SQUAT_S - begun[0]))

    def at_the_squat() -> bool:
        result = window.view.result
        return result is not None and abs(result.frame.t - (SQUAT_S - begun[0])) < 0.2

    return [
        (lambda: fast() and 0 <= t() < 0.5, record),
        (lambda: SQUAT_S - 0.1 < t() < SQUAT_S + 0.1, lambda: take(window, "screenshot.png")),
        (lambda: t() > 12, record),
        (lambda: recorded() is not None, play),
        (lambda: window.review.player is not None and t() > 1 and not window.banner.isVisible(), go_to_the_squat),
        (at_the_squat, lambda: finish(window)),
    ]


def finish(window: MainWindow) -> None:
    """Take the second picture when all of it has been painted, and close the window."""
    QTimer.singleShot(1500, lambda: (take(window, "screenshot-light.png"), window.close()))


def take(window: MainWindow, name: str) -> None:
    """Save *window* as a picture of few colours."""
    QApplication.processEvents()
    picture = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    path = ASSETS / name
    picture.save(str(path))
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image).reshape(-1, 3)
        # A part of the palette is for the colours that are there at all: the accents of the window are few pixels.
        each = np.unique(pixels // 16, axis=0).astype(np.uint8) * 16 + 8
        many = pixels[:: max(1, len(pixels) // (3 * len(each)))]
        palette = Image.fromarray(np.concatenate([each, many])[None]).quantize(COLOURS, kmeans=3)
        image.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"wrote {path}, {size / 1000:.0f} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{path}: expected at most {MOST_BYTES / 1000:.0f} kB. Take fewer colours.")


if __name__ == "__main__":
    main()
