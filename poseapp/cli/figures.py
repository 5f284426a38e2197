"""The figures of evaluations as tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from poseapp.console import plain_console

if TYPE_CHECKING:
    from rich.table import Table

    from poseapp.train.eval.detector import BoxFigures
    from poseapp.train.eval.figures import Evaluation
    from poseapp.train.eval.panning import PanningFigures


def print_figures(result: Evaluation, model: str) -> None:
    """The figures of *model*, the errors by joint, the subsets and the conventions."""
    from rich.table import Table

    console = plain_console()
    f = result.figures
    top = Table(title=f"{model}: {f.people} people with five or more labelled joints")
    for names, values in (
        (("mean OKS", "OKS≥.5", "OKS≥.75", "PCK@.2", "PCKh@.5", "ms"),
         (f"{f.mean_oks:.4f}", f"{f.oks50:.3f}", f"{f.oks75:.3f}", _percent(f.pck_total, 2),
          _percent(f.pckh_total, 2), f"{f.ms_per_person:.1f}")),
        (("AP", "AP50", "AP75", "APM", "APL", "AR"),
         tuple(f"{value:.4f}" for value in (f.ap, f.ap50, f.ap75, result.ap_medium, result.ap_large, f.ar))),
    ):  # fmt: skip
        if not top.columns:
            for name in names:
                top.add_column(name, justify="right")
        else:
            top.add_section()
            top.add_row(*names, style="bold")
        top.add_row(*values)
    console.print(top)
    console.print(_joints(result))
    if (subsets := _subsets(result)) is not None:
        console.print(subsets)
    console.print(result.conventions, style="dim")


def _joints(result: Evaluation) -> Table:
    import numpy as np
    from rich import box
    from rich.table import Table

    from poseapp.core import metrics

    f = result.figures
    joints = Table(title="Labelled joints, and what became of them in %", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    short = {"left_right": "l/r", "inversion": "inv."}
    for name in ("joint", "n", "PCK@.2", "PCKh@.5", *(short.get(kind, kind) for kind in metrics.ERRORS)):
        joints.add_column(name, justify="left" if name == "joint" else "right", no_wrap=True)
    labels = metrics.labelled(np.stack([person.joints for person in result.people])).sum(axis=0)
    for (name, value), pckh, n, counts in zip(f.pck_by_joint.items(), result.pckh_by_joint, labels, result.errors, strict=True):
        shares = [f"{100 * c / max(1, counts.sum()):.0f}" for c in counts]
        joints.add_row(name.replace("_", " "), str(n), _percent(value), _percent(pckh), *shares)
    overall = result.errors.sum(axis=0)
    joints.add_section()
    shares = [f"{100 * c / max(1, overall.sum()):.0f}" for c in overall]
    joints.add_row("all", str(labels.sum()), _percent(f.pck_total), _percent(f.pckh_total), *shares)
    return joints


def _subsets(result: Evaluation) -> Table | None:
    from rich import box
    from rich.table import Table

    from poseapp.train.eval.subsets import subsets_of

    subsets = subsets_of(result)
    if not subsets:
        return None
    table = Table(title="By where the pictures are from", box=box.SIMPLE_HEAD)
    for name in ("pictures", "people", "mean OKS", "OKS≥.5", "PCK@.2", "12 limbs"):
        table.add_column(name, justify="left" if name == "pictures" else "right", no_wrap=True)
    for subset in subsets:
        shares = [_percent(value) for value in (subset.oks50, subset.pck, subset.limb_pck)]
        oks = "–" if math.isnan(subset.mean_oks) else f"{subset.mean_oks:.4f}"
        table.add_row(subset.name, str(subset.people), oks, *shares)
    return table


def print_panning_figures(f: PanningFigures, model: str, conventions: str) -> None:
    """How well one person is found and followed."""
    from rich.table import Table

    from poseapp.train.eval import panning

    table = Table(title=f"{model}: {f.sequences} sequences of {panning.FRAMES} frames, nobody says where the person is")
    for name in (
        "locked on in 10 frames",
        "under half height",
        "over",
        "frames to lock",
        "lost after",
        "in sequences",
        "mean OKS",
    ):
        table.add_column(name, justify="right")
    percent = [f"{100 * v:.1f} %" for v in (f.lock_rate, f.lock_rate_small, f.lock_rate_large, f.loss_rate, f.lost)]
    table.add_row(*percent[:3], f"{f.median_frames_to_lock:g}", *percent[3:], f"{f.mean_oks:.3f}")
    console = plain_console()
    console.print(table)
    console.print(conventions, style="dim")


def print_box_figures(figures: BoxFigures, model: str, conventions: str) -> None:
    """The figures of a person detector."""
    from rich.table import Table

    console = plain_console()
    table = Table(title=f"{model}: {figures.people:,} people in {figures.pictures:,} pictures")
    values = {
        "AP50": f"{figures.ap50:.4f}",
        "AP": f"{figures.ap:.4f}",
        "recall": f"{figures.recall:.3f}",
        "precision": f"{figures.precision:.3f}",
        "recall S": f"{figures.recall_small:.3f}",
        "M": f"{figures.recall_medium:.3f}",
        "L": f"{figures.recall_large:.3f}",
        "best at": f"{figures.best_threshold:g}",
        "ms": f"{figures.ms:.1f}",
    }
    for name in values:
        table.add_column(name, justify="right")
    table.add_row(*values.values())
    console.print(table)
    console.print(conventions, style="dim")


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}"
