"""Progress bars on standard error."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TimeElapsedColumn, TimeRemainingColumn

from poseapp.console import description, plain_console
from poseapp.core.errors import EngineError
from poseapp.engine.base import Progress as BuildProgress


@contextlib.contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work on many things of one kind, *what*; the function it yields is called with how many are done, of how many."""
    columns = (description(), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=plain_console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def sharing(console: Console) -> Iterator[Callable[[float, str], None]]:
    """A bar for work in stages; the function it yields is called with the share done, from 0 to 1, and what is done now."""
    with Progress(description(), BarColumn(), console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda share, what: bar.update(task, completed=share, description=what)


@contextlib.contextmanager
def building(console: Console) -> Iterator[BuildProgress]:
    """A bar for what takes long, as a progress callback; Ctrl-C makes it ask for an end.

    TensorRT calls back from its own code, and an exception must not go through that.
    """
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    columns = (description(), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=1.0)

            def progress(text: str, share: float) -> bool:
                bar.update(task, completed=share, description=text)
                return not stopped

            try:
                yield progress
            except EngineError as error:
                if not stopped:
                    raise
                console.print(str(error))
                raise typer.Abort from None
    finally:
        signal.signal(signal.SIGINT, before)
