"""The command train. torch is imported inside it, so that the app starts without it."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import shlex
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from poseapp.cli import train_options as options
from poseapp.cli.progress import counting
from poseapp.console import description, plain_console
from poseapp.core.errors import DataError
from poseapp.core.files import no_empty_folders

if TYPE_CHECKING:
    from rich.console import Console

    from poseapp.train.loop import Options, Progress
    from poseapp.train.recipes import Recipe
    from poseapp.train.tasks import Items

NO_TORCH = 'training needs PyTorch, which is not installed. Install it with: pip install "poseapp[train]"'


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
        from poseapp.cli.check import check_sets

        check_sets(data or [], recipe)
        return
    require_torch()
    import torch

    from poseapp.train.distil import load_teacher
    from poseapp.train.loop import Options
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
            from poseapp.engine.machine import available_cores

            workers = max(1, min(8, available_cores() // processes - 1))
        how = Options(
            device=place,
            workers=workers,
            save_every_s=save_every,
            compiled=compile_,
            validate_every=validate_every,
            max_minutes=max_minutes or math.inf,
            resume=resume,
            start_from=start_from,
            teacher=load_teacher(teacher, chosen, torch.device(place)) if teacher else None,
            overrides=changes,
            command=command_line(recipe, data, val, set_ or [], start_from, teacher, out, resident),
        )
        with warnings_shown(rank):
            if resident:
                people = hold(people, chosen, place)
            run_training(chosen, people, validation, folder, how, rank)


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
    from poseapp.train.data.annotations import Person
    from poseapp.train.data.resident import Resident

    if not isinstance(people, list) or not isinstance(people[0], Person):
        raise DataError(f"{recipe.name}: --resident holds people from folders of pictures alone. Leave it out.")
    with counting("decoding pictures") as advance:
        held = Resident(people, recipe, device, advance)
    plain_console(stderr=True).print(f"{len(held):,} people held on {device}: {held.bytes / 2**30:.2f} GiB")
    return held


def run_training(recipe: Recipe, items: Items, validation: Sequence[Any], folder: Path, how: Options, process: int = 0) -> None:
    """Train under a progress bar, with curves and TensorBoard's files in *folder*. The first *process* alone says something."""
    from poseapp.train.loop import train
    from poseapp.train.tasks import task_of

    task = task_of(recipe)
    console = plain_console(stderr=True, quiet=process > 0)
    console.print(
        f"{recipe.name}: {len(items):,} {task.items} to train on, {len(validation):,} to validate on; "
        f"{how.device}, run in {folder}"
    )
    if not validation:
        console.print("No val part, so nobody will know how good it is: label some pictures apart, and give them with --val.")
    with no_empty_folders(folder), stop_signals() as stop:
        steps = train(recipe, items, folder, dataclasses.replace(how, stop=stop), validation)
        seen = recorded(steps, folder, task.figures) if process == 0 else steps
        with closing(steps), closing(seen):
            last = shown(seen, console)
    if last is not None and last.step < last.steps:
        console.print(f"Stopped at step {last.step:,} of {last.steps:,}; saved. Go on with --resume.")
    else:
        console.print(f"Done. Export it with: poseapp export {folder}")


def recorded(steps: Iterator[Progress], folder: Path, figures: Sequence[str]) -> Generator[Progress, None, None]:
    """*steps*, written into the files of a Monitor on the way."""
    from poseapp.train.monitor import Monitor

    monitor = None
    try:
        for at in steps:
            # Not before the first step is done: a training that is refused leaves the folder as it was.
            monitor = monitor or Monitor(folder, figures, at.step - 1)
            monitor.add(at)
            yield at
    finally:
        if monitor is not None:
            monitor.close()


def shown(steps: Iterator[Progress], console: Console) -> Progress | None:
    """Show *steps* as a progress bar until they end; returns the last of them."""
    from rich.progress import BarColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = BarColumn(), description(), TimeElapsedColumn(), TimeRemainingColumn(elapsed_when_finished=True)
    at = None
    with Bar(*columns, console=console, speed_estimate_period=300) as bar:
        task = bar.add_task("starting", total=None)
        smooth = math.nan
        for at in steps:
            smooth = at.loss if math.isnan(smooth) else 0.98 * smooth + 0.02 * at.loss
            text = f"step {at.step:,}/{at.steps:,}  loss {smooth:.5f}  lr {at.lr:.1e}  {at.images_per_s:.0f} img/s"
            bar.update(task, completed=at.step, total=at.steps, description=text)
            if at.validation is not None:
                figures = ", ".join(f"{name} {value:.4f}" for name, value in at.validation.figures.items())
                console.print(f"step {at.step:,}: {figures}")
    return at


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
