"""Labelled people, read from annotation files into one skeleton. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import DataError
from poseapp.core.pictures import PictureError, decode_picture
from poseapp.core.skeleton import COCO_17, Skeleton, joints_in
from poseapp.core.types import FloatArray, ImageArray

BOX_PADDING = 1.25  # margin around a ground-truth box (Sun et al. 2019, Sec. 4.1)
BODY_SHARE = 0.53  # of a box, as COCO's areas have it on average: for sets without areas


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


def convert_joints(joints: FloatArray, names: Sequence[str], skeleton: Skeleton) -> FloatArray:
    """Joints (len(names), 3) in the order of *skeleton*, (K, 3), matched by name.

    A joint that the source does not know gets v = 0: it is masked out of the loss, never taught as absent.
    One joint is made up: OpenPose's neck lies between the shoulders (Cao et al. 2017, released training code), lower than
    the neck that MPII and LSP label under the head.
    """
    at = {name: i for i, name in enumerate(names)}
    out = np.full((skeleton.k, 3), np.nan, np.float32)
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


def load_json(path: Path) -> Any:
    """The content of a JSON file; DataError when it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give the path of a COCO keypoint file.") from None
    except ValueError as error:
        raise DataError(f"{path}: not valid JSON ({error}).") from None


def joint_names(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The joints of a COCO-format file: what its category says, COCO's own where it says nothing."""
    for category in content.get("categories") or ():
        if category.get("keypoints"):
            return tuple(category["keypoints"])
    return COCO_17.keypoints


def parse_person(entry: Mapping[str, Any], names: Sequence[str], path: Path, skeleton: Skeleton, where: str) -> Person:
    """The person in one COCO annotation; *where* names the file in errors."""
    joints = np.asarray(entry.get("keypoints", ()), np.float32)
    if joints.size != len(names) * 3:
        raise DataError(
            f"{where}: annotation {entry.get('id')}: expected {len(names) * 3} keypoint numbers, got {joints.size}. "
            "The category's list of keypoints must fit."
        )
    try:
        # COCO's boxes count a pixel's left edge as its coordinate; here an integer is its centre.
        box = np.asarray(entry["bbox"], np.float32) - np.array([0.5, 0.5, 0, 0], np.float32)
        area = float(entry.get("area") or BODY_SHARE * box[2] * box[3])
        identity = int(entry["id"]), int(entry["image_id"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{where}: annotation {entry.get('id')}: bbox, id or image_id is missing or wrong ({error}).") from None
    labels = convert_joints(joints.reshape(-1, 3), names, skeleton)
    return Person(*identity, path, box, labels, area, trust=_trust(entry, names, skeleton, where))


def _trust(entry: Mapping[str, Any], names: Sequence[str], skeleton: Skeleton, where: str) -> FloatArray | None:
    """How much each label of *entry* counts, (K,): its "keypoint_weights", a number for each keypoint; None without them."""
    if "keypoint_weights" not in entry:
        return None
    try:
        given = np.asarray(entry["keypoint_weights"], np.float32)
    except (TypeError, ValueError):
        given = np.empty(0, np.float32)
    if given.shape != (len(names),) or not (np.isfinite(given) & (given >= 0)).all():
        raise DataError(f"{where}: annotation {entry.get('id')}: keypoint_weights: expected {len(names)} numbers, none below 0.")
    # As joints at (weight, weight), so that they find their places, and a neck between two shoulders gets their mean.
    as_joints = np.stack([given, given, np.ones_like(given)], axis=1)
    trust: FloatArray = np.nan_to_num(convert_joints(as_joints, names, skeleton)[:, 0], nan=1.0)
    return trust


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a MATLAB file, structures as objects with attributes; DataError when it cannot be read."""
    from scipy.io import loadmat

    try:
        content: dict[str, Any] = loadmat(path, squeeze_me=True, struct_as_record=False)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}). Give the file as published.") from None
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        raise DataError(f"{path}: cannot be read as a MATLAB file ({type(error).__name__}). Fetch it again.") from None
    return content


def usable(person: Person, entry: Mapping[str, Any], min_joints: int) -> bool:
    """Whether to train on or to score *person*: no crowd, a box with an area, enough labelled joints."""
    enough = np.count_nonzero(person.joints[:, 2]) >= min_joints
    return bool(not entry.get("iscrowd", 0) and enough and person.box[2] > 1 and person.box[3] > 1)


def read_coco(annotations: Path, images: Path, skeleton: Skeleton, min_joints: int = 1) -> list[Person]:
    """People with at least *min_joints* labelled joints in a COCO-format keypoint file, in *skeleton*.

    Joints are matched by the names in the file's category. Crowds and boxes without area are left out.
    Raises DataError when the file cannot be read, is not in COCO's format, names no person, or names a
    picture that is not in *images*.
    """
    content = load_json(annotations)
    try:
        names = joint_names(content)
        files = {image["id"]: images / image["file_name"] for image in content["images"]}
        entries = [(entry, files[entry["image_id"]]) for entry in content["annotations"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{annotations}: not a COCO keypoint file ({error!r}).") from None
    read = [(parse_person(entry, names, path, skeleton, str(annotations)), entry) for entry, path in entries]
    people = [person for person, entry in read if usable(person, entry, min_joints)]
    check_pictures(people, annotations, min_joints)
    return people


def check_pictures(people: Sequence[Person], annotations: Path, min_joints: int) -> None:
    """Raise DataError when *people*, who have *min_joints* or more labels, are none, or a picture of theirs is not there."""
    if not people:
        raise DataError(f"{annotations}: no person with {min_joints} or more labelled joints. Check that it is a keypoint file.")
    missing = next((path for path in {p.path: None for p in people} if not path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: picture not found. Give the folder that holds the pictures of {annotations.name}.")


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
