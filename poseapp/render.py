"""Draws poses on pictures; the window and the recorder share it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import Affine, compose
from poseapp.core.types import FloatArray, Heatmaps, ImageArray, Poses, Result

# BGR. Blue and orange stay apart for every common kind of colour blindness.
LEFT = (255, 190, 60)
RIGHT = (40, 140, 255)
MIDDLE = (245, 245, 245)
_OUTLINE = (24, 24, 24)
_SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
_FACE = ("nose", "eye", "ear")
_SUB = 4  # cv2 takes coordinates in 1/16 px with shift=4, so that a slow joint glides instead of jumping


@dataclass(frozen=True)
class DrawOptions:
    """What is drawn. ``threshold`` hides joints of a lower score; it never touches the data."""

    threshold: float = 0.3
    labels: bool = False
    heatmaps: bool = False
    mirror: bool = False
    skeleton: bool = True


def joint_colour(skeleton: Skeleton, k: int) -> tuple[int, int, int]:
    """BGR colour of joint k: blue for the left side of the body, orange for the right, white between."""
    return _SIDES[skeleton.side(k)]


def annotate(result: Result, options: DrawOptions, out: ImageArray | None = None) -> ImageArray:
    """The frame with its poses on it, (H, W, 3) uint8 BGR, in *out* where that has the frame's size, else in a new array.

    Who draws every frame hands in the last array again: the first touch of new memory costs as much as the drawing.
    """
    frame = result.frame.image
    image = out if out is not None and out.shape == frame.shape else np.empty_like(frame)
    if options.mirror:
        cv2.flip(frame, 1, dst=image)
    else:
        np.copyto(image, frame)
    if options.heatmaps:
        for maps in result.heatmaps:
            image = draw_heatmaps(image, maps, options.mirror)
    if options.skeleton:
        draw_poses(image, result.poses, options)
    return image


def draw_poses(image: ImageArray, poses: Poses, options: DrawOptions) -> None:
    """Draw limbs, joints and labels into *image*. A joint's marker grows with its score."""
    h, w = image.shape[:2]
    for xy, score in zip(poses.xy, poses.score, strict=True):
        if options.mirror:
            xy = np.column_stack([w - 1 - xy[:, 0], xy[:, 1]])
        visible = (score >= options.threshold) & np.isfinite(xy).all(axis=1)
        # Far outside the picture cv2 would overflow its 16.16 integers.
        visible &= (np.abs(np.nan_to_num(xy)) < 8 * max(h, w)).all(axis=1)
        unit = _pen(xy[visible], max(h, w))
        points = np.rint(np.where(visible[:, None], xy, 0.0) * (1 << _SUB)).astype(int)
        _draw_limbs(image, poses.skeleton, points, score, visible, unit)
        _draw_joints(image, poses.skeleton, points, score, visible, unit)
        if options.labels:
            _draw_labels(image, poses.skeleton, xy, score, visible, unit)


def _pen(xy: FloatArray, picture_px: int) -> float:
    """Px that a line of width 1 has: by the picture, thinner on a person who is small in it."""
    if len(xy) < 3:  # too few to tell
        return picture_px / 640
    person_px = float(np.max(xy.max(axis=0) - xy.min(axis=0)))
    return picture_px / 640 * float(np.clip(1.8 * person_px / picture_px, 0.55, 1.0))


@functools.cache
def _limb_colours(skeleton: Skeleton) -> tuple[tuple[int, int, int], ...]:
    """A limb has the colour of its side; one that joins both sides is white."""
    sides = [{skeleton.side(a), skeleton.side(b)} for a, b in skeleton.limbs]
    return tuple(_SIDES[side.pop()] if len(side) == 1 else MIDDLE for side in sides)


def _draw_limbs(
    image: ImageArray, skeleton: Skeleton, points: NDArray[Any], score: FloatArray, visible: NDArray[Any], unit: float
) -> None:
    for (a, b), colour in zip(skeleton.limbs, _limb_colours(skeleton), strict=True):
        if visible[a] and visible[b]:
            width = max(2, round(unit * (1.0 + 2.5 * float(min(score[a], score[b])))))
            cv2.line(image, points[a].tolist(), points[b].tolist(), _OUTLINE, width + 2, cv2.LINE_8, _SUB)
            cv2.line(image, points[a].tolist(), points[b].tolist(), colour, width, cv2.LINE_AA, _SUB)


def _draw_joints(
    image: ImageArray, skeleton: Skeleton, points: NDArray[Any], score: FloatArray, visible: NDArray[Any], unit: float
) -> None:
    for k in np.flatnonzero(visible):
        radius = unit * (1.5 + 4.0 * float(score[k]))
        if skeleton.keypoints[k].endswith(_FACE):
            radius *= 0.55  # eyes, ears and nose lie close together
        centre = points[k].tolist()
        cv2.circle(image, centre, round((radius + 1) * (1 << _SUB)), _OUTLINE, -1, cv2.LINE_AA, _SUB)
        cv2.circle(image, centre, round(radius * (1 << _SUB)), joint_colour(skeleton, int(k)), -1, cv2.LINE_AA, _SUB)


def _draw_labels(
    image: ImageArray, skeleton: Skeleton, xy: FloatArray, score: FloatArray, visible: NDArray[Any], unit: float
) -> None:
    size = max(0.35, 0.32 * unit)
    for k in np.flatnonzero(visible):
        at = (round(float(xy[k, 0]) + 6 * unit), round(float(xy[k, 1]) - 4 * unit))
        text = f"{skeleton.keypoints[k].replace('_', ' ')} {score[k]:.2f}"
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, _OUTLINE, 3, cv2.LINE_AA)
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)


def draw_heatmaps(image: ImageArray, maps: Heatmaps, mirror: bool = False) -> ImageArray:
    """Draw the highest of all joints' confidence at each place into *image* as a translucent colour; returns *image*."""
    h, w = image.shape[:2]
    peak = np.clip(maps.values.max(axis=0), 0.0, 1.0)
    to_picture: Affine = maps.to_frame
    if mirror:
        to_picture = compose(np.array([[-1.0, 0.0, w - 1.0], [0.0, 1.0, 0.0]]), to_picture)
    strength = cv2.warpAffine((peak * 255).astype(np.uint8), to_picture, (w, h), flags=cv2.INTER_LINEAR)
    strength[strength < 8] = 0
    x, y, width, height = cv2.boundingRect(strength)
    if width == 0:
        return image
    # Blended in 8 bits, and only where there is something: ten times as fast as in floating point.
    colour, rest = _heatmap_tables()
    there = strength[y : y + height, x : x + width]
    part = image[y : y + height, x : x + width]
    kept = cv2.multiply(part, cv2.applyColorMap(there, rest), scale=1 / 255)
    part[:] = cv2.add(kept, cv2.applyColorMap(there, colour))
    return image


@lru_cache(maxsize=1)
def _heatmap_tables() -> tuple[ImageArray, ImageArray]:
    """For each strength 0..255 the colour times its opacity, and what is left of the picture; both (256, 1, 3) uint8."""
    strength = np.arange(256, dtype=np.uint8)
    opacity = np.where(strength < 8, 0.0, 0.15 + 0.75 * strength / 255)[:, None, None]
    colours = cv2.applyColorMap(strength, cv2.COLORMAP_TURBO).reshape(256, 1, 3)
    left = np.repeat(255 * (1 - opacity), 3, axis=2)
    return np.rint(colours * opacity).astype(np.uint8), np.rint(left).astype(np.uint8)
