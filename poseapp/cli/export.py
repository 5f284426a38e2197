"""The command export: a trained checkpoint becomes a model with its card."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from poseapp.cli import train_options
from poseapp.cli.evaluate import FIGURES_FROM, evaluate_detector, figures_of, takes_no
from poseapp.cli.options import GivenEnginesDir, Half, Replace
from poseapp.cli.packages import require
from poseapp.core.errors import DataError, ModelError

if TYPE_CHECKING:
    from poseapp.convert.card import About, Commands
    from poseapp.train.checkpoint import TrainedNetwork


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """The options of export that the model follows from."""

    about: Path | None
    annotations: Path | None
    images: Path | None
    train_line: str
    fp16: bool
    int8: bool
    replace: bool
    engines_dir: Path | None

    @property
    def labelled(self) -> tuple[Path, Path] | None:
        """The labels and pictures to measure the card's figures on, if they were given."""
        return (self.annotations, self.images) if self.annotations is not None and self.images is not None else None

    def sections(self, folder: Path) -> About:
        """What the card of the model in *folder* says besides figures."""
        from poseapp.convert.card import About

        described = self.about is not None or (folder / "about.md").exists()
        return About.read(self.about or folder / "about.md") if described else About.unstated()

    def commands(self, checkpoint: Path, folder: Path, trained: TrainedNetwork) -> Commands:
        """The command lines of the card: they make and measure the model again."""
        from poseapp.convert.card import Commands

        store = ["--engines-dir", str(self.engines_dir)] if self.engines_dir else []
        measured = ["--annotations", str(self.annotations), "--images", str(self.images)] if self.annotations else []
        train_line = self.train_line or trained.state.command or f"poseapp train {trained.state.recipe}"
        further = [*(["--fp16"] if self.fp16 else []), *(["--int8"] if self.int8 else [])]
        again = ["export", str(checkpoint), "--name", folder.name, "--replace", *measured, *further, *store]
        runs_on = () if trained.recipe.task == "detection" else FIGURES_FROM
        return Commands(
            train=train_line,
            export=shlex.join(["poseapp", *again, "--trained-by", train_line]),
            evaluate=shlex.join(["poseapp", "eval", "--model", folder.name, *measured, *runs_on, *store]),
        )


def export_command(  # noqa: PLR0913 - the command's options
    checkpoint: train_options.Checkpoint,
    name: train_options.Name = "",
    about: train_options.ExportAbout = None,
    annotations: train_options.ExportAnnotations = None,
    images: train_options.ExportImages = None,
    train_line: train_options.TrainLine = "",
    fp16: Half = False,
    int8: train_options.Int8 = False,
    replace: Replace = False,
    engines_dir: GivenEnginesDir = None,
) -> None:
    """Make a model for the app from a training, with its model card."""
    require("training needs", "torch")
    from poseapp.cli.models_import import model_name
    from poseapp.engine.store import default_engines_dir, place_for
    from poseapp.train.checkpoint import TrainedNetwork, read

    if (annotations is None) != (images is None):
        raise DataError("export: --annotations and --images go together. Give both, or neither.")
    if int8 and images is None:
        raise DataError("export: --int8 finds its ranges on pictures. Give --annotations and --images.")
    given = ExportOptions(
        about=about,
        annotations=annotations,
        images=images,
        train_line=train_line,
        fp16=fp16,
        int8=int8,
        replace=replace,
        engines_dir=engines_dir,
    )
    if checkpoint.is_dir():
        checkpoint = checkpoint / "last.pt"
    state = read(checkpoint)
    folder = place_for(engines_dir or default_engines_dir(), model_name(name or state.recipe), replace)
    check_place(folder, checkpoint, replace)
    sections = given.sections(folder)
    trained = TrainedNetwork.of(state, checkpoint)
    commands = given.commands(checkpoint, folder, trained)
    if trained.recipe.task == "detection":
        takes_no("export of a person detector", {"--fp16": fp16, "--int8": int8})
        _export_detector(given, trained, folder, sections, commands)
    else:
        _export_network(given, trained, folder, sections, commands)


def _export_network(given: ExportOptions, trained: TrainedNetwork, folder: Path, sections: About, commands: Commands) -> None:
    from poseapp.cli.models_convert import convert_command
    from poseapp.engine.model_folder import ModelFolder
    from poseapp.train.eval.calibration import score_calibration
    from poseapp.train.export import export, write_card

    with ModelFolder(folder).made_anew(given.replace) as model:
        made = model.path
        if given.about is not None:
            (made / "about.md").write_bytes(given.about.read_bytes())
        spec = export(trained, made, sections, given.fp16)
        result, as_trained = None, None
        if given.labelled is not None:
            if not trained.recipe.fields:  # whose scores are made outside the graph, in core/paf.py
                as_trained = score_calibration(figures_of(made, *given.labelled))
                spec = export(trained, made, sections, given.fp16, as_trained.score_odds_scale)
            result = figures_of(made, *given.labelled, show=True)
            commands = dataclasses.replace(commands, conventions=result.conventions)
        write_card(made, spec, trained, sections, result, commands, as_trained)
    typer.echo(f"Exported to {folder}")
    if given.int8 and given.labelled is not None:
        annotations, images = given.labelled
        convert_command(folder.name, "int8", images, [annotations], engines_dir=folder.parent)


def _export_detector(given: ExportOptions, trained: TrainedNetwork, folder: Path, sections: About, commands: Commands) -> None:
    """Export a person detector; with labels, measure it and choose its threshold."""
    from poseapp.engine.model_folder import ModelFolder
    from poseapp.train.eval.detector import conventions
    from poseapp.train.export_detector import export_detector, with_threshold, write_detector_card

    with ModelFolder(folder).made_anew(given.replace) as model:
        made = model.path
        if given.about is not None:
            (made / "about.md").write_bytes(given.about.read_bytes())
        spec, figures = export_detector(trained, made, sections), None
        if given.labelled is not None:
            spec = with_threshold(made, evaluate_detector(made, *given.labelled, show=False).best_threshold)
            figures = evaluate_detector(made, *given.labelled)
            commands = dataclasses.replace(commands, conventions=conventions(spec))
        write_detector_card(made, spec, trained, sections, figures, commands)
    typer.echo(f"Exported to {folder}")


def check_place(folder: Path, checkpoint: Path, replace: bool) -> None:
    """Raise an error unless a model made from *checkpoint* may take the place of *folder*, of which about.md alone stays."""
    lost = [path for path in folder.iterdir() if path.name != "about.md"] if folder.is_dir() else []
    if lost and not replace:
        raise ModelError(f"{folder}: a model of this name exists already. Give another --name, or replace it with --replace.")
    if lost and not any(path.name in ("model.onnx", "model.json") for path in lost):
        raise ModelError(f"{folder}: is not a model, and would be lost. Give another --name.")
    if checkpoint.resolve().is_relative_to(folder.resolve()):
        raise ModelError(
            f"{checkpoint}: is in the folder of the model that it would replace, and would be lost. Copy it elsewhere first."
        )
