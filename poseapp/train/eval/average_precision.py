"""AP and AR of poses: by COCO's own tools, or by the same rules over the joints that a set, a model and COCO share."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from poseapp.core import metrics
from poseapp.core.errors import DataError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import FloatArray
from poseapp.train.data.annotations import Person, convert_joints
from poseapp.train.data.coco import Annotations
from poseapp.train.eval.detections import Box, pose_score
from poseapp.train.eval.evaluation_set import Scored


def require_pycocotools() -> None:
    """Raise DataError, with what to install, where pycocotools is missing."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ModuleNotFoundError:
        raise DataError('evaluation: pycocotools is not installed. Install it with: pip install "poseapp[train]"') from None


def complete(annotations: Annotations) -> dict[str, Any]:
    """*annotations* with all that COCO's evaluation reads, which other makers leave out or number otherwise."""
    entries = []
    for n, entry in enumerate(e for e in annotations.people if e.box is not None):
        joints = convert_joints(entry.joints, entry.names, COCO_17)
        assert entry.box is not None
        left_out = entry.box[2:].min() <= 1  # as for all other figures: neither missed nor wrong
        entries.append(
            {
                "iscrowd": int(entry.crowd),
                "num_keypoints": 0 if left_out else int(np.count_nonzero(joints[:, 2])),
                "keypoints": np.nan_to_num(joints).ravel().tolist(),
                "bbox": np.add(entry.box, (0.5, 0.5, 0, 0)).tolist(),
                "image_id": entry.picture.id,
                "id": n + 1,  # 0 would stand for "no match"
                "category_id": 1,
                "area": entry.area,
            }
        )
    images = [{"id": picture.id} for picture in annotations.pictures]
    return {"info": {}, "images": images, "categories": [{"id": 1}], "annotations": entries}


def coco_summary(
    annotations: Annotations, boxes: Sequence[Box], poses: Sequence[FloatArray], image_ids: set[int] | None
) -> list[float]:
    """AP, AP50, AP75, APM, APL, AR of COCO's 17 joints by pycocotools, in all pictures or those of *image_ids*."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results: list[dict[str, Any]] = [
        {
            "image_id": box.image_id,
            "category_id": 1,
            # A joint that was not found lies where none can be, as in the authors' release of OpenPose.
            "keypoints": np.nan_to_num(np.column_stack([joints[:, :2], np.ones(len(joints))])).astype(float).ravel().tolist(),
            "score": pose_score(box.score, joints),
        }
        for box, joints in zip(boxes, poses, strict=True)
    ]
    if not results:
        return [0.0] * 6  # nobody was found
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table of its own
        truth = COCO()
        truth.dataset = complete(annotations)
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
        if image_ids is not None:
            evaluation.params.imgIds = sorted(image_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats[:6]]


def shared_summary(people: Sequence[Person], boxes: Sequence[Box], poses: Sequence[FloatArray], scored: Scored) -> list[float]:
    """AP, AP50, AP75, APM, APL, AR over the joints that set, model and COCO share, in the pictures of *people*.

    By the rules of COCO's evaluation, which itself takes all 17 joints or none; people are those given, without crowds.
    """
    sigmas = np.asarray(scored.skeleton.sigmas)
    joints = np.array([at is not None for at in scored.channels]) & (sigmas > 0)
    of_picture: dict[int, tuple[list[Person], list[int]]] = {p.image_id: ([], []) for p in people}
    for person in people:
        of_picture[person.image_id][0].append(person)
    for i, box in enumerate(boxes):
        if box.image_id in of_picture:
            of_picture[box.image_id][1].append(i)
    scenes = [
        metrics.Scene(
            predicted=np.array([poses[i][joints, :2] for i in found], np.float64).reshape(-1, joints.sum(), 2),
            score=np.array([pose_score(boxes[i].score, poses[i][joints]) for i in found]),
            truth=np.stack([p.joints[joints] for p in here]).astype(np.float64),
            area=np.array([p.area for p in here]),
            boxes=np.stack([p.box for p in here]).astype(np.float64),
        )
        for here, found in of_picture.values()
    ]
    result = metrics.average_precision(scenes, sigmas[joints])
    return list(asdict(result).values())
