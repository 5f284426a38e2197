"""How good poses are: OKS, PCK, PCKh, COCO's average precision, and the kinds of errors.

Truth is always ``(…, K, 3)``: x, y in px and v (0 not labelled, 1 labelled but hidden, 2 visible). A joint
with v = 0 takes no part in any figure. Predictions are ``(…, K, 2)`` in the same px.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from poseapp.core.skeleton import Skeleton

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

OKS_THRESHOLDS: Array = np.linspace(0.5, 0.95, 10)
RECALLS: Array = np.linspace(0.0, 1.0, 101)
AREAS: dict[str, tuple[float, float]] = {"all": (0.0, 1e10), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
MAX_PEOPLE = 20  # a picture: what COCO's keypoint evaluation looks at
MIN_OKS_JOINTS = 5  # people with fewer labelled joints tell little about a pose
FACE_TO_HEAD = 1.5  # head height (neck to top) over the widest distance in a face: about 23 cm / 15 cm

ERRORS = ("good", "jitter", "left_right", "inversion", "swap", "miss")


def joint_similarity(predicted: ArrayLike, truth: ArrayLike, area: ArrayLike, sigmas: ArrayLike) -> Array:
    """exp(−d² / (2 · area · (2σ)²)) of each joint, (…, K); NaN where the truth or the sigma is missing.

    *area* (…) in px² sets the scale. Source: COCO keypoint evaluation.
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    sigma = np.asarray(sigmas, np.float64)
    area = np.asarray(area, np.float64)[..., None]
    d2 = np.square(predicted - truth[..., :2]).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The spacing keeps an empty area from dividing by zero, as in pycocotools.
        e = d2 / np.square(2 * sigma) / (area + np.spacing(1)) / 2
    # A joint that was not predicted is infinitely far away.
    e = np.where(np.isnan(predicted).any(axis=-1), np.inf, e)
    return np.where((truth[..., 2] > 0) & (sigma > 0), np.exp(-e), np.nan)


def oks(predicted: ArrayLike, truth: ArrayLike, area: ArrayLike, sigmas: ArrayLike) -> Array:
    """Object keypoint similarity of paired poses, (…): the mean over labelled joints; NaN without any.

    Equal to pycocotools' for people with at least one labelled joint.
    """
    similarity = joint_similarity(predicted, truth, area, sigmas)
    count = np.isfinite(similarity).sum(axis=-1)
    return np.where(count > 0, np.nansum(similarity, axis=-1) / np.maximum(count, 1), np.nan)


def mean_oks(predicted: ArrayLike, truth: ArrayLike, area: ArrayLike, sigmas: ArrayLike) -> float:
    """Mean OKS over people (N, K, ·) with at least five labelled joints; NaN when there is none."""
    enough = labelled(truth).sum(axis=-1) >= MIN_OKS_JOINTS
    values = oks(predicted, truth, area, sigmas)[enough]
    return float(np.mean(values)) if len(values) else float("nan")


def labelled(truth: ArrayLike) -> Bools:
    """Which joints (…, K) somebody has labelled."""
    return np.asarray(truth)[..., 2] > 0


def torso_size(truth: ArrayLike, skeleton: Skeleton) -> Array:
    """Left shoulder to right hip in px (N,); NaN where one of them is not labelled or they coincide.

    The reference length of PCK on LSP (Wei et al. 2016, Sec. 4.2.2).
    """
    return _length(np.asarray(truth, np.float64), skeleton.index("left_shoulder"), skeleton.index("right_hip"))


def head_size(truth: ArrayLike, skeleton: Skeleton) -> Array:
    """Height of the head in px (N,); NaN where it cannot be told.

    Neck to head top where the skeleton has them (MPII, LSP: what 0.6 × the diagonal of MPII's head box
    stands for). For COCO's joints 1.5 × the longest distance between two labelled joints of the face, one
    of them an ear. This is an approximation: compare it only with other models that were scored here.
    """
    truth = np.asarray(truth, np.float64)
    if {"neck", "head_top"} <= set(skeleton.keypoints):
        return _length(truth, skeleton.index("neck"), skeleton.index("head_top"))
    face = [name for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear") if name in skeleton.keypoints]
    ears = [name for name in face if name.endswith("ear")]
    pairs = [(skeleton.index(a), skeleton.index(b)) for a in ears for b in face if a != b]
    if not pairs:
        return np.full(len(truth), np.nan)
    widest: Array = np.fmax.reduce([_length(truth, a, b) for a, b in pairs])
    return FACE_TO_HEAD * widest


def _length(truth: Array, a: int, b: int) -> Array:
    length = np.linalg.norm(truth[:, a, :2] - truth[:, b, :2], axis=-1)
    return np.where((truth[:, a, 2] > 0) & (truth[:, b, 2] > 0) & (length > 0), length, np.nan)


@dataclass(frozen=True, eq=False)
class Pck:
    """Shares of correct joints: ``total`` over all labelled joints, ``by_joint`` (K,), and ``joints`` counted (K,).

    NaN where nothing was counted. Values are 0..1.
    """

    total: float
    by_joint: Array
    joints: NDArray[np.int64]


def pck(predicted: ArrayLike, truth: ArrayLike, reference_px: ArrayLike, alpha: float) -> Pck:
    """Joints of (N, K, ·) within *alpha* × *reference_px* (N,) of the truth, over all labelled joints.

    People whose reference is NaN are left out. PCK@0.2 takes ``torso_size``, PCKh@0.5 ``head_size``.
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    reference = np.asarray(reference_px, np.float64)[:, None]
    counted = labelled(truth) & np.isfinite(reference)
    distance = np.linalg.norm(predicted - truth[..., :2], axis=-1)
    with np.errstate(invalid="ignore"):  # NaN, a joint not predicted, is not within any distance
        correct = counted & (distance <= alpha * reference)
    joints, hits = counted.sum(axis=0), correct.sum(axis=0)
    by_joint = np.where(joints > 0, hits / np.maximum(joints, 1), np.nan)
    total = float(hits.sum() / joints.sum()) if joints.sum() else float("nan")
    return Pck(total, by_joint, joints)


def classify_errors(
    predicted: ArrayLike, truth: ArrayLike, area: ArrayLike, others: Sequence[Array], skeleton: Skeleton
) -> NDArray[np.int64]:
    """What became of each joint (N, K): an index into ERRORS, −1 where it is not labelled.

    Ronchi & Perona (ICCV 2017), Sec. 3: with s the similarity to a true joint at this person's scale, *good* is
    s ≥ 0.85 and *jitter* 0.5 ≤ s < 0.85 with the right joint. Any other joint is *left_right* on the mirror joint of the same
    person, *inversion* on another joint of the same person, *swap* on the same or the mirror joint of another person, and
    *miss* anywhere else. ``others[n]`` (M, K, 3) are the other people in picture n.
    """
    predicted, truth = np.asarray(predicted, np.float64), np.asarray(truth, np.float64)
    area = np.asarray(area, np.float64)
    sigmas = np.asarray(skeleton.sigmas)
    own = joint_similarity(predicted, truth, area, sigmas)  # (N, K)
    kind = np.full(own.shape, ERRORS.index("miss"), np.int64)
    for n, k in zip(*np.nonzero(np.isfinite(own)), strict=True):
        here = np.broadcast_to(predicted[n, k], (skeleton.k, 2))
        same = np.nan_to_num(joint_similarity(here, truth[n], area[n], sigmas))  # of this point with every joint
        mirror = skeleton.flip[k]
        if own[n, k] >= 0.5:
            kind[n, k] = ERRORS.index("good" if own[n, k] >= 0.85 else "jitter")
        elif mirror != k and same[mirror] >= 0.5:
            kind[n, k] = ERRORS.index("left_right")
        elif same.max() >= 0.5:
            kind[n, k] = ERRORS.index("inversion")
        else:
            for other in others[n]:
                elsewhere = np.nan_to_num(joint_similarity(here, other, area[n], sigmas))
                if max(elsewhere[k], elsewhere[mirror]) >= 0.5:
                    kind[n, k] = ERRORS.index("swap")
    return np.where(np.isfinite(own), kind, -1)


# --- COCO's average precision -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One picture for COCO's evaluation, without crowds.

    ``predicted`` (D, K, 2) with ``score`` (D,); ``truth`` (G, K, 3) with ``area`` (G,) in px² and ``boxes`` (G, 4)
    x, y, width, height. People without a labelled joint are neither asked for nor counted as wrong.
    """

    predicted: Array
    score: Array
    truth: Array
    area: Array
    boxes: Array


@dataclass(frozen=True, kw_only=True)
class AveragePrecision:
    """COCO's summary, each 0..1, or −1 where no person is of that size."""

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float


def average_precision(scenes: Sequence[Scene], sigmas: ArrayLike) -> AveragePrecision:
    """AP, AP50, AP75, APM, APL and AR over *scenes*, as COCO's keypoint evaluation defines them.

    *sigmas* (K,) are those of the joints, all above 0. Agrees with pycocotools to rounding; it needs neither pycocotools
    nor a file, and takes other joints than COCO's.
    """
    sigmas = np.asarray(sigmas, np.float64)
    similarity = [_oks_matrix(_best_first(scene), sigmas) for scene in scenes]
    precision, recall = {}, {}
    for size, limits in AREAS.items():
        precision[size], recall[size] = _curves(scenes, similarity, limits)

    def mean(values: Array) -> float:
        return float(values[values > -1].mean()) if (values > -1).any() else -1.0

    return AveragePrecision(
        ap=mean(precision["all"]),
        ap50=mean(precision["all"][0]),
        ap75=mean(precision["all"][5]),
        ap_medium=mean(precision["medium"]),
        ap_large=mean(precision["large"]),
        ar=mean(recall["all"]),
    )


def _best_first(scene: Scene) -> Scene:
    """The scene with its best-scored predictions alone, best first."""
    order = np.argsort(-scene.score, kind="mergesort")[:MAX_PEOPLE]
    return Scene(
        predicted=scene.predicted[order], score=scene.score[order], truth=scene.truth, area=scene.area, boxes=scene.boxes
    )


def _oks_matrix(scene: Scene, sigmas: Array) -> Array:
    """OKS (D, G) of every prediction with every true person.

    For a person without labels COCO measures how far the prediction lies outside the doubled box.
    """
    out = np.zeros((len(scene.predicted), len(scene.truth)))
    for g, (truth, area, box) in enumerate(zip(scene.truth, scene.area, scene.boxes, strict=True)):
        if labelled(truth).any():
            out[:, g] = oks(scene.predicted, np.broadcast_to(truth, (len(out), *truth.shape)), np.full(len(out), area), sigmas)
        else:
            low, high = box[:2] - box[2:], box[:2] + 2 * box[2:]
            outside = np.maximum(0, low - scene.predicted) + np.maximum(0, scene.predicted - high)
            e = np.square(outside).sum(axis=-1) / np.square(2 * sigmas) / (area + np.spacing(1)) / 2
            out[:, g] = np.exp(-e).mean(axis=-1)
    return out


def _curves(scenes: Sequence[Scene], similarity: Sequence[Array], limits: tuple[float, float]) -> tuple[Array, Array]:
    """Precision (T, 101) at the fixed recalls, and the final recall (T,), for people of one size; −1 without any."""
    scores, matched, ignored, people = [], [], [], 0
    for scene, oks_dg in zip(scenes, similarity, strict=True):
        best = _best_first(scene)
        skip = ~labelled(best.truth).any(axis=-1) | (best.area < limits[0]) | (best.area > limits[1])
        hit, spared = _match(oks_dg, skip)
        extent = np.ptp(best.predicted, axis=1)  # (D, 2)
        area = extent[:, 0] * extent[:, 1]
        spared |= ~hit & ((area < limits[0]) | (area > limits[1]))
        scores.append(best.score)
        matched.append(hit)
        ignored.append(spared)
        people += int((~skip).sum())
    t = len(OKS_THRESHOLDS)
    if people == 0:
        return np.full((t, len(RECALLS)), -1.0), np.full(t, -1.0)
    order = np.argsort(-np.concatenate(scores), kind="mergesort")
    hit, spared = np.concatenate(matched, axis=1)[:, order], np.concatenate(ignored, axis=1)[:, order]
    right, wrong = np.cumsum(hit & ~spared, axis=1), np.cumsum(~hit & ~spared, axis=1)
    recall = right / people
    precision = right / (right + wrong + np.spacing(1))
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    out = np.zeros((t, len(RECALLS)))
    for i in range(t):
        at = np.searchsorted(recall[i], RECALLS, side="left")
        inside = at < recall.shape[1]
        out[i, inside] = envelope[i, at[inside]]
    return out, recall[:, -1] if recall.shape[1] else np.zeros(t)


def _match(oks_dg: Array, skip: Bools) -> tuple[Bools, Bools]:
    """Greedy matching, best prediction first: whether each is matched (T, D), and with someone to *skip* (T, D).

    A prediction takes the most similar free person above the threshold. It takes one to *skip* only when nobody else fits.
    """
    t, (d, g) = len(OKS_THRESHOLDS), oks_dg.shape
    hit, spared = np.zeros((t, d), bool), np.zeros((t, d), bool)
    candidates = np.argsort(skip, kind="mergesort")
    for ti, threshold in enumerate(OKS_THRESHOLDS):
        taken = np.zeros(g, bool)
        for di in range(d):
            best, chosen = min(threshold, 1 - 1e-10), -1
            for gi in candidates:
                if taken[gi]:
                    continue
                if chosen >= 0 and not skip[chosen] and skip[gi]:
                    break
                if oks_dg[di, gi] >= best:
                    best, chosen = oks_dg[di, gi], int(gi)
            if chosen >= 0:
                taken[chosen] = hit[ti, di] = True
                spared[ti, di] = skip[chosen]
    return hit, spared
