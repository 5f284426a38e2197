"""The command analyse: every frame of clips and recordings, with stops on the way."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from poseapp.cli.options import Device, EnginesDir, Model, ModeName, Precision, Smoothing
from poseapp.console import description, plain_console
from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.types import PoseMode
from poseapp.engine.store import default_engines_dir, find_model

if TYPE_CHECKING:
    from rich.console import Console

    from poseapp.review.analysis import AnalysisProgress

What = Annotated[
    Path, typer.Argument(metavar="WHAT", help="The folder of a recording with its clean video, or a video.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="The folder for the recording of a video.", show_default="recordings/"),
]


def analyse_command(
    what: What,
    out: Out = None,
    model: Model = None,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
    precision: Precision = None,
    mode: ModeName = None,
    smoothing: Smoothing = None,
) -> None:
    """Find the people in every frame of WHAT; Ctrl-C stops, and the same command goes on from there.

    The result is the recording's joints. A video is copied into a new recording first.
    """
    from poseapp.live.status import ModelRequest
    from poseapp.pipeline.modes import PoseSettings, check_mode, smooth_rule
    from poseapp.review.analysis import Analysis

    console = plain_console(stderr=True)
    default = PoseSettings()
    settings = PoseSettings(
        cast(PoseMode, mode) if mode is not None else default.mode, default.smoothing if smoothing is None else smoothing
    )
    folder = find_model(engines_dir, model, device or "auto").folder
    check_mode(folder, settings.mode)
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        with _Bar(console) as bar:
            recording = _recording(what, out or Path("recordings"), stop, bar)
            if recording is None:
                raise PoseAppError(f"{what}: stopped while the clip was copied. Nothing was kept.")
            request = ModelRequest(folder, device or "auto", precision or "auto", settings.mode)
            analysis = Analysis(recording, request, smooth_rule(settings.smoothing))
            done = analysis.run(stop, bar.tell)
    finally:
        signal.signal(signal.SIGINT, before)
    for note in analysis.notes:
        console.print(note, soft_wrap=True)
    if not done:
        console.print(f"Stopped after {bar.last.done} of {bar.last.total} frames. The same command goes on from there.")
        raise typer.Exit(130)
    print(f"All {bar.last.total} frames are analysed: {recording}")


def _recording(what: Path, out: Path, stop: threading.Event, bar: _Bar) -> Path | None:
    """*what* where it is a recording, else one in *out* that has its pictures; None where *stop* was set."""
    from poseapp.live.recording import RecordOptions
    from poseapp.review.analysis import copy_clip, unfinished_copy
    from poseapp.review.player import is_recording

    if what.is_dir():
        if not is_recording(what):
            raise RecordError(
                f"{what}: expected a recording or a video, got another folder. "
                "The pictures of a folder are analysed by: poseapp run FOLDER --headless"
            )
        return what
    return unfinished_copy(what, out) or copy_clip(what, RecordOptions(folder=out), stop, bar.tell)


class _Bar:
    """Shows how far an analysis is."""

    def __init__(self, console: Console) -> None:
        from poseapp.review.analysis import AnalysisProgress

        columns = (description(), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("Analysing", total=None, left="")
        self.last = AnalysisProgress(0, 0)

    def tell(self, progress: AnalysisProgress) -> None:
        """Show *progress*."""
        self.last = progress
        text = progress.text or "Analysing"
        self._bar.update(
            self._task, completed=progress.done, total=progress.total, description=text, left=progress.remaining_text
        )

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()
