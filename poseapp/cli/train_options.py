"""The options of train, eval and export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Annotations = Annotated[
    Path, typer.Option(metavar="FILE", help="Labelled joints in COCO's format, or the .mat of MPII or LSP.", show_default=False)
]
Images = Annotated[Path, typer.Option(metavar="FOLDER", help="The pictures that the labels belong to.", show_default=False)]

# train
Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="What to train; --list shows all.", show_default=False)]
Data = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SET",
        help="What to learn from: a set's folder, a file of labels with images/ beside it, or FILE=FOLDER (or "
        "FILE=shard-*.tar). May be given several times: the sets are mixed, and a joint that a set lacks does not count in it.",
        show_default=False,
        rich_help_panel="Data",
    ),
]
Val = Annotated[
    str,
    typer.Option(
        metavar="SET",
        help="The set to validate on.",
        show_default="the val part of the first --data, if it has one",
        rich_help_panel="Data",
    ),
]
TrainOut = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="The folder of the training.", show_default="runs/RECIPE", rich_help_panel="Run"),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change the recipe: lr=1e-3, epochs=20, augment.rotation_deg=30 … May be given several times.",
        show_default=False,
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint, exactly.", rich_help_panel="Run")]
StartFrom = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Begin with the weights of this checkpoint: fine-tuning.", rich_help_panel="Run"),
]
Teacher = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A checkpoint or a model's folder: learn its heatmaps, too.", rich_help_panel="Run"),
]
TrainDevice = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Where the training runs: auto, cpu, cuda (NVIDIA), cuda:1 (the second NVIDIA GPU) or mps (Apple).",
        rich_help_panel="Speed",
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        metavar="NUMBER", help="Processes that load pictures; -1 is as many as the cores allow.", min=-1, rich_help_panel="Speed"
    ),
]
Resident = Annotated[
    bool,
    typer.Option(
        "--resident",
        help="For GPUs: keep the decoded set in the device's memory, and make the samples there.",
        rich_help_panel="Speed",
    ),
]
ValidateEvery = Annotated[float, typer.Option(metavar="EPOCHS", help="How often to validate.", min=0.01, rich_help_panel="Run")]
MaxMinutes = Annotated[
    float, typer.Option(metavar="MINUTES", help="Save and stop after so long; 0 is no limit.", min=0, rich_help_panel="Run")
]
SaveEvery = Annotated[float, typer.Option(metavar="SECONDS", help="How often to save.", min=0, rich_help_panel="Run")]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile", help="Let torch compile the network: steps are quicker after a slow first one.", rich_help_panel="Speed"
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Read every label and picture, report what is wrong, and train nothing.")]
List = Annotated[bool, typer.Option("--list", help="List the recipes.")]

# eval
Model = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="A model that `poseapp models` lists, or a model.onnx with its model.json beside it.",
        rich_help_panel="Model",
    ),
]
Boxes = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="Where people are: gt (as labelled), detect (the person detector finds them; without a detector, one person in "
        "each picture is searched for), whole (everybody in whole pictures, bottom-up), a file of detections in COCO's format, "
        "or track (one person followed through panned pictures, as the app does).",
        show_default="gt; whole for openpose",
        rich_help_panel="Method",
    ),
]
Flip = Annotated[
    bool, typer.Option("--flip", help="Average the heatmaps with those of the mirrored picture.", rich_help_panel="Method")
]
MultiScale = Annotated[
    bool, typer.Option("--multi-scale", help="Average the heatmaps over five sizes of the crop.", rich_help_panel="Method")
]
Sheet = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write a PNG of the 20 people with the worst poses.", rich_help_panel="Output")
]
Drawn = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a PNG of good and bad poses, drawn without the pictures.", rich_help_panel="Output"),
]
Scores = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write a PNG that shows how often joints with a score are right.", rich_help_panel="Output"
    ),
]
Limit = Annotated[
    int, typer.Option(metavar="PEOPLE", help="Stop after so many people; 0 is all.", min=0, rich_help_panel="Method")
]
Precision = Annotated[
    str, typer.Option(metavar="NAME", help="How exactly the model computes: auto, fp32, fp16 or int8.", rich_help_panel="Model")
]
EvalOut = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.", rich_help_panel="Output")
]
EvalDevice = Annotated[
    str,
    typer.Option(metavar="NAME", help="Where the model runs: auto, cpu, openvino, cuda or tensorrt.", rich_help_panel="Model"),
]

# export
Checkpoint = Annotated[
    Path, typer.Argument(metavar="RUN", help="A training's folder, or one of its checkpoints.", show_default=False)
]
Name = Annotated[str, typer.Option(metavar="NAME", help="The name of the model.", show_default="the name of its recipe")]
ExportAbout = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Markdown for the model card, with the sections Data, Licence, Known limits and any others.",
        show_default="about.md in the model's folder, if there is one",
        rich_help_panel="Model card",
    ),
]
ExportAnnotations = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Labelled joints to measure the card's figures on.", rich_help_panel="Model card"),
]
ExportImages = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="The pictures that the labels belong to.", rich_help_panel="Model card")
]
TrainLine = Annotated[
    str,
    typer.Option(
        "--trained-by",
        metavar="TEXT",
        help="The training's command line, for the card.",
        show_default="as the run has it",
        rich_help_panel="Model card",
    ),
]
Int8 = Annotated[bool, typer.Option("--int8", help="Make INT8 files, too, as `poseapp models convert` does; needs --images.")]
