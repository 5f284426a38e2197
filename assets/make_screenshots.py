"""Makes the pictures of the window in the README: ``python assets/make_screenshots.py``.

Runs the real window on the demo clip. ``screenshot.png`` is the dark window while it records; ``screenshot-light.png`` is the
light window that plays a recording, at the deepest squat. Both lie beside this file. Run it on a screen of 1366 × 768, or
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

from poseapp.cli.main import main as command_line
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
QUIET_MS = 10_000
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
    """Record without a window, for a recording that no busy machine has spoilt; then show the window live, and with it."""
    app = make_application(sys.argv[:1])
    themes = Themes(app)
    themes.use("dark")
    demo = str(ASSETS / "demo.mp4")
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "recordings"
        if command_line(["run", demo, "--headless", "--clean-video", "--name", "Squats", "--tag", "knee", "--out", str(out)]):
            raise SystemExit("the demo clip could not be recorded")
        (folder,) = out.iterdir()
        preferences = Preferences(Path(place) / "settings.json")
        preferences.folder = Path(place) / "live"
        window = MainWindow(preferences, themes, default_engines_dir())
        window.resize(*SIZE)
        window.closed.connect(app.quit)
        window.show()
        window.begin(parse_source(demo, loop=True))
        window.menus.actions["angles"].setChecked(True)
        story = Story(window, steps(window, themes, folder))
        app.exec()
        del story


def steps(window: MainWindow, themes: Themes, folder: Path) -> list[tuple[Callable[[], bool], Callable[[], None]]]:
    """What is waited for, and what is done then."""

    def t() -> float:
        playback = window.review.playback
        return playback.state().t if playback is not None else -1.0

    quiet: list[bool] = []

    def fast() -> bool:
        """The fastest engine has taken over for a while, so no notice comes over the picture."""
        status = window.bridge.status()
        if status is None or status.state != "running" or status.build is not None or window.banner.isVisible():
            quiet.clear()
        quiet.append(True)
        return len(quiet) * LOOK_MS > QUIET_MS

    def go_to(t_s: float) -> None:
        window.review.command(lambda playback: playback.seek_time(t_s))

    def record_slowly() -> None:
        """So that a busy machine loses no frame."""
        window.review.command(lambda playback: playback.set_speed(0.1))
        go_to(SQUAT_S - 0.5)
        window.menus.actions["record"].trigger()

    def stop_and_play() -> None:
        take(window, "screenshot.png")
        window.menus.actions["record"].trigger()

    def play() -> None:
        window.saved.dismiss()
        themes.use("light")
        window.review.open(folder)

    def stand_at_the_squat() -> None:
        window.review.command(lambda playback: playback.pause())
        go_to(SQUAT_S)

    def at_the_squat() -> bool:
        result = window.view.result
        return result is not None and abs(result.frame.t - SQUAT_S) < 0.05

    return [
        (lambda: fast() and t() >= 0, record_slowly),
        (lambda: SQUAT_S - 0.05 < t() < SQUAT_S + 0.3, stop_and_play),
        (window.saved.isVisible, play),
        (lambda: window.review.player is not None and t() > 0 and not window.banner.isVisible(), stand_at_the_squat),
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
        many = pixels[:: max(1, len(pixels) // (8 * len(each)))]
        palette = Image.fromarray(np.concatenate([each, many])[None]).quantize(COLOURS, kmeans=3)
        image.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"wrote {path}, {size / 1000:.0f} kB")
    if size > MOST_BYTES:
        raise SystemExit(f"{path}: expected at most {MOST_BYTES / 1000:.0f} kB. Take fewer colours.")


if __name__ == "__main__":
    main()
