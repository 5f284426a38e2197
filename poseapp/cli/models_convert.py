"""The commands models quantise and halve: further precisions of a model."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path
from typing import Annotated

import typer

from poseapp.cli.options import EnginesDir, Stored
from poseapp.cli.progress import sharing
from poseapp.console import plain_console
from poseapp.core.errors import ModelError
from poseapp.engine.load import default_engines_dir, find_model
from poseapp.engine.store import to_change


def quantise_command(
    name: Stored,
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="Typical pictures of people.", show_default=False)],
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Joints of people in some of them, in COCO's format: INT8 is scored there. May be given several times.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="PEOPLE", help="Score on so many; 0 is all.", min=0)] = 0,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Make a model's INT8 files, one for CPUs and one for GPUs, and keep them when they are accurate enough."""
    require_onnx("quantise")
    from poseapp.train.eval.int8 import quantise_model

    scored = annotations or []
    command = shlex.join(
        ["poseapp", "models", "quantise", name, "--images", str(images)]
        + [word for path in scored for word in ("--annotations", str(path))]
        + (["--limit", str(limit)] if limit else [])
        + (["--engines-dir", str(engines_dir)] if engines_dir != default_engines_dir() else [])
    )
    console = plain_console(stderr=True, soft_wrap=True)
    with sharing(console) as show, to_change(find_model(engines_dir, name).folder) as folder:
        report = quantise_model(folder, images, scored, command, limit, tell=lambda text, share: show(share, text))
    for made in report.files:
        q = made.quantised
        console.print(f"{folder / made.file}: {q.convolutions} convolutions in INT8, ranges by {q.ranges}")
        for kept in made.kept:
            console.print(f"  joints move by {kept.px:.2f} px on the stored crops ({kept.runtime})")
            for loss in kept.losses:
                console.print(f"  {loss.annotations}: {loss}")


def halve_command(
    name: Stored,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Make a model's FP16 form, which TensorRT runs faster than FP32, and check that its joints stay in place."""
    require_onnx("halve")
    from poseapp.convert.half import halve

    with to_change(find_model(engines_dir, name).folder) as folder:
        px = halve(folder)
    console = plain_console(stderr=True, soft_wrap=True)
    console.print(f"{folder / 'model.fp16.onnx'}: joints move by {px:.3f} px on the stored crops")


def require_onnx(command: str) -> None:
    """Raise ModelError, with what to install, where onnx is missing."""
    if importlib.util.find_spec("onnx") is None:
        raise ModelError(f'models {command} needs onnx, which is not installed. Install it with: pip install "poseapp[train]"')
