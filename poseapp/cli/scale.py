"""The command scale: how many pixels of a recording a metre has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

Recording = Annotated[Path, typer.Argument(metavar="RECORDING", help="The folder of a recording.", show_default=False)]
Height = Annotated[
    float | None, typer.Option("--height", metavar="M", help="The height of a person in it, in metres.", show_default="none")
]
Person = Annotated[
    int | None, typer.Option("--person", metavar="ID", min=0, help="Who has this height.", show_default="who is seen longest")
]
Points = Annotated[
    str | None,
    typer.Option("--points", metavar="POINTS", help="Two points in the picture, in pixels, as X,Y,X,Y.", show_default="none"),
]
Metres = Annotated[
    float | None, typer.Option("--metres", metavar="M", help="How far apart the two points are.", show_default="none")
]
Off = Annotated[bool, typer.Option("--off", help="Forget the scale.")]


def scale_command(
    recording: Recording,
    height: Height = None,
    person: Person = None,
    points: Points = None,
    metres: Metres = None,
    off: Off = False,
) -> None:
    """Set the scale of a recording, by a height or by two points; without options, show it.

    The scale is kept with the recording. Measurements and exports then have metres.
    """
    from poseapp.live.recording.scales import save_scale
    from poseapp.review.saved_recording import SavedRecording
    from poseapp.review.scaling import recording_scale_by_height, recording_scale_by_points

    if (height is not None) + (points is not None) + off > 1:
        raise typer.BadParameter("expected one of --height, --points and --off")
    if (points is None) != (metres is None):
        raise typer.BadParameter("--points and --metres go together")
    if person is not None and height is None:
        raise typer.BadParameter("--person goes with --height")
    places = _two_points(points) if points is not None else None
    saved = SavedRecording.read(recording)
    scale = saved.scale
    if off:
        scale = None
    elif height is not None:
        scale = recording_scale_by_height(saved, height, person)
    elif places is not None and metres is not None:
        scale = recording_scale_by_points(saved, *places, metres)
    if height is not None or points is not None or off:
        save_scale(saved.folder, scale)
    typer.echo(f"{scale.sentence}." if scale is not None else "This recording has no scale: distances are in px.")


def _two_points(text: str) -> tuple[tuple[float, float], tuple[float, float]]:
    numbers = re.split(r"[,\s]+", text.strip())
    try:
        ax, ay, bx, by = (float(number) for number in numbers)
    except ValueError:
        raise typer.BadParameter(
            f"--points: expected four numbers with commas between, such as 100,400,420,400; got {text!r}"
        ) from None
    return (ax, ay), (bx, by)
