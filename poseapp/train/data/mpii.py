"""MPII Human Pose (Andriluka et al., CVPR 2014): its own MATLAB file, and the JSON that HRNet's authors made of it. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import DataError
from poseapp.core.json_files import shortened
from poseapp.core.skeleton import MPII_16, Skeleton
from poseapp.train.data.annotations import Person, convert_joints
from poseapp.train.data.coco import BODY_SHARE, FARTHEST_PX, load_json
from poseapp.train.data.image_names import PictureFolder
from poseapp.train.data.matlab import load_mat

HEAD_SHARE = 0.6  # of the head box's diagonal: the length that PCKh measures in, as in the set's own evaluation code
VAL_EVERY = 10  # one video in so many validates


def read_mpii(annotations: Path, images: Path, skeleton: Skeleton) -> list[Person]:
    """People of MPII in the JSON that HRNet's authors made of its annotations: a list of joints, centre and scale."""
    people = []
    folder = PictureFolder(images)
    try:
        for i, entry in enumerate(load_json(annotations)):
            labels = np.zeros((MPII_16.k, 3))
            labels[:, :2] = entry["joints"]
            labels[:, 2] = 2 * (np.asarray(entry["joints_vis"], np.float64) > 0)
            x, y = map(float, entry["center"])
            path = folder.find(str(entry["image"])).path
            people.append(_person((i, i), path, labels, (x, y), float(entry["scale"]), skeleton))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = shortened(error)
        raise DataError(f"{annotations}: expected a list of joints, joints_vis, center, scale and image ({what}).") from None
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
    folder = PictureFolder(images)
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
                path = folder.find(str(picture.image.name)).path
                ids = (i + 1) * 100 + number, i + 1
                place = float(centre.x), float(centre.y)
                people.append(_person(ids, path, labels, place, float(rect.scale), skeleton, _head_px(rect)))
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError) as error:
        what = shortened(error)
        raise DataError(f"{annotations}: not in the structure that MPII was published in ({what}).") from None
    return people


def _person(
    ids: tuple[int, int],
    path: Path,
    labels: NDArray[np.float64],
    centre: tuple[float, float],
    scale: float,
    skeleton: Skeleton,
    head_px: float = math.nan,
) -> Person:
    """A person with *labels* (16, 3), centre and scale as MPII gives them, counted from 1; *ids* are of person and picture.

    The box is a square of 200 px × scale, less the 1.25 that is padded later, about the centre moved down by 15 px ×
    scale so that feet stay in it (released code of Sun et al. 2019, after Newell et al. 2016). A joint that is no place in a
    picture is not labelled; ValueError where the person has no place.
    """
    x, y = centre
    if not (abs(x) < FARTHEST_PX and abs(y) < FARTHEST_PX and 0 < 200 * scale < FARTHEST_PX):
        raise ValueError(f"a person at {x:g}, {y:g} of the scale {scale:g}")
    places = (np.abs(labels[:, :2]) < FARTHEST_PX).all(axis=1) & (np.abs(labels[:, 2]) < FARTHEST_PX)
    placed = np.where(places[:, None], labels - (1, 1, 0), 0).astype(np.float32)
    side = 200.0 * scale
    box = np.array([x - 1 - side / 2, y - 1 + 15 * scale - side / 2, side, side], np.float32)
    joints = convert_joints(placed, MPII_16.keypoints, skeleton)
    return Person(*ids, path, box, joints, BODY_SHARE * side**2, head_px=head_px)


def _labels(rect: Any) -> NDArray[np.float64] | None:
    """The joints (16, 3) of one annorect, None where it has none."""
    points = getattr(getattr(rect, "annopoints", None), "point", None)
    if points is None:
        return None
    labels = np.zeros((MPII_16.k, 3))
    for point in _all(points):
        # is_visible is 0 or 1, as a number or a letter, and left out for the head: every point there is labelled.
        hidden = str(getattr(point, "is_visible", "1")) == "0"
        number = int(point.id)
        if not 0 <= number < MPII_16.k:
            raise ValueError(f"a joint of the number {number}")
        labels[number] = float(point.x), float(point.y), 1 if hidden else 2
    return labels


def _head_px(rect: Any) -> float:
    """0.6 × the diagonal of the head box in px, NaN without one."""
    corners = [getattr(rect, name, None) for name in ("x1", "y1", "x2", "y2")]
    if not all(map(_is_number, corners)):
        return math.nan
    x1, y1, x2, y2 = (float(np.asarray(corner)) for corner in corners)
    diagonal = math.hypot(x2 - x1, y2 - y1)
    return HEAD_SHARE * diagonal if diagonal < FARTHEST_PX else math.nan


def _is_number(value: Any) -> bool:
    return value is not None and np.size(value) == 1 and np.issubdtype(np.asarray(value).dtype, np.number)


def _all(value: Any) -> Iterator[Any]:
    """The structures in *value*: MATLAB writes one of them, many and none in three ways."""
    yield from np.ravel(value) if isinstance(value, np.ndarray) else (value,)
