"""What the user does about analysing every frame: start it, see how far it is, stop it, and go on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from poseapp.core.errors import PoseAppError
from poseapp.engine.load import load_engine
from poseapp.live.model_runner import LoadEngine
from poseapp.live.recording import RecordOptions
from poseapp.live.status import ModelRequest
from poseapp.pipeline.modes import smooth_rule
from poseapp.review.analysis import Analysis, AnalysisProgress, Unfinished, copy_clip, unfinished_analysis, unfinished_copy
from poseapp.review.played_clip import PlayedClip

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

TOPIC = "analysis"
SHOW_MS = 200


class AnalysisActions:
    """Analyses what *window* shows with the model that is chosen there, one recording at a time, in the background."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._stop: threading.Event | None = None  # of the analysis that runs
        self._progress = AnalysisProgress(0, 0)  # the newest one; replaced as a whole by the thread that works
        self._name = ""
        self._folder: Path | None = None  # of the recording, once there is one
        self._after: Callable[[], None] | None = None
        self.load: LoadEngine = load_engine
        self._timer = QTimer(window)
        self._timer.timeout.connect(self._show)
        window.review.opened.connect(self._look_for_unfinished)

    @property
    def running(self) -> bool:
        """Whether an analysis goes on."""
        return self._stop is not None

    def start(self) -> None:
        """Analyse the recording or the clip that is shown, or go on with it."""
        window = self._window
        player, source = window.review.player, window.controller.source
        if player is not None:
            self._run(player.folder)
        elif isinstance(source, PlayedClip):
            self._run(source.path)
        else:
            self._say("Open a recording or a clip first: what a camera shows now is gone in a moment.")

    def stop(self) -> None:
        """Stop it; what is done stays."""
        if self._stop is not None:
            self._stop.set()

    def end(self, then: Callable[[], None]) -> None:
        """The window closes: stop, and call *then* when that is done."""
        self.stop()
        if self.running:
            self._after = then
        else:
            then()

    # -- inside ------------------------------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self._window.banner.say(TOPIC, text, "info")

    def _run(self, path: Path) -> None:
        """Analyse the recording or the clip at *path*."""
        window, controller = self._window, self._window.controller
        if self.running:
            self._say(f"{self._name} is being analysed. Stop that first, or wait for it.")
            return
        if controller.folder is None:
            self._say("Choose a model first.")
            return
        settings = controller.pose_settings
        request = ModelRequest(controller.folder, controller.device, controller.precision, settings.mode)
        rule, parent, load = smooth_rule(settings.smoothing), window.preferences.folder, self.load
        stop = self._stop = threading.Event()
        self._name, self._folder = path.stem if path.is_file() else path.name, path if path.is_dir() else None
        self._progress = AnalysisProgress(0, 0, text="Preparing")
        window.banner.take_back(TOPIC)

        def tell(progress: AnalysisProgress) -> None:
            self._progress = progress

        def work() -> tuple[bool, list[str]]:
            folder = path if path.is_dir() else unfinished_copy(path, parent)
            folder = folder or copy_clip(path, RecordOptions(folder=parent), stop, tell)
            if folder is None:
                return False, []
            self._folder = folder
            analysis = Analysis(folder, request, rule, load=load)
            return analysis.run(stop, tell), analysis.notes

        window.jobs.run("analysis", work, self._done, self._failed)
        self._timer.start(SHOW_MS)
        self._show()

    def _show(self) -> None:
        """How far it is."""
        progress = self._progress
        count = f"{progress.done} of {progress.total} frames" if progress.done else ""
        parts = [self._name, progress.text or "Analysing", count, progress.remaining_text]
        text = " · ".join(part for part in parts if part)
        share = progress.done / progress.total if progress.total else 0.0
        self._window.analysis_progress.show_work(text if self.running else "", share)
        self._window.menus.actions["stop_analysis"].setEnabled(self.running)

    def _over(self) -> None:
        self._stop = None
        self._timer.stop()
        self._show()
        after, self._after = self._after, None
        if after is not None:
            after()

    def _failed(self, error: str) -> None:
        self._over()
        self._window.banner.say(TOPIC, error)

    def _done(self, outcome: tuple[bool, list[str]]) -> None:
        complete, notes = outcome
        progress, folder, review = self._progress, self._folder, self._window.review
        closing = self._after is not None
        self._over()
        if closing:
            return
        if not complete:
            if folder is None:
                self._say("Stopped while the clip was copied. Nothing was kept.")
            else:
                self._offer(folder, progress.done, progress.total)
            return
        assert folder is not None
        shown = review.player is not None and review.player.folder.resolve() == folder.resolve()
        text = " ".join([f"All {progress.total} frames of {folder.name} are analysed.", *notes])
        self._window.banner.say(TOPIC, text, "success", "", "" if shown else "Play", lambda: review.open(folder))
        if shown:
            review.open_again()

    def _offer(self, folder: Path, done: int, total: int) -> None:
        text = f"{done} of {total} frames of {folder.name} are analysed. The rest can follow at any time."
        self._window.banner.say(TOPIC, text, "info", "", "Go on", lambda: self._run(folder))

    def _look_for_unfinished(self, folder: Path) -> None:
        """Offer to go on with what was stopped."""

        def found(unfinished: Unfinished | None) -> None:
            player = self._window.review.player
            if unfinished is not None and not self.running and player is not None and player.folder == folder:
                self._offer(folder, unfinished.done, unfinished.total)

        def look() -> Unfinished | None:
            try:
                return unfinished_analysis(folder)
            except PoseAppError:
                return None

        self._window.jobs.run("unfinished", look, found)
