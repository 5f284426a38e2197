"""Parametric pose NMS: drops double detections of a person (Fang, Xie, Tai & Lu, ICCV 2017, Sec. 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core.types import Poses

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PoseNmsRule:
    """The elimination criterion's parameters, named as in the paper.

    The likeness of two poses is K_sim + ``weight`` · H_sim. When it is at least ``eta``, the pose with the lower score is
    dropped. ``sigma1`` softens the scores in K_sim (Eq. 8), which counts joints within ``box`` of the surer pose's box;
    ``sigma2`` softens the distances in H_sim (Eq. 9). Two things differ from the paper. Sums over joints are means, so that one
    ``eta`` is right for every skeleton. Distances are in sizes (the root of the area of the surer pose's box), so that one
    ``sigma2`` is right for every resolution. ``python -m poseapp.train.eval.fit_nms`` fits the four to a labelled set; these
    are from an earlier hourglass-s.
    """

    sigma1: float = 0.8
    sigma2: float = 0.1
    weight: float = 0.7
    eta: float = 0.63
    box: float = 0.1


POSE_NMS = PoseNmsRule()


@dataclass(frozen=True)
class FragmentRule:
    """When a pose is a fragment of another one.

    A fragment is at most ``smaller`` times as long as the other pose. Only its joints with a score of at least ``trusted``
    count. At least the share ``shared`` of these is at the same joint of the other pose: within ``near`` of its lengths.
    """

    trusted: float = 0.3
    smaller: float = 0.6
    shared: float = 0.6
    near: float = 0.08


FRAGMENT = FragmentRule()


def pose_nms(poses: Poses, rule: PoseNmsRule = POSE_NMS) -> Poses:
    """*poses* without double detections, in the same order.

    The surest pose by ``person_score`` drops the poses that are too similar to it, then the surest of the rest does, and so on.
    """
    if len(poses) < 2:
        return poses
    keep = surviving(likeness(poses, rule), poses.person_score, rule.eta)
    if keep.all():
        return poses
    return poses.pick(keep)


def likeness(poses: Poses, rule: PoseNmsRule) -> Array:
    """d(P_i, P_j) (N, N) of Eq. 10, with the pose i as the reference."""
    matching, spatial = similarities(poses, rule)
    return matching + rule.weight * spatial


def similarities(poses: Poses, rule: PoseNmsRule) -> tuple[Array, Array]:
    """K_sim (Eq. 8) and H_sim (Eq. 9), each (N, N) with the pose i as the reference."""
    xy = poses.xy.astype(np.float64)
    present = np.isfinite(xy[..., 0]) & np.isfinite(xy[..., 1])
    with np.errstate(invalid="ignore"):
        gap = np.abs(xy[None] - xy[:, None])  # (N, N, K, 2)
    both = present[None] & present[:, None]
    low = np.where(present[..., None], xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(present[..., None], xy, -np.inf).max(axis=1, initial=-np.inf)
    extent = np.maximum(np.where(present.any(axis=1, keepdims=True), high - low, 0.0), 1.0)  # (N, 2)
    with np.errstate(invalid="ignore"):
        # B(k_i) is centred on the joint, so half of it lies to each side.
        near = both & (gap <= rule.box / 2 * extent[:, None, None]).all(axis=3)
        far2 = np.square(gap).sum(axis=3) / (extent[:, 0] * extent[:, 1])[:, None, None]
    sure = np.tanh(poses.score.astype(np.float64) / rule.sigma1)
    matching = (sure[:, None] * sure[None] * near).mean(axis=2)
    spatial = (np.exp(-np.where(both, far2, np.inf) / rule.sigma2)).mean(axis=2)
    return matching, spatial


def fragments(poses: Poses, rule: FragmentRule = FRAGMENT) -> NDArray[np.bool_]:
    """Whether (N, N) the pose j is a fragment of the pose i: for example a face that was found alone, beside its own person.

    A pose NMS compares all joints, so it would keep the two as different people.
    """
    xy = poses.xy.astype(np.float64)
    trusted = np.isfinite(xy).all(axis=2) & (poses.score >= rule.trusted)
    low = np.where(trusted[..., None], xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(trusted[..., None], xy, -np.inf).max(axis=1, initial=-np.inf)
    size = np.where(trusted.any(axis=1), (high - low).max(axis=1, initial=0.0), 0.0)
    with np.errstate(invalid="ignore"):
        gap = np.linalg.norm(xy[None] - xy[:, None], axis=3)  # (N, N, K)
    near = trusted[:, None] & trusted[None] & (gap <= rule.near * size[:, None, None])
    count = trusted.sum(axis=1)
    # Half of a body is one that leaves out a good deal of what the other has.
    smaller = size[None] <= rule.smaller * size[:, None]
    out: NDArray[np.bool_] = smaller & (count > 0) & (near.sum(axis=2) >= rule.shared * count[None])
    return out


def surviving(alike: Array, score: NDArray[np.floating], eta: float) -> NDArray[np.bool_]:
    """Which poses (N,) stay when the surest of those left drops all that are *eta* or more *alike* it."""
    keep = np.ones(len(score), bool)
    left = keep.copy()
    for i in np.argsort(-score, kind="stable").tolist():
        if left[i]:
            left[i] = False
            dropped = left & (alike[i] >= eta)
            keep &= ~dropped
            left &= ~dropped
    return keep
