"""From a checkpoint to a detector in the store: model.onnx, detector.json and the model card."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from pathlib import Path

from poseapp.convert.export import export_onnx
from poseapp.core.spec import Source
from poseapp.engine.detector import SPEC_FILE, DetectorSpec
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.detector import DeployDetector
from poseapp.train.checkpoint import TrainedNetwork
from poseapp.train.eval.detector import BoxFigures
from poseapp.train.export import About, Commands, first_sentence
from poseapp.train.tasks.detection import BOXES

UNMEASURED = 0.3  # the threshold of a detector that nobody has measured


def export_detector(trained: TrainedNetwork, folder: Path, about: About) -> DetectorSpec:
    """Write the averaged weights of *trained* to the empty *folder* as model.onnx, with its detector.json; returns the spec.

    Figures and threshold are not measured yet: ``write_detector_card`` fills them in.
    """
    recipe, net = trained.recipe, trained.net
    sha256 = export_onnx(DeployDetector(net, BOXES), recipe.input_hw, folder / "model.onnx")
    (folder / "model.onnx").chmod(0o644)
    spec = DetectorSpec(
        name=folder.name,
        input_hw=recipe.input_hw,
        boxes=BOXES,
        threshold=UNMEASURED,
        weights_sha256=sha256,
        parameters=count_parameters(net),
        macs=count_macs(net, recipe.input_hw),
        source=Source(recipe.paper, first_sentence(about.data), first_sentence(about.licence)),
        metrics={},
    )
    (folder / SPEC_FILE).write_text(spec.to_json(), encoding="utf-8")
    return spec


def with_threshold(folder: Path, threshold: float) -> DetectorSpec:
    """Set the threshold in the detector.json of *folder*; returns the new spec."""
    spec = dataclasses.replace(DetectorSpec.read(folder / SPEC_FILE), threshold=threshold)
    (folder / SPEC_FILE).write_text(spec.to_json(), encoding="utf-8")
    return spec


def write_detector_card(
    folder: Path, spec: DetectorSpec, trained: TrainedNetwork, about: About, figures: BoxFigures | None, commands: Commands
) -> None:
    """Write *figures* into detector.json, and the model card README.md; None where nothing was measured."""
    if figures is not None:
        known = {key: round(float(value), 5) for key, value in asdict(figures).items() if value == value}
        spec = dataclasses.replace(spec, metrics=known)
        (folder / SPEC_FILE).write_text(spec.to_json(), encoding="utf-8")
    recipe, step, steps = trained.recipe, trained.state.step, trained.state.steps
    h, w = spec.input_hw
    done = "" if step >= steps else f"\n> **Preliminary**: exported after {step:,} of {steps:,} steps of its training.\n"
    phases = ", then ".join(f"{p.share:.0%} of the steps at {p.input_hw[0]}×{p.input_hw[1]}" for p in recipe.phases)
    measured = "Not measured." if figures is None else _figures(figures, commands)
    does = "measures the figures above, chooses the threshold by them, and" if figures is not None else "exports the network and"
    text = f"""# {spec.name}
{done}
Where people are in a whole frame. {recipe.paper}; a centre map, sizes and offsets on one of the project's hourglasses.

| | |
| --- | --- |
| network | {spec.parameters / 1e6:.2f} M parameters, {spec.macs / 1e9:.2f} G multiply-adds a frame |
| input | {h}×{w} px, into which a frame is fitted, uint8 BGR; normalisation and decoding are in the graph |
| output | the {spec.boxes} best boxes, x, y, width, height in px of the input and score; a person from {spec.threshold:g} on |
| recipe | `{recipe.name}`: {steps:,} steps of {trained.samples_per_step} scenes, {phases}; learning rate {recipe.lr:g}; \
averaged weights (EMA {recipe.ema:g}) |
| model.onnx | SHA-256 `{spec.weights_sha256}` |

## Data

{about.data}

## Licence

{about.licence}

## Figures

{measured}

{about.others_text}## Known limits

{about.limits}

## How it was made

```
{commands.train}
{commands.export}
```

The last command {does} writes this card; it takes the sections {about.titles} from about.md.
"""
    (folder / "README.md").write_text(text, encoding="utf-8")


def _figures(f: BoxFigures, commands: Commands) -> str:
    def percent(share: float) -> str:
        return "–" if share != share else f"{100 * share:.1f} %"

    heads = "| AP50 | AP | recall | precision | recall, small | medium | large | ms a frame |"
    shares = " | ".join(percent(s) for s in (f.recall, f.precision, f.recall_small, f.recall_medium, f.recall_large))
    return f"""Over {f.people} people in {f.pictures} pictures; {commands.conventions}. Measured on the exported graph by

```
{commands.evaluate}
```

{heads}
|{" --- |" * heads.count(" |")}
| {f.ap50:.3f} | {f.ap:.3f} | {shares} | {f.ms:.1f} |"""
