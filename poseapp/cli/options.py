"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from poseapp.core.types import POSE_MODES
from poseapp.engine.backends import device_labels, device_tips
from poseapp.engine.load import PRECISION_CHOICES
from poseapp.render.privacy import BACKGROUNDS

MODEL, POSES = "Model", "Poses"  # titles in --help, over the options that belong together

_STORE = typer.Option(
    "--engines-dir",
    metavar="FOLDER",
    help="The folder with the models.",
    show_default="your own models and those that come with the app",
    rich_help_panel=MODEL,
)
EnginesDir = Annotated[Path, _STORE]
GivenEnginesDir = Annotated[Path | None, _STORE]  # for commands that write down their own options: None where it was not given
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="A model that `poseapp models` lists.",
        show_default="hourglass-s; hourglass-l on a GPU",
        rich_help_panel=MODEL,
    ),
]


def one_of(*known: str) -> Callable[[str | None], str | None]:
    """The callback of an option that takes one of *known*, or is left out."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in known:
            raise typer.BadParameter(f"expected one of {', '.join(known)}, got {value!r}")
        return value

    return check


def _listed(tips: dict[str, str]) -> str:
    return ", ".join(f"{name} ({tip[0].lower()}{tip[1:]})" for name, tip in tips.items())


def _old_mode(value: str | None) -> str | None:
    """The value of ``--people``, the name that ``--mode`` had first."""
    if value is not None:
        typer.echo("--people is deprecated: use --mode.", err=True)
    return one_of(*POSE_MODES)(value)


# None is what the window used last, and auto without one.
Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="NAME",
        callback=one_of(*device_labels()),
        help=f"Where the model runs: {_listed(device_tips())}.",
        show_default="auto",
        rich_help_panel=MODEL,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="NAME",
        callback=one_of(*PRECISION_CHOICES),
        help="How exactly the model computes: auto (the fastest that agrees), fp32 (exact), fp16 (for GPUs) or "
        "int8 (coarse and quick).",
        show_default="auto",
        rich_help_panel=MODEL,
    ),
]
ModeName = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="HOW",
        callback=one_of(*POSE_MODES),
        help="How people are found: one (one person), top-down (several, each alone) or bottom-up (several, all at once).",
        show_default="one",
        rich_help_panel=POSES,
    ),
]
OldModeName = Annotated[str | None, typer.Option("--people", callback=_old_mode, hidden=True)]  # for one release
Smoothing = Annotated[
    float | None,
    typer.Option(
        "--smoothing",
        metavar="STRENGTH",
        min=0.0,
        max=1.0,
        help="How much joints are smoothed; 0 is not at all.",
        show_default="0.5",
        rich_help_panel=POSES,
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget-ms",
        metavar="MILLISECONDS",
        min=1.0,
        help="Top-down, live: the time for the poses of a frame. The people who do not fit into it wait for the next frame.",
        show_default="100",
        rich_help_panel=POSES,
    ),
]
_BACKGROUND = typer.Option(
    "--background",
    metavar="WHAT",
    callback=one_of(*BACKGROUNDS),
    help=f"In pictures and videos: what the skeletons are on: {', '.join(BACKGROUNDS)}.",
    show_default="picture",
)
Backdrop = Annotated[str, _BACKGROUND]
GivenBackdrop = Annotated[str | None, _BACKGROUND]  # None where it was not given
BlurFaces = Annotated[bool, typer.Option("--blur-faces", help="In pictures and videos: blur the faces of those who were found.")]
Half = Annotated[bool, typer.Option("--fp16", help="Make the FP16 file for GPUs, too.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace a model of the same name.")]
Stored = Annotated[str, typer.Argument(metavar="NAME", help="A model that `poseapp models` lists.", show_default=False)]
