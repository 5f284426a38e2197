"""A training under way on a terminal: its bar, its curves, its warnings, and how it is stopped."""

from __future__ import annotations

import dataclasses
import logging
import math
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poseapp.console import description, plain_console
from poseapp.core.files import no_empty_folders

if TYPE_CHECKING:
    from rich.console import Console

    from poseapp.train.loop import Options, Progress
    from poseapp.train.recipes import Recipe
    from poseapp.train.tasks import Items


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
    # Another process would take the folder away before the first one has written into it.
    tidy = no_empty_folders(folder) if process == 0 else nullcontext()
    with tidy, stop_signals() as stop:
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
