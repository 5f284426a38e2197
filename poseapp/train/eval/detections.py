"""Boxes of people in pictures, how sure their poses are, and which poses repeat others."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from poseapp.core import metrics
from poseapp.core.errors import DataError
from poseapp.core.json_files import Fields, shortened
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray
from poseapp.engine.detector import Detector
from poseapp.train.data.annotations import read_image
from poseapp.train.data.coco import FARTHEST_PX, Annotations, load_json

JOINT_SCORE = 0.2  # joints below it say nothing about how good a detection is
DOUBLE_OKS = 0.9
DETECTED = 30  # boxes a picture that a detector may give, however unsure: AP is over all scores
LEAST_SURE = 0.05


@dataclass(frozen=True)
class Box:
    """Where to look for a person: ``box`` x, y, width, height in px of the picture *image_id*, with a score."""

    image_id: int
    path: Path
    box: NDArray[np.floating]
    score: float = 1.0


def detected_boxes(detector: Detector, pictures: Mapping[int, Path]) -> list[Box]:
    """What *detector* finds in *pictures*, the unsure boxes too."""
    boxes = []
    for image_id, path in pictures.items():
        for box, score in zip(*detector.find(read_image(path), DETECTED, LEAST_SURE), strict=True):
            if box[2] > 1 and box[3] > 1:
                boxes.append(Box(image_id, path, box, float(score)))
    return boxes


def read_boxes(path: Path, annotations: Annotations) -> list[Box]:
    """Boxes in COCO's detection format, of the pictures that *annotations* name; DataError on anything else."""

    def wrong(what: str) -> DataError:
        return DataError(f'{path}: expected a list of {{"image_id", "bbox", "score"}} ({what}).')

    if not path.exists():  # as for a misspelt word
        raise DataError(f"boxes: expected gt, detect, whole, track or a file, got {str(path)!r}. Give one of these.")
    content = load_json(path)
    if not isinstance(content, list):
        raise wrong(shortened(content))
    boxes = []
    for entry in content:
        fields = Fields(entry, wrong)
        picture = annotations.picture(fields.content.get("image_id"))
        box, score = fields.floats("bbox", 4), fields.number("score")
        if not math.isfinite(score) or max(map(abs, box)) > FARTHEST_PX:
            raise wrong(f"score {score:g}, bbox {box}")
        if picture is not None and fields.content.get("category_id", 1) == 1 and min(box[2:]) > 1:
            boxes.append(Box(picture.id, picture.path, np.asarray(box, np.float32) - (0.5, 0.5, 0, 0), score))
    if not boxes:
        raise DataError(f"{path}: no box of a person in the pictures of {Path(annotations.where).name}.")
    return boxes


def pose_score(box_score: float, joints: FloatArray) -> float:
    """How good a detection is: its box's score times the mean score of its joints above 0.2."""
    sure = joints[:, 2][joints[:, 2] > JOINT_SCORE]
    return float(box_score * (sure.mean() if len(sure) else joints[:, 2].mean()))


def drop_doubles(boxes: Sequence[Box], poses: Sequence[FloatArray], skeleton: Skeleton) -> tuple[list[Box], list[FloatArray]]:
    """Boxes and poses without those that repeat a better one of the same picture (OKS above 0.9)."""
    kept: dict[int, list[int]] = defaultdict(list)
    for i in sorted(range(len(boxes)), key=lambda i: -pose_score(boxes[i].score, poses[i])):
        others = kept[boxes[i].image_id]
        as_truth = np.column_stack([poses[i][:, :2], np.where(np.isnan(poses[i][:, 0]), 0, 2)])
        area = float(np.prod(np.nanmax(poses[i][:, :2], axis=0) - np.nanmin(poses[i][:, :2], axis=0)))
        similarity = [float(metrics.oks(poses[j][:, :2], as_truth, area, skeleton.sigmas)) for j in others]
        if max(similarity, default=0.0) <= DOUBLE_OKS:
            others.append(i)
    order = sorted(i for indices in kept.values() for i in indices)
    return [boxes[i] for i in order], [poses[i] for i in order]
