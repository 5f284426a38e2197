"""``poseapp eval --boxes track``: the app's own way of finding and following one person, over panned pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from poseapp.cli.progress import counting
from poseapp.console import plain_console

if TYPE_CHECKING:
    from poseapp.core.types import Poses
    from poseapp.engine.base import Engine
    from poseapp.train.eval.panning import Following, Panned


def evaluate_following(
    engine: Engine, engines_dir: Path, annotations: Path, images: Path, out: Path | None, limit: int
) -> Following:
    """Follow people through sequences made of the set's pictures; print the figures, and write them to *out*."""
    from rich.table import Table

    from poseapp.pipeline.modes import make_estimator, open_detector
    from poseapp.train.data.datasets import LabelledSet
    from poseapp.train.eval import panning
    from poseapp.train.eval.evaluate import write_json

    skeleton = engine.spec.skeleton
    sequences = panning.panned(LabelledSet(annotations, images, "val").read(skeleton, 1), limit)
    detector = open_detector(engines_dir)
    estimator = make_estimator("one", engine, detector)

    def show(panned: Panned) -> list[Poses]:
        estimator.reset()
        return [estimator.estimate(frame).poses for frame in panned.frames()]

    try:
        with counting("sequences") as advance:
            followed = panning.follow_all(sequences, show, skeleton, advance)
    finally:
        if detector is not None:
            detector.close()
    f = panning.summarise(followed)
    found_by = "searched for in one region a frame" if detector is None else "found by the person detector"
    table = Table(
        title=f"{engine.spec.name}: {f.sequences} sequences of {panning.FRAMES} frames, nobody says where the person is"
    )
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
    sizes = " and ".join(f"{w}×{h}" for h, w in panning.SIZES)
    console.print(
        f"pictures panned and zoomed in frames of {sizes}, one person at {100 * panning.HEIGHTS[0]:.0f} to "
        f"{100 * panning.HEIGHTS[1]:.0f} % of the height, {found_by}; on a person: the boxes about the joints overlap by "
        f"{panning.SAME_PLACE:g}; {engine.backend}",
        style="dim",
    )
    if out is not None:
        write_json(f.to_json(), out)
    return f
