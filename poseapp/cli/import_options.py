"""The options of models import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from poseapp.core import heatmap
from poseapp.core.skeleton import SKELETONS

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The trained weights (.pth, .pt or .pth.tar), or RTMPose or RTMO as ONNX (.zip or .onnx).",
        show_default=False,
    ),
]
Arch = Annotated[
    str | None,
    typer.Option(
        metavar="NETWORK",
        help="The network of the file, such as hrnet-w32; a wrong name lists all.",
        show_default="as the ONNX file tells",
    ),
]
Name = Annotated[str | None, typer.Option(metavar="NAME", help="The name of the model.", show_default="the file's name")]
InputSize = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="SIZE",
        help="Height x width of the network's input in pixels, such as 256x192.",
        show_default="the network's",
        rich_help_panel="Where the network differs from the authors'",
    ),
]
Skeleton = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"The joints and their order: {', '.join(SKELETONS)}.",
        show_default="by their number",
        rich_help_panel="Where the network differs from the authors'",
    ),
]
Mapping = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"How heatmaps lie on the picture: {', '.join(get_args(heatmap.Mapping))}.",
        show_default="the authors'",
        rich_help_panel="Where the network differs from the authors'",
    ),
]
Decode = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"How a joint is found in its heatmap: {', '.join(get_args(heatmap.Decode))}.",
        show_default="the authors'",
        rich_help_panel="Where the network differs from the authors'",
    ),
]
Sigma = Annotated[
    float | None,
    typer.Option(
        metavar="PIXELS",
        help="How wide joints were drawn in the heatmaps of its training.",
        show_default="the authors'",
        min=0.1,
        rich_help_panel="Where the network differs from the authors'",
    ),
]
Flip = Annotated[bool, typer.Option("--flip", help="Average with the mirrored picture: better, half as fast.")]
Data = Annotated[
    str, typer.Option(metavar="TEXT", help="The data that the weights were trained on.", rich_help_panel="Model card")
]
Licence = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="The licence of the weights.",
        show_default="the authors'",
        rich_help_panel="Model card",
    ),
]
