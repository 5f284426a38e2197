"""COCO's keypoint annotations: pictures, a category with the joints, and an annotation for each person in each picture.

Layout: cocodataset.org/#format-data. COCO's boxes are measured from the corner of the first pixel; its joints are numbers of
pixels, as they are here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.review.exports.base import Take
from poseapp.review.recorded_part import Floats

_LABELLED = 2  # visible, in COCO's words; 0 is a joint that is not there


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Further keys, which COCO's tools pass over, keep what COCO has no place for: time, id and scores."""
    part, name = take.part, take.recording.name
    pictures: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row, people in take.in_order():
        number, (width, height) = int(part.frames[row]), part.sizes[row].tolist()
        pictures.append(
            {
                "id": number,
                "file_name": part.files[row] or f"frame_{number:06d}.jpg",
                "width": width,
                "height": height,
                "t": round(float(part.times[row]), 6),
            }
        )
        for track, place in people:
            entry = _annotation(take.xy(track)[place], track.score[place])
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "track_id": track.id,
                    "score": round(float(track.person_score[place]), 4),
                    **entry,
                }
            )
    limbs = [[a + 1, b + 1] for a, b in part.skeleton.limbs]  # COCO counts joints from 1
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": part.skeleton.keypoints, "skeleton": limbs}
    info = {"description": f"{name}, exported by poseapp", "version": "1.0"}
    content = {"info": info, "licenses": [], "images": pictures, "annotations": annotations, "categories": [category]}
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file, separators=(",", ":"))


def _annotation(xy: Floats, score: Floats) -> dict[str, Any]:
    there = ~np.isnan(xy[:, 0])
    # A missing joint is NaN, which is not itself.
    keypoints = [(0.0, 0.0, 0) if x != x else (round(x, 2), round(y, 2), _LABELLED) for x, y in xy.tolist()]
    box = [0.0, 0.0, 0.0, 0.0]
    if there.any():
        least, most = xy[there].min(axis=0), xy[there].max(axis=0)
        # The pixels from the first to the last joint, by their outer edges: COCO's edges are half a pixel more than here.
        box = [round(float(value), 2) for value in (*least, *(most - least + 1))]
    return {
        "category_id": 1,
        "iscrowd": 0,
        "keypoints": [value for joint in keypoints for value in joint],
        "num_keypoints": int(there.sum()),
        "keypoint_scores": np.round(score, 4).tolist(),
        "bbox": box,
        "area": round(box[2] * box[3], 2),
    }
