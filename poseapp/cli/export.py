"""The command export: a trained checkpoint becomes a model with its card."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from poseapp.cli import train_options as options
from poseapp.cli.evaluate import FIGURES_FROM, evaluate_detector, figures_of, takes_no
from poseapp.cli.options import GivenEnginesDir, Half, Replace
from poseapp.cli.train import require_torch
from poseapp.core.errors import DataError, ModelError

if TYPE_CHECKING:
    from poseapp.convert.card import About, Commands
    from poseapp.train.checkpoint import TrainedNetwork


def export_command(
    checkpoint: options.Checkpoint,
    name: options.Name = "",
    about: options.ExportAbout = None,
    annotations: options.ExportAnnotations = None,
    images: options.ExportImages = None,
    train_line: options.TrainLine = "",
    fp16: Half = False,
    int8: options.Int8 = False,
    replace: Replace = False,
    engines_dir: GivenEnginesDir = None,
) -> None:
    """Export a checkpoint's averaged weights as a model that the app runs, with its model card."""
    require_torch()
    from poseapp.cli.models_import import model_name
    from poseapp.convert.card import About, Commands
    from poseapp.engine.load import default_engines_dir
    from poseapp.engine.model_folder import ModelFolder
    from poseapp.engine.store import place_for
    from poseapp.train.checkpoint import TrainedNetwork, read
    from poseapp.train.eval.calibration import score_calibration
    from poseapp.train.export import export, write_card

    if (annotations is None) != (images is None):
        raise DataError("export: --annotations and --images go together. Give both, or neither.")
    if int8 and images is None:
        raise DataError("export: --int8 finds its ranges on pictures. Give --annotations and --images.")
    if checkpoint.is_dir():
        checkpoint = checkpoint / "last.pt"
    state = read(checkpoint)
    folder = place_for(engines_dir or default_engines_dir(), model_name(name or state.recipe), replace)
    check_place(folder, checkpoint, replace)
    described = about is not None or (folder / "about.md").exists()
    sections = About.read(about or folder / "about.md") if described else About.unstated()
    store = ["--engines-dir", str(engines_dir)] if engines_dir else []
    measured = ["--annotations", str(annotations), "--images", str(images)] if annotations else []
    train_line = train_line or state.command or f"poseapp train {state.recipe}"
    further = [*(["--fp16"] if fp16 else []), *(["--int8"] if int8 else [])]
    again = ["export", str(checkpoint), "--name", folder.name, "--replace", *measured, *further, *store]
    commands = Commands(
        train=train_line,
        export=shlex.join(["poseapp", *again, "--trained-by", train_line]),
        evaluate=shlex.join(["poseapp", "eval", "--model", folder.name, *measured, *FIGURES_FROM, *store]),
    )
    trained = TrainedNetwork.of(state, checkpoint)
    if trained.recipe.task == "detection":
        takes_no("export of a person detector", {"--fp16": fp16, "--int8": int8})
        commands = dataclasses.replace(
            commands, evaluate=shlex.join(["poseapp", "eval", "--model", folder.name, *measured, *store])
        )
        export_detector_command(trained, folder, sections, about, annotations, images, commands, replace)
        typer.echo(f"Exported to {folder}")
        return
    with ModelFolder(folder).made_anew(replace) as model:
        made = model.path
        if about is not None:
            (made / "about.md").write_bytes(about.read_bytes())
        spec = export(trained, made, sections, fp16)
        result, as_trained = None, None
        if annotations is not None and images is not None:
            if not trained.recipe.fields:  # whose scores are made outside the graph, in core/paf.py
                as_trained = score_calibration(figures_of(made, annotations, images))
                spec = export(trained, made, sections, fp16, as_trained.score_odds_scale)
            result = figures_of(made, annotations, images, show=True)
            commands = dataclasses.replace(commands, conventions=result.conventions)
        write_card(made, spec, trained, sections, result, commands, as_trained)
    typer.echo(f"Exported to {folder}")
    if int8 and annotations is not None and images is not None:
        from poseapp.cli.models_convert import convert_command

        convert_command(folder.name, "int8", images, [annotations], engines_dir=folder.parent)


def export_detector_command(
    trained: TrainedNetwork,
    folder: Path,
    sections: About,
    about: Path | None,
    annotations: Path | None,
    images: Path | None,
    commands: Commands,
    replace: bool,
) -> None:
    """Export the detector *trained* to *folder*; with *annotations*, measure it and choose its threshold."""
    from poseapp.engine.model_folder import ModelFolder
    from poseapp.train.eval.detector import conventions
    from poseapp.train.export_detector import export_detector, with_threshold, write_detector_card

    with ModelFolder(folder).made_anew(replace) as model:
        made = model.path
        if about is not None:
            (made / "about.md").write_bytes(about.read_bytes())
        spec, figures = export_detector(trained, made, sections), None
        if annotations is not None and images is not None:
            spec = with_threshold(made, evaluate_detector(made, annotations, images, show=False).best_threshold)
            figures = evaluate_detector(made, annotations, images)
            commands = dataclasses.replace(commands, conventions=conventions(spec))
        write_detector_card(made, spec, trained, sections, figures, commands)


def check_place(folder: Path, checkpoint: Path, replace: bool) -> None:
    """Raise an error unless a model made from *checkpoint* may take the place of *folder*, of which about.md alone stays."""
    lost = [path for path in folder.iterdir() if path.name != "about.md"] if folder.is_dir() else []
    if lost and not replace:
        raise ModelError(f"{folder}: a model of this name is there already. Give another with --name, or --replace it.")
    if lost and not any(path.name in ("model.onnx", "model.json") for path in lost):
        raise ModelError(f"{folder}: is no model, and would be lost. Give another name with --name.")
    if checkpoint.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{checkpoint}: lies in the model that it would replace, and would be lost. Copy it elsewhere first.")
