"""Which labels a model contradicts, and a cleaned annotation file: ``python -m poseapp.train.data.relabel --help``.

A network that has seen a wrong label learns it by heart and will not contradict it. So the set is cut into folds, one network
is trained without each (``split``), and each label is judged by the network that has not seen it (``clean``).
"""

from __future__ import annotations

import copy
import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.progress import track
from rich.table import Table

from poseapp.console import plain_console, run_module
from poseapp.core import metrics, transform
from poseapp.core.errors import DataError, printable
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray
from poseapp.engine.base import Engine
from poseapp.engine.load import load_engine
from poseapp.train.data.annotations import BOX_PADDING, Person, person_of, usable
from poseapp.train.data.coco import Annotations as ReadAnnotations
from poseapp.train.data.coco import load_json, parse_annotations
from poseapp.train.data.loader import report_once
from poseapp.train.data.votes import load_votes, with_votes
from poseapp.train.eval.predictor import PersonPredictor

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False, no_args_is_help=True)

Kind = Literal["swap", "far"]
JointFinder = Callable[[Person], FloatArray]  # the joints (K, 3) that a network finds, x, y in px of the picture and score


@dataclass(frozen=True)
class Rule:
    """When a network's word counts against a label, and what becomes of the label.

    A joint speaks when its score is at least ``sure``. Two labels are swapped when the similarities (terms of OKS) of left
    and right add up to ``swap_gain`` more the other way round; a label is far off when its similarity is under ``far``.
    ``swapped_weight`` and ``far_weight`` are what such a label counts afterwards. Unlabelled joints of a score of ``fill``
    or more (0: none) are labelled by the network and count ``filled_weight``.
    """

    sure: float = 0.4
    swap_gain: float = 0.8
    far: float = 0.05
    swapped_weight: float = 0.7
    far_weight: float = 0.1
    fill: float = 0.0
    filled_weight: float = 0.3


RULE = Rule()


@dataclass(frozen=True)
class Finding:
    """A contradicted label. ``joints`` are two for a swap; ``strength`` sorts them: how much similarity is at stake."""

    annotation_id: int
    path: Path
    kind: Kind
    joints: tuple[str, ...]
    strength: float


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is to become of one person's labels: ``joints`` (K, 3) with swaps mended, ``trust`` (K,), and the findings."""

    joints: FloatArray
    trust: FloatArray
    findings: tuple[Finding, ...]
    filled: int


def judge(person: Person, found: FloatArray, skeleton: Skeleton, rule: Rule = RULE) -> Judgement:
    """Compare the labels of *person* with what a network has *found* (K, 3)."""
    joints, trust = person.joints.copy(), np.ones(skeleton.k, np.float32)
    sure = found[:, 2] >= rule.sure

    def similarity(labels: FloatArray) -> FloatArray:
        """(K,) of *labels* with what was found; NaN where nothing is labelled."""
        with np.errstate(invalid="ignore"):
            value = metrics.joint_similarity(found[:, :2], labels, person.area, skeleton.sigmas)
        return value.astype(np.float32)

    straight, crossed = similarity(joints), similarity(joints[skeleton.flip_index])
    findings: list[Finding] = []
    for left, right in _pairs(skeleton):
        if not (sure[left] and sure[right] and joints[left, 2] > 0 and joints[right, 2] > 0):
            continue
        gain = float(crossed[left] + crossed[right] - straight[left] - straight[right])
        if gain >= rule.swap_gain:
            names = (skeleton.keypoints[left], skeleton.keypoints[right])
            findings.append(Finding(person.annotation_id, person.path, "swap", names, gain))
            joints[[left, right]] = joints[[right, left]]
            trust[[left, right]] = rule.swapped_weight
    mended = similarity(joints)
    for k in np.flatnonzero(sure & (joints[:, 2] > 0) & (mended < rule.far)):
        findings.append(Finding(person.annotation_id, person.path, "far", (skeleton.keypoints[k],), float(found[k, 2])))
        trust[k] = rule.far_weight
    filled = (joints[:, 2] == 0) & (found[:, 2] >= rule.fill) if rule.fill > 0 else np.zeros(skeleton.k, bool)
    joints[filled] = np.column_stack([found[filled, :2], np.ones(np.count_nonzero(filled))])
    trust[filled] = rule.filled_weight
    return Judgement(joints, trust, tuple(findings), int(np.count_nonzero(filled)))


def _pairs(skeleton: Skeleton) -> list[tuple[int, int]]:
    return [(k, int(other)) for k, other in enumerate(skeleton.flip_index) if k < other]


def fold_of(image_id: int, folds: int) -> int:
    """The fold of a picture. All people of one picture share it."""
    return image_id % folds


def without_fold(content: dict[str, Any], fold: int, folds: int) -> dict[str, Any]:
    """A COCO keypoint file's *content* without the pictures of *fold*, and their people."""
    annotations = parse_annotations(content, "relabel", None).require()
    return {
        **content,
        "images": [image for image in content["images"] if _fold_of(annotations, image["id"], folds) != fold],
        "annotations": [entry for entry in content["annotations"] if _fold_of(annotations, entry.get("image_id"), folds) != fold],
    }


def _fold_of(annotations: ReadAnnotations, given: Any, folds: int) -> int:
    picture = annotations.picture(given)
    return fold_of(picture.id, folds) if picture is not None else -1  # of no person, and in every part


def cleaned(
    content: dict[str, Any],
    images: Path,
    skeleton: Skeleton,
    judges: Sequence[JointFinder],
    rule: Rule = RULE,
    progress: bool = False,
) -> tuple[dict[str, Any], list[Finding], int]:
    """A COCO keypoint file's *content* with swapped labels mended and a "keypoint_weights" for each person; all findings,
    swaps first, the strongest first; and how many joints were filled in.

    With several *judges* each person is judged by the one of their picture's fold. Crowds, and people without labels, stay as
    they are. Raises DataError on content that is not in COCO's format.
    """
    annotations = parse_annotations(content, "relabel", images).require()
    out = copy.deepcopy(content)
    findings: list[Finding] = []
    filled = 0
    for entry in track(annotations.people, "judging", disable=not progress, console=plain_console(stderr=True)):
        person = person_of(entry, skeleton)
        if not usable(person, entry.crowd, 1):
            continue
        try:
            found = judges[fold_of(person.image_id, len(judges))](person)
        except DataError as error:  # hours of judging must not be lost for one picture
            report_once(str(error))
            continue
        verdict = judge(person, found, skeleton, rule)
        findings += verdict.findings
        filled += verdict.filled
        labels = np.nan_to_num(entry.joints)
        weights = entry.weights.copy() if entry.weights is not None else np.ones(len(entry.names))
        for k, joint in enumerate(skeleton.keypoints):
            if joint not in entry.names:
                continue
            at = entry.names.index(joint)
            changed = not np.array_equal(verdict.joints[k], person.joints[k], equal_nan=True)
            if changed:
                labels[at] = np.nan_to_num(verdict.joints[k])
            weights[at] *= verdict.trust[k]
        written = out["annotations"][entry.index]
        written["keypoints"] = labels.round(3).ravel().tolist()
        written["num_keypoints"] = int(np.count_nonzero(labels[:, 2]))
        written["keypoint_weights"] = weights.round(4).tolist()
    findings.sort(key=lambda f: (f.kind != "swap", -f.strength))
    return out, findings, filled


# --- the command line -----------------------------------------------------------------------------------------

Annotations = Annotated[Path, typer.Option(help="COCO-format keypoint file.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Where to write.", show_default=False)]


def _write(path: Path, content: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}). Give another place with --out.") from None


@app.command()
def split(
    annotations: Annotations, out: Out, folds: Annotated[int, typer.Option(help="How many networks to train.", min=2)] = 2
) -> None:
    """Write one annotation file for each fold, without the pictures of that fold, to the folder OUT."""
    content = load_json(annotations)
    for fold in range(folds):
        path = out / f"{annotations.stem}-without-{fold}.json"
        _write(path, without_fold(content, fold, folds))
        typer.echo(f"{path}: train the network for --model number {fold} on it")


@app.command()
def clean(
    annotations: Annotations,
    images: Annotated[Path, typer.Option(help="Folder with its pictures.", show_default=False)],
    model: Annotated[
        list[Path],
        typer.Option(
            help="A model's folder or a training's checkpoint (.pt). One for each fold, in the order of split; or one for all."
        ),
    ],
    out: Out,
    findings: Annotated[Path | None, typer.Option(help="List what was found in this CSV file.", show_default=False)] = None,
    fill: Annotated[float, typer.Option(help="Label what nobody labelled where the score is at least this; 0: nowhere.")] = 0.0,
    sure: Annotated[float, typer.Option(help="The score from which a network's word counts.")] = RULE.sure,
) -> None:
    """Write ANNOTATIONS to the file OUT with swapped labels mended, and a weight for each label."""
    content = load_json(annotations)
    with TemporaryDirectory() as scratch:
        engines = [_open(path, Path(scratch) / str(i)) for i, path in enumerate(model)]
        try:
            judges = [_judge_of(engine) for engine in engines]
            skeleton = engines[0].spec.skeleton
            better, found, filled = cleaned(content, images, skeleton, judges, Rule(sure=sure, fill=fill), progress=True)
        finally:
            for engine in engines:
                engine.close()
    _write(out, better)
    if findings is not None:
        try:
            findings.parent.mkdir(parents=True, exist_ok=True)
            with findings.open("w", newline="", encoding="utf-8") as file:
                rows = csv.writer(file)
                rows.writerow(["kind", "strength", "annotation", "picture", "joints"])
                rows.writerows(
                    [f.kind, f"{f.strength:.3f}", f.annotation_id, printable(f.path.name), " ".join(f.joints)] for f in found
                )
        except OSError as error:
            raise DataError(f"{findings}: cannot be written ({error.strerror}). Give another place with --findings.") from None
    table = Table("joints", "swapped", "far off", title=f"{annotations.name}: contradicted labels; {filled:,} joints filled in")
    swaps, far = (Counter(f.joints[-1].split("_")[-1] for f in found if f.kind == kind) for kind in ("swap", "far"))
    for name in sorted(swaps.keys() | far.keys()):
        table.add_row(name, f"{2 * swaps[name]:,}", f"{far[name]:,}")
    plain_console().print(table)
    typer.echo(f"Written to {out}")


@app.command()
def votes(
    annotations: Annotations,
    out: Out,
    votes: Annotated[
        Path | None,
        typer.Option(help="An .npz file with ids (N,) and votes (N, networks, 17, 3): x, y in px and score.", show_default=False),
    ] = None,
    mend: Annotated[
        list[str] | None,
        typer.Option(
            help="Mend labels in pictures whose names begin so, where all networks contradict them.", show_default=False
        ),
    ] = None,
) -> None:
    """Write ANNOTATIONS to the file OUT with the joints that networks agree on, and a weight for each label."""
    better, counts = with_votes(load_json(annotations), load_votes(votes) if votes else {}, tuple(mend or ()))
    _write(out, better)
    typer.echo(f"{counts.filled:,} joints filled in, {counts.swapped:,} swapped, {counts.replaced:,} replaced. Written to {out}")


def _open(path: Path, scratch: Path) -> Engine:
    if path.suffix != ".pt":
        return load_engine(path, "cpu")
    from poseapp.convert.card import About
    from poseapp.train.checkpoint import read_network
    from poseapp.train.export import export

    scratch.mkdir()
    export(read_network(path), scratch, About.unstated())
    return load_engine(scratch, "cpu")


def _judge_of(engine: Engine) -> JointFinder:
    predictor = PersonPredictor(engine, flip=True)

    def look(person: Person) -> FloatArray:
        return predictor(person.path, transform.fit_aspect(person.box, engine.spec.input_hw, BOX_PADDING))

    return look


if __name__ == "__main__":
    run_module(app)
