"""The commands train, eval and export. torch is imported inside them, so that the app starts without it."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import shlex
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from poseapp.cli import train_options as options
from poseapp.cli.help import PlainCommand
from poseapp.cli.options import GivenEnginesDir, Half, Replace
from poseapp.console import description, plain_console
from poseapp.core.errors import DataError, ModelError
from poseapp.core.files import no_empty_folders

if TYPE_CHECKING:
    from poseapp.engine.base import Engine
    from poseapp.engine.detector import Detector
    from poseapp.train.eval.evaluate import Evaluation
    from poseapp.train.recipes import Recipe
    from poseapp.train.tasks import Items

NO_TORCH = 'training needs PyTorch, which is not installed. Install it with: pip install "poseapp[train]"'

# What a card's figures are measured with: what every computer has, and the network as it was trained.
FIGURES_FROM = ("--device", "cpu", "--precision", "fp32")


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command("train", cls=PlainCommand)(train_command)
    app.command("eval", cls=PlainCommand)(evaluate_command)
    app.command("export", cls=PlainCommand)(export_command)


def require_torch() -> None:
    """Raise DataError, with what to install, where torch is missing."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise DataError(NO_TORCH) from None


def train_command(
    recipe: options.Recipe = "",
    data: options.Data = None,
    val: options.Val = "",
    out: options.TrainOut = None,
    set_: options.Set = None,
    resume: options.Resume = False,
    start_from: options.StartFrom = None,
    teacher: options.Teacher = None,
    device: options.TrainDevice = "auto",
    workers: options.Workers = -1,
    resident: options.Resident = False,
    validate_every: options.ValidateEvery = 1.0,
    max_minutes: options.MaxMinutes = 0,
    save_every: options.SaveEvery = 60,
    compile_: options.Compile = False,
    check: options.Check = False,
    list_: options.List = False,
) -> None:
    """Train a recipe on labelled pictures. Ctrl-C saves and stops; --resume goes on.

    On several GPUs: torchrun --nproc-per-node=8 main.py train …
    """
    if check:
        check_sets(data or [], recipe)
        return
    require_torch()
    from poseapp.train.recipes import RECIPES, override

    if list_:
        for known in RECIPES.values():
            size = f"{known.input_hw[0]}×{known.input_hw[1]}"
            typer.echo(f"{known.name:22} {size:7} {known.skeleton.name:12} {known.paper}")
        return
    chosen = recipe_called(recipe)
    if not data:
        raise DataError("training: no data. Give a set's folder with --data.")
    changes = dict(part.partition("=")[::2] for part in set_ or [])
    with process_group(device) as (place, rank, processes):
        chosen = override(chosen, changes)
        folder = out or Path("runs") / recipe
        if (folder / "last.pt").exists() and not resume:
            raise DataError(f"{folder}: holds a run already. Go on with it (--resume), or give another folder with --out.")
        people, validation = read_sets(data, val, chosen)
        if workers < 0:
            from poseapp.engine.onnxruntime import available_cores

            workers = max(1, min(8, available_cores() // processes - 1))
        command = command_line(recipe, data, val, set_ or [], start_from, teacher, out, resident)
        how = How(place, workers, rank, max_minutes, save_every, validate_every, compile_, resume, start_from, teacher, command)
        with warnings_shown(rank):
            if resident:
                people = hold(people, chosen, place)
            run_training(chosen, people, validation, folder, how, changes)


def recipe_called(name: str) -> Recipe:
    """The recipe of that name; DataError where there is none, or no torch."""
    require_torch()
    from poseapp.train.recipes import RECIPES

    if name not in RECIPES:
        wrong = f"recipe {name!r}: there is none of that name" if name else "training: no recipe. Give the name of one"
        raise DataError(f"{wrong}. There are: {', '.join(RECIPES)}.")
    return RECIPES[name]


@contextmanager
def warnings_shown(rank: int) -> Iterator[None]:
    """Inside, what a training warns of, such as a picture that cannot be read, is printed above the progress bar."""
    from rich.logging import RichHandler

    logger = logging.getLogger("poseapp.train")
    before = logger.level, logger.propagate
    handler = RichHandler(console=plain_console(stderr=True, quiet=rank > 0), show_path=False, show_level=False)
    logger.addHandler(handler)
    logger.setLevel(min(logging.WARNING, logging.getLogger().level))
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


def command_line(
    recipe: str,
    data: list[str],
    val: str,
    changes: list[str],
    start_from: Path | None,
    teacher: Path | None,
    out: Path | None,
    resident: bool,
) -> str:
    """The line that starts this training anew, for the model card."""
    given = [("--data", part) for part in data] + [("--set", part) for part in changes]
    single = (("--val", val), ("--start-from", start_from), ("--teacher", teacher), ("--out", out))
    given += [(name, str(value)) for name, value in single if value]
    flags = ["--resident"] if resident else []
    return shlex.join(["poseapp", "train", recipe, *(word for pair in given for word in pair), *flags])


@dataclasses.dataclass(frozen=True)
class How:
    """The part of the train command's options that is no change of the recipe; ``rank`` is this process' number."""

    device: str
    workers: int
    rank: int
    max_minutes: float
    save_every_s: float
    validate_every: float
    compiled: bool
    resume: bool
    start_from: Path | None
    teacher: Path | None
    command: str


@contextmanager
def process_group(device: str) -> Iterator[tuple[str, int, int]]:
    """The device, the number of this process and how many this machine has; joins the group when torchrun has started it."""
    import torch
    from torch import distributed

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        try:
            torch.empty(1, device=device)
        except (RuntimeError, AssertionError):
            raise DataError(f"device {device!r}: PyTorch cannot use it here. Give --device cpu, or leave it out.") from None
        yield device, 0, 1
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield device, distributed.get_rank(), int(os.environ.get("LOCAL_WORLD_SIZE", world))
    finally:
        distributed.destroy_process_group()


def read_sets(data: list[str], val: str, recipe: Recipe) -> tuple[Items, Sequence[Any]]:
    """What to train on, mixed from all sets, and what to validate on (nothing where there is no val part): people or pictures."""
    from poseapp.train.data.datasets import find_set
    from poseapp.train.data.shards import Shards
    from poseapp.train.tasks import task_of

    sets = [find_set(where, "train") for where in data]
    people: Items
    task = task_of(recipe)
    if any(s.shards for s in sets):
        if len(sets) > 1:
            raise DataError("training: tar shards come as one set. Put all tars behind one annotation file.")
        people = Shards.open(sets[0].shards, recipe.skeleton, recipe.min_joints, sets[0].annotations)
    else:
        people = [item for s in sets for item in task.read(s, recipe.min_joints)]
    if not val and not Path(data[0]).is_dir():
        return people, []
    try:
        part = find_set(val or data[0], "val")
    except DataError:
        if val:
            raise
        return people, []  # it has none; one that is there and cannot be read is an error
    return people, task.read(part, 1)


def hold(people: Items, recipe: Recipe, device: str) -> Items:
    """*people* decoded in the memory of *device*, under a progress bar."""
    from rich.progress import Progress

    from poseapp.train.data.annotations import Person
    from poseapp.train.data.resident import Resident

    if not isinstance(people, list) or not isinstance(people[0], Person):
        raise DataError(f"{recipe.name}: --resident holds people from folders of pictures alone. Leave it out.")
    with Progress(console=plain_console(stderr=True), transient=True) as bar:
        task = bar.add_task("decoding pictures", total=None)
        held = Resident(people, recipe, device, lambda done, total: bar.update(task, completed=done, total=total))
    plain_console(stderr=True).print(f"{len(held):,} people held on {device}: {held.bytes / 2**30:.2f} GiB")
    return held


def run_training(
    recipe: Recipe, people: Items, validation: Sequence[Any], folder: Path, how: How, changes: dict[str, str]
) -> None:
    """Train under a progress bar, with curves and TensorBoard's files in *folder*."""
    import torch
    from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    from poseapp.train.distil import load_teacher
    from poseapp.train.loop import Options, train
    from poseapp.train.monitor import Monitor
    from poseapp.train.tasks import task_of

    console = plain_console(stderr=True, quiet=how.rank > 0)
    console.print(
        f"{recipe.name}: {len(people):,} {task_of(recipe).items} to train on, {len(validation):,} to validate on; "
        f"{how.device}, run in {folder}"
    )
    if not validation:
        console.print("No val part, so nobody will know how good it is: label some pictures apart, and give them with --val.")
    learnt = load_teacher(how.teacher, recipe, torch.device(how.device)) if how.teacher else None
    with no_empty_folders(folder), stop_signals() as stop:
        steps = train(
            recipe,
            people,
            folder,
            Options(
                device=how.device,
                workers=how.workers,
                save_every_s=how.save_every_s,
                validate_every=how.validate_every,
                compiled=how.compiled,
                max_minutes=how.max_minutes or math.inf,
                stop=stop,
                resume=how.resume,
                start_from=how.start_from,
                teacher=learnt,
                overrides=changes,
                command=how.command,
            ),
            validation,
        )
        columns = (
            BarColumn(),
            description(),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
        )
        monitor = None
        done = total = 0
        try:
            with Progress(*columns, console=console, speed_estimate_period=300) as bar, closing(steps):
                task = bar.add_task("starting", total=None)
                smooth = math.nan
                for at in steps:
                    done, total = at.step, at.steps
                    smooth = at.loss if math.isnan(smooth) else 0.98 * smooth + 0.02 * at.loss
                    text = f"step {done:,}/{total:,}  loss {smooth:.5f}  lr {at.lr:.1e}  {at.images_per_s:.0f} img/s"
                    bar.update(task, completed=done, total=total, description=text)
                    if how.rank == 0:
                        # Not before the first step is done: a training that is refused leaves the folder as it was.
                        monitor = monitor or Monitor(folder, task_of(recipe).figures, at.step - 1)
                        monitor.add(at)
                    if at.validation is not None:
                        figures = ", ".join(f"{name} {value:.4f}" for name, value in at.validation.figures.items())
                        console.print(f"step {done:,}: {figures}")
        finally:
            if monitor is not None:
                monitor.close()
    if how.rank > 0:
        return
    if done < total:
        console.print(f"Stopped at step {done:,} of {total:,}; saved. Go on with --resume.")
    else:
        console.print(f"Done. Export it with: poseapp export {folder}")


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Inside, Ctrl-C and SIGTERM only make the yielded function say True; a second Ctrl-C interrupts as usual."""
    requested = False

    def ask(_number: int, _frame: object) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_sets(data: list[str], recipe: str) -> None:
    """Report on every label and picture of the train and val parts of each set; exits with 1 when training would refuse.

    What *recipe* asks for counts, or without one what most recipes do.
    """
    from rich.progress import Progress, TaskID
    from rich.table import Table

    from poseapp.train.data.check import check_set
    from poseapp.train.data.coco import FEW, NOTED, REFUSED, SKIPPED
    from poseapp.train.data.datasets import find_set

    if not data:
        raise DataError("check: no data. Give a set's folder with --data.")
    least = recipe_called(recipe).min_joints if recipe else FEW
    console = plain_console()
    refused = False
    for where in data:
        found = [find_set(where, "train")]
        if found[0].shards:
            raise DataError(f"check: {where}: pictures in tars are not looked at. Unpack them, and give FILE=FOLDER.")
        if Path(where).is_dir():
            with suppress(DataError):
                found.append(find_set(where, "val"))
        for part in found:
            with Progress(console=plain_console(stderr=True), transient=True) as bar:
                task = bar.add_task("pictures", total=None)

                def show(done: int, total: int, bar: Progress = bar, task: TaskID = task) -> None:
                    bar.update(task, completed=done, total=total)

                report = check_set(part.annotations, part.images, show, part.split, least if part.split == "train" else 1)
            refused |= report.refused
            table = Table(
                title=f"{part.annotations}: {report.people:,} people in {report.pictures:,} pictures", title_justify="left"
            )
            for name in ("finding", "number", "training", "for example"):
                table.add_column(name, justify="right" if name == "number" else "left", overflow="fold")
            for kinds, what in ((REFUSED, "refuses"), (SKIPPED, "skips"), (NOTED, "goes on")):
                for kind, meaning in kinds.items():
                    if report.counts[kind]:
                        table.add_row(meaning, f"{report.counts[kind]:,}", what, "; ".join(report.examples[kind][:3]))
            console.print(table if report.counts else f"{table.title}: nothing to complain about")
            if report.joints:
                labels = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in report.joints.items())
                console.print(f"labels: {labels}", style="dim")
    if refused:
        raise DataError("check: training would refuse this. Mend what is marked 'refuses'.")


def evaluate_command(
    model: options.Model,
    annotations: options.Annotations,
    images: options.Images,
    boxes: options.Boxes = "",
    flip: options.Flip = False,
    multi_scale: options.MultiScale = False,
    out: options.EvalOut = None,
    sheet: options.Sheet = None,
    drawn: options.Drawn = None,
    scores: options.Scores = None,
    limit: options.Limit = 0,
    engines_dir: GivenEnginesDir = None,
    device: options.EvalDevice = "auto",
    precision: options.Precision = "auto",
) -> None:
    """Score an exported model on a labelled set, in the engine the app uses: on the joints that both have."""
    from poseapp.cli.detector import evaluate_detector_command, find_detector_folder, stored_detector
    from poseapp.cli.following import evaluate_following
    from poseapp.core.multiscale import SCALES
    from poseapp.engine.load import default_engines_dir
    from poseapp.train.eval.evaluate import contact_sheet, default_boxes, write_json, write_png

    pictures = {"--flip": flip, "--multi-scale": multi_scale, "--sheet": sheet, "--drawn": drawn, "--scores": scores}
    place = find_detector_folder(model, engines_dir)
    if place is not None:
        runs = {"--device": device != "auto", "--precision": precision != "auto"}
        takes_no("eval of a person detector", {"--boxes": boxes, **pictures, **runs})
        evaluate_detector_command(place, annotations, images, limit, out)
        return
    if boxes == "track":
        takes_no("eval --boxes track", pictures)
    engine = open_model(model, engines_dir, device, precision)
    if boxes == "track":
        try:
            evaluate_following(engine, engines_dir or default_engines_dir(), annotations, images, out, limit)
        finally:
            engine.close()
        return
    boxes = boxes or default_boxes(engine.spec)
    detector = stored_detector(engines_dir) if boxes == "detect" else None
    try:
        scales = SCALES if multi_scale else ()
        result = evaluate_with_progress(engine, annotations, images, boxes, flip, scales, limit, detector)
        print_figures(result, engine, boxes, flip, scales, detector)
    finally:
        engine.close()
        if detector is not None:
            detector.close()
    if out is not None:
        write_json(result.figures.to_json(), out)
    if drawn is not None or scores is not None:
        write_card_pictures(result, drawn, scores)
    if sheet is not None:
        write_png(contact_sheet(result), sheet)
        typer.echo(f"The worst people, truth on the left: {sheet}")


def open_model(model: str, engines_dir: Path | None, device: str, precision: str = "auto") -> Engine:
    """The engine for a name in the store, or for a path to an ONNX file (or its folder)."""
    from poseapp.engine.load import default_engines_dir, find_model, load_engine

    path = Path(model)
    if path.suffix == ".onnx":
        if path.name != "model.onnx":
            raise ModelError(f"{path}: expected a file called model.onnx with its model.json beside it. Export it again.")
        return load_engine(path.parent, device, precision=precision)
    return load_engine(find_model(engines_dir or default_engines_dir(), model).folder, device, precision=precision)


def evaluate_with_progress(
    engine: Engine,
    annotations: Path,
    images: Path,
    boxes: str,
    flip: bool,
    scales: Sequence[float],
    limit: int,
    detector: Detector | None = None,
) -> Evaluation:
    """Evaluate under a progress bar on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from poseapp.train.eval.evaluate import evaluate

    columns = description(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=plain_console(stderr=True), transient=True) as progress:
        task = progress.add_task("people", total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        return evaluate(
            engine, annotations, images, boxes=boxes, flip=flip, scales=scales, limit=limit, detector=detector, on_person=advance
        )


def print_figures(
    result: Evaluation, engine: Engine, boxes: str, flip: bool, scales: Sequence[float] = (), detector: Detector | None = None
) -> None:
    """The figures, the errors by joint and the conventions, as tables."""
    import numpy as np
    from rich import box
    from rich.table import Table

    from poseapp.core import metrics
    from poseapp.train.eval.evaluate import conventions
    from poseapp.train.eval.subsets import parts_of

    def percent(value: float | None, digits: int = 1) -> str:
        return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}"

    console = plain_console()
    f = result.figures
    top = Table(title=f"{engine.spec.name}: {f.people} people with five or more labelled joints")
    for names, values in (
        (("mean OKS", "OKS≥.5", "OKS≥.75", "PCK@.2", "PCKh@.5", "ms"),
         (f"{f.mean_oks:.4f}", f"{f.oks50:.3f}", f"{f.oks75:.3f}", percent(f.pck_total, 2),
          percent(f.pckh_total, 2), f"{f.ms_per_person:.1f}")),
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
    joints = Table(title="Labelled joints, and what became of them in %", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    short = {"left_right": "l/r", "inversion": "inv."}
    for name in ("joint", "n", "PCK@.2", "PCKh@.5", *(short.get(kind, kind) for kind in metrics.ERRORS)):
        joints.add_column(name, justify="left" if name == "joint" else "right", no_wrap=True)
    labels = metrics.labelled(np.stack([person.joints for person in result.people])).sum(axis=0)
    for (name, value), pckh, n, counts in zip(f.pck_by_joint.items(), result.pckh_by_joint, labels, result.errors, strict=True):
        shares = [f"{100 * c / max(1, counts.sum()):.0f}" for c in counts]
        joints.add_row(name.replace("_", " "), str(n), percent(value), percent(pckh), *shares)
    overall = result.errors.sum(axis=0)
    joints.add_section()
    shares = [f"{100 * c / max(1, overall.sum()):.0f}" for c in overall]
    joints.add_row("all", str(labels.sum()), percent(f.pck_total), percent(f.pckh_total), *shares)
    console.print(joints)
    if parts := parts_of(result):
        by_part = Table(title="By where the pictures are from", box=box.SIMPLE_HEAD)
        for name in ("pictures", "people", "mean OKS", "OKS≥.5", "PCK@.2", "12 limbs"):
            by_part.add_column(name, justify="left" if name == "pictures" else "right", no_wrap=True)
        for part in parts:
            shares = [percent(value) for value in (part.oks50, part.pck, part.limb_pck)]
            oks = "–" if math.isnan(part.mean_oks) else f"{part.mean_oks:.4f}"
            by_part.add_row(part.name, str(part.people), oks, *shares)
        console.print(by_part)
    console.print(conventions(engine, result, boxes, flip, scales, detector), style="dim")


def write_card_pictures(result: Evaluation, drawn: Path | None, scores: Path | None) -> None:
    """The line drawings and the reliability plot of model cards, to the PNGs that are not None."""
    from poseapp.train.eval.contact_sheets import draw_poses_alone, draw_score_calibration, score_calibration
    from poseapp.train.eval.evaluate import write_png

    if drawn is not None:
        write_png(draw_poses_alone(result), drawn)
        typer.echo(f"Poses as line drawings: {drawn}")
    if scores is not None:
        found = score_calibration(result)
        write_png(draw_score_calibration(found), scores)
        typer.echo(f"Scores: calibration error {found.error:.3f}; half are right at {1 / (1 + found.odds):.2f}: {scores}")


def figures_of(folder: Path, annotations: Path, images: Path, show: bool = False) -> tuple[Evaluation, str]:
    """The figures of the model in *folder* as cards have them, and their conventions; *show* prints them."""
    from poseapp.train.eval.evaluate import conventions, default_boxes

    engine = open_model(str(folder / "model.onnx"), None, *FIGURES_FROM[1::2])
    try:
        boxes = default_boxes(engine.spec)
        result = evaluate_with_progress(engine, annotations, images, boxes, False, (), 0)
        if show:
            print_figures(result, engine, boxes, False)
        return result, conventions(engine, result, boxes, False)
    finally:
        engine.close()


def check_place(folder: Path, checkpoint: Path, replace: bool) -> None:
    """Raise an error unless a model made from *checkpoint* may take the place of *folder*, of which about.md alone stays."""
    lost = [path for path in folder.iterdir() if path.name != "about.md"] if folder.is_dir() else []
    if lost and not replace:
        raise ModelError(f"{folder}: a model of this name is there already. Give another with --name, or --replace it.")
    if lost and not any(path.name in ("model.onnx", "model.json") for path in lost):
        raise ModelError(f"{folder}: is no model, and would be lost. Give another name with --name.")
    if checkpoint.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{checkpoint}: lies in the model that it would replace, and would be lost. Copy it elsewhere first.")


def takes_no(what: str, options: Mapping[str, object]) -> None:
    """Raise DataError when one of *options*, by name, was given: *what* has no use for it."""
    given = [name for name, value in options.items() if value]
    if given:
        raise DataError(f"{what}: takes no {', '.join(given)}. Leave it out.")


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
    from poseapp.cli.detector import export_detector_command
    from poseapp.cli.models import model_name
    from poseapp.convert.export import in_place_of
    from poseapp.engine.load import default_engines_dir
    from poseapp.engine.store import place_for
    from poseapp.train.checkpoint import read_network
    from poseapp.train.eval.contact_sheets import score_calibration
    from poseapp.train.export import About, Commands, export, write_card

    if (annotations is None) != (images is None):
        raise DataError("export: --annotations and --images go together. Give both, or neither.")
    if int8 and images is None:
        raise DataError("export: --int8 finds its ranges on pictures. Give --annotations and --images.")
    if checkpoint.is_dir():
        checkpoint = checkpoint / "last.pt"
    trained = read_network(checkpoint)
    recipe = trained.recipe
    folder = place_for(engines_dir or default_engines_dir(), model_name(name or recipe.name), replace)
    check_place(folder, checkpoint, replace)
    described = about is not None or (folder / "about.md").exists()
    sections = About.read(about or folder / "about.md") if described else About.unstated()
    store = ["--engines-dir", str(engines_dir)] if engines_dir else []
    measured = ["--annotations", str(annotations), "--images", str(images)] if annotations else []
    train_line = train_line or trained.state.command or f"poseapp train {recipe.name}"
    further = [*(["--fp16"] if fp16 else []), *(["--int8"] if int8 else [])]
    again = ["export", str(checkpoint), "--name", folder.name, "--replace", *measured, *further, *store]
    commands = Commands(
        train=train_line,
        export=shlex.join(["poseapp", *again, "--trained-by", train_line]),
        evaluate=shlex.join(["poseapp", "eval", "--model", folder.name, *measured, *FIGURES_FROM, *store]),
    )
    if recipe.task == "detection":
        takes_no("export of a person detector", {"--fp16": fp16, "--int8": int8})
        commands = dataclasses.replace(
            commands, evaluate=shlex.join(["poseapp", "eval", "--model", folder.name, *measured, *store])
        )
        export_detector_command(trained, folder, sections, about, annotations, images, commands, replace)
        typer.echo(f"Exported to {folder}")
        return
    with no_empty_folders(folder.parent), in_place_of(folder, replace) as made:
        if about is not None:
            (made / "about.md").write_bytes(about.read_bytes())
        spec = export(trained, made, sections, fp16)
        result, as_trained = None, None
        if annotations is not None and images is not None:
            if not recipe.fields:  # whose scores are made outside the graph, in core/paf.py
                as_trained = score_calibration(figures_of(made, annotations, images)[0])
                spec = export(trained, made, sections, fp16, as_trained.odds)
            result, how = figures_of(made, annotations, images, show=True)
            commands = dataclasses.replace(commands, conventions=how)
        write_card(made, spec, trained, sections, result, commands, as_trained)
    typer.echo(f"Exported to {folder}")
    if int8 and annotations is not None and images is not None:
        from poseapp.cli.models import quantise_command

        quantise_command(folder.name, images, [annotations], 0, folder.parent)
