"""From a checkpoint to a model in the store: model.onnx, model.json and the model card."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.convert.export import export_onnx
from poseapp.convert.half import write_half
from poseapp.core import metrics
from poseapp.core.errors import DataError
from poseapp.core.spec import ModelSpec, Source
from poseapp.nets.blocks import count_macs, count_parameters
from poseapp.nets.deploy import Deploy, HeatmapDecoder, Normalise
from poseapp.train.checkpoint import TrainedNetwork
from poseapp.train.eval.calibration import WITHIN, ScoreCalibration, draw_score_calibration, score_calibration
from poseapp.train.eval.contact_sheets import draw_poses_alone, write_png
from poseapp.train.eval.figures import Evaluation
from poseapp.train.eval.subsets import subsets_of
from poseapp.train.recipes import Recipe


@dataclass(frozen=True)
class About:
    """What only people can say about a model: sections of a Markdown file, kept beside the model as about.md.

    ``others`` are sections that need not be there, such as "What was tried" and "Speed", by title.
    """

    data: str
    licence: str
    limits: str
    others: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> About:
        """The sections "Data", "Licence" and "Known limits" of *path*, and its others; DataError when one is missing or empty."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}). Write it: sections Data, Licence, Known limits."
            ) from None
        parts = re.split(r"^## +(.+?) *$", text, flags=re.MULTILINE)[1:]
        sections = {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}
        needed = ("Data", "Licence", "Known limits")
        missing = [title for title in needed if not sections.get(title)]
        if missing:
            raise DataError(
                f"{path}: no section '## {missing[0]}'. Every model says what it was trained on, and what it cannot do."
            )
        others = {title: body for title, body in sections.items() if title not in needed and body}
        return cls(sections["Data"], sections["Licence"], sections["Known limits"], others)

    @property
    def others_text(self) -> str:
        """The other sections as they stand in a card."""
        return "".join(f"## {title}\n\n{body}\n\n" for title, body in self.others.items())

    @property
    def titles(self) -> str:
        """The titles of all sections, as in a sentence."""
        return f"{', '.join(('Data', 'Licence', *self.others))} and Known limits"

    @classmethod
    def unstated(cls) -> About:
        """For a model that nobody has described yet: the card says what is missing."""
        todo = "Not stated. Write it into about.md beside this file, and export again."
        return cls(todo, todo, todo)


def export(trained: TrainedNetwork, folder: Path, about: About, fp16: bool = False, score_odds: float = 1.0) -> ModelSpec:
    """Write the averaged weights of *trained* to the empty *folder* as model.onnx, with its model.json; returns the spec.

    *fp16* writes model.fp16.onnx beside it; *score_odds* multiplies the odds of the scores in the graph. The figures are
    still empty: ``write_card`` fills them in.
    """
    recipe, net = trained.recipe, trained.net
    decoder = HeatmapDecoder(recipe.input_hw, recipe.heatmap_hw, recipe.decode, recipe.mapping, recipe.sigma_px, score_odds)
    fields = 2 * len(recipe.skeleton.limbs) if recipe.fields else 0
    deploy = Deploy(net, Normalise(), decoder, recipe.skeleton.k, fields=fields)
    sha256 = export_onnx(deploy, recipe.input_hw, folder / "model.onnx")
    (folder / "model.onnx").chmod(0o644)
    variants = {}
    if fp16:
        variants["fp16"] = write_half(folder / "model.onnx", folder / "model.fp16.onnx")
    spec = ModelSpec(
        name=folder.name,
        family=recipe.family,
        skeleton=recipe.skeleton,
        input_hw=recipe.input_hw,
        stride=recipe.stride,
        decode=recipe.decode,
        mapping=recipe.mapping,
        sigma_px=recipe.sigma_px,
        weights_sha256=sha256,
        parameters=count_parameters(net),
        macs=count_macs(net, recipe.input_hw),
        source=Source(recipe.paper, first_sentence(about.data), first_sentence(about.licence)),
        metrics={},
        variants=variants,
        score_odds=score_odds,
    )
    (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    return spec


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
    recipe, state = trained.recipe, trained.state
    if result is not None:
        numbers = dataclasses.asdict(result.figures)
        kept = {key: value for key, value in numbers.items() if isinstance(value, (int, float)) and np.isfinite(value)}
        spec = dataclasses.replace(spec, metrics={key: round(float(value), 5) for key, value in kept.items()})
        (folder / "model.json").write_text(spec.to_json(), encoding="utf-8")
    scores = ""
    if result is not None:
        after = score_calibration(result)
        write_png(draw_score_calibration(as_trained or after, after if as_trained else None), folder / "scores.png")
        write_png(draw_poses_alone(result), folder / "poses.png")
        scores = _scores(as_trained, after)
    text = card(spec, recipe, state.step, state.steps, trained.samples_per_step, about, result, commands, scores)
    (folder / "README.md").write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Commands:
    """The command lines that made a model, in a form that can be typed again; ``conventions`` says how it was measured."""

    train: str
    export: str
    evaluate: str
    conventions: str = ""


def card(
    spec: ModelSpec,
    recipe: Recipe,
    step: int,
    steps: int,
    people: int,
    about: About,
    result: Evaluation | None,
    commands: Commands,
    scores: str = "",
) -> str:
    """The text of the model card of a training that took *people* a step; *scores* is its section on them."""
    h, w = spec.input_hw
    done = "" if step >= steps else f"\n> **Preliminary**: exported after {step:,} of {steps:,} steps of its training.\n"
    phases = ", then ".join(f"{p.share:.0%} of the steps at {p.input_hw[0]}×{p.input_hw[1]}" for p in recipe.phases)
    rows = {
        "network": f"{spec.family}, {spec.parameters / 1e6:.2f} M parameters, {spec.macs / 1e9:.2f} G multiply-adds a crop",
        "input": f"{h}×{w} px (height × width), uint8 BGR; normalisation and decoding are in the graph",
        "output": f"{spec.skeleton.k} joints ({spec.skeleton.name}), heatmaps {h // spec.stride}×{w // spec.stride}, "
        f"decode {spec.decode}, mapping {spec.mapping}, σ {spec.sigma_px:g} px",
        "recipe": f"`{recipe.name}`: {steps:,} steps of {people} people, {phases}; "
        f"learning rate {recipe.lr:g}; averaged weights (EMA {recipe.ema:g})",
        "model.onnx": f"SHA-256 `{spec.weights_sha256}`",
    }
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows.items())])
    figures = _figures(result, commands) if result is not None else "Not measured."
    does = "measures the figures above" if result is not None else "exports the network"
    made = (
        f"```\n{commands.train}\n{commands.export}\n```\n\nThe last command {does} and writes this card; "
        f"it takes the sections {about.titles} from about.md."
    )
    return f"""# {spec.name}
{done}
{recipe.paper}.

{table}

## Data

{about.data}

## Licence

{about.licence}

## Figures

{figures}
{scores}
{about.others_text}## Known limits

{about.limits}

## How it was made

{made}
"""


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

{_table(heads, [values])}

What becomes of each labelled joint (kinds after Ronchi & Perona, ICCV 2017):

{_table(["joint", "PCK@0.2", "PCKh@0.5", *kinds], joints)}{_subsets(result)}"""


def _subsets(result: Evaluation) -> str:
    rows = [
        [one.name, str(one.people), _number(one.mean_oks), *map(_percent, (one.oks50, one.pck, one.limb_pck))]
        for one in subsets_of(result)
    ]
    if not rows:
        return ""
    heads = ["pictures", "people", "mean OKS", "OKS ≥ 0.5", "PCK@0.2", "PCK@0.2, twelve limb joints"]
    return f"\n\nBy where the pictures are from, which their names begin with:\n\n{_table(heads, rows)}"


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
    return f"""
## Scores and poses

![The share of joints within OKS tolerance against the score](scores.png)

{scores}

![Successes above, failures below](poses.png)

Successes (above, from the better half of people) and failures (below, from the worst tenth) as drawings without the pictures:
grey is the truth, blue the left side and orange the right side of what the model says.
"""


def _shares(counts: NDArray[np.int64]) -> list[str]:
    return [f"{100 * count / max(1, counts.sum()):.0f} %" for count in counts]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows))


def first_sentence(text: str) -> str:
    """The first sentence or line of *text*, without Markdown's marks: what fits into model.json."""
    line = text.strip().splitlines()[0]
    return re.sub(r"[*`]|\b_|_\b|^[-#] *", "", line).strip()
