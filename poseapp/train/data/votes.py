"""Labels by the votes of several networks: what they agree on is filled in, what they all contradict is mended."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray
from poseapp.train.data.coco import parse_annotations
from poseapp.train.data.image_names import last_part

FACE = 5  # nose, eyes and ears are the first of COCO's joints


@dataclass(frozen=True)
class VoteRule:
    """When votes count. Distances are shares of the box's longer side.

    A network votes for a joint when its score is at least ``min_score``. Two agree within ``agree``, all within
    ``unanimous``. A label that is further than ``contradict`` from a unanimous vote is wrong: it is swapped with the other
    side's where both fit the votes better that way, and replaced by the vote otherwise. What networks say counts
    ``voted_weight`` (a label by people counts 1), and a swapped label ``swapped_weight``.
    """

    min_score: float = 0.2
    agree: float = 0.05
    unanimous: float = 0.04
    contradict: float = 0.12
    voted_weight: float = 0.6
    swapped_weight: float = 0.8


RULE = VoteRule()


@dataclass
class Counts:
    """How many joints were filled in, swapped, and replaced."""

    filled: int = 0
    swapped: int = 0
    replaced: int = 0

    def add(self, other: Counts) -> None:
        """Count *other*'s joints, too."""
        self.filled += other.filled
        self.swapped += other.swapped
        self.replaced += other.replaced


def consensus(votes: FloatArray, side_px: float, rule: VoteRule = RULE) -> tuple[FloatArray, FloatArray]:
    """Where networks agree: ``(two (K, 2), all (K, 2))`` in px, NaN where fewer than two, or not all of them, do.

    *votes* (networks, K, 3) are x, y in px and score. Of several pairs that agree the closest counts.
    """
    xy = np.where(votes[..., 2:] >= rule.min_score, votes[..., :2], np.nan)
    k = votes.shape[1]
    two, nearest, widest = np.full((k, 2), np.nan, np.float32), np.full(k, np.inf), np.zeros(k)
    for a, b in combinations(range(len(votes)), 2):
        distance = np.linalg.norm(xy[a] - xy[b], axis=-1) / side_px
        closer = distance < np.minimum(nearest, rule.agree)  # False where one of them does not vote
        two[closer], nearest[closer] = ((xy[a] + xy[b]) / 2)[closer], distance[closer]
        widest = np.maximum(widest, distance)  # NaN where one of them does not vote
    everyone = np.where((widest < rule.unanimous)[:, None], xy.mean(axis=0), np.nan).astype(np.float32)
    return np.where(np.isnan(everyone), two, everyone), everyone


def mend(
    labels: FloatArray, votes: FloatArray, side_px: float, may_replace: bool, rule: VoteRule = RULE
) -> tuple[FloatArray, FloatArray, Counts]:
    """Labels (17, 3) and weights (17,) after the *votes* (networks, 17, 3) on one person.

    Joints that nobody labelled (v = 0) are filled in where two networks agree. With *may_replace* labels that all
    contradict are mended; without it they stay.
    """
    labels, weights, counts = labels.copy(), np.ones(len(labels), np.float32), Counts()
    two, everyone = consensus(votes, side_px, rule)
    empty = (labels[:, 2] == 0) & ~np.isnan(two[:, 0])
    if may_replace:
        _swap(labels, weights, everyone, side_px, rule, counts)
        wrong = (labels[:, 2] > 0) & (_distance(labels, everyone) / side_px > rule.contradict)
        labels[wrong, :2], weights[wrong] = everyone[wrong], rule.voted_weight
        counts.replaced = int(wrong.sum())
    labels[empty, :2], labels[empty, 2], weights[empty] = two[empty], 1, rule.voted_weight
    counts.filled = int(empty.sum())
    return labels, weights, counts


def _swap(labels: FloatArray, weights: FloatArray, everyone: FloatArray, side_px: float, rule: VoteRule, counts: Counts) -> None:
    straight, crossed = _distance(labels, everyone), _distance(labels[COCO_17.flip_index], everyone)
    for left, right in ((k, int(other)) for k, other in enumerate(COCO_17.flip_index) if k < other):
        both = [left, right]
        if (labels[both, 2] == 0).any():
            continue
        if (straight[both] / side_px > rule.contradict).any() and (crossed[both] / side_px < rule.agree).all():
            labels[both] = labels[both[::-1]]
            weights[both] = rule.swapped_weight
            counts.swapped += 2


def _distance(labels: FloatArray, places: FloatArray) -> FloatArray:
    """(K,) px; NaN where either is missing, and so neither near nor far."""
    distance: FloatArray = np.linalg.norm(labels[:, :2] - places, axis=-1)
    return distance


def with_votes(
    content: Mapping[str, Any], votes: Mapping[int, FloatArray], mendable: tuple[str, ...], rule: VoteRule = RULE
) -> tuple[dict[str, Any], Counts]:
    """A COCO keypoint file's *content* with *votes* (networks, 17, 3) by annotation id, and a "keypoint_weights" for each person.

    Labels are mended in pictures whose names begin with one of *mendable*. Joints whose label says already that networks
    voted for it ("voted-17", "voted-face") count as votes do. Raises DataError on content that is not in COCO's format.
    """
    annotations = parse_annotations(content, "votes", None).require()
    if any(person.names != COCO_17.keypoints for person in annotations.people):
        raise DataError("votes: expected a COCO keypoint file with 17 joints a person, in COCO's order.")
    out, total = copy.deepcopy(dict(content)), Counts()
    for person in annotations.people:
        entry = out["annotations"][person.index]
        labels = np.nan_to_num(person.joints).astype(np.float32)
        side_px = float(person.box[2:].max()) if person.box is not None else 0.0
        weights = np.ones(COCO_17.k, np.float32)
        if person.id in votes and side_px > 1:
            may_replace = last_part(person.picture.name).startswith(mendable)
            labels, weights, counts = mend(labels, votes[person.id], side_px, may_replace, rule)
            total.add(counts)
        kind = str(entry.get("labels", ""))
        if "voted" in kind:
            weights[: FACE if "voted-face" in kind else None] = rule.voted_weight
        entry["keypoints"] = labels.astype(np.float64).round(2).ravel().tolist()
        entry["num_keypoints"] = int(np.count_nonzero(labels[:, 2]))
        entry["keypoint_weights"] = weights.astype(np.float64).round(3).tolist()
    return out, total


def load_votes(path: Path) -> dict[int, FloatArray]:
    """Votes (networks, 17, 3) by annotation id, from an .npz file with ``ids`` and ``votes``; DataError on any other file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            ids, votes = file["ids"], file["votes"]
    except Exception as error:  # noqa: BLE001 - what a damaged file raises depends on where it is damaged
        raise DataError(f"{path}: expected an .npz file with ids and votes ({type(error).__name__}).") from None
    if ids.dtype.kind not in "iu" or votes.dtype.kind not in "fiu":
        raise DataError(f"{path}: expected whole numbers as ids and numbers as votes, got {ids.dtype} and {votes.dtype}.")
    if votes.ndim != 4 or votes.shape[2:] != (COCO_17.k, 3) or ids.shape != votes.shape[:1]:
        raise DataError(f"{path}: expected votes (N, networks, 17, 3) for N ids, got {votes.shape} for {ids.shape}.")
    return {int(i): v for i, v in zip(ids, votes.astype(np.float32), strict=True)}
