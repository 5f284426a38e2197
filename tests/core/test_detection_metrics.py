"""Boxes: matching on cases worked out by hand, average precision against pycocotools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poseapp.core.detection_metrics import IOUS, MatchInput, at_threshold, average_precision, best_threshold, match


def boxes(*rows: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


def scores(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


NONE = boxes()


def test_everybody_is_found_once() -> None:
    truth = boxes((0, 0, 10, 10))
    twice = MatchInput(boxes((0, 0, 10, 9), (0, 0, 10, 10)), scores(0.9, 0.8), truth, NONE)
    right, counts = match(twice, 0.5)
    assert right.tolist() == [True, False]
    assert counts.all()


def test_in_a_crowd_nothing_is_wrong() -> None:
    found = MatchInput(boxes((2, 2, 4, 4), (50, 50, 4, 4)), scores(0.9, 0.8), NONE, boxes((0, 0, 20, 20)))
    assert match(found, 0.5)[1].tolist() == [False, True]
    assert at_threshold([found], 0.85).precision == 1.0


def test_the_threshold_that_fits_best() -> None:
    found = MatchInput(
        boxes((0, 0, 9, 9), (20, 0, 9, 9), (40, 0, 9, 9)), scores(0.9, 0.6, 0.3), boxes((0, 0, 9, 9), (20, 0, 9, 9)), NONE
    )
    best = best_threshold([found])
    assert (best.recall, best.precision) == (1.0, 1.0)
    assert 0.3 < best.threshold <= 0.6
    assert at_threshold([found], 0.7).recall == 0.5
    assert average_precision([found]) == pytest.approx(1.0)


def random_pictures(random: np.random.Generator) -> list[MatchInput]:
    pictures = []
    for _ in range(12):
        truth = random.uniform(0, 80, (int(random.integers(0, 5)), 2))
        sides = random.uniform(8, 40, truth.shape)
        there = np.concatenate([truth, sides], axis=1).astype(np.float32)
        near = there.repeat(2, axis=0) + random.normal(0, 4, (2 * len(there), 4)).astype(np.float32)
        stray = np.concatenate([random.uniform(0, 80, (3, 2)), random.uniform(5, 30, (3, 2))], axis=1).astype(np.float32)
        found = np.abs(np.concatenate([near, stray])).astype(np.float32)
        pictures.append(MatchInput(found, (random.permutation(1000)[: len(found)] / 1000).astype(np.float32), there, NONE))
    return pictures


def by_pycocotools(pictures: list[MatchInput]) -> NDArray[np.float64]:
    """Precision of all IoUs, from COCO's own code."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    content: dict[str, Any] = {"info": {}, "images": [{"id": n} for n in range(len(pictures))], "categories": [{"id": 1}]}
    content["annotations"] = [
        {
            "id": 1 + 100 * n + i,
            "image_id": n,
            "category_id": 1,
            "iscrowd": 0,
            "bbox": box.tolist(),
            "area": float(box[2] * box[3]),
        }
        for n, p in enumerate(pictures)
        for i, box in enumerate(p.truth.astype(np.float64))
    ]
    results = [
        {"image_id": n, "category_id": 1, "bbox": box.tolist(), "score": float(score)}
        for n, p in enumerate(pictures)
        for box, score in zip(p.boxes.astype(np.float64), p.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = content
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, 0, 0, 2].mean(axis=1)
    return precision


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_cocos(seed: int) -> None:
    pictures = random_pictures(np.random.default_rng(seed))
    expected = by_pycocotools(pictures)
    found = [average_precision(pictures, iou) for iou in IOUS]
    assert 0.05 < expected[0] < 0.99  # the comparison means something
    assert found == pytest.approx(expected.tolist(), abs=1e-9)


def test_nobody_there_and_nothing_found() -> None:
    assert np.isnan(average_precision([MatchInput(NONE, scores(), NONE, NONE)]))
    assert average_precision([MatchInput(NONE, scores(), boxes((0, 0, 5, 5)), NONE)]) == 0.0
