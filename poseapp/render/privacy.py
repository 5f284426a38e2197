"""What hides people: another background instead of the picture, and blurred faces."""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, ImageArray, Poses

Background = Literal["picture", "black", "green"]
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
PLAIN = {"black": (0, 0, 0), "green": (64, 177, 0)}  # BGR; the green is that of studio screens, #00B140

# A face that is not seen well must be hidden all the same: joints of the head count far below the threshold of drawing.
_LEAST_SCORE = 0.05
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_CELLS = 6  # a face keeps so many cells a side, of which nobody can be recognised


def blur_faces(image: ImageArray, poses: Poses) -> None:
    """Blur the face of everybody in *poses* in the picture *image* (H, W, 3), beyond recognition and for good.

    A person who was not found keeps the face.
    """
    for xy, score in zip(poses.xy, poses.score, strict=True):
        found = _face(xy, score, poses.skeleton)
        if found is not None:
            _blur(image, *found)


def _face(xy: FloatArray, score: FloatArray, skeleton: Skeleton) -> tuple[float, float, float] | None:
    """The middle and the radius in px of a circle around the face; None where nothing of the head or shoulders is there.

    Generous: of a face from the side, the joints that are there are near each other, and the shoulders tell the size.
    """

    def of(*names: str) -> FloatArray:
        """Those joints (n, 2) of *names* that are there."""
        places = [skeleton.keypoints.index(name) for name in names if name in skeleton.keypoints]
        there = [k for k in places if np.isfinite(xy[k]).all() and score[k] >= _LEAST_SCORE]
        return xy[there]

    face, shoulders, hips = of(*_FACE), of("left_shoulder", "right_shoulder"), of("left_hip", "right_hip")
    if not len(face):
        face = of("head_top", "neck")  # skeletons without a face have its ends
    radii = [float(np.linalg.norm(np.ptp(face, axis=0))) * 0.9] if len(face) else []
    if len(shoulders):
        below = shoulders.mean(axis=0)
        if not len(face) and len(hips):
            face = (below + 0.4 * (below - hips.mean(axis=0)))[None]  # on the line of the trunk
        radii.append(0.45 * float(np.linalg.norm(np.ptp(shoulders, axis=0))))
        if len(face):
            radii.append(0.6 * float(np.linalg.norm(face.mean(axis=0) - below)))
    if not len(face) or not radii or max(radii) < 1:
        return None
    x, y = face.mean(axis=0).tolist()
    return x, y, max(radii)


def _blur(image: ImageArray, x: float, y: float, radius: float) -> None:
    """Make the circle coarse: a few cells a side, smoothed."""
    h, w = image.shape[:2]
    reach = min(radius, 2.0 * max(h, w))
    left, top = max(0, int(x - reach)), max(0, int(y - reach))
    right, bottom = min(w, int(x + reach) + 2), min(h, int(y + reach) + 2)
    if left >= right or top >= bottom:
        return
    part = image[top:bottom, left:right]
    coarse = cv2.resize(part, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    rows, columns = np.ogrid[top:bottom, left:right]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= reach**2
    part[inside] = smooth[inside]
