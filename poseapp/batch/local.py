"""A batch in this process: one job after another. Needs no further package."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from poseapp.batch.job import Job, Outcome, Workbench, attempt
from poseapp.batch.progress import Watcher


def run_here(jobs: Sequence[Job], watcher: Watcher) -> None:
    """Do *jobs* and tell *watcher*; a job that fails does not stop the others."""
    if not jobs:
        return
    with closing(Workbench(jobs[0].method)) as bench:
        for job in jobs:
            watcher.began(job)
            watcher.ended(job, _done(bench, job, watcher))


def _done(bench: Workbench, job: Job, watcher: Watcher) -> Outcome:
    def go_on(done: int, total: int) -> bool:
        watcher.went(job, done, total)
        return True

    return attempt(lambda: bench.do(job, go_on, cut=False), job.source.path)
