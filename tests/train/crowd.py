"""Pictures of several drawn figures, with crowds, and the truth about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from drawn import STANDING

from poseapp.core.skeleton import COCO_17

HW = (128, 192)


def draw_crowd(folder: Path, pictures: int = 4, people: int = 2, seed: int = 0, split: str = "train") -> Path:
    """Pictures of 192×128 with *people* figures side by side, and person_keypoints_SPLIT.json; returns the JSON's path."""
    random = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i in range(1, pictures + 1):
        picture = np.full((*HW, 3), random.integers(30, 90, 3), np.uint8)
        images.append({"id": i, "file_name": f"{split}-{i}.png", "width": HW[1], "height": HW[0]})
        for place in range(people):
            centre = np.array([(place + 0.5) * HW[1] / people, HW[0] / 2]) + random.normal(0, 3, 2)
            xy = (STANDING - 30) * random.uniform(1.1, 1.6) + centre
            for a, b in COCO_17.limbs:
                cv2.line(picture, xy[a].round().astype(int).tolist(), xy[b].round().astype(int).tolist(), (150, 150, 150), 3)
            for k, point in enumerate(xy):
                colour = cv2.cvtColor(np.array([[[k * 10, 255, 255]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0].tolist()
                cv2.circle(picture, point.round().astype(int).tolist(), 3, colour, -1)
            low, size = xy.min(0) - 4, np.ptp(xy, axis=0) + 8
            annotations.append(
                {"id": len(annotations) + 1, "image_id": i, "category_id": 1, "iscrowd": 0, "bbox": np.append(low, size).tolist(),
                 "area": float(0.53 * size.prod()), "keypoints": np.column_stack([xy, np.full(17, 2)]).round(2).ravel().tolist(),
                 "num_keypoints": 17}
            )  # fmt: skip
        cv2.imwrite(str(folder / "images" / f"{split}-{i}.png"), picture)
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "keypoints": list(COCO_17.keypoints)}]}
    path = folder / f"person_keypoints_{split}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def add(path: Path, image_id: int, box: tuple[float, float, float, float], **changes: Any) -> None:
    """Add somebody without a labelled joint, or with ``iscrowd=1`` a crowd, to the file at *path*."""
    content = json.loads(path.read_text(encoding="utf-8"))
    entry = {"id": len(content["annotations"]) + 1, "image_id": image_id, "category_id": 1, "iscrowd": 0, "bbox": list(box)}
    content["annotations"].append({**entry, "area": box[2] * box[3], "keypoints": [0] * 51, "num_keypoints": 0, **changes})
    path.write_text(json.dumps(content), encoding="utf-8")
