"""Draws poses on pictures; the window and the recorder share it."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.anatomy import implausible
from poseapp.core.geometry import bounds
from poseapp.core.skeleton import Skeleton
from poseapp.core.transform import Affine, apply, compose
from poseapp.core.types import FloatArray, Heatmaps, ImageArray, Poses, Result
from poseapp.joint_labels import FACE, Box, Labelled, draw_labels
from poseapp.lettering import measure, write

# BGR. Blue and orange stay apart for every common kind of colour blindness.
LEFT = (255, 190, 60)
RIGHT = (40, 140, 255)
MIDDLE = (245, 245, 245)
# Of people told apart: Okabe & Ito's colours (2008), which stay apart for every common kind of colour blindness, in
# an order in which neighbours differ most, and light grey in the place of their black.
IDENTITIES = (
    (233, 180, 86),  # sky blue
    (0, 159, 230),  # orange
    (115, 158, 0),  # bluish green
    (167, 121, 204),  # reddish purple
    (66, 228, 240),  # yellow
    (178, 114, 0),  # blue
    (0, 94, 213),  # vermilion
    (225, 225, 225),
)
_OUTLINE = (24, 24, 24)
_Colour = tuple[int, int, int]
_SIDES = {"left": LEFT, "right": RIGHT, "middle": MIDDLE}
_TURN = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_ROUND = np.column_stack([np.cos(_TURN), np.sin(_TURN)])
_SUB = 4  # cv2 takes coordinates in 1/16 px with shift=4, so that a slow joint glides instead of jumping
_STEPS = 1 << _SUB


@dataclass(frozen=True)
class DrawOptions:
    """What is drawn. ``threshold`` hides joints of a lower score; it never touches the data."""

    threshold: float = 0.3
    labels: bool = False
    heatmaps: bool = False
    fields: bool = False
    mirror: bool = False
    skeleton: bool = True


def joint_colour(skeleton: Skeleton, k: int) -> tuple[int, int, int]:
    """BGR colour of joint k: blue for the left side of the body, orange for the right, white between."""
    return _SIDES[skeleton.side(k)]


def identity_colour(identity: int) -> tuple[int, int, int]:
    """BGR colour of a person told apart, the same wherever they are drawn."""
    return IDENTITIES[(identity - 1) % len(IDENTITIES)]


def annotate(
    result: Result, options: DrawOptions, out: ImageArray | None = None, hw: tuple[int, int] | None = None
) -> ImageArray:
    """The frame with its poses on it, (H, W, 3) uint8 BGR, in *out* where that has the right size, else in a new array.

    With *hw* the frame is scaled to that size first, and then drawn on: lines stay sharp, and less memory is moved.
    One person is drawn in the colours of the sides of the body, several in those of their identities, with its number.
    Who draws every frame hands in the last array again: the first touch of new memory costs as much as the drawing.
    """
    shape = (*(hw or result.frame.hw), 3)
    image = out if out is not None and out.shape == shape else np.empty(shape, np.uint8)
    _lay_down(result.frame.image, image, options.mirror)
    shown, heatmaps = result.shown, result.heatmaps
    if hw is not None and hw != result.frame.hw:
        scale = np.array([hw[1] / result.frame.hw[1], hw[0] / result.frame.hw[0]])
        to_picture = np.column_stack([np.diag(scale), scale / 2 - 0.5])  # integers are centres of pixels
        shown = replace(shown, xy=apply(to_picture, shown.xy))
        heatmaps = tuple(replace(maps, to_frame=compose(to_picture, maps.to_frame)) for maps in heatmaps)
    for maps in heatmaps:
        if options.heatmaps:
            draw_heatmaps(image, maps, options.mirror)
        if options.fields:
            draw_fields(image, maps, options.mirror)
    if options.fields and any(maps.fields is not None for maps in result.heatmaps):
        _draw_wheel(image)
    if options.skeleton:
        several = result.mode != "one"
        draw_poses(image, shown, options, identities=several, locked=result.locked, faint=result.predicted)
    return image


def _lay_down(frame: ImageArray, image: ImageArray, mirror: bool) -> None:
    """Put *frame* into *image*, which may have another size."""
    h, w = image.shape[:2]
    if (h, w) != frame.shape[:2]:
        # Bilinear sampling leaves pixels out below one half, and thin lines then flicker; cv2 averages halves fastest.
        while h < frame.shape[0] / 2:
            half = cv2.resize(frame, (frame.shape[1] // 2, frame.shape[0] // 2), interpolation=cv2.INTER_AREA)
            frame = half.astype(np.uint8, copy=False)
        cv2.resize(frame, (w, h), dst=image, interpolation=cv2.INTER_LINEAR)
        frame = image
    if mirror:
        cv2.flip(frame, 1, dst=image)
    elif frame is not image:
        np.copyto(image, frame)


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

    *identities* draws people in their colours and with their numbers; the one *locked* gets corners around, and those
    *faint* are drawn as thin lines. Joints that no body can have there are left out, see core/anatomy.py.
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
        if identity == locked and visible.any():
            _draw_corners(image, xy[visible], colour or MIDDLE)
        if colour is not None and visible.any():
            head = visible & _head(poses.skeleton)
            numbers.append(_draw_number(image, xy[head if head.any() else visible], identity, colour))
        if options.labels and visible.any():
            labelled.append(Labelled(poses.skeleton, xy, score, visible, unit))
    draw_labels(image, labelled, numbers)  # after all people: no limb of one goes through the names of another


def _pen(joints: list[complex], picture_px: int) -> float:
    """Px that a line of width 1 has: by the picture, thinner on a person with *joints* x + iy who is small in it."""
    if len(joints) < 3:  # too few to tell
        return picture_px / 640
    left, top, right, bottom = bounds(joints)
    person_px = max(right - left, bottom - top)
    return picture_px / 640 * min(max(1.8 * person_px / picture_px, 0.55), 1.0)


@functools.cache
def _limb_colours(skeleton: Skeleton) -> tuple[tuple[int, int, int], ...]:
    """A limb has the colour of its side; one that joins both sides is white."""
    sides = [{skeleton.side(a), skeleton.side(b)} for a, b in skeleton.limbs]
    return tuple(_SIDES[side.pop()] if len(side) == 1 else MIDDLE for side in sides)


@functools.cache
def _joint_looks(skeleton: Skeleton) -> tuple[tuple[_Colour, float], ...]:
    """Each joint's colour and size; eyes, ears and nose lie close together and are smaller."""
    sizes = [0.55 if name.endswith(FACE) else 1.0 for name in skeleton.keypoints]
    return tuple((joint_colour(skeleton, k), size) for k, size in enumerate(sizes))


@functools.cache
def _head(skeleton: Skeleton) -> NDArray[np.bool_]:
    """Which joints (K,) are of the head."""
    return np.array([name.endswith((*FACE, "head_top")) for name in skeleton.keypoints])


def _draw_limbs(
    image: ImageArray, skeleton: Skeleton, points: list[list[int]], weight: list[float], unit: float, one: _Colour | None
) -> None:
    """*points* are in 1/16 px; *weight* is the score of each joint, below 0 where it is not drawn."""
    for (a, b), side in zip(skeleton.limbs, _limb_colours(skeleton), strict=True):
        weaker = min(weight[a], weight[b])
        if weaker >= 0:
            width = max(2, round(unit * (1.0 + 2.5 * weaker)))
            cv2.line(image, points[a], points[b], _OUTLINE, width + 2, cv2.LINE_8, _SUB)
            cv2.line(image, points[a], points[b], side if one is None else one, width, cv2.LINE_AA, _SUB)


def _draw_joints(
    image: ImageArray, skeleton: Skeleton, points: list[list[int]], weight: list[float], unit: float, one: _Colour | None
) -> None:
    """As _draw_limbs."""
    for centre, score, (side, size) in zip(points, weight, _joint_looks(skeleton), strict=True):
        if score >= 0:
            radius = unit * size * (1.5 + 4.0 * score)
            _disc(image, centre, radius + 1, _OUTLINE)
            _disc(image, centre, radius, side if one is None else one)


def _disc(image: ImageArray, centre: list[int], radius: float, colour: _Colour) -> None:
    """A filled circle about *centre* (1/16 px), of *radius* px."""
    if radius >= 3:
        cv2.circle(image, centre, round(radius * (1 << _SUB)), colour, -1, cv2.LINE_AA, _SUB)
        return
    # cv2 makes a diamond of so small a circle.
    rim = np.rint(_ROUND * (radius * (1 << _SUB))).astype(np.int32) + np.array(centre, np.int32)
    cv2.fillConvexPoly(image, rim, colour, cv2.LINE_AA, _SUB)


def _draw_corners(image: ImageArray, xy: FloatArray, colour: _Colour) -> None:
    """Four corners around the joints *xy* (J, 2) of the person that the user holds on to."""
    h, w = image.shape[:2]
    unit = max(h, w) / 640
    low, high = xy.min(axis=0), xy.max(axis=0)
    rim = 12 * unit + 0.08 * float((high - low).max())
    (x0, y0), (x1, y1) = (low - rim).tolist(), (high + rim).tolist()
    arm = min(26 * unit, (x1 - x0) / 3, (y1 - y0) / 3)
    for line, width in ((_OUTLINE, 4.0), (colour, 2.0)):
        for x, y, dx, dy in ((x0, y0, arm, arm), (x1, y0, -arm, arm), (x0, y1, arm, -arm), (x1, y1, -arm, -arm)):
            corner = np.rint(np.array([[x + dx, y], [x, y], [x, y + dy]]) * (1 << _SUB)).astype(np.int32)
            cv2.polylines(image, [corner], False, line, max(1, round(width * unit)), cv2.LINE_AA, _SUB)


def _draw_number(image: ImageArray, xy: FloatArray, identity: int, colour: _Colour) -> Box:
    """The identity as a number on a disc of its colour, over the highest joint of *xy* (J, 2); returns the box around it."""
    unit = max(image.shape[:2]) / 640
    em, text = max(9, round(9.2 * unit)), str(identity)
    width, height = measure(text, em)
    top = xy[int(np.argmin(xy[:, 1]))]
    radius = max(7.5 * unit, width / 2 + unit)
    x, y = float(top[0]), max(float(top[1]) - 20 * unit, radius + 1)
    centre = [round(x * (1 << _SUB)), round(y * (1 << _SUB))]
    cv2.circle(image, centre, round((radius + 1) * (1 << _SUB)), _OUTLINE, -1, cv2.LINE_AA, _SUB)
    cv2.circle(image, centre, round(radius * (1 << _SUB)), colour, -1, cv2.LINE_AA, _SUB)
    ink = _OUTLINE if sum(colour) > 330 else (255, 255, 255)
    write(image, text, round(x - width / 2), round(y - height / 2), em, ink)
    return (x - radius, y - radius, x + radius, y + radius)


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


def draw_fields(image: ImageArray, maps: Heatmaps, mirror: bool = False) -> ImageArray:
    """Draw the part affinity fields into *image*, the strongest limb at each place: hue says where to, opacity how sure.

    ``_draw_wheel`` shows which hue is which direction. Maps without fields draw nothing. Returns *image*.
    """
    if maps.fields is None:
        return image
    h, w = image.shape[:2]
    fields = maps.fields.reshape(-1, 2, *maps.fields.shape[1:])
    length = np.hypot(fields[:, 0], fields[:, 1])
    strongest = length.argmax(axis=0)[None]
    strength = np.take_along_axis(length, strongest, 0)[0]
    x, y = (np.take_along_axis(fields[:, i], strongest, 0)[0] for i in (0, 1))
    to_picture: Affine = maps.to_frame
    if mirror:
        x = -x
        to_picture = compose(np.array([[-1.0, 0.0, w - 1.0], [0.0, 1.0, 0.0]]), to_picture)
    opacity = (np.clip(strength, 0.0, 1.0) * 215).astype(np.uint8)
    opacity = cv2.warpAffine(opacity, to_picture, (w, h), flags=cv2.INTER_LINEAR)
    opacity[opacity < 16] = 0
    left, top, width, height = cv2.boundingRect(opacity)
    if width == 0:
        return image
    colours = cv2.warpAffine(_hues(x, y), to_picture, (w, h), flags=cv2.INTER_NEAREST)
    there = np.s_[top : top + height, left : left + width]
    sure = cv2.cvtColor(np.ascontiguousarray(opacity[there]), cv2.COLOR_GRAY2BGR)
    part = image[there]
    part[:] = cv2.add(cv2.multiply(part, 255 - sure, scale=1 / 255), cv2.multiply(colours[there], sure, scale=1 / 255))
    return image


def _hues(x: FloatArray, y: FloatArray) -> ImageArray:
    """Directions *x*, *y* (h, w) as BGR colours (h, w, 3): a full circle of hues."""
    hue = (np.degrees(np.arctan2(y, x)) % 360 / 2).astype(np.uint8)
    hsv = np.stack([hue, np.full_like(hue, 200), np.full_like(hue, 255)], axis=-1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR).astype(np.uint8, copy=False)


def _draw_wheel(image: ImageArray) -> None:
    """Which hue is which direction: a wheel in the lower right corner of *image*."""
    wheel, inside = _wheel(max(24, round(0.065 * min(image.shape[:2]))))
    side = len(wheel)
    margin = side // 5
    if side + margin > min(image.shape[:2]):
        return
    part = image[-side - margin : -margin, -side - margin : -margin]
    part[inside] = wheel[inside]


@lru_cache(maxsize=4)
def _wheel(radius: int) -> tuple[ImageArray, NDArray[np.bool_]]:
    """The wheel (2 r + 1, 2 r + 1, 3) and which of its pixels belong to it."""
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    far = np.hypot(x, y)
    wheel = _hues(x, y)
    wheel[far > radius - 1.5] = _OUTLINE
    wheel[far < 0.35 * radius] = _OUTLINE
    return wheel, far <= radius
