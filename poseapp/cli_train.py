"""The commands train, eval and export. torch is imported inside them, so that the app starts without it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poseapp.core.errors import DataError, ModelError

if TYPE_CHECKING:
    from poseapp.engine.base import Engine
    from poseapp.train.evaluate import Evaluation

NO_TORCH = 'training needs PyTorch, which is not installed. Install it with: pip install "poseapp[train]"'

Annotations = Annotated[Path, typer.Option(help="COCO-format keypoint file.", show_default=False)]
Images = Annotated[Path, typer.Option(help="Folder with its pictures.", show_default=False)]
EnginesDir = Annotated[Path | None, typer.Option(help="Model store. Default: engines/ beside the package.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command("eval")(evaluate_command)
    app.command("export")(export_command)


def require_torch() -> None:
    """Raise DataError, with what to install, where torch is missing."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise DataError(NO_TORCH) from None


def evaluate_command(
    model: Annotated[str, typer.Option(help="Name of a model in the store, or a model.onnx with its model.json beside it.")],
    annotations: Annotations,
    images: Images,
    boxes: Annotated[str, typer.Option(help="gt (annotated boxes) or a COCO detection file.")] = "gt",
    flip: Annotated[bool, typer.Option("--flip", help="Average the heatmaps with those of the mirrored picture.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.", show_default=False)] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a PNG of the 20 worst people here.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="Stop after so many people; 0: all.", min=0)] = 0,
    engines_dir: EnginesDir = None,
    device: Annotated[str, typer.Option(help="Where to run the model.")] = "auto",
) -> None:
    """Score an exported model on a COCO-format keypoint set, in the engine the app uses."""
    from poseapp.train.evaluate import contact_sheet, write_png

    engine = open_model(model, engines_dir, device)
    try:
        result = evaluate_with_progress(engine, annotations, images, boxes, flip, limit)
        print_figures(result, engine, boxes, flip)
    finally:
        engine.close()
    if sheet is not None:
        write_png(contact_sheet(result), sheet)
        typer.echo(f"The worst people: {sheet}")
    if out is not None:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(result.figures.to_json(), encoding="utf-8")
        except OSError as error:
            raise DataError(f"{out}: cannot be written ({error.strerror}). Give another path to --json.") from None


def open_model(model: str, engines_dir: Path | None, device: str) -> Engine:
    """The engine for a name in the store, or for a path to an ONNX file (or its folder)."""
    from poseapp.engine.load import default_engines_dir, find_model, load_engine

    path = Path(model)
    if path.suffix == ".onnx":
        if path.name != "model.onnx":
            raise ModelError(f"{path}: expected a file called model.onnx with its model.json beside it. Export it again.")
        return load_engine(path.parent, device)
    return load_engine(find_model(engines_dir or default_engines_dir(), model).folder, device)


def evaluate_with_progress(engine: Engine, annotations: Path, images: Path, boxes: str, flip: bool, limit: int) -> Evaluation:
    """Evaluate under a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from poseapp.train.evaluate import evaluate

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("people", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return evaluate(engine, annotations, images, boxes=boxes, flip=flip, limit=limit, on_person=advance)


def print_figures(result: Evaluation, engine: Engine, boxes: str, flip: bool) -> None:
    """The figures, the errors by joint and the conventions, as tables."""
    from rich.console import Console
    from rich.table import Table

    from poseapp.core.metrics import ERRORS
    from poseapp.train.evaluate import conventions

    console = Console()
    f = result.figures
    top = Table(title=f"{engine.spec.name}: {f.people} people with five or more labelled joints")
    for names, values in (
        (("mean OKS", "OKS≥.5", "OKS≥.75", "PCK@.2", "PCKh@.5", "ms"),
         (f"{f.mean_oks:.4f}", f"{f.oks50:.3f}", f"{f.oks75:.3f}", f"{100 * f.pck_total:.2f}",
          "–" if f.pckh_total is None else f"{100 * f.pckh_total:.2f}", f"{f.ms_per_person:.1f}")),
        (("AP", "AP50", "AP75", "APM", "APL", "AR"),
         tuple(f"{value:.4f}" for value in (f.ap, f.ap50, f.ap75, result.ap_medium, result.ap_large, f.ar))),
    ):  # fmt: skip
        if not top.columns:
            for name in names:
                top.add_column(name, justify="right")
        else:
            top.add_section()
            top.add_row(*names, style="bold")
        top.add_row(*values)
    console.print(top)
    joints = Table(title="Labelled joints, and what became of them in %")
    short = {"left_right": "l/r", "inversion": "inv."}
    for name in ("joint", "n", "PCK@.2", *(short.get(kind, kind) for kind in ERRORS)):
        joints.add_column(name, justify="left" if name == "joint" else "right", no_wrap=True)
    for (name, value), counts in zip(f.pck_by_joint.items(), result.errors, strict=True):
        shares = [f"{100 * c / max(1, counts.sum()):.1f}" for c in counts]
        joints.add_row(name.replace("_", " "), str(counts.sum()), "–" if value is None else f"{100 * value:.1f}", *shares)
    overall = result.errors.sum(axis=0)
    joints.add_section()
    shares = [f"{100 * c / max(1, overall.sum()):.1f}" for c in overall]
    joints.add_row("all", str(overall.sum()), f"{100 * f.pck_total:.1f}", *shares)
    console.print(joints)
    console.print(conventions(engine, boxes, flip), style="dim", highlight=False)


def export_command(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder, or one of its checkpoints.", show_default=False)],
    name: Annotated[str, typer.Option(help="The model's name in the store. Default: its recipe.", show_default=False)] = "",
    about: Annotated[
        Path | None,
        typer.Option(help="Markdown with the sections Data, Licence, Known limits. Default: about.md in the model's folder."),
    ] = None,
    annotations: Annotated[Path | None, typer.Option(help="Measure the card's figures on this keypoint file.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder with its pictures.")] = None,
    train_line: Annotated[str, typer.Option("--trained-by", help="The training's command line, for the card.")] = "",
    engines_dir: EnginesDir = None,
) -> None:
    """Export a checkpoint's averaged weights as a model that the app runs, with its model card."""
    require_torch()
    from poseapp.engine.load import default_engines_dir, load_engine
    from poseapp.train.evaluate import conventions
    from poseapp.train.export import About, Commands, export, write_card
    from poseapp.train.loop import read_checkpoint

    if (annotations is None) != (images is None):
        raise DataError("export: --annotations and --images go together. Give both, or neither.")
    if checkpoint.is_dir():
        checkpoint = checkpoint / "last.pt"
    recipe = str(read_checkpoint(checkpoint)["recipe"])
    folder = (engines_dir or default_engines_dir()) / (name or recipe)
    sections = About.read(about or folder / "about.md")
    spec = export(checkpoint, folder, sections)
    result, how = None, ""
    if annotations is not None and images is not None:
        engine = load_engine(folder)
        try:
            result = evaluate_with_progress(engine, annotations, images, "gt", False, 0)
            print_figures(result, engine, "gt", False)
            how = conventions(engine, "gt", False)
        finally:
            engine.close()
    measured = ["--annotations", str(annotations), "--images", str(images)] if annotations else []
    train_line = train_line or f"poseapp train {recipe} --data PATH"
    commands = Commands(
        train=train_line,
        export=shlex.join(["poseapp", "export", str(checkpoint), "--name", folder.name, *measured, "--trained-by", train_line]),
        evaluate=shlex.join(["poseapp", "eval", "--model", folder.name, *measured]),
        conventions=how,
    )
    write_card(folder, spec, checkpoint, sections, result, commands)
    typer.echo(f"Exported to {folder}")
