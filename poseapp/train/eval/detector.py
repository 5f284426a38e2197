"""Score a person detector as the app runs it: on whole pictures of a labelled set. Needs no torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.core.detection_metrics import IOUS, MatchInput, at_threshold, average_precision, best_threshold
from poseapp.core.skeleton import COCO_17
from poseapp.engine.detector import Detector, DetectorSpec
from poseapp.train.data.annotations import read_image
from poseapp.train.data.datasets import LabelledSet
from poseapp.train.data.image_index import read_pictures
from poseapp.train.eval.figures import as_json


@dataclass(frozen=True)
class BoxFigures:
    """What a detector is worth; the names are the keys of the JSON file, every share is 0..1.

    ``ap`` is COCO's, the mean over intersections over union of 0.5 to 0.95, ``ap50`` that at 0.5. ``recall`` and ``precision``
    are at 0.5, of the boxes from ``threshold`` on; ``best_threshold`` is the one at which their harmonic mean is highest.
    ``recall_medium`` and ``recall_large`` are those of people of 32² to 96² px in the input, and of more.
    ``ms`` is the median time for a picture, fitting it into the input included.
    """

    ap: float
    ap50: float
    recall: float
    precision: float
    threshold: float
    best_threshold: float
    recall_small: float
    recall_medium: float
    recall_large: float
    ms: float
    people: int
    pictures: int

    def to_json(self) -> str:
        """The text of the JSON file; null for what cannot be said, such as the recall of nobody."""
        return as_json(self)


def evaluate_detector(
    detector: Detector,
    annotations: Path,
    images: Path,
    limit: int = 0,
    on_picture: Callable[[int, int], None] = lambda done, total: None,
) -> BoxFigures:
    """Score *detector* on everybody who has a box in a labelled set; *limit* stops after so many pictures (0: all).

    *on_picture* is called with how many are done, and of how many. Raises DataError on wrong annotations or pictures.
    """
    pictures = read_pictures(LabelledSet(annotations, images, "val"), COCO_17)[: limit or None]
    found: list[MatchInput] = []
    sides: list[float] = []  # of each person, the square root of the box's area in px of the input
    ms = []
    for n, picture in enumerate(pictures):
        image = read_image(picture.path)
        start = time.perf_counter()
        boxes, scores = detector.find(image, limit=detector.spec.boxes, threshold=0.0)
        ms.append((time.perf_counter() - start) * 1e3)
        truth = np.array([person.box for person in picture.people], np.float32).reshape(-1, 4)
        found.append(MatchInput(boxes, scores, truth, picture.crowds))
        scale = min(side / size for side, size in zip(detector.spec.input_hw, image.shape[:2], strict=True))
        sides += (np.sqrt(truth[:, 2] * truth[:, 3]) * scale).tolist()
        on_picture(n + 1, len(pictures))
    threshold = detector.spec.threshold
    now = at_threshold(found, threshold)
    return BoxFigures(
        ap=float(np.mean([average_precision(found, iou) for iou in IOUS])),
        ap50=average_precision(found),
        recall=now.recall,
        precision=now.precision,
        threshold=threshold,
        best_threshold=best_threshold(found).threshold,
        **_recall_by_size(found, np.array(sides), threshold),
        ms=float(np.median(ms)),
        people=len(sides),
        pictures=len(pictures),
    )


def conventions(spec: DetectorSpec) -> str:
    """One line that says how the figures of a detector were made."""
    h, w = spec.input_hw
    return (
        f"whole pictures fitted into {h}×{w}; AP by COCO's rules; recall and precision at an intersection over union of 0.5, "
        f"of boxes from {spec.threshold:g} on; small is below 32² px in the input, large from 96² px on; ONNX Runtime, CPU, FP32"
    )


def _recall_by_size(
    found: list[MatchInput], sides: np.ndarray[tuple[int, ...], np.dtype[np.float64]], threshold: float
) -> dict[str, float]:
    """Recall at 0.5 of small, medium and large people, from *threshold* on; NaN where there is nobody of that size."""
    out, at = {}, 0
    kinds = {"recall_small": (0.0, 32.0), "recall_medium": (32.0, 96.0), "recall_large": (96.0, np.inf)}
    by_size: dict[str, list[MatchInput]] = {name: [] for name in kinds}
    for f in found:
        here = sides[at : at + len(f.truth)]
        at += len(f.truth)
        for name, (low, high) in kinds.items():
            by_size[name].append(MatchInput(f.boxes, f.scores, f.truth[(here >= low) & (here < high)], f.crowds))
    for name, people in by_size.items():
        out[name] = at_threshold(people, threshold).recall
    return out
