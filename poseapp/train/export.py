"""From a checkpoint to a model in the store: model.onnx, model.json and the model card."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.card import About, Commands, first_line, table, trained_card
from poseapp.convert.export import export_model
from poseapp.core import metrics
from poseapp.core.spec import NO_SHA256, ModelSpec, Source
from poseapp.engine.model_folder import ModelFolder
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.deploy import Deploy, HeatmapDecoder, Normalise
from poseapp.train.checkpoint import TrainedNetwork
from poseapp.train.eval.calibration import WITHIN, ScoreCalibration, draw_score_calibration, score_calibration
from poseapp.train.eval.contact_sheets import draw_poses_alone, write_png
from poseapp.train.eval.figures import Evaluation
from poseapp.train.eval.subsets import subsets_of


def export(trained: TrainedNetwork, folder: Path, about: About, fp16: bool = False, score_odds: float = 1.0) -> ModelSpec:
    """Write the averaged weights of *trained* to the empty *folder* as model.onnx, with its model.json; returns the spec.

    *fp16* writes model.fp16.onnx beside it; *score_odds* multiplies the odds of the scores in the graph. The figures are
    still empty: ``write_card`` fills them in.
    """
    recipe, net = trained.recipe, trained.net
    decoder = HeatmapDecoder(recipe.input_hw, recipe.heatmap_hw, recipe.decode, recipe.mapping, recipe.sigma_px, score_odds)
    fields = 2 * len(recipe.skeleton.limbs) if recipe.fields else 0
    spec = ModelSpec(
        name=folder.name,
        family=recipe.family,
        skeleton=recipe.skeleton,
        input_hw=recipe.input_hw,
        stride=recipe.stride,
        decode=recipe.decode,
        mapping=recipe.mapping,
        sigma_px=recipe.sigma_px,
        weights_sha256=NO_SHA256,
        parameters=count_parameters(net),
        macs=count_macs(net, recipe.input_hw),
        source=Source(recipe.paper, first_line(about.data), first_line(about.licence)),
        metrics={},
        variants={},
        score_odds=score_odds,
    )
    return export_model(Deploy(net, Normalise(), decoder, recipe.skeleton.k, fields=fields), spec, ModelFolder(folder), fp16)


def write_card(
    folder: Path,
    spec: ModelSpec,
    trained: TrainedNetwork,
    about: About,
    result: Evaluation | None,
    commands: Commands,
    as_trained: ScoreCalibration | None = None,
) -> None:
    """Write the figures of *result* into model.json, and the model card README.md; None where nothing was measured.

    *as_trained* says how far scores could be believed before their odds were multiplied; None where they were not.
    """
    model = ModelFolder(folder)
    if result is not None:
        numbers = dataclasses.asdict(result.figures)
        kept = {key: value for key, value in numbers.items() if isinstance(value, (int, float)) and np.isfinite(value)}
        spec = dataclasses.replace(spec, metrics={key: round(float(value), 5) for key, value in kept.items()})
        model.write_spec(spec)
    measured = {"Figures": _figures(result, commands) if result is not None else "Not measured."}
    if result is not None:
        after = score_calibration(result)
        write_png(draw_score_calibration(as_trained or after, after if as_trained else None), folder / "scores.png")
        write_png(draw_poses_alone(result), folder / "poses.png")
        measured["Scores and poses"] = _scores(as_trained, after)
    does = "measures the figures above" if result is not None else "exports the network"
    intro = [*preliminary(trained), f"{trained.recipe.paper}."]
    model.write_card(trained_card(spec.name, intro, _facts(spec, trained), about, measured, commands, does))


def preliminary(trained: TrainedNetwork) -> list[str]:
    """A paragraph of a card that says so where the training is not at its end."""
    state = trained.state
    if state.step >= state.steps:
        return []
    return [f"> **Preliminary**: exported after {state.step:,} of {state.steps:,} steps of its training."]


def training_line(trained: TrainedNetwork, unit: str) -> str:
    """The training in a line of a card; *unit* is what a sample is: people, or scenes."""
    recipe = trained.recipe
    phases = ", then ".join(f"{p.share:.0%} of the steps at {p.input_hw[0]}×{p.input_hw[1]}" for p in recipe.phases)
    return (
        f"`{recipe.name}`: {trained.state.steps:,} steps of {trained.samples_per_step} {unit}, {phases}; "
        f"learning rate {recipe.lr:g}; averaged weights (EMA {recipe.ema:g})"
    )


def _facts(spec: ModelSpec, trained: TrainedNetwork) -> dict[str, str]:
    h, w = spec.input_hw
    return {
        "network": f"{spec.family}, {spec.parameters / 1e6:.2f} M parameters, {spec.macs / 1e9:.2f} G multiply-adds a crop",
        "input": f"{h}×{w} px (height × width), uint8 BGR; normalisation and decoding are in the graph",
        "output": f"{spec.skeleton.k} joints ({spec.skeleton.name}), heatmaps {h // spec.stride}×{w // spec.stride}, "
        f"decode {spec.decode}, mapping {spec.mapping}, σ {spec.sigma_px:g} px",
        "recipe": training_line(trained, "people"),
        "model.onnx": f"SHA-256 `{spec.weights_sha256}`",
    }


def _figures(result: Evaluation, commands: Commands) -> str:
    f = result.figures
    shares = (f.oks50, f.oks75, f.pck_total, f.pckh_total)
    values = [
        f"{f.mean_oks:.3f}",
        *map(_percent, shares),
        *(f"{value:.3f}" for value in (f.ap, f.ap50, f.ap75, f.ar)),
        f"{f.ms_per_person:.1f}",
    ]
    heads = ["mean OKS", "OKS ≥ 0.5", "OKS ≥ 0.75", "PCK@0.2", "PCKh@0.5", "AP", "AP50", "AP75", "AR", "ms a person"]
    kinds = [kind.replace("_", "/") for kind in metrics.ERRORS]
    joints = [
        [name.replace("_", " "), _percent(f.pck_by_joint[name]), _percent(pckh), *_shares(counts)]
        for name, pckh, counts in zip(result.skeleton.keypoints, result.pckh_by_joint.tolist(), result.errors, strict=True)
    ]
    joints.append(["**all**", _percent(f.pck_total), _percent(f.pckh_total), *_shares(result.errors.sum(axis=0))])
    return f"""Over {f.people} people with five or more labelled joints; {commands.conventions}. Measured on the exported graph by

```
{commands.evaluate}
```

{table(heads, [values])}

What becomes of each labelled joint (kinds after Ronchi & Perona, ICCV 2017):

{table(["joint", "PCK@0.2", "PCKh@0.5", *kinds], joints)}{_subsets(result)}"""


def _subsets(result: Evaluation) -> str:
    rows = [
        [one.name, str(one.people), _number(one.mean_oks), *map(_percent, (one.oks50, one.pck, one.limb_pck))]
        for one in subsets_of(result)
    ]
    if not rows:
        return ""
    heads = ["pictures", "people", "mean OKS", "OKS ≥ 0.5", "PCK@0.2", "PCK@0.2, twelve limb joints"]
    return f"\n\nBy where the pictures are from, which their names begin with:\n\n{table(heads, rows)}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f} %"


def _scores(as_trained: ScoreCalibration | None, after: ScoreCalibration) -> str:
    within = f"half are within OKS tolerance (similarity at least {WITHIN:g})"
    if as_trained is None:
        scores = f"""Scores are heights of heatmap peaks. Of joints with a score of {1 / (1 + after.score_odds_scale):.2f}
{within}. Mean distance of score and share: {after.error:.3f}.
Measured on the same people as the figures above."""
    else:
        scale = as_trained.score_odds_scale
        scores = f"""A score is the height h of a heatmap's peak, its odds h / (1 − h) multiplied by {scale:.2f}
in the graph, so that of joints with a score of 0.5 {within}.
Mean distance of score and share: {after.error:.3f}, as trained {as_trained.error:.3f}.
Measured on the same people as the figures above."""
    return f"""![The share of joints within OKS tolerance against the score](scores.png)

{scores}

![Successes above, failures below](poses.png)

Successes (above, from the better half of people) and failures (below, from the worst tenth) as drawings without the pictures:
grey is the truth, blue the left side and orange the right side of what the model says."""


def _shares(counts: NDArray[np.int64]) -> list[str]:
    return [f"{100 * count / max(1, counts.sum()):.0f} %" for count in counts]
