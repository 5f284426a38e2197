"""The parts of eval and export that are for person detectors. torch is imported inside, so that the app starts without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from poseapp.cli.progress import counting
from poseapp.console import plain_console
from poseapp.core.files import no_empty_folders

if TYPE_CHECKING:
    from poseapp.engine.detector import Detector
    from poseapp.train.checkpoint import TrainedNetwork
    from poseapp.train.eval.detector import BoxFigures
    from poseapp.train.export import About, Commands


def find_detector_folder(model: str, engines_dir: Path | None) -> Path | None:
    """The folder of a detector: by its name in the store, or by the path of its model.onnx; None when *model* is none."""
    from poseapp.engine.detector import SPEC_FILE
    from poseapp.engine.load import default_engines_dir
    from poseapp.engine.store import folder_named

    path = Path(model)
    folder = path.parent if path.suffix == ".onnx" else folder_named(engines_dir or default_engines_dir(), model)
    return folder if (folder / SPEC_FILE).is_file() else None


def stored_detector(engines_dir: Path | None) -> Detector | None:
    """The store's detector, loaded; None where there is none."""
    from poseapp.engine.detector import Detector, find_detector
    from poseapp.engine.load import default_engines_dir

    folder = find_detector(engines_dir or default_engines_dir())
    return None if folder is None else Detector(folder)


def evaluate_detector_command(folder: Path, annotations: Path, images: Path, limit: int, out: Path | None) -> None:
    """Print the figures of the detector in *folder*, and write them to *out* if given."""
    from poseapp.train.eval.evaluate import write_json

    figures = measured(folder, annotations, images, limit)
    show(folder, figures)
    if out is not None:
        write_json(figures.to_json(), out)


def export_detector_command(
    trained: TrainedNetwork,
    folder: Path,
    sections: About,
    about: Path | None,
    annotations: Path | None,
    images: Path | None,
    commands: Commands,
    replace: bool,
) -> None:
    """Export the detector *trained* to *folder*; with *annotations*, measure it and choose its threshold."""
    import dataclasses

    from poseapp.convert.export import in_place_of
    from poseapp.train.export_detector import export_detector, with_threshold, write_detector_card

    with no_empty_folders(folder.parent), in_place_of(folder, replace) as made:
        if about is not None:
            (made / "about.md").write_bytes(about.read_bytes())
        spec, figures = export_detector(trained, made, sections), None
        if annotations is not None and images is not None:
            spec = with_threshold(made, measured(made, annotations, images, 0).best_threshold)
            figures = measured(made, annotations, images, 0)
            show(made, figures)
            commands = dataclasses.replace(commands, conventions=conventions(made))
        write_detector_card(made, spec, trained, sections, figures, commands)


def measured(folder: Path, annotations: Path, images: Path, limit: int) -> BoxFigures:
    """The figures of the detector in *folder*, under a progress bar on stderr."""
    from poseapp.engine.detector import Detector
    from poseapp.train.eval.detector import evaluate_detector

    detector = Detector(folder)
    try:
        with counting("pictures") as advance:
            return evaluate_detector(detector, annotations, images, limit, advance)
    finally:
        detector.close()


def show(folder: Path, figures: BoxFigures) -> None:
    """The figures as a table, and the conventions."""
    from rich.table import Table

    console = plain_console()
    table = Table(title=f"{folder.name}: {figures.people:,} people in {figures.pictures:,} pictures")
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
    console.print(conventions(folder), style="dim")


def conventions(folder: Path) -> str:
    """One line that says how the figures were made."""
    from poseapp.engine.detector import SPEC_FILE, DetectorSpec

    spec = DetectorSpec.read(folder / SPEC_FILE)
    h, w = spec.input_hw
    return (
        f"whole pictures fitted into {h}×{w}; AP by COCO's rules; recall and precision at an intersection over union of 0.5, "
        f"of boxes from {spec.threshold:g} on; small is below 32² px in the input, large from 96² px on; ONNX Runtime, CPU, FP32"
    )
