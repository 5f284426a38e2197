"""Labelled people, read from annotation files into one skeleton. Needs no torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import DataError
from poseapp.core.pictures import PictureError, decode_picture
from poseapp.core.skeleton import Skeleton, joints_in
from poseapp.core.types import FloatArray, ImageArray
from poseapp.train.data.coco import BODY_SHARE as BODY_SHARE
from poseapp.train.data.coco import SKIPPED, Annotations, PersonEntry, read_annotations

BOX_PADDING = 1.25  # margin around a ground-truth box (Sun et al. 2019, Sec. 4.1)
GONE = 100  # pictures in a row that cannot be read: a disk is missing, not a picture


Floating = TypeVar("Floating", np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class Person:
    """One labelled person.

    ``box`` (4,) x, y, width, height in px; ``joints`` (K, 3) x, y in px (NaN where not labelled) and v: 0 not
    labelled, 1 labelled but hidden, 2 visible; ``area`` in px²; ``weight`` how much the labels are trusted; ``head_px``
    the size of the head that PCKh measures in, NaN where the set does not say; ``trust`` (K,) how much each joint's label
    counts, where somebody has judged that.
    """

    annotation_id: int
    image_id: int
    path: Path
    box: FloatArray
    joints: FloatArray
    area: float
    weight: float = 1.0
    head_px: float = math.nan
    trust: FloatArray | None = None


def convert_joints(joints: NDArray[Floating], names: Sequence[str], skeleton: Skeleton) -> NDArray[Floating]:
    """Joints (len(names), 3) in the order of *skeleton*, (K, 3), matched by name.

    A joint that the source does not know gets v = 0: it is masked out of the loss, never taught as absent.
    One joint is made up: OpenPose's neck lies between the shoulders (Cao et al. 2017, released training code), lower than
    the neck that MPII and LSP label under the head.
    """
    at = {name: i for i, name in enumerate(names)}
    out = np.full((skeleton.k, 3), np.nan, joints.dtype)
    out[:, 2] = 0
    for k, (name, source) in enumerate(zip(skeleton.keypoints, joints_in(skeleton.keypoints, tuple(names)), strict=True)):
        if source is not None:
            out[k] = joints[source]
        elif name == "neck" and "head_top" not in skeleton.keypoints and {"left_shoulder", "right_shoulder"} <= at.keys():
            left, right = joints[at["left_shoulder"]], joints[at["right_shoulder"]]
            if left[2] > 0 and right[2] > 0:
                out[k, :2], out[k, 2] = (left[:2] + right[:2]) / 2, min(left[2], right[2])
    out[:, :2] = np.where(out[:, 2:] > 0, out[:, :2], np.nan)
    return out


def person_of(entry: PersonEntry, skeleton: Skeleton) -> Person:
    """The person in an annotation, in *skeleton*. Who has no box has one without area."""
    box = entry.box if entry.box is not None else np.zeros(4)
    joints = convert_joints(entry.joints.astype(np.float32), entry.names, skeleton)
    trust = _trust(entry.weights, entry.names, skeleton) if entry.weights is not None else None
    path, image_id = entry.picture.path, entry.picture.id
    return Person(entry.id, image_id, path, box.astype(np.float32), joints, entry.area, trust=trust)


def _trust(weights: NDArray[np.float64], names: Sequence[str], skeleton: Skeleton) -> FloatArray:
    """How much each label counts, (K,), of *weights* (len(names),) for the joints *names*."""
    # As joints at (weight, weight), so that they find their places, and a neck between two shoulders gets their mean.
    given = weights.astype(np.float32)
    as_joints = np.stack([given, given, np.ones_like(given)], axis=1)
    trust: FloatArray = np.nan_to_num(convert_joints(as_joints, names, skeleton)[:, 0], nan=1.0)
    return trust


def usable(person: Person, crowd: bool, min_joints: int) -> bool:
    """Whether to train on or to score *person*: no crowd, a box with an area, enough labelled joints."""
    enough = np.count_nonzero(person.joints[:, 2]) >= min_joints
    return bool(not crowd and enough and person.box[2] > 1 and person.box[3] > 1)


def read_coco(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1) -> list[Person]:
    """People with at least *min_joints* labelled joints in a COCO-format keypoint file, in *skeleton*.

    See ``people_in``. Raises DataError when the file cannot be read, too.
    """
    return people_in(read_annotations(annotations, images), skeleton, min_joints)


def people_in(annotations: Annotations, skeleton: Skeleton, min_joints: int = 1) -> list[Person]:
    """People with at least *min_joints* labelled joints in *annotations*, in *skeleton*.

    Joints are matched by name. Crowds and boxes without area are left out. Raises DataError when the file has what
    training refuses, has no such person, or names a picture of one that is not there.
    """
    read = [(person_of(entry, skeleton), entry.crowd) for entry in annotations.require().people]
    people = [person for person, crowd in read if usable(person, crowd, min_joints)]
    left_out = Counter(finding.kind for finding in annotations.findings if finding.kind in SKIPPED)
    why = "".join(f"; {kind} {count}" for kind, count in left_out.most_common(3))
    check_pictures(people, annotations.where, min_joints, why)
    return people


def check_pictures(people: Sequence[Person], where: str, min_joints: int, why: str = "") -> None:
    """Raise DataError when *people*, who have *min_joints* or more labels, are none, or a picture of theirs is not there.

    *where* is the file that they come from, *why* tells who was left out.
    """
    if not people:
        raise DataError(f"{where}: no person with {min_joints} or more labelled joints{why}. Check that it is a keypoint file.")
    missing = next((path for path in {p.path: None for p in people} if not path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: picture not found. Give the folder that holds the pictures of {Path(where).name}.")


def read_image(path: Path) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR at *path*; DataError when it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Put it back, or remove its annotations.") from None
    return decode_image(content, str(path))


def decode_image(content: bytes, name: str) -> ImageArray:
    """The picture (H, W, 3) uint8 BGR in the bytes of a file called *name*; DataError when it cannot be decoded."""
    try:
        return decode_picture(content)
    except PictureError as error:
        because = f"{error.reason}: " if error.reason else ""
        raise DataError(f"{name}: {because}not a readable picture. Remove it or its annotations.") from None
