"""The command models convert: a model of the store in a further precision."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from poseapp.cli.options import EnginesDir, Stored
from poseapp.cli.progress import sharing
from poseapp.console import plain_console
from poseapp.core.errors import ModelError
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.store import default_engines_dir, find_model

_PRECISIONS = ("fp16", "int8")  # every model has FP32


def _convertible(value: str) -> str:
    if value not in _PRECISIONS:
        raise typer.BadParameter(f"expected one of {', '.join(_PRECISIONS)}, got {value!r}")
    return value


Precision = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="fp16, which TensorRT runs faster than FP32; or int8, in one file for CPUs and one for GPUs.",
        show_default=False,
        callback=_convertible,
    ),
]
Images = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Typical pictures of people, which INT8 needs.", show_default=False)
]
Annotations = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Joints of people in some of the pictures, in COCO's format, to score INT8. May be given several times.",
        show_default=False,
    ),
]
Limit = Annotated[int, typer.Option(metavar="PEOPLE", help="Score INT8 on so many people; 0 is all.", min=0)]


def convert_command(
    name: Stored,
    precision: Precision,
    images: Images = None,
    annotations: Annotations = None,
    limit: Limit = 0,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Make a model's files in FP16 or INT8, and keep them if the joints stay in place."""
    if precision == "fp16":
        if images is not None or annotations or limit:
            raise ModelError("models convert: fp16 needs no pictures. Leave out --images, --annotations and --limit.")
        _to_fp16(name, engines_dir)
        return
    if images is None:
        raise ModelError("models convert: int8 finds its ranges on pictures. Give a folder of them with --images.")
    _to_int8(name, images, annotations or [], limit, engines_dir)


def halve_command(name: Stored, engines_dir: EnginesDir = default_engines_dir()) -> None:
    """Make a model's FP16 file: the former name of `models convert --precision fp16`, for one release."""
    convert_command(name, "fp16", engines_dir=engines_dir)


def quantise_command(
    name: Stored,
    images: Images = None,
    annotations: Annotations = None,
    limit: Limit = 0,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Make a model's INT8 files: the former name of `models convert --precision int8`, for one release."""
    convert_command(name, "int8", images, annotations, limit, engines_dir)


def _to_fp16(name: str, engines_dir: Path) -> None:
    from poseapp.convert.half import halve

    with ModelFolder(find_model(engines_dir, name).folder).editable() as model:
        px = halve(model.path)
    plain_console(stderr=True, soft_wrap=True).print(f"{model.file('fp16')}: joints move by {px:.3f} px on the stored crops")


def _to_int8(name: str, images: Path, annotations: Sequence[Path], limit: int, engines_dir: Path) -> None:
    from poseapp.train.eval.int8 import quantise_model

    command = shlex.join(
        ["poseapp", "models", "convert", name, "--precision", "int8", "--images", str(images)]
        + [word for path in annotations for word in ("--annotations", str(path))]
        + (["--limit", str(limit)] if limit else [])
        + (["--engines-dir", str(engines_dir)] if engines_dir != default_engines_dir() else [])
    )
    console = plain_console(stderr=True, soft_wrap=True)
    with sharing(console) as show, ModelFolder(find_model(engines_dir, name).folder).editable() as model:
        report = quantise_model(model.path, images, annotations, command, limit, tell=lambda text, share: show(share, text))
    for made in report.files:
        q = made.quantised
        console.print(f"{model.path / made.file}: {q.convolutions} convolutions in INT8, ranges by {q.ranges}")
        for check in made.checks:
            console.print(f"  joints move by {check.px:.2f} px on the stored crops ({check.runtime})")
            for loss in check.losses:
                console.print(f"  {loss.annotations}: {loss}")
