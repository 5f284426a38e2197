"""A batch from its paths to its summary: what there is, what is done already, who does the rest, and what became of it."""

from __future__ import annotations

import contextlib
import importlib.util
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from poseapp.batch.inputs import Input, find_inputs
from poseapp.batch.job import Job, Outcome, clear_leftovers, finished_before
from poseapp.batch.local import run_here
from poseapp.batch.method import Method
from poseapp.batch.progress import Watcher
from poseapp.batch.summary import write_summary
from poseapp.core.errors import PoseAppError, RecordError, SourceError
from poseapp.core.files import only_one
from poseapp.live.sources.base import shown

LOCK = ".poseapp-batch.lock"
MISSING_EXTRA = 'Install with: pip install "poseapp[batch]"'


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """What the user wants: results of ``paths`` in ``out`` by ``method``, with ``formats`` of EXPORTS, perhaps with a ``video``.

    ``processes`` on this machine, or the workers of ``scheduler`` where that is not "". Videos of more than two pieces of
    ``piece_s`` are cut where there is more than one worker; 0 cuts none.
    """

    paths: tuple[str, ...]
    out: Path
    method: Method
    formats: tuple[str, ...] = ()
    video: bool = False
    processes: int = 1
    scheduler: str = ""
    piece_s: float = 600.0


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What is to be done: ``jobs``, of which those in ``before`` have a whole result, and ``remarks``, a line each."""

    options: BatchOptions
    jobs: tuple[Job, ...]
    before: frozenset[Path]
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What became of the jobs, None for those that were not done, and where the summary is."""

    outcomes: tuple[tuple[Job, Outcome | None], ...]
    summary: Path

    @property
    def failed(self) -> list[tuple[Job, str]]:
        """The jobs that failed, and why."""
        return [(job, outcome.error) for job, outcome in self.outcomes if outcome is not None and outcome.error]


def has_dask() -> bool:
    """Whether batches can use several processes and machines."""
    return importlib.util.find_spec("distributed") is not None


def prepare(options: BatchOptions) -> Batch:
    """Find what there is to do. Raises SourceError where there is nothing, PoseAppError where a package is missing."""
    if (options.processes > 1 or options.scheduler) and not has_dask():
        raise PoseAppError(f"several processes: distributed is not installed. {MISSING_EXTRA}")
    found = find_inputs(options.paths, options.out)
    if not found.inputs:
        raise SourceError("batch: none of the paths holds a video or a picture that can be read. Give others.")
    several = options.processes > 1 or bool(options.scheduler)
    jobs = tuple(_job(one, options, options.piece_s if several else 0.0) for one in found.inputs)
    before = frozenset(job.folder for job in jobs if finished_before(job) is not None)
    return Batch(options=options, jobs=jobs, before=before, remarks=tuple(found.remarks))


def _job(source: Input, options: BatchOptions, piece_s: float) -> Job:
    return Job(
        source=source,
        folder=options.out / source.place,
        method=options.method,
        formats=options.formats,
        video=options.video,
        piece_s=piece_s,
    )


def run_batch(batch: Batch, watcher: Watcher) -> Ended:
    """Do *batch*, tell *watcher*, and write the summary, also where the user interrupts it.

    One batch at a time writes to a folder. Raises PoseAppError where the folder cannot be written or workers cannot take part,
    KeyboardInterrupt after the summary was written.
    """
    options = batch.options
    try:
        options.out.mkdir(mode=0o700, parents=True, exist_ok=True)
        with only_one(options.out / LOCK) as alone, _sign(options.out) as sign:
            if not alone:
                raise RecordError(f"{shown(options.out)}: another batch writes to it. Wait for it, or give another --out.")
            for job in batch.jobs:
                clear_leftovers(job)
            outcomes: dict[Path, Outcome] = {}
            try:
                _do(batch, _Keeping(watcher, outcomes), sign)
            finally:
                for job in batch.jobs:
                    if job.folder not in outcomes or outcomes[job.folder].error:
                        clear_leftovers(job)
                rows = tuple((job, outcomes.get(job.folder)) for job in batch.jobs)
                summary = write_summary(options.out, rows)
            return Ended(outcomes=rows, summary=summary)
    except OSError as error:
        raise RecordError(f"{shown(options.out)}: cannot be written ({error.strerror}). Give another --out.") from None


def _do(batch: Batch, watcher: Watcher, sign: Path) -> None:
    options = batch.options
    if not options.scheduler and options.processes == 1:
        run_here(batch.jobs, watcher)
        return
    from poseapp.batch.cluster import local_workers, run_on, running_cluster

    # What is done needs no worker, so that a batch that is run again is quick to say so.
    rest = [job for job in batch.jobs if not _is_whole(job, batch)]
    run_here([job for job in batch.jobs if _is_whole(job, batch)], watcher)
    if not rest:
        return
    with running_cluster(options.scheduler) if options.scheduler else local_workers(options.processes) as client:
        run_on(client, rest, sign, watcher)


def _is_whole(job: Job, batch: Batch) -> bool:
    """Whether the result of *job* is there, with all its exports."""
    found = finished_before(job) if job.folder in batch.before else None
    return found is not None and set(job.formats) <= set(found.formats)


@contextlib.contextmanager
def _sign(out: Path) -> Iterator[Path]:
    """A file in *out* that is there while the batch runs: workers see by it that they see the folder, and when it is over."""
    sign = out / f".poseapp-batch-{secrets.token_hex(8)}"
    sign.touch(mode=0o600)
    try:
        yield sign
    finally:
        sign.unlink(missing_ok=True)


class _Keeping:
    """Passes on what a watcher is told, and keeps the outcomes."""

    def __init__(self, watcher: Watcher, outcomes: dict[Path, Outcome]) -> None:
        self._watcher, self._outcomes = watcher, outcomes
        self.began, self.went, self.note = watcher.began, watcher.went, watcher.note

    def ended(self, job: Job, outcome: Outcome) -> None:
        """See Watcher."""
        self._outcomes[job.folder] = outcome
        self._watcher.ended(job, outcome)
