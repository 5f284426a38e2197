"""Leeds Sports Pose and its extension (Johnson & Everingham, BMVC 2010 and CVPR 2011), as published. No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poseapp.core.errors import DataError
from poseapp.core.geometry import box_around
from poseapp.core.skeleton import LSP_14, Skeleton
from poseapp.train.data.annotations import Person, convert_joints
from poseapp.train.data.coco import BODY_SHARE, FARTHEST_PX
from poseapp.train.data.matlab import load_mat


def read_lsp(annotations: Path, images: Path, skeleton: Skeleton, split: str) -> list[Person]:
    """People of LSP (2,000: the first half trains, the second tests) or LSP extended (10,000, training only).

    *annotations* is joints.mat as published. Boxes are drawn about the labelled joints, a tenth wider on each side.
    """
    array = np.asarray(load_mat(annotations).get("joints", ()))
    if array.ndim != 3 or array.dtype.kind not in "fiu" or set(array.shape[:2]) != {3, LSP_14.k}:
        got = "×".join(map(str, array.shape)) if array.size else "none"
        raise DataError(f"{annotations}: expected joints, 3×14×N or 14×3×N numbers, got {got}. Give joints.mat as published.")
    extended = array.shape[0] == LSP_14.k
    labels = array.transpose(2, 0, 1) if extended else array.transpose(2, 1, 0)  # (N, 14, 3)
    # LSP extended says 1 for labelled; LSP labels all and says 1 for hidden.
    marked = labels[..., 2] > 0
    visibility = 2 * marked if extended else 2 - marked
    # What is no place in a picture is not labelled.
    places = (np.abs(labels[..., :2]) < FARTHEST_PX).all(axis=2) & ~np.isnan(labels[..., 2])
    xy = np.where(places[..., None], labels[..., :2] - 1, 0)  # MATLAB counts from 1
    labels = np.concatenate([xy, np.where(places, visibility, 0)[..., None]], axis=2).astype(np.float32)
    chosen = range(len(labels)) if extended else range(len(labels))[:1000] if split == "train" else range(len(labels))[1000:]
    if extended and split != "train":
        raise DataError(f"{annotations}: LSP extended has no {split} part. Validate on LSP.")
    digits = 5 if extended else 4
    # The extension in high resolution comes as PNG.
    ending = "png" if (images / f"im{1:0{digits}d}.png").is_file() else "jpg"
    people = []
    for i in chosen:
        known = labels[i][labels[i, :, 2] > 0, :2]
        if len(known) < 2:
            continue
        box = box_around(known, margin=0.1).astype(np.float32)
        joints = convert_joints(labels[i], LSP_14.keypoints, skeleton)
        path = images / f"im{i + 1:0{digits}d}.{ending}"
        people.append(Person(i + 1, i + 1, path, box, joints, float(BODY_SHARE * box[2] * box[3])))
    return people
