"""A batch on the workers of dask.distributed: of this machine, or of a cluster that runs.

Dask has the queue, the network and the deaths of workers. Here are the tasks: a file each, a piece of a long file, and
one that joins its pieces. The result of a task is a file on a disk that all workers see; little goes through the network.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Before distributed is imported, which sets up its logging: the user gets the app's own lines.
os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")

from distributed import Client, Future, KilledWorker, LocalCluster
from distributed.client import FutureCancelledError

from poseapp.batch.job import Job, Outcome
from poseapp.batch.method import version_hashes
from poseapp.batch.pieces import Piece
from poseapp.batch.progress import Watcher
from poseapp.batch.worker import PLUGIN, Answer, BatchPlugin, Task, put_away, unreadable, work
from poseapp.core.errors import PoseAppError, first_line

AHEAD = 3  # tasks that wait at each worker: enough for it never to wait, few enough for long files to be shared out
CONNECT_S = 20.0
ALONE_S = 30.0  # so long without a worker is worth a word
PUT_AWAY_S = 10.0


@contextlib.contextmanager
def local_workers(processes: int) -> Iterator[Client]:
    """A client of *processes* workers on this machine, each a process of one thread; nobody else can reach them."""
    cluster = LocalCluster(
        n_workers=processes,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,  # it would be a port that nobody asked for
        memory_limit=None,  # or a worker that decodes large pictures would be ended
        silence_logs=50,
    )
    with cluster, Client(cluster) as client:
        yield client


@contextlib.contextmanager
def running_cluster(address: str) -> Iterator[Client]:
    """A client of the scheduler at *address*. Raises PoseAppError where nobody answers, or there is no worker."""
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise PoseAppError(f"{address}: no scheduler answers ({first_line(error)}). Start one with: dask scheduler") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=CONNECT_S)
        except TimeoutError:
            raise PoseAppError(
                f"{address}: has no workers. Start some with: dask worker {address} --nworkers 2 --nthreads 1"
            ) from None
        yield client


def run_on(client: Client, jobs: Sequence[Job], sign: Path, watcher: Watcher) -> None:
    """Do *jobs* on the workers of *client* and tell *watcher*; a job that fails does not stop the others.

    *sign* is a file in the output folder; workers give up when it is gone. Raises PoseAppError where a worker cannot take part,
    before anything is done.
    """
    if not jobs:
        return
    _check_workers(client, jobs, sign)
    try:
        _Run(client, jobs, watcher).run()
    finally:
        with contextlib.suppress(Exception):  # workers may be gone
            for address in client.scheduler_info(n_workers=-1)["workers"]:
                client.submit(put_away, workers=[address], pure=False).result(timeout=PUT_AWAY_S)
            client.unregister_worker_plugin(PLUGIN)


def _check_workers(client: Client, jobs: Sequence[Job], sign: Path) -> None:
    """Raise PoseAppError with one line where a worker has other versions or files, or cannot read an input."""
    try:
        client.register_plugin(BatchPlugin(jobs[0].method, version_hashes(), sign))
        answers: dict[str, str] = client.run(unreadable, [job.source for job in jobs])
    except PoseAppError:
        raise
    except ModuleNotFoundError as error:
        raise PoseAppError(f"a worker has no {error.name}. Install there what is installed here.") from None
    for address, reason in answers.items():
        if reason:
            raise PoseAppError(f"{address}, {reason}")


@dataclass(eq=False)
class _Cut:
    """A job whose video is cut: what its pieces have come to."""

    pieces: tuple[Piece, ...]
    done: dict[int, int] = field(default_factory=dict)  # frames, by the index of the piece
    finished: set[int] = field(default_factory=set)
    worked_s: float = 0.0

    @property
    def total(self) -> int:
        return sum(len(piece.times_s) for piece in self.pieces)


class _Run:
    """Gives tasks to the workers, a few ahead, and takes their answers until all jobs are done."""

    def __init__(self, client: Client, jobs: Sequence[Job], watcher: Watcher) -> None:
        self._client, self._watcher = client, watcher
        self._numbers = 0
        self._waiting = deque(self._task(job) for job in jobs)
        self._running: dict[int, tuple[Task, Future[Answer]]] = {}
        self._cuts: dict[Path, _Cut] = {}
        self._told: set[Path] = set()  # the jobs that have begun
        self._news: queue.SimpleQueue[int | dict[str, Any]] = queue.SimpleQueue()  # a task is done, or how far one is

    def run(self) -> None:
        """Until all jobs are done."""
        client = self._client
        client.subscribe_topic(PLUGIN, lambda event: self._news.put(event[1]))
        alone_since: float | None = None
        try:
            while self._waiting or self._running:
                workers = len(client.scheduler_info(n_workers=-1)["workers"])
                self._fill(AHEAD * max(1, workers))
                alone_since = self._alone(workers, alone_since)
                with contextlib.suppress(queue.Empty):
                    self._take(self._news.get(timeout=0.5))
                    while True:
                        self._take(self._news.get_nowait())
        finally:
            client.unsubscribe_topic(PLUGIN)
            for _, future in self._running.values():
                future.cancel()

    def _alone(self, workers: int, since: float | None) -> float | None:
        """Say once when there has been no worker for a while; returns since when."""
        if workers:
            return None
        now = time.monotonic()
        if since is None:
            return now
        if since > 0 and now - since > ALONE_S:
            self._watcher.note("No worker is left. The batch goes on when one comes; Ctrl-C ends it, and what is done stays.")
            return 0.0
        return since

    def _task(self, job: Job, **more: Any) -> Task:
        self._numbers += 1
        return Task(number=self._numbers, job=job, **more)

    def _fill(self, most: int) -> None:
        while self._waiting and len(self._running) < most:
            task = self._waiting.popleft()
            future = self._client.submit(work, task, pure=False, key=f"poseapp-{os.getpid()}-{task.number}")
            self._running[task.number] = task, future
            future.add_done_callback(lambda _future, number=task.number: self._news.put(number))

    def _take(self, news: int | dict[str, Any]) -> None:
        if isinstance(news, int):
            found = self._running.pop(news, None)
            if found is not None:
                self._finished(found[0], _answer(*found))
            return
        found = self._running.get(news.get("task", 0))
        if found is not None:
            self._went(found[0], int(news["done"]), int(news["total"]))

    def _went(self, task: Task, done: int, total: int) -> None:
        job = task.job
        if job.folder not in self._told:
            self._told.add(job.folder)
            self._watcher.began(job)
        cut = self._cuts.get(job.folder)
        if cut is not None and task.piece is not None:
            cut.done[task.piece.index] = done
            done, total = sum(cut.done.values()), cut.total
        self._watcher.went(job, done, total)

    def _finished(self, task: Task, answer: Answer) -> None:
        job, outcome = task.job, answer.outcome
        cut = self._cuts.get(job.folder)
        if (task.piece is not None) and cut is None:
            return  # the job was given up or is done anew
        if answer.not_cuttable:
            self._forget(job)
            self._watcher.note(f"{job.source.path}: is analysed in one piece: {answer.not_cuttable}.")
            self._waiting.appendleft(self._task(job, cut=False))
        elif outcome is not None and outcome.pieces:
            self._cuts[job.folder] = _Cut(outcome.pieces)
            self._waiting.extendleft(self._task(job, piece=piece) for piece in reversed(outcome.pieces))
        elif outcome is not None:
            self._forget(job)
            if job.folder not in self._told:
                self._told.add(job.folder)
                self._watcher.began(job)
            self._watcher.ended(job, outcome)
        elif cut is not None and task.piece is not None:
            cut.finished.add(task.piece.index)
            cut.worked_s += answer.piece_s
            if len(cut.finished) == len(cut.pieces):
                self._waiting.appendleft(self._task(job, pieces=cut.pieces, worked_s=cut.worked_s))

    def _forget(self, job: Job) -> None:
        """No piece of *job* counts any more."""
        self._cuts.pop(job.folder, None)
        self._waiting = deque(task for task in self._waiting if task.job.folder != job.folder)
        for number, (task, future) in list(self._running.items()):
            if task.job.folder == job.folder:
                future.cancel()
                del self._running[number]


def _answer(task: Task, future: Future[Answer]) -> Answer:
    """What *task* came to, also where its workers died."""
    path = task.job.source.path
    try:
        answer: Answer = future.result()
        return answer
    except KilledWorker:
        return Answer(
            outcome=Outcome(error=f"{path}: each worker that began it died. Try it alone: poseapp run {path} --headless")
        )
    except (FutureCancelledError, PoseAppError) as error:
        return Answer(outcome=Outcome(error=f"{path}: was not done ({first_line(error)}). Run the batch again."))
    except Exception as error:  # noqa: BLE001 - whatever a worker raises, the other files are done
        return Answer(outcome=Outcome(error=f"{path}: unexpected {type(error).__name__} ({first_line(error)}). Report it."))
