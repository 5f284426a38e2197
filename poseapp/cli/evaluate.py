"""The command eval: the figures of a model on a labelled set."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from poseapp.cli import train_options as options
from poseapp.cli.figures import print_box_figures, print_figures, print_panning_figures
from poseapp.cli.options import GivenEnginesDir
from poseapp.cli.progress import counting
from poseapp.core.errors import DataError, ModelError

if TYPE_CHECKING:
    from poseapp.engine.base import Engine
    from poseapp.engine.detector import Detector
    from poseapp.train.eval.detector import BoxFigures
    from poseapp.train.eval.evaluate import EvaluationOptions
    from poseapp.train.eval.figures import Evaluation
    from poseapp.train.eval.panning import PanningFigures

# What a card's figures are measured with: what every computer has, and the network as it was trained.
FIGURES_FROM = ("--device", "cpu", "--precision", "fp32")


def evaluate_command(  # noqa: PLR0913 - the command's options
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
    from poseapp.core.multiscale import SCALES
    from poseapp.engine.load import default_engines_dir
    from poseapp.pipeline.modes import open_detector
    from poseapp.train.eval.contact_sheets import contact_sheet, write_png
    from poseapp.train.eval.evaluate import EvaluationOptions, default_boxes
    from poseapp.train.eval.figures import write_json

    pictures = {"--flip": flip, "--multi-scale": multi_scale, "--sheet": sheet, "--drawn": drawn, "--scores": scores}
    detector_folder = find_detector_folder(model, engines_dir)
    if detector_folder is not None:
        runs = {"--device": device != "auto", "--precision": precision != "auto"}
        takes_no("eval of a person detector", {"--boxes": boxes, **pictures, **runs})
        figures = evaluate_detector(detector_folder, annotations, images, limit)
        if out is not None:
            write_json(figures.to_json(), out)
        return
    if boxes == "track":
        takes_no("eval --boxes track", pictures)
    with ExitStack() as opened:
        engine = opened.enter_context(closing(open_model(model, engines_dir, device, precision)))
        detector = open_detector(engines_dir or default_engines_dir()) if boxes in ("detect", "track") else None
        if detector is not None:
            opened.enter_context(closing(detector))
        if boxes == "track":
            panning = evaluate_panning(engine, detector, annotations, images, limit)
            if out is not None:
                write_json(panning.to_json(), out)
            return
        how = EvaluationOptions(
            boxes=boxes or default_boxes(engine.spec), flip=flip, scales=SCALES if multi_scale else (), limit=limit
        )
        result = evaluate(engine, annotations, images, how, detector)
        print_figures(result, engine.spec.name)
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


def find_detector_folder(model: str, engines_dir: Path | None) -> Path | None:
    """The folder of a detector: by its name in the store, or by the path of its model.onnx; None when *model* is none."""
    from poseapp.engine.detector import DetectorSpec
    from poseapp.engine.load import default_engines_dir
    from poseapp.engine.store import folder_named

    path = Path(model)
    folder = path.parent if path.suffix == ".onnx" else folder_named(engines_dir or default_engines_dir(), model)
    return folder if (folder / DetectorSpec.FILE).is_file() else None


def evaluate(
    engine: Engine, annotations: Path, images: Path, how: EvaluationOptions, detector: Detector | None = None
) -> Evaluation:
    """The figures of a pose model, under a progress bar on stderr."""
    from poseapp.train.eval.evaluate import evaluate

    with counting("people") as advance:
        return evaluate(engine, annotations, images, how, detector, advance)


def evaluate_panning(engine: Engine, detector: Detector | None, annotations: Path, images: Path, limit: int) -> PanningFigures:
    """Print how well the app finds and follows one person, over panned pictures."""
    from poseapp.train.eval import panning

    with counting("sequences") as advance:
        figures = panning.evaluate_panning(engine, detector, annotations, images, limit, advance)
    print_panning_figures(figures, engine.spec.name, panning.conventions(engine, detector))
    return figures


def evaluate_detector(folder: Path, annotations: Path, images: Path, limit: int = 0, show: bool = True) -> BoxFigures:
    """The figures of the detector in *folder*; *show* prints them."""
    from poseapp.engine.detector import Detector
    from poseapp.train.eval.detector import conventions, evaluate_detector

    with closing(Detector(folder)) as detector:
        with counting("pictures") as advance:
            figures = evaluate_detector(detector, annotations, images, limit, advance)
        if show:
            print_box_figures(figures, folder.name, conventions(detector.spec))
    return figures


def write_card_pictures(result: Evaluation, drawn: Path | None, scores: Path | None) -> None:
    """The line drawings and the plot of the scores' calibration of model cards, to the PNGs that are not None."""
    from poseapp.train.eval.calibration import draw_score_calibration, score_calibration
    from poseapp.train.eval.contact_sheets import draw_poses_alone, write_png

    if drawn is not None:
        write_png(draw_poses_alone(result), drawn)
        typer.echo(f"Poses as line drawings: {drawn}")
    if scores is not None:
        found = score_calibration(result)
        write_png(draw_score_calibration(found), scores)
        typer.echo(
            f"Scores: calibration error {found.error:.3f}; half are right at {1 / (1 + found.score_odds_scale):.2f}: {scores}"
        )


def figures_of(folder: Path, annotations: Path, images: Path, show: bool = False) -> Evaluation:
    """The figures of the model in *folder* as cards have them; *show* prints them."""
    from poseapp.train.eval.evaluate import EvaluationOptions, default_boxes

    with closing(open_model(str(folder / "model.onnx"), None, *FIGURES_FROM[1::2])) as engine:
        result = evaluate(engine, annotations, images, EvaluationOptions(boxes=default_boxes(engine.spec)))
        if show:
            print_figures(result, engine.spec.name)
        return result


def takes_no(what: str, options: Mapping[str, object]) -> None:
    """Raise DataError when one of *options*, by name, was given: *what* has no use for it."""
    given = [name for name, value in options.items() if value]
    if given:
        raise DataError(f"{what}: takes no {', '.join(given)}. Leave it out.")
