"""The command eval: the figures of a model on a labelled set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from poseapp.cli import train_options
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


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """The options of eval: what is scored, how, and the files that are written."""

    model: str
    annotations: Path
    images: Path
    boxes: str
    flip: bool
    multi_scale: bool
    limit: int
    engines_dir: Path | None
    device: str
    precision: str
    out: Path | None
    sheet: Path | None
    drawn: Path | None
    scores: Path | None

    def for_crops(self) -> dict[str, object]:
        """The options that only the evaluation of a pose model on its crops has a use for, by their names."""
        return {
            "--flip": self.flip,
            "--multi-scale": self.multi_scale,
            "--sheet": self.sheet,
            "--drawn": self.drawn,
            "--scores": self.scores,
        }


def evaluate_command(  # noqa: PLR0913 - the command's options
    model: train_options.Model,
    annotations: train_options.Annotations,
    images: train_options.Images,
    boxes: train_options.Boxes = "",
    flip: train_options.Flip = False,
    multi_scale: train_options.MultiScale = False,
    out: train_options.EvalOut = None,
    sheet: train_options.Sheet = None,
    drawn: train_options.Drawn = None,
    scores: train_options.Scores = None,
    limit: train_options.Limit = 0,
    engines_dir: GivenEnginesDir = None,
    device: train_options.EvalDevice = "auto",
    precision: train_options.Precision = "auto",
) -> None:
    """Score a model on a labelled set, in the engine that the app uses. Joints that the set or the model lacks do not count."""
    given = EvalOptions(
        model=model,
        annotations=annotations,
        images=images,
        boxes=boxes,
        flip=flip,
        multi_scale=multi_scale,
        limit=limit,
        engines_dir=engines_dir,
        device=device,
        precision=precision,
        out=out,
        sheet=sheet,
        drawn=drawn,
        scores=scores,
    )
    detector_folder = find_detector_folder(model, engines_dir)
    if detector_folder is not None:
        _score_detector(given, detector_folder)
    elif boxes == "track":
        _score_panning(given)
    else:
        _score_model(given)


def _score_detector(given: EvalOptions, folder: Path) -> None:
    from poseapp.train.eval.figures import write_json

    runs = {"--device": given.device != "auto", "--precision": given.precision != "auto"}
    takes_no("eval of a person detector", {"--boxes": given.boxes, **given.for_crops(), **runs})
    figures = evaluate_detector(folder, given.annotations, given.images, given.limit)
    if given.out is not None:
        write_json(figures.to_json(), given.out)


def _score_panning(given: EvalOptions) -> None:
    from poseapp.train.eval.figures import write_json

    takes_no("eval --boxes track", given.for_crops())
    with _opened(given) as (engine, detector):
        figures = evaluate_panning(engine, detector, given.annotations, given.images, given.limit)
    if given.out is not None:
        write_json(figures.to_json(), given.out)


def _score_model(given: EvalOptions) -> None:
    from poseapp.core.multiscale import SCALES
    from poseapp.train.eval.contact_sheets import contact_sheet, write_png
    from poseapp.train.eval.evaluate import EvaluationOptions, default_boxes
    from poseapp.train.eval.figures import write_json

    with _opened(given) as (engine, detector):
        boxes = given.boxes or default_boxes(engine.spec)
        scales = SCALES if given.multi_scale else ()
        how = EvaluationOptions(boxes=boxes, flip=given.flip, scales=scales, limit=given.limit)
        result = evaluate(engine, given.annotations, given.images, how, detector)
        print_figures(result, engine.spec.name)
    if given.out is not None:
        write_json(result.figures.to_json(), given.out)
    write_card_pictures(result, given.drawn, given.scores)
    if given.sheet is not None:
        write_png(contact_sheet(result), given.sheet)
        typer.echo(f"The worst people, truth on the left: {given.sheet}")


@contextmanager
def _opened(given: EvalOptions) -> Iterator[tuple[Engine, Detector | None]]:
    """The model's engine, and the store's person detector where the boxes ask for it and there is one; closed at the end."""
    from poseapp.engine.store import default_engines_dir
    from poseapp.pipeline.modes import open_detector

    with ExitStack() as opened:
        engine = open_model(given.model, given.engines_dir, given.device, given.precision)
        opened.callback(engine.close)
        detector = None
        if given.boxes in ("detect", "track"):
            detector = open_detector(given.engines_dir or default_engines_dir())
        if detector is not None:
            opened.callback(detector.close)
        yield engine, detector


def open_model(model: str, engines_dir: Path | None, device: str, precision: str = "auto") -> Engine:
    """The engine for a name in the store, or for a path to an ONNX file (or its folder)."""
    from poseapp.engine.load import load_engine
    from poseapp.engine.store import default_engines_dir, find_model

    path = Path(model)
    if path.suffix == ".onnx":
        if path.name != "model.onnx":
            raise ModelError(f"{path}: expected a file called model.onnx with its model.json beside it. Export it again.")
        return load_engine(path.parent, device, precision=precision)
    return load_engine(find_model(engines_dir or default_engines_dir(), model).folder, device, precision=precision)


def find_detector_folder(model: str, engines_dir: Path | None) -> Path | None:
    """The folder of a detector: by its name in the store, or by the path of its model.onnx; None when *model* is none."""
    from poseapp.engine.detector import DetectorSpec
    from poseapp.engine.store import default_engines_dir, folder_named

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
