"""How a model does on each subset of a set that was put together from several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core import metrics
from poseapp.train.eval.figures import Evaluation

MOST = 8  # more beginnings than that are not subsets but names
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@dataclass(frozen=True)
class Subset:
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


def subsets_of(result: Evaluation) -> list[Subset]:
    """The subsets, by what stands before the first underscore of pictures' names; none where that does not tell subsets apart."""
    beginnings = [person.path.name.partition("_") for person in result.people]
    names = sorted({head for head, _, _ in beginnings})
    if len(names) < 2 or len(names) > MOST or not all(underscore for _, underscore, _ in beginnings):
        return []
    return [_subset(result, name, np.array([head == name for head, _, _ in beginnings])) for name in names]


def _subset(result: Evaluation, name: str, inside: NDArray[np.bool_]) -> Subset:
    skeleton = result.skeleton
    people = [person for person, here in zip(result.people, inside, strict=True) if here]
    truth = np.stack([person.joints for person in people]).astype(np.float64)
    xy = result.predicted[inside, :, :2].astype(np.float64)
    enough = metrics.labelled(truth).sum(axis=1) >= metrics.MIN_OKS_JOINTS
    similarity = metrics.oks(xy, truth, [person.area for person in people], skeleton.sigmas)[enough]
    mean_oks, oks50 = (similarity.mean(), (similarity >= 0.5).mean()) if enough.any() else (np.nan, np.nan)
    pck = metrics.pck(xy, truth, metrics.torso_size(truth, skeleton), 0.2)
    limbs = np.array([joint.split("_")[-1] in LIMBS for joint in skeleton.keypoints])
    counted = np.where(limbs, pck.joints, 0)
    limb_pck = np.nansum(pck.by_joint * counted) / counted.sum() if counted.any() else np.nan
    return Subset(name, int(enough.sum()), float(mean_oks), float(oks50), pck.total, float(limb_pck))
