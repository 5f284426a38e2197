"""The command export-data: recordings in the formats of other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, cast

import typer

from poseapp.cli.options import Backdrop, BlurFaces
from poseapp.core.errors import PoseAppError, printable
from poseapp.render import Background, DrawOptions
from poseapp.review.exports import EXPORTS, ExportOptions
from poseapp.review.exports.base import DEFAULT_FOLDER


def _formats(value: str) -> str:
    wrong = [name for name in value.split(",") if name not in EXPORTS]
    if wrong:
        raise typer.BadParameter(f"expected some of {', '.join(EXPORTS)}, with commas between; got {wrong[0]!r}")
    return value


Recordings = Annotated[
    list[Path], typer.Argument(metavar="RECORDINGS", help="Folders of recordings, or folders with recordings in them.")
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="FORMATS",
        callback=_formats,
        help=f"Which formats, with commas between: {'; '.join(f'{name} = {one.label}' for name, one in EXPORTS.items())}.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FOLDER", help="Where the files go.", show_default=f"the folder {DEFAULT_FOLDER} in each recording"
    ),
]
Person = Annotated[int | None, typer.Option("--person", metavar="ID", min=0, help="This person only.", show_default="everybody")]
Smoothed = Annotated[bool, typer.Option("--smoothed", help="Take the smoothed joints where a format has room for one kind.")]
LeastScore = Annotated[
    float | None,
    typer.Option(
        "--least-score",
        metavar="SCORE",
        min=0.0,
        max=1.0,
        help="Leave joints of a lower score out.",
        show_default="0, and 0.3 as in the window where the format has no scores",
    ),
]
Replace = Annotated[bool, typer.Option("--replace", help="Replace files that exist already.")]


def export_data_command(  # noqa: PLR0913 - the command's options
    recordings: Recordings,
    to: To,
    out: Out = None,
    person: Person = None,
    smoothed: Smoothed = False,
    least_score: LeastScore = None,
    background: Backdrop = "picture",
    blur_faces: BlurFaces = False,
    replace: Replace = False,
) -> None:
    """Write recordings as tables, markers or poses for other programs. docs/exports.md says which program reads which format."""
    formats = tuple(dict.fromkeys(to.split(",")))
    draw = DrawOptions(background=cast(Background, background), blur_faces=blur_faces)
    options = ExportOptions(smoothed=smoothed, person=person, least_score=least_score, draw=draw)
    failed = 0
    seen: dict[str, Path] = {}  # by name: in one folder, two recordings of a name would be one
    for folder, complaint in _found(recordings):
        error = complaint or _clash(folder, seen, out)
        if error:
            typer.echo(f"poseapp: {printable(error)}", err=True)
            failed += 1
            continue
        failed += _export(folder, formats, out, options, replace)
    if failed:
        raise typer.Exit(1)


def _found(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Each recording once, with ""; or a path with why it is none."""
    from poseapp.review.saved_recording import recordings_in

    met = set()
    for path in paths:
        try:
            folders = recordings_in(path)
        except PoseAppError as error:
            yield path, str(error)
            continue
        for folder in folders:
            if folder.resolve() not in met:
                met.add(folder.resolve())
                yield folder, ""


def _clash(folder: Path, seen: dict[str, Path], out: Path | None) -> str:
    """Why *folder* cannot go into *out* beside those that are *seen*, or ""."""
    other = seen.setdefault(folder.resolve().name, folder)
    if out is None or other is folder:
        return ""
    return f"{folder}: has the same name as {other}, so its files would be the same. Leave --out out, or export it by itself."


def _export(folder: Path, formats: Sequence[str], out: Path | None, options: ExportOptions, replace: bool) -> int:
    """Export one recording and say what was written; returns how many files failed."""
    from poseapp.review.exports.write import export_recording
    from poseapp.review.saved_recording import SavedRecording

    try:
        recording = SavedRecording.read(folder)
    except PoseAppError as error:
        typer.echo(f"poseapp: {error}", err=True)
        return 1
    for remark in recording.remarks:
        typer.echo(f"poseapp: {printable(remark)}", err=True)
    failed = 0
    for done in export_recording(recording, formats, out or recording.folder / DEFAULT_FOLDER, options, replace):
        if done.error:
            typer.echo(f"poseapp: {printable(done.error)}", err=True)
            failed += 1
        else:
            typer.echo(printable(str(done.path)))
    return failed
