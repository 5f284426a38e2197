"""``poseapp train --check``: what is wrong with a labelled set."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from poseapp.cli.progress import counting
from poseapp.cli.train import recipe_called
from poseapp.console import plain_console
from poseapp.core.errors import DataError


def check_sets(data: list[str], recipe: str) -> None:
    """Report on every label and picture of the train and val parts of each set; exits with 1 when training would refuse.

    What *recipe* asks for counts, or without one what most recipes do.
    """
    from rich.table import Table

    from poseapp.train.data.check import check_set
    from poseapp.train.data.coco import FEW, NOTED, REFUSED, SKIPPED
    from poseapp.train.data.datasets import find_set

    if not data:
        raise DataError("check: no data. Give a set's folder with --data.")
    least = recipe_called(recipe).min_joints if recipe else FEW
    console = plain_console()
    refused = False
    for where in data:
        found = [find_set(where, "train")]
        if found[0].shards:
            raise DataError(f"check: {where}: pictures in tars cannot be checked. Unpack them, and give FILE=FOLDER.")
        if Path(where).is_dir():
            with suppress(DataError):
                found.append(find_set(where, "val"))
        for part in found:
            with counting("pictures") as show:
                report = check_set(part.annotations, part.images, show, part.split, least if part.split == "train" else 1)
            refused |= report.refused
            table = Table(
                title=f"{part.annotations}: {report.people:,} people in {report.pictures:,} pictures", title_justify="left"
            )
            for name in ("finding", "number", "training", "for example"):
                table.add_column(name, justify="right" if name == "number" else "left", overflow="fold")
            for kinds, what in ((REFUSED, "refuses"), (SKIPPED, "skips"), (NOTED, "goes on")):
                for kind, meaning in kinds.items():
                    if report.counts[kind]:
                        table.add_row(meaning, f"{report.counts[kind]:,}", what, "; ".join(report.examples[kind][:3]))
            console.print(table if report.counts else f"{table.title}: nothing to complain about")
            if report.joints:
                labels = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in report.joints.items())
                console.print(f"labels: {labels}", style="dim")
    if refused:
        raise DataError("check: training would refuse this set. Correct the lines that are marked 'refuses'.")
