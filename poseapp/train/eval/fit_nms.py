"""Fits the thresholds of pose NMS to a labelled set (Fang et al., ICCV 2017, Sec. 3.3): what scores the best AP.

Candidates stand for a detector that finds people twice: around every labelled person several boxes, moved and scaled as a
detector's are (paper, Sec. 3.4, draws them likewise), each with a score that falls with its distance from the true box, and
a few boxes of nobody. All go through the model once. Then, as in the paper, two parameters at a time are searched through
with the other two fixed, until nothing changes any more. Needs no torch.

``python -m poseapp.train.eval.fit_nms engines/hourglass-s data/pose --people 200``
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from poseapp.console import run_module
from poseapp.core import metrics, transform
from poseapp.core.errors import DataError
from poseapp.core.metrics import Scene
from poseapp.core.nms import POSE_NMS, PoseNmsRule, similarities, surviving
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import Poses
from poseapp.engine.base import Engine
from poseapp.engine.load import load_engine
from poseapp.train.data.annotations import BOX_PADDING, Person
from poseapp.train.data.datasets import find_set
from poseapp.train.eval.predictor import PersonPredictor

Array = NDArray[np.float64]

GRID: dict[str, tuple[float, ...]] = {
    "sigma1": (0.1, 0.2, 0.4, 0.8),
    "sigma2": (0.003, 0.01, 0.03, 0.1),
    "weight": (0.3, 0.7, 1.5, 3.0),
    "eta": tuple(np.round(np.geomspace(0.1, 2.5, 15), 2).tolist()),
}
PAIRS = (("sigma1", "eta"), ("sigma2", "weight"), ("weight", "eta"))
ROUNDS = 5
AS_GOOD = 0.01  # of the best AP


@dataclass(frozen=True)
class Candidates:
    """How candidate boxes are made: *doubles* a person, off by *shift* (of a side) and *scale* (log), *nobody* a picture."""

    doubles: int = 4
    shift: float = 0.08
    scale: float = 0.12
    nobody: float = 1.0


@dataclass(frozen=True, eq=False)
class Picture:
    """The candidates of one picture, and its people."""

    poses: Poses
    truth: Array  # (G, K, 3)
    area: Array
    boxes: Array


def candidate_boxes(boxes: Array, how: Candidates, random: np.random.Generator) -> tuple[Array, Array]:
    """Boxes (D, 4) around *boxes* (G, 4) and of nobody, and their scores (D,)."""
    moved = np.repeat(boxes, how.doubles, axis=0)
    shift = random.normal(0, how.shift, (len(moved), 2))
    grow = random.normal(0, how.scale, (len(moved), 2))
    size = moved[:, 2:] * np.exp(grow)
    middle = moved[:, :2] + moved[:, 2:] / 2 + shift * moved[:, 2:]
    off = np.square(shift / how.shift).sum(axis=1) + np.square(grow / how.scale).sum(axis=1)
    score = np.clip(0.95 - 0.04 * off + random.normal(0, 0.05, len(moved)), 0.05, 1.0)
    count = random.poisson(how.nobody)
    like = boxes[random.integers(len(boxes), size=count)]
    low, high = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    nobody = np.column_stack([random.uniform(low - 0.5 * (high - low), high, (count, 2)), like[:, 2:]])
    found = np.concatenate([np.column_stack([middle - size / 2, size]), nobody])
    return found, np.concatenate([score, random.uniform(0.05, 0.6, count)])


def candidate_poses(
    engine: Engine,
    people: Sequence[Person],
    how: Candidates = Candidates(),
    seed: int = 0,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> list[Picture]:
    """The candidates of the pictures of *people*, through *engine*; *on_picture* is called with how many are done."""
    together: dict[Path, list[Person]] = defaultdict(list)
    for person in people:
        together[person.path].append(person)
    random, spec, pictures = np.random.default_rng(seed), engine.spec, []
    predictor = PersonPredictor(engine)
    for path, group in together.items():
        boxes = np.stack([person.box for person in group]).astype(np.float64)
        found, box_score = candidate_boxes(boxes, how, random)
        xy = np.empty((len(found), spec.skeleton.k, 2), np.float32)
        score = np.empty((len(found), spec.skeleton.k), np.float32)
        for i, box in enumerate(found):
            joints = predictor(path, transform.fit_aspect(box, spec.input_hw, BOX_PADDING))
            xy[i], score[i] = joints[:, :2], joints[:, 2]
        # How sure a pose is: its box's score times the mean of its joints' (as a detection is scored in COCO's way).
        person_score = (box_score * score.mean(axis=1)).astype(np.float32)
        poses = Poses(xy=xy, score=score, person_score=person_score, ids=np.zeros(len(xy), np.int64), skeleton=spec.skeleton)
        truth = np.stack([person.joints for person in group]).astype(np.float64)
        pictures.append(Picture(poses, truth, np.array([person.area for person in group]), boxes))
        on_picture(len(pictures), len(together))
    return pictures


class NmsScorer:
    """The AP of a rule on *pictures*; similarities are kept, since most searches change only how they are combined."""

    def __init__(self, pictures: Sequence[Picture], skeleton: Skeleton) -> None:
        self._pictures, sigmas = pictures, np.asarray(skeleton.sigmas)
        self._joints = np.nonzero(sigmas > 0)[0]  # a joint without a sigma takes no part in OKS
        self._sigmas = sigmas[self._joints]
        if not len(self._joints):
            raise DataError(f"{skeleton.name}: expected OKS sigmas, which fitting needs. Choose a model with COCO's joints.")
        self._xy = [p.poses.xy[:, self._joints].astype(np.float64) for p in pictures]
        self._score = [p.poses.person_score.astype(np.float64) for p in pictures]
        self._matching: dict[tuple[float, float], list[Array]] = {}
        self._spatial: dict[float, list[Array]] = {}
        self._ap: dict[bytes, float] = {}  # by who stays: many rules agree

    def kept(self, rule: PoseNmsRule) -> list[NDArray[np.bool_]]:
        """Which candidates of each picture stay under *rule*."""
        first, second = (rule.sigma1, rule.box), rule.sigma2
        if first not in self._matching or second not in self._spatial:
            both = [similarities(picture.poses, rule) for picture in self._pictures]
            self._matching[first], self._spatial[second] = [m for m, _ in both], [s for _, s in both]
        alike = zip(self._matching[first], self._spatial[second], strict=True)
        return [
            surviving(m + rule.weight * s, picture.poses.person_score, rule.eta)
            for picture, (m, s) in zip(self._pictures, alike, strict=True)
        ]

    def ap(self, rule: PoseNmsRule | None) -> float:
        """COCO's AP, 0..1, of what stays under *rule*; None: of all candidates."""
        keep = [np.ones(len(p.poses), bool) for p in self._pictures] if rule is None else self.kept(rule)
        key = np.concatenate(keep).tobytes()
        if key in self._ap:
            return self._ap[key]
        scenes = [
            Scene(predicted=xy[k], score=score[k], truth=p.truth[:, self._joints], area=p.area, boxes=p.boxes)
            for p, xy, score, k in zip(self._pictures, self._xy, self._score, keep, strict=True)
        ]
        self._ap[key] = metrics.average_precision(scenes, self._sigmas).ap
        return self._ap[key]


def fit(
    scorer: NmsScorer, start: PoseNmsRule = POSE_NMS, report: Callable[[str], None] = lambda line: None
) -> tuple[PoseNmsRule, float]:
    """The rule with the best AP and that AP. Two parameters are searched through at a time (paper, Sec. 3.3).

    Of thresholds whose AP is within one hundredth of the best, the lowest is taken.
    """
    best, value = start, scorer.ap(start)
    for _ in range(ROUNDS):
        before = best
        for pair in PAIRS:
            for values in itertools.product(*(GRID[name] for name in pair)):
                rule = replace(best, **dict(zip(pair, values, strict=True)))
                if (ap := scorer.ap(rule)) > value + 1e-6:
                    best, value = rule, ap
            report(f"{' and '.join(pair)}: {best}, AP {value * 100:.2f}")
        if best == before:
            break
    # A double that is less sure than everybody costs no AP, but it is drawn: of thresholds as good, the one that drops most.
    as_good = [eta for eta in GRID["eta"] if scorer.ap(replace(best, eta=eta)) >= (1 - AS_GOOD) * value]
    best = replace(best, eta=min([best.eta, *as_good]))
    return best, scorer.ap(best)


def main(
    model: Annotated[Path, typer.Argument(help="The model's folder.")],
    data: Annotated[str, typer.Argument(help="A set, as for poseapp train; its val part is used.")] = "data/pose",
    people: Annotated[int, typer.Option(help="People at most, in pictures at random; 0: all.")] = 0,
    doubles: Annotated[int, typer.Option(help="Candidate boxes a person.")] = Candidates.doubles,
    device: Annotated[str, typer.Option(help="As for poseapp run.")] = "auto",
    seed: Annotated[int, typer.Option(help="Of the candidate boxes and the choice of pictures.")] = 0,
) -> None:
    """Fit the thresholds of pose NMS on the val part of a set, and print what to put into PoseNmsRule."""
    engine = load_engine(model, device)
    try:
        everybody = find_set(data, "val").read(engine.spec.skeleton, 1)
        chosen = some_of(everybody, people, seed)

        def count(done: int, total: int) -> None:
            if done == total or done % 50 == 0:
                typer.echo(f"picture {done} of {total}", err=True)

        pictures = candidate_poses(engine, chosen, Candidates(doubles=doubles), seed, count)
    finally:
        engine.close()
    scorer = NmsScorer(pictures, engine.spec.skeleton)
    rule, ap = fit(scorer, report=lambda line: typer.echo(line, err=True))
    candidates = sum(len(picture.poses) for picture in pictures)
    left = sum(int(k.sum()) for k in scorer.kept(rule))
    typer.echo(f"{len(chosen)} people in {len(pictures)} pictures, {candidates} candidates, of which {left} stay.")
    typer.echo(
        f"AP without NMS {scorer.ap(None) * 100:.2f}, as it is now {scorer.ap(POSE_NMS) * 100:.2f}, fitted {ap * 100:.2f}."
    )
    typer.echo(f"PoseNmsRule(sigma1={rule.sigma1}, sigma2={rule.sigma2}, weight={rule.weight}, eta={rule.eta})")


def some_of(people: Sequence[Person], limit: int, seed: int = 0) -> list[Person]:
    """Whole pictures, at random, with *limit* people in all at most (0: everybody)."""
    together: dict[Path, list[Person]] = defaultdict(list)
    for person in people:
        together[person.path].append(person)
    groups, out = list(together.values()), []  # type: list[list[Person]], list[Person]
    for i in np.random.default_rng(seed).permutation(len(groups)):
        if not limit or len(out) + len(groups[i]) <= limit:
            out += groups[i]
    return out


if __name__ == "__main__":
    run_module(lambda: typer.run(main))
