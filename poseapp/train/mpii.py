"""MPII Human Pose (Andriluka et al., CVPR 2014): its own MATLAB file, and the JSON that HRNet's authors made of it. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import DataError
from poseapp.core.skeleton import MPII_16, Skeleton
from poseapp.core.types import FloatArray
from poseapp.train.people import BODY_SHARE, Person, convert_joints, load_json, load_mat

HEAD_SHARE = 0.6  # of the head box's diagonal: the length that PCKh measures in, as in the set's own evaluation code
VAL_EVERY = 10  # one video in so many validates


def read_mpii(annotations: Path, images: Path, skeleton: Skeleton) -> list[Person]:
    """People of MPII in the JSON that HRNet's authors made of its annotations: a list of joints, centre and scale."""
    people = []
    try:
        for i, entry in enumerate(load_json(annotations)):
            labels = np.zeros((MPII_16.k, 3), np.float32)
            labels[:, :2] = entry["joints"]
            labels[:, 2] = 2 * np.asarray(entry["joints_vis"], np.float32)
            x, y = entry["center"]
            people.append(_person(i, i, images / entry["image"], labels, x, y, float(entry["scale"]), skeleton))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{annotations}: expected a list of joints, joints_vis, center, scale and image ({error!r}).") from None
    return people


def read_mpii_mat(annotations: Path, images: Path, skeleton: Skeleton, split: str) -> list[Person]:
    """People of MPII in mpii_human_pose_v1_u12_1.mat as published, with the size of their heads for PCKh.

    MPII keeps the labels of its test pictures. "val" is one in ten of the training videos, "train" the others: frames of
    one video are never on both sides.
    """
    release: Any = load_mat(annotations).get("RELEASE")
    pictures = getattr(release, "annolist", None)
    if pictures is None or not hasattr(release, "img_train"):
        raise DataError(f"{annotations}: expected MPII's RELEASE with annolist and img_train. Give the file as published.")
    people = []
    try:
        for i, (picture, trains) in enumerate(zip(_all(pictures), np.atleast_1d(release.img_train), strict=True)):
            video = np.ravel(getattr(picture, "vididx", ()))
            validates = int(video[0] if video.size else i) % VAL_EVERY == 0
            if not trains or validates != (split != "train"):
                continue
            for number, rect in enumerate(_all(picture.annorect)):
                labels = _labels(rect)
                centre: Any = getattr(rect, "objpos", None)
                if labels is None or not _is_number(getattr(rect, "scale", None)) or not hasattr(centre, "x"):
                    continue  # a person in the background: neither joints nor a place
                path = images / str(picture.image.name)
                identity = (i + 1) * 100 + number
                head = _head_px(rect)
                people.append(
                    _person(identity, i + 1, path, labels, float(centre.x), float(centre.y), float(rect.scale), skeleton, head)
                )
    except (AttributeError, TypeError, ValueError, IndexError) as error:
        raise DataError(f"{annotations}: not in the structure that MPII was published in ({error}).") from None
    return people


def _person(
    identity: int,
    image_id: int,
    path: Path,
    labels: FloatArray,
    x: float,
    y: float,
    scale: float,
    skeleton: Skeleton,
    head_px: float = math.nan,
) -> Person:
    """A person with *labels* (16, 3), centre and scale as MPII gives them, counted from 1.

    The box is a square of 200 px × scale, less the 1.25 that is padded later, about the centre moved down by 15 px ×
    scale so that feet stay in it (released code of Sun et al. 2019, after Newell et al. 2016).
    """
    labels[:, :2] -= 1
    side = 200.0 * scale
    box = np.array([x - 1 - side / 2, y - 1 + 15 * scale - side / 2, side, side], np.float32)
    joints = convert_joints(labels, MPII_16.keypoints, skeleton)
    return Person(identity, image_id, path, box, joints, BODY_SHARE * side**2, head_px=head_px)


def _labels(rect: Any) -> FloatArray | None:
    """The joints (16, 3) of one annorect, None where it has none."""
    points = getattr(getattr(rect, "annopoints", None), "point", None)
    if points is None:
        return None
    labels = np.zeros((MPII_16.k, 3), np.float32)
    for point in _all(points):
        # is_visible is 0 or 1, as a number or a letter, and left out for the head: every point there is labelled.
        hidden = str(getattr(point, "is_visible", "1")) == "0"
        labels[int(point.id)] = float(point.x), float(point.y), 1 if hidden else 2
    return labels


def _head_px(rect: Any) -> float:
    """0.6 × the diagonal of the head box in px, NaN without one."""
    corners = [getattr(rect, name, None) for name in ("x1", "y1", "x2", "y2")]
    if not all(map(_is_number, corners)):
        return math.nan
    x1, y1, x2, y2 = (float(np.asarray(corner)) for corner in corners)
    return HEAD_SHARE * math.hypot(x2 - x1, y2 - y1)


def _is_number(value: Any) -> bool:
    return value is not None and np.size(value) == 1 and np.issubdtype(np.asarray(value).dtype, np.number)


def _all(value: Any) -> Iterator[Any]:
    """The structures in *value*: MATLAB writes one of them, many and none in three ways."""
    yield from np.ravel(value) if isinstance(value, np.ndarray) else (value,)
