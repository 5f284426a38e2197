"""The command eval: the figures of a model on a labelled set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from poseapp.cli import train_options as options
from poseapp.cli.options import GivenEnginesDir
from poseapp.cli.progress import counting
from poseapp.console import plain_console
from poseapp.core.errors import DataError, ModelError

if TYPE_CHECKING:
    from poseapp.engine.base import Engine
    from poseapp.engine.detector import Detector
    from poseapp.train.eval.evaluate import Evaluation

# What a card's figures are measured with: what every computer has, and the network as it was trained.
FIGURES_FROM = ("--device", "cpu", "--precision", "fp32")


def evaluate_command(
    model: options.Model,
    annotations: options.Annotations,
    images: options.Images,
    boxes: options.Boxes = "",
    flip: options.Flip = False,
    multi_scale: options.MultiScale = False,
    out: options.EvalOut = None,
    sheet: options.Sheet = None,
    drawn: options.Drawn = None,
    scores: options.Scores = None,
    limit: options.Limit = 0,
    engines_dir: GivenEnginesDir = None,
    device: options.EvalDevice = "auto",
    precision: options.Precision = "auto",
) -> None:
    """Score an exported model on a labelled set, in the engine the app uses: on the joints that both have."""
    from poseapp.cli.detector import evaluate_detector_command, find_detector_folder, stored_detector
    from poseapp.cli.following import evaluate_following
    from poseapp.core.multiscale import SCALES
    from poseapp.engine.load import default_engines_dir
    from poseapp.train.eval.evaluate import contact_sheet, default_boxes, write_json, write_png

    pictures = {"--flip": flip, "--multi-scale": multi_scale, "--sheet": sheet, "--drawn": drawn, "--scores": scores}
    place = find_detector_folder(model, engines_dir)
    if place is not None:
        runs = {"--device": device != "auto", "--precision": precision != "auto"}
        takes_no("eval of a person detector", {"--boxes": boxes, **pictures, **runs})
        evaluate_detector_command(place, annotations, images, limit, out)
        return
    if boxes == "track":
        takes_no("eval --boxes track", pictures)
    engine = open_model(model, engines_dir, device, precision)
    if boxes == "track":
        try:
            evaluate_following(engine, engines_dir or default_engines_dir(), annotations, images, out, limit)
        finally:
            engine.close()
        return
    boxes = boxes or default_boxes(engine.spec)
    detector = stored_detector(engines_dir) if boxes == "detect" else None
    try:
        scales = SCALES if multi_scale else ()
        result = evaluate_with_progress(engine, annotations, images, boxes, flip, scales, limit, detector)
        print_figures(result, engine, boxes, flip, scales, detector)
    finally:
        engine.close()
        if detector is not None:
            detector.close()
    if out is not None:
        write_json(result.figures.to_json(), out)
    if drawn is not None or scores is not None:
        write_card_pictures(result, drawn, scores)
    if sheet is not None:
        write_png(contact_sheet(result), sheet)
        typer.echo(f"The worst people, truth on the left: {sheet}")


def open_model(model: str, engines_dir: Path | None, device: str, precision: str = "auto") -> Engine:
    """The engine for a name in the store, or for a path to an ONNX file (or its folder)."""
    from poseapp.engine.load import default_engines_dir, find_model, load_engine

    path = Path(model)
    if path.suffix == ".onnx":
        if path.name != "model.onnx":
            raise ModelError(f"{path}: expected a file called model.onnx with its model.json beside it. Export it again.")
        return load_engine(path.parent, device, precision=precision)
    return load_engine(find_model(engines_dir or default_engines_dir(), model).folder, device, precision=precision)


def evaluate_with_progress(
    engine: Engine,
    annotations: Path,
    images: Path,
    boxes: str,
    flip: bool,
    scales: Sequence[float],
    limit: int,
    detector: Detector | None = None,
) -> Evaluation:
    """Evaluate under a progress bar on stderr."""
    from poseapp.train.eval.evaluate import evaluate

    with counting("people") as advance:
        return evaluate(
            engine, annotations, images, boxes=boxes, flip=flip, scales=scales, limit=limit, detector=detector, on_person=advance
        )


def print_figures(
    result: Evaluation, engine: Engine, boxes: str, flip: bool, scales: Sequence[float] = (), detector: Detector | None = None
) -> None:
    """The figures, the errors by joint and the conventions, as tables."""
    import numpy as np
    from rich import box
    from rich.table import Table

    from poseapp.core import metrics
    from poseapp.train.eval.evaluate import conventions
    from poseapp.train.eval.subsets import parts_of

    def percent(value: float | None, digits: int = 1) -> str:
        return "–" if value is None or math.isnan(value) else f"{100 * value:.{digits}f}"

    console = plain_console()
    f = result.figures
    top = Table(title=f"{engine.spec.name}: {f.people} people with five or more labelled joints")
    for names, values in (
        (("mean OKS", "OKS≥.5", "OKS≥.75", "PCK@.2", "PCKh@.5", "ms"),
         (f"{f.mean_oks:.4f}", f"{f.oks50:.3f}", f"{f.oks75:.3f}", percent(f.pck_total, 2),
          percent(f.pckh_total, 2), f"{f.ms_per_person:.1f}")),
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
    joints = Table(title="Labelled joints, and what became of them in %", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    short = {"left_right": "l/r", "inversion": "inv."}
    for name in ("joint", "n", "PCK@.2", "PCKh@.5", *(short.get(kind, kind) for kind in metrics.ERRORS)):
        joints.add_column(name, justify="left" if name == "joint" else "right", no_wrap=True)
    labels = metrics.labelled(np.stack([person.joints for person in result.people])).sum(axis=0)
    for (name, value), pckh, n, counts in zip(f.pck_by_joint.items(), result.pckh_by_joint, labels, result.errors, strict=True):
        shares = [f"{100 * c / max(1, counts.sum()):.0f}" for c in counts]
        joints.add_row(name.replace("_", " "), str(n), percent(value), percent(pckh), *shares)
    overall = result.errors.sum(axis=0)
    joints.add_section()
    shares = [f"{100 * c / max(1, overall.sum()):.0f}" for c in overall]
    joints.add_row("all", str(labels.sum()), percent(f.pck_total), percent(f.pckh_total), *shares)
    console.print(joints)
    if parts := parts_of(result):
        by_part = Table(title="By where the pictures are from", box=box.SIMPLE_HEAD)
        for name in ("pictures", "people", "mean OKS", "OKS≥.5", "PCK@.2", "12 limbs"):
            by_part.add_column(name, justify="left" if name == "pictures" else "right", no_wrap=True)
        for part in parts:
            shares = [percent(value) for value in (part.oks50, part.pck, part.limb_pck)]
            oks = "–" if math.isnan(part.mean_oks) else f"{part.mean_oks:.4f}"
            by_part.add_row(part.name, str(part.people), oks, *shares)
        console.print(by_part)
    console.print(conventions(engine, result, boxes, flip, scales, detector), style="dim")


def write_card_pictures(result: Evaluation, drawn: Path | None, scores: Path | None) -> None:
    """The line drawings and the reliability plot of model cards, to the PNGs that are not None."""
    from poseapp.train.eval.contact_sheets import draw_poses_alone, draw_score_calibration, score_calibration
    from poseapp.train.eval.evaluate import write_png

    if drawn is not None:
        write_png(draw_poses_alone(result), drawn)
        typer.echo(f"Poses as line drawings: {drawn}")
    if scores is not None:
        found = score_calibration(result)
        write_png(draw_score_calibration(found), scores)
        typer.echo(f"Scores: calibration error {found.error:.3f}; half are right at {1 / (1 + found.odds):.2f}: {scores}")


def figures_of(folder: Path, annotations: Path, images: Path, show: bool = False) -> tuple[Evaluation, str]:
    """The figures of the model in *folder* as cards have them, and their conventions; *show* prints them."""
    from poseapp.train.eval.evaluate import conventions, default_boxes

    engine = open_model(str(folder / "model.onnx"), None, *FIGURES_FROM[1::2])
    try:
        boxes = default_boxes(engine.spec)
        result = evaluate_with_progress(engine, annotations, images, boxes, False, (), 0)
        if show:
            print_figures(result, engine, boxes, False)
        return result, conventions(engine, result, boxes, False)
    finally:
        engine.close()


def takes_no(what: str, options: Mapping[str, object]) -> None:
    """Raise DataError when one of *options*, by name, was given: *what* has no use for it."""
    given = [name for name, value in options.items() if value]
    if given:
        raise DataError(f"{what}: takes no {', '.join(given)}. Leave it out.")
