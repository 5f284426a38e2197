"""The command batch: many videos, each into a folder of its own, on this machine or on many."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from poseapp.cli.options import Device, EnginesDir, Model, ModeName, Precision, Smoothing
from poseapp.cli.progress import sharing
from poseapp.console import description, plain_console
from poseapp.core.errors import printable
from poseapp.core.types import PoseMode
from poseapp.engine.store import default_engines_dir
from poseapp.review.exports import EXPORTS

if TYPE_CHECKING:
    from rich.console import Console

    from poseapp.batch.job import Job, Outcome
    from poseapp.batch.method import Method
    from poseapp.batch.run import Batch, BatchOptions, Ended

MACHINES = "Processes and machines"  # title in --help


def _formats(value: str) -> str:
    names = [name for name in value.split(",") if name]
    wrong = [name for name in names if name not in EXPORTS]
    if wrong:
        raise typer.BadParameter(f"expected some of {', '.join(EXPORTS)}, with commas between; got {wrong[0]!r}")
    if "video" in names:
        raise typer.BadParameter("video: give --video, which draws the skeletons while the frames are analysed")
    missing = next((reason for name in names if (reason := EXPORTS[name].unavailable())), "")
    if missing:
        raise typer.BadParameter(missing)
    return value


Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATHS", help="Videos, pictures, folders of pictures, folders with all that is below them, or patterns ('*.mp4')."
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the results go.", show_default=False)]
Formats = Annotated[
    str,
    typer.Option(
        "--formats",
        metavar="FORMATS",
        callback=_formats,
        help=f"Also export each result in these formats, with commas between: {', '.join(EXPORTS)}.",
        show_default="none",
    ),
]
Video = Annotated[bool, typer.Option("--video", help="Also write a video with the skeletons for each.")]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        metavar="NUMBER",
        min=1,
        max=1024,
        help="Processes on this machine.",
        show_default="as many as analyse the most frames a second, timed once",
        rich_help_panel=MACHINES,
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Use the workers of the dask scheduler there, such as tcp://node1:8786.",
        show_default="processes of this machine",
        rich_help_panel=MACHINES,
    ),
]
PieceMinutes = Annotated[
    float,
    typer.Option(
        "--piece-minutes",
        metavar="MINUTES",
        min=0.0,
        help="Cut videos of more than two pieces of this length, so that several workers share one; 0 cuts none. "
        "The result is the same.",
        rich_help_panel=MACHINES,
    ),
]


def batch_command(  # noqa: PLR0913 - the command's options
    paths: Paths,
    out: Out,
    formats: Formats = "",
    video: Video = False,
    model: Model = None,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
    precision: Precision = None,
    mode: ModeName = None,
    smoothing: Smoothing = None,
    processes: Processes = None,
    scheduler: Scheduler = "",
    piece_minutes: PieceMinutes = 10.0,
) -> None:
    """Analyse every frame of many videos. The same command again does what is left: finished results are kept.

    Each result is a recording in --out, in the same place as its video in PATHS; summary.csv lists all. docs/batch.md says how to
    use many machines.
    """
    from poseapp.batch.method import choose_method
    from poseapp.batch.run import BatchOptions, prepare, run_batch
    from poseapp.pipeline.modes import PoseSettings

    console = plain_console(stderr=True)
    default = PoseSettings()
    chosen_mode = cast("PoseMode", mode) if mode is not None else default.mode
    settings = PoseSettings(chosen_mode, default.smoothing if smoothing is None else smoothing)
    with sharing(console) as share:
        method, note = choose_method(engines_dir, model, settings, device or "auto", precision or "auto", _progress(share))
    if note:
        console.print(note, soft_wrap=True)
    options = BatchOptions(
        paths=tuple(paths),
        out=out.absolute(),
        method=method,
        formats=tuple(dict.fromkeys(name for name in formats.split(",") if name)),
        video=video,
        processes=processes or 1,
        scheduler=scheduler,
        piece_s=60 * piece_minutes,
    )
    batch = prepare(options)
    for remark in batch.remarks:
        console.print(printable(remark), soft_wrap=True)
    if len(batch.before) < len(batch.jobs):
        batch = prepare(_sized(options, processes, console))
    _say_what_runs(batch, console)
    with _shown(batch, console) as bars:
        ended = run_batch(batch, bars)
    _summarise(ended)


def _progress(share: Callable[[float, str], None]) -> Callable[[str, float], bool]:
    def progress(text: str, done: float) -> bool:
        share(done, text)
        return True

    return progress


def _sized(options: BatchOptions, processes: int | None, console: Console) -> BatchOptions:
    """*options* with the processes and threads for this machine: as the user says, else as measured."""
    from poseapp.batch import sizing
    from poseapp.batch.run import MISSING_EXTRA, has_dask

    if options.scheduler:  # each worker is one of several on its machine
        return options
    if processes is not None:
        size = sizing.asked_for(processes, options.method)
    elif not has_dask():
        console.print(f"One process, because distributed is not installed. {MISSING_EXTRA}", soft_wrap=True)
        size = 1, 0
    else:
        with sharing(console) as share:
            size = sizing.chosen(options.method, lambda text, done: share(done, text))
    return replace(options, processes=size[0], method=_with_threads(options.method, size[1]))


def _with_threads(method: Method, threads: int) -> Method:
    return replace(method, threads=threads)


def _say_what_runs(batch: Batch, console: Console) -> None:
    options = batch.options
    many = len(batch.jobs)
    where = f"on the workers of {options.scheduler}" if options.scheduler else f"in {options.processes} process(es)"
    skipped = f", {len(batch.before)} of them finished before" if batch.before else ""
    console.print(f"{many} input{'s' if many != 1 else ''}{skipped}; {options.method.model}, {where}", soft_wrap=True)


class _Bars:
    """A Watcher: a bar for the whole by bytes, with the time that is left, and one for each input that is worked on."""

    def __init__(self, batch: Batch, console: Console, bar: Progress) -> None:
        self._bar, self._console = bar, console
        self._count = len(batch.jobs)
        self._ended = 0
        self._bytes = sum(job.source.size for job in batch.jobs)
        self._done_bytes = 0
        self._parts: dict[Path, tuple[TaskID, float]] = {}  # the bar of each input that is worked on, and the share done
        self._whole = bar.add_task("", total=max(1, self._bytes))
        self._show()

    def began(self, job: Job) -> None:
        """See Watcher."""
        self._parts[job.folder] = self._bar.add_task(printable(job.source.path.name), total=None), 0.0

    def went(self, job: Job, done: int, total: int) -> None:
        """See Watcher."""
        task, _ = self._parts[job.folder]
        share = min(1.0, done / total) if total else 0.0
        self._parts[job.folder] = task, share
        self._bar.update(task, completed=done, total=total or None)
        self._show(job)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """See Watcher. Where there is no terminal, a line for each input is the progress."""
        task, _ = self._parts.pop(job.folder)
        self._bar.remove_task(task)
        self._ended += 1
        self._done_bytes += job.source.size
        self._show()
        what = "failed" if outcome.error else "skipped" if outcome.skipped else "done"
        if outcome.error or not self._console.is_terminal:
            line = f"{self._ended}/{self._count} {what}: {job.source.path}"
            self._console.print(printable(line + (f" ({outcome.error})" if outcome.error else "")), soft_wrap=True)

    def note(self, text: str) -> None:
        """See Watcher."""
        self._console.print(printable(text), soft_wrap=True)

    def _show(self, job: Job | None = None) -> None:
        under_way = job.source.size * self._parts[job.folder][1] if job is not None else 0.0
        self._bar.update(
            self._whole, completed=self._done_bytes + under_way, description=f"{self._ended} of {self._count} finished"
        )


@contextlib.contextmanager
def _shown(batch: Batch, console: Console) -> Iterator[_Bars]:
    columns = (description(), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield _Bars(batch, console, bar)


def _summarise(ended: Ended) -> None:
    """Say what became of all; exit status 1 where something failed."""
    outcomes = [outcome for _, outcome in ended.outcomes if outcome is not None]
    failed = ended.failed
    skipped = sum(outcome.skipped for outcome in outcomes)
    done = len(outcomes) - skipped - len(failed)
    frames = sum(o.finished.figures.frames for o in outcomes if o.finished is not None and not o.skipped)
    print(f"done       {done}, {frames} frames")
    print(f"skipped    {skipped}, finished before")
    print(f"failed     {len(failed)}")
    for _, error in failed:
        print(printable(f"           {error}"))
    print(printable(f"summary    {ended.summary}"))
    if failed:
        raise typer.Exit(1)
