"""The small pictures of published models: the joints that each finds, on the person of the sample picture."""

from __future__ import annotations

import cv2
import numpy as np
from PySide6.QtGui import QImage, QPixmap

from poseapp import resources
from poseapp.core.pictures import read_picture
from poseapp.core.skeleton import COCO_23, Skeleton
from poseapp.core.types import FloatArray, ImageArray, Poses
from poseapp.render import DrawOptions, draw_poses

PICTURE_WH = (60, 96)  # px on the screen
_RATIO = 2  # device px a px
_CROP = (440, 130, 350, 560)  # x, y, width, height of the person in the sample picture, px
# Where the joints of COCO_23 are in the sample picture, px. They show which joints there are, not how well a model finds them.
_SAMPLE = (
    (636, 207), (645, 198), (627, 198), (655, 202), (620, 202), (687, 265), (587, 255), (712, 342), (508, 252), (714, 417),
    (519, 190), (664, 410), (603, 403), (676, 518), (597, 526), (682, 630), (596, 630),
    (677, 667), (702, 661), (674, 634), (602, 667), (578, 661), (606, 634),
)  # fmt: skip
_HEAD_TOP = (637.0, 158.0)


def read_sample() -> ImageArray:
    """The person of the sample picture, as large as it is shown. It reads a file: not on the UI thread."""
    x, y, w, h = _CROP
    crop = read_picture(resources.asset("sample.jpg"))[y : y + h, x : x + w]
    width, height = (side * _RATIO for side in PICTURE_WH)
    return np.ascontiguousarray(cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def sample_joints(skeleton: Skeleton) -> FloatArray:
    """Where the joints of *skeleton* are in the sample picture, (K, 2) px; NaN for a joint that nobody placed."""
    known = dict(zip(COCO_23.keypoints, np.array(_SAMPLE, np.float32), strict=True))
    shoulders, hips = ((known[f"left_{part}"] + known[f"right_{part}"]) / 2 for part in ("shoulder", "hip"))
    known["thorax"], known["pelvis"] = shoulders, hips
    known["head_top"] = np.array(_HEAD_TOP, np.float32)
    # OpenPose's neck is the middle of the shoulders, MPII's is above it.
    known["neck"] = shoulders if "thorax" not in skeleton.keypoints else 0.6 * shoulders + 0.4 * known["nose"]
    missing = np.full(2, np.nan, np.float32)
    return np.stack([known.get(name, missing) for name in skeleton.keypoints]).astype(np.float32)


def joints_picture(sample: ImageArray, skeleton: Skeleton) -> QPixmap:
    """*sample* with the joints and limbs of *skeleton* drawn on it."""
    image = np.ascontiguousarray(sample * 0.6, dtype=np.uint8)
    x, y, w, _ = _CROP
    xy = (sample_joints(skeleton) - (x, y)) * (image.shape[1] / w)
    score = np.where(np.isfinite(xy).all(axis=1), 0.35, 0.0)
    poses = Poses(
        xy=xy[None].astype(np.float32),
        score=score[None].astype(np.float32),
        person_score=np.ones(1, np.float32),
        ids=np.zeros(1, np.int64),
        skeleton=skeleton,
    )
    draw_poses(image, poses, DrawOptions())
    height, width = image.shape[:2]
    picture = QPixmap.fromImage(QImage(image.data, width, height, 3 * width, QImage.Format.Format_BGR888).copy())
    picture.setDevicePixelRatio(_RATIO)
    return picture
