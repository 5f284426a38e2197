"""The command review: a recording in the window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poseapp.cli.display import no_window_because
from poseapp.cli.options import EnginesDir
from poseapp.cli.run import RunOptions, open_source
from poseapp.core.errors import PoseAppError, RecordError
from poseapp.engine.store import default_engines_dir

Recording = Annotated[Path, typer.Argument(metavar="RECORDING", help="The folder of a recording.", show_default=False)]

With = Annotated[
    Path | None,
    typer.Option("--compare", metavar="RECORDING", help="Another recording, shown with it.", show_default="none"),
]


def review_command(recording: Recording, compare: With = None, engines_dir: EnginesDir = default_engines_dir()) -> None:
    """Play RECORDING in the window, with the joints that were saved."""
    from poseapp.live.recording import read_manifest  # brings FFmpeg, which other commands need not wait for

    for folder in (recording, *([compare] if compare is not None else [])):
        if not folder.is_dir():
            raise RecordError(f"{folder}: expected the folder of a recording, got something else. Choose a recording.")
        read_manifest(folder)
    reason = no_window_because()
    if reason:
        raise PoseAppError(f"{reason} A recording is played in the window: run this where there is a screen.")
    open_source(RunOptions(source=str(recording), engines_dir=engines_dir, compare=compare))
