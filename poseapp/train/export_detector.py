"""From a checkpoint to a detector in the store: model.onnx, detector.json and the model card."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from pathlib import Path

from poseapp.convert.card import About, Commands, first_line, table, trained_card
from poseapp.convert.export import export_onnx
from poseapp.core.spec import Source
from poseapp.engine.detector import DetectorSpec
from poseapp.engine.model_folder import ModelFolder
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.detector import DeployDetector
from poseapp.train.checkpoint import TrainedNetwork
from poseapp.train.eval.detector import BoxFigures
from poseapp.train.export import preliminary, training_line
from poseapp.train.tasks.detection import BOXES

UNMEASURED = 0.3  # the threshold of a detector that nobody has measured


def export_detector(trained: TrainedNetwork, folder: Path, about: About) -> DetectorSpec:
    """Write the averaged weights of *trained* to the empty *folder* as model.onnx, with its detector.json; returns the spec.

    Figures and threshold are not measured yet: ``write_detector_card`` fills them in.
    """
    recipe, net = trained.recipe, trained.net
    model = ModelFolder(folder)
    spec = DetectorSpec(
        name=folder.name,
        input_hw=recipe.input_hw,
        boxes=BOXES,
        threshold=UNMEASURED,
        weights_sha256=export_onnx(DeployDetector(net, BOXES), recipe.input_hw, model.file()),
        parameters=count_parameters(net),
        macs=count_macs(net, recipe.input_hw),
        source=Source(recipe.paper, first_line(about.data), first_line(about.licence)),
        metrics={},
    )
    model.write_spec(spec)
    return spec


def with_threshold(folder: Path, threshold: float) -> DetectorSpec:
    """Set the threshold in the detector.json of *folder*; returns the new spec."""
    spec = dataclasses.replace(DetectorSpec.read(folder / DetectorSpec.FILE), threshold=threshold)
    ModelFolder(folder).write_spec(spec)
    return spec


def write_detector_card(
    folder: Path, spec: DetectorSpec, trained: TrainedNetwork, about: About, figures: BoxFigures | None, commands: Commands
) -> None:
    """Write *figures* into detector.json, and the model card README.md; None where nothing was measured."""
    model = ModelFolder(folder)
    measured, does = "Not measured.", "exports the network"
    if figures is not None:
        known = {key: round(float(value), 5) for key, value in asdict(figures).items() if value == value}
        spec = dataclasses.replace(spec, metrics=known)
        model.write_spec(spec)
        measured, does = _figures(figures, commands), "measures the figures above, chooses the threshold by them,"
    what = f"{trained.recipe.paper}; a centre map, sizes and offsets on one of the project's hourglasses."
    intro = [*preliminary(trained), f"Where people are in a whole frame. {what}"]
    model.write_card(trained_card(spec.name, intro, _facts(spec, trained), about, {"Figures": measured}, commands, does))


def _facts(spec: DetectorSpec, trained: TrainedNetwork) -> dict[str, str]:
    h, w = spec.input_hw
    return {
        "network": f"{spec.parameters / 1e6:.2f} M parameters, {spec.macs / 1e9:.2f} G multiply-adds a frame",
        "input": f"{h}×{w} px, into which a frame is fitted, uint8 BGR; normalisation and decoding are in the graph",
        "output": f"the {spec.boxes} best boxes, x, y, width, height in px of the input and score; "
        f"a person from {spec.threshold:g} on",
        "recipe": training_line(trained, "scenes"),
        "model.onnx": f"SHA-256 `{spec.weights_sha256}`",
    }


def _figures(f: BoxFigures, commands: Commands) -> str:
    def percent(share: float) -> str:
        return "–" if share != share else f"{100 * share:.1f} %"

    heads = ["AP50", "AP", "recall", "precision", "recall, small", "medium", "large", "ms a frame"]
    shares = (f.recall, f.precision, f.recall_small, f.recall_medium, f.recall_large)
    values = [f"{f.ap50:.3f}", f"{f.ap:.3f}", *map(percent, shares), f"{f.ms:.1f}"]
    return f"""Over {f.people} people in {f.pictures} pictures; {commands.conventions}. Measured on the exported graph by

```
{commands.evaluate}
```

{table(heads, [values])}"""
