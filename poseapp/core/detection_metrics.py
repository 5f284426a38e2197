"""How good detected boxes are: matches with the annotated ones, average precision, recall and precision at a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from poseapp.core.geometry import box_ious
from poseapp.core.types import FloatArray

IOUS = tuple(float(x) for x in np.arange(0.5, 0.96, 0.05).round(2))


@dataclass(frozen=True, eq=False)
class MatchInput:
    """What was found in one picture, and what is there: boxes (N, 4), scores (N,), ``truth`` (M, 4) and ``crowds`` (C, 4).

    Boxes are x, y, width, height. A crowd is a region whose people nobody has counted: a box in it is neither right nor wrong.
    """

    boxes: FloatArray
    scores: FloatArray
    truth: FloatArray
    crowds: FloatArray


def match(found: MatchInput, iou: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each box (N,), best score first: whether it matches a person, and whether it counts at all.

    Each box takes the person that it overlaps most, of those who are still free, as COCO's evaluation does. Boxes with equal
    scores keep their order.
    """
    order = np.argsort(-found.scores, kind="stable")
    boxes = found.boxes[order]
    meets = box_ious(boxes, found.truth)
    right = np.zeros(len(boxes), bool)
    for n in range(len(boxes)):
        if meets.shape[1] and meets[n].max() >= iou:
            right[n] = True
            meets[:, int(meets[n].argmax())] = -1.0
    crowded = box_ious(boxes, found.crowds, crowd=True).max(axis=1, initial=0.0) >= iou
    return right, right | ~crowded


def average_precision(pictures: Sequence[MatchInput], iou: float = 0.5) -> float:
    """Mean precision over 101 recalls (Lin et al., ECCV 2014, released evaluation code); NaN without any truth."""
    people = sum(len(p.truth) for p in pictures)
    if people == 0:
        return float("nan")
    matched = [match(p, iou) for p in pictures]
    scores = np.concatenate([np.sort(p.scores)[::-1] for p in pictures])
    right, counts = (np.concatenate([m[i] for m in matched]) for i in (0, 1))
    order = np.argsort(-scores, kind="stable")
    right, counts = right[order], counts[order]
    right = right[counts]
    hits = right.cumsum()
    recall, precision = hits / people, hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
    return float(np.append(best, 0.0)[np.minimum(at, len(best))].mean())


@dataclass(frozen=True)
class OperatingPoint:
    """A detector at one threshold: shares of people found and of boxes that are people, and the threshold itself."""

    recall: float
    precision: float
    threshold: float


def at_threshold(pictures: Sequence[MatchInput], threshold: float, iou: float = 0.5) -> OperatingPoint:
    """Recall and precision when only boxes with a score of at least *threshold* count; precision is 1 when there are none."""
    hits = boxes = 0
    for p in pictures:
        kept = p.scores >= threshold
        right, counts = match(MatchInput(p.boxes[kept], p.scores[kept], p.truth, p.crowds), iou)
        hits, boxes = hits + int(right.sum()), boxes + int(counts.sum())
    people = sum(len(p.truth) for p in pictures)
    return OperatingPoint(hits / people if people else float("nan"), hits / boxes if boxes else 1.0, threshold)


def best_threshold(pictures: Sequence[MatchInput], iou: float = 0.5) -> OperatingPoint:
    """The threshold, of 0.05 to 0.95, at which the harmonic mean of recall and precision is highest."""
    tried = [at_threshold(pictures, threshold, iou) for threshold in np.arange(0.05, 0.951, 0.025).round(3).tolist()]
    return max(tried, key=lambda w: 2 * w.recall * w.precision / max(w.recall + w.precision, 1e-9))
