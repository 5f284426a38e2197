"""``summary.csv``: a row for each file of a batch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from poseapp.batch.job import Job, Outcome
from poseapp.core.errors import printable
from poseapp.core.files import atomic_write

SUMMARY = "summary.csv"
COLUMNS = (
    "file",
    "state",  # done, skipped (was done before), failed or waiting (the batch was stopped)
    "frames",
    "unreadable",
    "seconds",
    "people",
    "model",
    "mode",
    "backend",
    "pieces",
    "elapsed_s",
    "result",
    "remark",
)


def write_summary(out: Path, rows: Sequence[tuple[Job, Outcome | None]]) -> Path:
    """Write the table into *out*: each job with its outcome, None where there is none yet. Raises OSError."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for job, outcome in rows:
        table.writerow([_plain(cell) for cell in _row(out, job, outcome)])
    path = out / SUMMARY
    atomic_write(path, text.getvalue().encode("utf-8", "replace"))
    return path


def _row(out: Path, job: Job, outcome: Outcome | None) -> list[str]:
    method = job.method
    finished = outcome.finished if outcome is not None else None
    if outcome is None:
        state = "waiting"
    elif outcome.error:
        state = "failed"
    else:
        state = "skipped" if outcome.skipped else "done"
    figures = finished.figures if finished is not None else None
    numbers = ["", "", "", ""] if figures is None else [figures.frames, figures.unreadable, figures.seconds, figures.people]
    rest = ["", "", ""] if figures is None else [figures.backend, figures.pieces, figures.elapsed_s]
    remark = outcome.error if outcome is not None and outcome.error else finished.remark if finished is not None else ""
    result = job.folder.relative_to(out).as_posix() if finished is not None else ""
    return [str(job.source.path), state, *map(str, numbers), method.model, method.mode, *map(str, rest), result, remark]


def _plain(cell: str) -> str:
    """*cell* on one line, and never a formula: a spreadsheet would run one that is the name of a file."""
    text = printable(cell)
    return f"'{text}" if text[:1] in "=+-@" and text[:1] else text
