"""How a model does on each part of a set that was put together from several."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core import metrics
from poseapp.train.evaluate import Evaluation, summarise

MOST = 8  # more beginnings than that are not parts but names
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_NO_COCO = (float("nan"),) * 6


@dataclass(frozen=True)
class Part:
    """Figures over the people whose pictures' names begin with ``name``, as in ``Figures``; shares are 0..1.

    ``mean_oks`` and ``oks50`` are over the ``people`` with five or more labelled joints, NaN without any; ``pck`` is
    PCK@0.2 over all labelled joints, ``limb_pck`` over the twelve that LSP labels beside neck and head top.
    """

    name: str
    people: int
    mean_oks: float
    oks50: float
    pck: float
    limb_pck: float


def parts_of(result: Evaluation) -> list[Part]:
    """The parts, by what stands before the first underscore of pictures' names; none where that does not tell parts."""
    beginnings = [person.path.name.partition("_") for person in result.people]
    names = sorted({head for head, _, _ in beginnings})
    if len(names) < 2 or len(names) > MOST or not all(underscore for _, underscore, _ in beginnings):
        return []
    return [_part(result, name, np.array([head == name for head, _, _ in beginnings])) for name in names]


def _part(result: Evaluation, name: str, inside: NDArray[np.bool_]) -> Part:
    people = [person for person, here in zip(result.people, inside, strict=True) if here]
    predicted = result.predicted[inside]
    figures = summarise(people, predicted, _NO_COCO, result.scored, float("nan")).figures
    limbs = [joint.split("_")[-1] in LIMBS for joint in result.skeleton.keypoints]
    alone = []
    for person in people:
        joints = person.joints.copy()
        joints[~np.array(limbs)] = (np.nan, np.nan, 0)
        alone.append(dataclasses.replace(person, joints=joints))
    truth = np.stack([person.joints for person in alone]).astype(np.float64)
    limb = metrics.pck(predicted[..., :2].astype(np.float64), truth, metrics.torso_size(truth, result.skeleton), 0.2)
    return Part(name, figures.people, figures.mean_oks, figures.oks50, figures.pck_total, limb.total)
