"""The command train. torch is imported inside it, so that the app starts without it."""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from poseapp.cli import train_options
from poseapp.cli.packages import require
from poseapp.cli.progress import counting
from poseapp.cli.train_progress import run_training, warnings_shown
from poseapp.console import plain_console
from poseapp.core.errors import DataError

if TYPE_CHECKING:
    from poseapp.train.recipes import Recipe
    from poseapp.train.tasks import Items


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of train that a training follows from."""

    recipe: str
    data: list[str]
    val: str
    out: Path | None
    changes: list[str]
    resume: bool
    start_from: Path | None
    teacher: Path | None
    device: str
    workers: int
    resident: bool
    validate_every: float
    max_minutes: float
    save_every_s: float
    compiled: bool

    @property
    def folder(self) -> Path:
        """Where the training is kept."""
        return self.out or Path("runs") / self.recipe

    @property
    def overrides(self) -> dict[str, str]:
        """The changes of the recipe, by name."""
        return dict(part.partition("=")[::2] for part in self.changes)

    def command_line(self) -> str:
        """The line that starts this training anew, for the model card."""
        given = [("--data", part) for part in self.data] + [("--set", part) for part in self.changes]
        single = (("--val", self.val), ("--start-from", self.start_from), ("--teacher", self.teacher), ("--out", self.out))
        given += [(name, str(value)) for name, value in single if value]
        flags = ["--resident"] if self.resident else []
        return shlex.join(["poseapp", "train", self.recipe, *(word for pair in given for word in pair), *flags])


def train_command(  # noqa: PLR0913 - the command's options
    recipe: train_options.Recipe = "",
    data: train_options.Data = None,
    val: train_options.Val = "",
    out: train_options.TrainOut = None,
    set_: train_options.Set = None,
    resume: train_options.Resume = False,
    start_from: train_options.StartFrom = None,
    teacher: train_options.Teacher = None,
    device: train_options.TrainDevice = "auto",
    workers: train_options.Workers = -1,
    resident: train_options.Resident = False,
    validate_every: train_options.ValidateEvery = 1.0,
    max_minutes: train_options.MaxMinutes = 0,
    save_every: train_options.SaveEvery = 60,
    compile_: train_options.Compile = False,
    check: train_options.Check = False,
    list_: train_options.List = False,
) -> None:
    """Train a recipe on labelled pictures. Ctrl-C saves and stops; --resume goes on.

    On several GPUs: torchrun --nproc-per-node=8 main.py train …
    """
    if check:
        from poseapp.cli.check import check_sets

        check_sets(data or [], recipe)
        return
    require("training needs", "torch")
    if list_:
        list_recipes()
        return
    given = TrainOptions(
        recipe=recipe,
        data=data or [],
        val=val,
        out=out,
        changes=set_ or [],
        resume=resume,
        start_from=start_from,
        teacher=teacher,
        device=device,
        workers=workers,
        resident=resident,
        validate_every=validate_every,
        max_minutes=max_minutes,
        save_every_s=save_every,
        compiled=compile_,
    )
    train_recipe(given)


def list_recipes() -> None:
    """Print the recipes, one a line."""
    from poseapp.train.recipes import RECIPES

    for known in RECIPES.values():
        size = f"{known.input_hw[0]}×{known.input_hw[1]}"
        typer.echo(f"{known.name:22} {size:7} {known.skeleton.name:12} {known.paper}")


def train_recipe(given: TrainOptions) -> None:
    """Read the sets and train, alone or as one of the processes that torchrun has started."""
    import torch

    from poseapp.train.distil import load_teacher
    from poseapp.train.loop import Options
    from poseapp.train.recipes import override

    recipe = recipe_called(given.recipe)
    if not given.data:
        raise DataError("training: no data. Give a set's folder with --data.")
    with process_group(given.device) as (device, rank, processes):
        recipe = override(recipe, given.overrides)
        if (given.folder / "last.pt").exists() and not given.resume:
            raise DataError(f"{given.folder}: holds a run already. Go on with it (--resume), or give another folder with --out.")
        items, validation = read_sets(given.data, given.val, recipe)
        how = Options(
            device=device,
            workers=given.workers if given.workers >= 0 else default_workers(processes),
            save_every_s=given.save_every_s,
            compiled=given.compiled,
            validate_every=given.validate_every,
            max_minutes=given.max_minutes or math.inf,
            resume=given.resume,
            start_from=given.start_from,
            teacher=load_teacher(given.teacher, recipe, torch.device(device)) if given.teacher else None,
            overrides=given.overrides,
            command=given.command_line(),
        )
        with warnings_shown(rank):
            if given.resident:
                items = hold(items, recipe, device)
            run_training(recipe, items, validation, given.folder, how, rank)


def default_workers(processes: int) -> int:
    """How many processes load pictures for each of *processes* that train on this machine."""
    from poseapp.engine.machine import available_cores

    return max(1, min(8, available_cores() // processes - 1))


def recipe_called(name: str) -> Recipe:
    """The recipe of that name; DataError where there is none, or no torch."""
    require("training needs", "torch")
    from poseapp.train.recipes import RECIPES

    if name not in RECIPES:
        wrong = f"recipe {name!r}: there is none of that name" if name else "training: no recipe. Give the name of one"
        raise DataError(f"{wrong}. There are: {', '.join(RECIPES)}.")
    return RECIPES[name]


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
