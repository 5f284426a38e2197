"""The command report: a recording on one page, as a PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from poseapp.cli.display import install_what_qt_needs
from poseapp.cli.measure import Count, exercise_called
from poseapp.cli.options import Backdrop, BlurFaces
from poseapp.core.errors import PoseAppError, printable
from poseapp.render import Background, DrawOptions

Recording = Annotated[Path, typer.Argument(metavar="RECORDING", help="The folder of a recording.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="The PDF.", show_default="NAME-report.pdf in the recording's folder exports"
    ),
]
Person = Annotated[
    int | None, typer.Option("--person", metavar="ID", min=0, help="Whom it is about.", show_default="who is seen longest")
]
Title = Annotated[str, typer.Option("--title", metavar="TEXT", help="The title.", show_default="the name of the recording")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="A remark below the title, two lines at most.")]
Threshold = Annotated[
    float, typer.Option("--threshold", metavar="SCORE", min=0.0, max=1.0, help="Joints of a lower score do not count.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a file that exists already.")]


def report_command(  # noqa: PLR0913 - the command's options
    recording: Recording,
    out: Out = None,
    person: Person = None,
    count: Count = None,
    title: Title = "",
    note: Note = "",
    threshold: Threshold = 0.3,
    background: Backdrop = "picture",
    blur_faces: BlurFaces = False,
    replace: Replace = False,
) -> None:
    """Write a page about one person: three stills, curves of the angles, ranges, repetitions. In 2D, from the camera's view."""
    application = _application()
    from poseapp.review.report import ReportOptions
    from poseapp.ui.report_file import default_path, write_report

    options = ReportOptions(
        person=person,
        exercise=exercise_called(count),
        title=title,
        note=note,
        draw=DrawOptions(threshold=threshold, background=cast(Background, background), blur_faces=blur_faces),
    )
    folder = recording.resolve()
    written = write_report(folder, out or default_path(folder), options, replace=replace)
    for remark in written.remarks:
        typer.echo(f"poseapp: {printable(remark)}", err=True)
    typer.echo(printable(str(written.path)))
    del application  # lived until here: fonts belong to it


def _application() -> Any:
    """Qt's application object, which fonts need; no screen is used. Raises PoseAppError where Qt cannot start."""
    try:
        from PySide6.QtGui import QGuiApplication
    except ImportError as error:
        raise PoseAppError(f"Qt cannot start ({error}). {install_what_qt_needs()}") from None
    return QGuiApplication.instance() or QGuiApplication(["poseapp", "-platform", "offscreen"])
