"""Two frames compared: side by side, or the skeleton of one as a ghost on the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from poseapp.core.types import FloatArray, ImageArray, Poses, Result
from poseapp.render.annotate import annotate
from poseapp.render.poses import DrawOptions

Layout = Literal["side by side", "ghost"]
LAYOUTS: tuple[Layout, ...] = ("side by side", "ghost")
GAP_PX = 4  # between two pictures
_GHOST, _RIM = (255, 255, 255), (60, 60, 60)
_STRENGTH = 0.7  # how much of the ghost is seen


@dataclass(frozen=True, kw_only=True)
class Beside:
    """How the frame ``Result.beside`` is shown.

    ``is_drawn``: its picture has the skeleton on it. ``own`` and ``other`` are the identities that are compared; the ghost of the
    other one is ``size_ratio`` as large as in its own picture, and has its hips where the own ones are.
    """

    layout: Layout = "side by side"
    is_drawn: bool = False
    own: int | None = None
    other: int | None = None
    size_ratio: float = 1.0


def side_by_side(
    result: Result, beside: Result, options: DrawOptions, other_options: DrawOptions, room_hw: tuple[float, float]
) -> tuple[ImageArray, int]:
    """Both frames annotated, equally high, as large as *room_hw* allows: (H, W, 3) uint8 BGR, and the width of the first one."""
    (h, w), (other_h, other_w) = result.frame.hw, beside.frame.hw
    widths = w / h + other_w / other_h  # for a height of 1
    height = max(2, int(min(room_hw[0], (room_hw[1] - GAP_PX) / widths)))
    own, other = max(1, round(height * w / h)), max(1, round(height * other_w / other_h))
    image: ImageArray = np.zeros((height, own + GAP_PX + other, 3), np.uint8)
    image[:, :own] = annotate(result, options, None, (height, own))
    image[:, own + GAP_PX :] = annotate(beside, other_options, None, (height, other))
    return image, own


def draw_ghost(image: ImageArray, result: Result, beside: Result, how: Beside, options: DrawOptions) -> None:
    """Draw the skeleton of the other person into *image*, which shows *result*, with the hips in the same place."""
    xy = ghost_of(result.shown, beside.shown, how, options.threshold)
    if xy is None:
        return
    h, w = image.shape[:2]
    scale = np.array([w / result.frame.hw[1], h / result.frame.hw[0]])
    places = (xy + 0.5) * scale - 0.5
    if options.mirror:
        places[:, 0] = w - 1 - places[:, 0]
    seen = np.isfinite(places).all(axis=1) & (np.abs(places) < 8 * max(h, w)).all(axis=1)
    points = [tuple(map(int, np.rint(place))) if there else None for place, there in zip(places, seen, strict=True)]
    width = max(2, round(min(h, w) / 150))
    over = image.copy()
    for colour, thickness in ((_RIM, width + 2), (_GHOST, width)):
        for a, b in beside.poses.skeleton.limbs:
            start, end = points[a], points[b]
            if start is not None and end is not None:
                cv2.line(over, start, end, colour, thickness, cv2.LINE_AA)
    cv2.addWeighted(over, _STRENGTH, image, 1 - _STRENGTH, 0, dst=image)


def ghost_of(own: Poses, other: Poses, how: Beside, threshold: float) -> FloatArray | None:
    """The joints (K, 2) of the other person in px of the own frame, NaN below *threshold*; None where either has no hips."""
    a, b = _row(own, how.own), _row(other, how.other)
    if a is None or b is None:
        return None
    here, there = _hips(own, a, threshold), _hips(other, b, threshold)
    if here is None or there is None:
        return None
    moved: FloatArray = ((other.xy[b] - there) * how.size_ratio + here).astype(np.float32)
    moved[other.score[b] < threshold] = np.nan
    return moved


def other_options(options: DrawOptions, how: Beside) -> DrawOptions:
    """How the other frame is drawn: a skeleton that is on its picture is not drawn a second time."""
    return replace(options, skeleton=False) if how.is_drawn and options.background == "picture" else options


def _row(poses: Poses, identity: int | None) -> int | None:
    """Where the person *identity* is among *poses*; of None, the surest one."""
    if identity is None:
        return int(np.argmax(poses.person_score)) if len(poses) else None
    rows = np.flatnonzero(poses.ids == identity)
    return int(rows[0]) if rows.size else None


def _hips(poses: Poses, row: int, threshold: float) -> FloatArray | None:
    """The middle of the hips (2,) of the person in *row*."""
    names = [name for name in ("left_hip", "right_hip") if name in poses.skeleton.keypoints]
    joints = [poses.skeleton.index(name) for name in names]
    seen = [k for k in joints if poses.score[row, k] >= threshold and np.isfinite(poses.xy[row, k]).all()]
    if not seen:
        return None
    middle: FloatArray = poses.xy[row, seen].mean(axis=0)
    return middle
