"""How far the scores of joints can be believed, as figures and as a plot."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core import metrics
from poseapp.core.types import ImageArray
from poseapp.train.eval.figures import Evaluation

WITHIN = 0.5  # a joint is right when its similarity (one term of OKS) is at least this
BINS = 10
LARGEST_ODDS = 9.0  # beyond it scores say so little that multiplying their odds says no more

_BLUE, _GREY, _PALE, _INK = (200, 90, 20), (150, 150, 150), (228, 228, 228), (60, 60, 60)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScoreCalibration:
    """Scores against what came true, over all labelled joints.

    In bin i of ten are ``count`` joints of mean ``score`` of which the share ``right`` is within OKS tolerance (NaN without
    joints). ``error`` is the mean distance of the two, weighted by count (expected calibration error, Naeini et al., AAAI
    2015); scores whose odds are multiplied by ``score_odds_scale`` are at 0.5 where half of such joints are right.
    """

    count: NDArray[np.int64]
    score: Floats
    right: Floats
    error: float
    score_odds_scale: float


def score_calibration(evaluation: Evaluation) -> ScoreCalibration:
    """How far the scores in *evaluation* can be believed."""
    truth = np.stack([p.joints for p in evaluation.people])
    area = np.array([p.area for p in evaluation.people])
    similarity = metrics.joint_similarity(evaluation.predicted[..., :2], truth, area, evaluation.skeleton.sigmas)
    known = np.isfinite(similarity)
    return calibration_of(evaluation.predicted[..., 2][known].astype(np.float64), similarity[known] >= WITHIN)


def calibration_of(score: Floats, right: NDArray[np.bool_]) -> ScoreCalibration:
    """The same for joints of *score* (n,) that are *right* (n,) or not."""
    index = np.minimum((score * BINS).astype(int), BINS - 1)
    count = np.bincount(index, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(index, score, BINS) / count
        share = np.bincount(index, right.astype(np.float64), BINS) / count
    error = float(np.nansum(np.abs(mean - share) * count) / max(1, count.sum()))
    half = score_of_half(score, right)
    return ScoreCalibration(count, mean, share, error, float(np.clip(1 / half - 1, 1 / LARGEST_ODDS, LARGEST_ODDS)))


def score_of_half(score: Floats, right: NDArray[np.bool_]) -> float:
    """The score at which half of the joints are right.

    It splits the joints best: fewest wrong ones above it and right ones below it. With shares that rise with the score that
    is where the share crosses one half, and no shape of the curve need be guessed. 1e-6 where all are right, 1 where none is.
    """
    order = np.argsort(score, kind="stable")
    gain = np.concatenate([[0], np.cumsum(np.where(right[order], -1, 1))])  # wrong less right below each place
    best = np.flatnonzero(gain == gain.max())
    at = int(best[len(best) // 2])
    if at == 0:
        return 1e-6
    if at == len(order):
        return 1.0
    return max(1e-6, float(score[order[at - 1]] + score[order[at]]) / 2)


def draw_score_calibration(
    before: ScoreCalibration, after: ScoreCalibration | None = None, hw: tuple[int, int] = (420, 480)
) -> ImageArray:
    """The share of right joints against the score, uint8 BGR: grey as the network gives it, blue as the model does."""
    h, w = hw
    image = np.full((h, w, 3), 255, np.uint8)
    left, top, right, bottom = 60, 30, w - 20, h - 90

    def at(x: float, y: float) -> list[int]:
        return [round(left + (right - left) * x), round(bottom - (bottom - top) * y)]

    for tick in (0, 0.25, 0.5, 0.75, 1):
        cv2.line(image, at(0, tick), at(1, tick), _PALE, 1)
        cv2.line(image, at(tick, 0), at(tick, 1), _PALE, 1)
        _text(image, f"{tick:g}", (left - 36, at(0, tick)[1] + 4))
        _text(image, f"{tick:g}", (at(tick, 0)[0] - 8, bottom + 16))
    cv2.line(image, at(0, 0), at(1, 1), _PALE, 2, cv2.LINE_AA)
    shown = before if after is None else after
    most = max(1, int(shown.count.max()))
    for i, n in enumerate(shown.count):
        low = at((i + 0.1) / BINS, 0)
        cv2.rectangle(image, low, at((i + 0.9) / BINS, 0.2 * n / most), (245, 225, 205), -1)
    curves = [(before, _GREY, "as trained")] if after is not None else []
    curves.append((shown, _BLUE, "this model"))
    for row, (curve, colour, name) in enumerate(curves):
        there = curve.count > 0
        points = np.array([at(x, y) for x, y in zip(curve.score[there], curve.right[there], strict=True)], np.int32)
        if len(points):
            cv2.polylines(image, [points[:, None]], isClosed=False, color=colour, thickness=2, lineType=cv2.LINE_AA)
        for point in points.tolist():
            cv2.circle(image, point, 4, colour, -1, cv2.LINE_AA)
        _text(image, f"{name}: calibration error {curve.error:.3f}", (left, bottom + 58 + 18 * row), colour)
    _text(image, "share of joints within OKS tolerance", (left, top - 10))
    _text(image, "score", (right - 40, bottom + 34))
    return image


def _text(image: ImageArray, text: str, at: tuple[int, int], colour: tuple[int, int, int] = _INK) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)
