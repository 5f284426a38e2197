"""Draws people into a picture: limbs, joints, numbers of identities, and the names of joints where asked for."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.anatomy import implausible
from poseapp.core.geometry import bounds
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, ImageArray, Poses
from poseapp.render.angles import draw_angles
from poseapp.render.colours import MIDDLE, OUTLINE, SIDES, Colour, identity_colour, joint_colour
from poseapp.render.labels import FACE, Box, Labelled, draw_labels
from poseapp.render.lettering import measure, write
from poseapp.render.privacy import Background

_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_ROUND = np.column_stack([np.cos(_TURN), np.sin(_TURN)])
_SUB = 4  # cv2 takes coordinates in 1/16 px with shift=4, so that a slow joint glides instead of jumping
_STEPS = 1 << _SUB
DEFAULT_ANGLES = tuple(f"{side}_{part}" for part in ("elbow", "hip", "knee") for side in ("left", "right"))


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """What is drawn. ``threshold`` hides joints of a lower score; it never touches the data.

    With ``angles`` those of core/angles.py that are called ``angle_names`` are drawn. A plain ``background`` takes the place of
    the picture. ``blur_faces`` makes the faces of those who were found unrecognisable.
    """

    threshold: float = 0.3
    labels: bool = False
    heatmaps: bool = False
    fields: bool = False
    mirror: bool = False
    skeleton: bool = True
    angles: bool = False
    angle_names: tuple[str, ...] = DEFAULT_ANGLES
    background: Background = "picture"
    blur_faces: bool = False

    @property
    def hides_people(self) -> bool:
        """Whether somebody is not to be recognised: then the picture as it was must not go into a file unasked."""
        return self.background != "picture" or self.blur_faces


def draw_poses(
    image: ImageArray,
    poses: Poses,
    options: DrawOptions,
    *,
    identities: bool = False,
    locked: int | None = None,
    faint: Collection[int] = (),
) -> None:
    """Draw limbs, joints and labels into *image*. A joint's marker grows with its score.

    With *identities* people have their own colours and numbers. The person *locked* has corners around, and the people in
    *faint* are thin lines. Joints that cannot be right are left out, see core/anatomy.py.
    """
    h, w = image.shape[:2]
    labelled: list[Labelled] = []
    numbers: list[Box] = []
    for xy, score, identity in zip(poses.xy, poses.score, poses.ids.tolist(), strict=True):
        if options.mirror:
            xy = np.column_stack([w - 1 - xy[:, 0], xy[:, 1]])
        places, scores = xy.tolist(), score.tolist()
        # Neither what is missing (NaN) nor what is far outside the picture: cv2 would overflow its 16.16 integers.
        far = 8 * max(h, w)
        inside = [s >= options.threshold and abs(x) < far and abs(y) < far for (x, y), s in zip(places, scores, strict=True)]
        visible = np.array(inside)
        visible &= ~implausible(poses.skeleton, xy, visible, (h, w))
        shown = visible.tolist()
        unit = _pen([complex(*place) for place, there in zip(places, shown, strict=True) if there], max(h, w))
        colour = identity_colour(identity) if identities else None
        # Plain lists: indexing an array for each limb takes as long as drawing it.
        points = [
            [round(x * _STEPS), round(y * _STEPS)] if there else [0, 0] for (x, y), there in zip(places, shown, strict=True)
        ]
        faintly = identity in faint
        weight = [(0.0 if faintly else s) if there else -1.0 for s, there in zip(scores, shown, strict=True)]
        _draw_limbs(image, poses.skeleton, points, weight, unit, colour)
        if not faintly:
            _draw_joints(image, poses.skeleton, points, weight, unit, colour)
        if options.angles and not faintly:
            joints = [complex(*place) if there else None for place, there in zip(places, shown, strict=True)]
            names = options.angle_names
            draw_angles(image, poses.skeleton, joints, names=names, unit=unit, mirrored=options.mirror, colour=colour)
        if identity == locked and visible.any():
            _draw_corners(image, xy[visible], colour or MIDDLE)
        if colour is not None and visible.any():
            head = visible & _head(poses.skeleton)
            numbers.append(_draw_number(image, xy[head if head.any() else visible], identity, colour))
        if options.labels and visible.any():
            labelled.append(Labelled(skeleton=poses.skeleton, xy=xy, score=score, visible=visible, unit=unit))
    draw_labels(image, labelled, numbers)  # after all people: no limb of one goes through the names of another


def _pen(joints: list[complex], picture_px: int) -> float:
    """The width in px of a thin line: by the size of the picture, and thinner on a small person with *joints* x + iy."""
    if len(joints) < 3:  # too few to tell
        return picture_px / 640
    left, top, right, bottom = bounds(joints)
    person_px = max(right - left, bottom - top)
    return picture_px / 640 * min(max(1.8 * person_px / picture_px, 0.55), 1.0)


@functools.cache
def _limb_colours(skeleton: Skeleton) -> tuple[tuple[int, int, int], ...]:
    """A limb has the colour of its side; one that joins both sides is white."""
    sides = [{skeleton.side(a), skeleton.side(b)} for a, b in skeleton.limbs]
    return tuple(SIDES[side.pop()] if len(side) == 1 else MIDDLE for side in sides)


@functools.cache
def _joint_markers(skeleton: Skeleton) -> tuple[tuple[Colour, float], ...]:
    """Each joint's colour and size; eyes, ears and nose lie close together and are smaller."""
    sizes = [0.55 if name.endswith(FACE) else 1.0 for name in skeleton.keypoints]
    return tuple((joint_colour(skeleton, k), size) for k, size in enumerate(sizes))


@functools.cache
def _head(skeleton: Skeleton) -> NDArray[np.bool_]:
    """Which joints (K,) are of the head."""
    return np.array([name.endswith((*FACE, "head_top")) for name in skeleton.keypoints])


def _draw_limbs(
    image: ImageArray, skeleton: Skeleton, points: list[list[int]], weight: list[float], unit: float, one: Colour | None
) -> None:
    """Draw the limbs: *points* in 1/16 px, *weight* the score of each joint, or below 0 for a joint that is not drawn."""
    for (a, b), side in zip(skeleton.limbs, _limb_colours(skeleton), strict=True):
        weaker = min(weight[a], weight[b])
        if weaker >= 0:
            width = max(2, round(unit * (1.0 + 2.5 * weaker)))
            cv2.line(image, points[a], points[b], OUTLINE, width + 2, cv2.LINE_8, _SUB)
            cv2.line(image, points[a], points[b], side if one is None else one, width, cv2.LINE_AA, _SUB)


def _draw_joints(
    image: ImageArray, skeleton: Skeleton, points: list[list[int]], weight: list[float], unit: float, one: Colour | None
) -> None:
    """Draw the joints; the arguments are those of ``_draw_limbs``."""
    for centre, score, (side, size) in zip(points, weight, _joint_markers(skeleton), strict=True):
        if score >= 0:
            radius = unit * size * (1.5 + 4.0 * score)
            _disc(image, centre, radius + 1, OUTLINE)
            _disc(image, centre, radius, side if one is None else one)


def _disc(image: ImageArray, centre: list[int], radius: float, colour: Colour) -> None:
    """A filled circle about *centre* (1/16 px), of *radius* px."""
    if radius >= 3:
        cv2.circle(image, centre, round(radius * (1 << _SUB)), colour, -1, cv2.LINE_AA, _SUB)
        return
    # cv2 makes a diamond of so small a circle.
    rim = np.rint(_ROUND * (radius * (1 << _SUB))).astype(np.int32) + np.array(centre, np.int32)
    cv2.fillConvexPoly(image, rim, colour, cv2.LINE_AA, _SUB)


def _draw_corners(image: ImageArray, xy: FloatArray, colour: Colour) -> None:
    """Draw four corners around the joints *xy* (J, 2) of the person that the user holds on to."""
    h, w = image.shape[:2]
    unit = max(h, w) / 640
    low, high = xy.min(axis=0), xy.max(axis=0)
    rim = 12 * unit + 0.08 * float((high - low).max())
    (x0, y0), (x1, y1) = (low - rim).tolist(), (high + rim).tolist()
    arm = min(26 * unit, (x1 - x0) / 3, (y1 - y0) / 3)
    for line, width in ((OUTLINE, 4.0), (colour, 2.0)):
        for x, y, dx, dy in ((x0, y0, arm, arm), (x1, y0, -arm, arm), (x0, y1, arm, -arm), (x1, y1, -arm, -arm)):
            corner = np.rint(np.array([[x + dx, y], [x, y], [x, y + dy]]) * (1 << _SUB)).astype(np.int32)
            cv2.polylines(image, [corner], False, line, max(1, round(width * unit)), cv2.LINE_AA, _SUB)


def _draw_number(image: ImageArray, xy: FloatArray, identity: int, colour: Colour) -> Box:
    """The identity as a number on a disc of its colour, over the highest joint of *xy* (J, 2); returns the box around it."""
    unit = max(image.shape[:2]) / 640
    em, text = max(9, round(9.2 * unit)), str(identity)
    width, height = measure(text, em)
    top = xy[int(np.argmin(xy[:, 1]))]
    radius = max(7.5 * unit, width / 2 + unit)
    x, y = float(top[0]), max(float(top[1]) - 20 * unit, radius + 1)
    centre = [round(x * (1 << _SUB)), round(y * (1 << _SUB))]
    cv2.circle(image, centre, round((radius + 1) * (1 << _SUB)), OUTLINE, -1, cv2.LINE_AA, _SUB)
    cv2.circle(image, centre, round(radius * (1 << _SUB)), colour, -1, cv2.LINE_AA, _SUB)
    ink = OUTLINE if sum(colour) > 330 else (255, 255, 255)
    write(image, text, round(x - width / 2), round(y - height / 2), em, ink)
    return (x - radius, y - radius, x + radius, y + radius)
