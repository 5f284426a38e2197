"""What runs on a worker of dask: it checks that it is fit for the batch, and does the tasks it is given."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distributed import Worker, WorkerPlugin, get_worker

from poseapp.batch.inputs import Input
from poseapp.batch.job import GoOn, Job, Outcome, Workbench, attempt
from poseapp.batch.method import Method, disagreement
from poseapp.batch.pieces import NotCuttableError, Piece
from poseapp.core.errors import PoseAppError, RecordError

PLUGIN = "poseapp-batch"
TELL_S = 0.5  # how often a worker tells how far it is
LOOK_S = 2.0  # how often it looks whether the batch still runs


@dataclass(frozen=True, kw_only=True)
class Task:
    """A part of ``job``: all of it, or the ``piece``, or to join the ``pieces``, which took ``worked_s``. ``cut`` allows cuts."""

    number: int
    job: Job
    cut: bool = True
    piece: Piece | None = None
    pieces: tuple[Piece, ...] = ()
    worked_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a task came to: an ``outcome``, or for a piece how long it took, or why the video cannot be cut after all."""

    outcome: Outcome | None = None
    piece_s: float = 0.0
    not_cuttable: str = ""


class UnfitError(PoseAppError):
    """This worker has other versions or another model, or does not see the folders. The message says which worker it is."""


class BatchPlugin(WorkerPlugin):
    """Makes a worker part of a batch: refuses one that would compute something else, and keeps its models loaded.

    *sign* is a file in the output folder that is there as long as the batch runs.
    """

    name = PLUGIN

    def __init__(self, method: Method, versions: Mapping[str, str], sign: Path) -> None:
        self._method, self._versions, self.sign = method, dict(versions), sign
        self._bench: Workbench | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_bench": None}

    def setup(self, worker: Worker) -> None:
        """Check this worker; raises UnfitError where it is not fit."""
        where = f"{worker.address} ({socket.gethostname()})"
        threads = worker.state.nthreads
        if threads != 1:
            raise UnfitError(f"{where}: expected a worker of one thread, got {threads}. Start it with --nthreads 1.")
        reason = disagreement(self._method, self._versions)
        if reason:
            raise UnfitError(f"{where}: {reason}")
        if not self.sign.is_file():
            raise UnfitError(
                f"{where}: does not see {self.sign.parent}. Mount the folder of --out there under the same path, "
                "or start workers on this machine."
            )

    @property
    def bench(self) -> Workbench:
        """Where jobs are done, on the one thread of this worker."""
        if self._bench is None:
            self._bench = Workbench(self._method)
        return self._bench

    def put_away(self) -> None:
        """Give the models back."""
        bench, self._bench = self._bench, None
        if bench is not None:
            bench.close()


def unreadable(inputs: Sequence[Input]) -> str:
    """The first of *inputs* that this worker cannot read as the machine that began the batch does, in a line; "" if all can."""
    where = socket.gethostname()
    for one in inputs:
        advice = "Mount the folder there under the same path, or leave --scheduler out."
        try:
            if not os.access(one.path, os.R_OK):
                return f"{where}: cannot read {one.path}. {advice}"
            if one.path.is_file() and one.path.stat().st_size != one.size:
                return f"{where}: has another file at {one.path}. {advice}"
        except OSError as error:
            return f"{where}: cannot read {one.path} ({error.strerror}). {advice}"
    return ""


def work(task: Task) -> Answer:
    """Do *task* on this worker. Raises GivenUpError where the batch is over."""
    worker = get_worker()
    plugin = worker.plugins[PLUGIN]
    assert isinstance(plugin, BatchPlugin)
    go_on = _telling(worker, task, plugin.sign)
    go_on(0, 0)
    try:
        return _answer(plugin.bench, task, go_on)
    except NotCuttableError as error:
        return Answer(not_cuttable=str(error))


def _answer(bench: Workbench, task: Task, go_on: GoOn) -> Answer:
    job, piece, pieces = task.job, task.piece, task.pieces
    if piece is not None:
        try:
            return Answer(piece_s=bench.piece(job, piece, go_on))
        except OSError as error:
            return Answer(outcome=Outcome(error=f"{job.pieces_folder}: cannot be written ({error.strerror}). Make room."))
        except PoseAppError as error:
            return Answer(outcome=Outcome(error=str(error)))
    if pieces:
        try:
            return Answer(outcome=bench.join(job, pieces, task.worked_s, go_on))
        except RecordError as error:  # a damaged piece: what was lost is done anew
            return Answer(not_cuttable=str(error))
        except PoseAppError as error:
            return Answer(outcome=Outcome(error=str(error)))
    return Answer(outcome=attempt(lambda: bench.do(job, go_on, task.cut), job.source.path))


def put_away() -> None:
    """Give the models of this worker back, on the thread that works."""
    plugin = get_worker().plugins.get(PLUGIN)
    if isinstance(plugin, BatchPlugin):
        plugin.put_away()


def _telling(worker: Worker, task: Task, sign: Path) -> GoOn:
    """Tells the batch how far *task* is, and asks whether it still runs; not for every frame."""
    told = looked = float("-inf")

    def go_on(done: int, total: int) -> bool:
        nonlocal told, looked
        now = time.monotonic()
        if now - told >= TELL_S:
            told = now
            worker.log_event(PLUGIN, {"task": task.number, "done": done, "total": total, "worker": worker.address})
        if now - looked >= LOOK_S:
            looked = now
            return sign.exists()
        return True

    return go_on
