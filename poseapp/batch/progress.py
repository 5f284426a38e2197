"""How far a batch is: told by whoever does the jobs, shown by the command line."""

from __future__ import annotations

from typing import Protocol

from poseapp.batch.job import Job, Outcome


class Watcher(Protocol):
    """Is told how far a batch is. All calls come from one thread; those about a job come in this order.

    ::

        began(job)
        went(job, done, total)      some times a second; frames, total 0 where it is not known
        ended(job, outcome)
    """

    def began(self, job: Job) -> None:
        """Somebody works on *job*."""
        ...

    def went(self, job: Job, done: int, total: int) -> None:
        """*done* frames of *total* are done."""
        ...

    def ended(self, job: Job, outcome: Outcome) -> None:
        """*job* has come to *outcome*."""
        ...

    def note(self, text: str) -> None:
        """One line for the user, such as that a worker is lost."""
        ...
