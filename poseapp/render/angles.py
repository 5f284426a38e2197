"""Draws the angles of a person: at each joint an arc as wide as the angle, with its degrees."""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import cv2

from poseapp.core.angles import Angle, JointAngle, angles_of, in_plain_numbers, joints_of
from poseapp.core.skeleton import Skeleton
from poseapp.core.types import ImageArray
from poseapp.render.colours import MIDDLE, OUTLINE, SIDES, Colour
from poseapp.render.lettering import measure, write

_Places = tuple[tuple[tuple[int, ...], int], ...]

_SUB = 4  # cv2 takes coordinates in 1/16 px with shift=4
_RADII = (9.0, 26.0)  # widths of a thin line: the least and the greatest radius of an arc
_SHARE = 0.36  # of the shorter segment at the joint: its radius
_LEAST_DEG = 3.0  # a smaller angle has its number, and no arc
_LEAST_EM = 11  # px; smaller letters cannot be read


@cache
def _chosen(skeleton: Skeleton, names: tuple[str, ...]) -> tuple[tuple[Angle, _Places, Colour], ...]:
    """The angles called *names* that *skeleton* has, the joints of their places, and the colours of their sides."""
    return tuple(
        (angle, joints_of(skeleton, angle), SIDES.get(angle.name.partition("_")[0], MIDDLE))
        for angle in angles_of(skeleton)
        if angle.name in names
    )


def draw_angles(
    image: ImageArray,
    skeleton: Skeleton,
    joints: Sequence[complex | None],
    *,
    names: tuple[str, ...],
    unit: float,
    mirrored: bool = False,
    colour: Colour | None = None,
) -> None:
    """Draw the angles called *names* of a person into *image*.

    *joints* are x + iy in picture px, None for those that are not shown; *unit* is the width of a thin line in px. In a
    *mirrored* picture the signs are those of the picture that is not, as in the data. With *colour* all arcs have it, else that
    of their side.
    """
    em = max(_LEAST_EM, round(9.2 * unit))
    for angle, of_places, side in _chosen(skeleton, names):
        places = [_middle(joints, *members) for members in of_places]
        there = [z for z in places if z is not None]
        if len(there) < len(places) or any(a == b for a, b in pairwise(there)):
            continue
        degrees = in_plain_numbers(angle, there)
        vertex, zero, sweep, reach = _arms(angle, there)
        # The radius follows the body, but neither a speck nor a wheel.
        radius = min(max(_SHARE * reach, _RADII[0] * unit), _RADII[1] * unit)
        if abs(sweep) >= math.radians(_LEAST_DEG):
            _arc(image, vertex, zero, sweep, radius, unit, side if colour is None else colour)
        signed = -degrees if mirrored and not isinstance(angle, JointAngle) else degrees
        _number(image, f"{round(signed)}°", vertex + zero * cmath.rect(radius + 0.9 * em, sweep / 2), em)


def _middle(joints: Sequence[complex | None], members: tuple[int, ...], needed: int) -> complex | None:
    """The middle of the joints *members*, None where fewer than *needed* are shown."""
    if len(members) == 1:
        return joints[members[0]]
    there = [z for k in members if (z := joints[k]) is not None]
    return sum(there) / len(there) if len(there) >= needed else None


def _arms(angle: Angle, places: Sequence[complex]) -> tuple[complex, complex, float, float]:
    """The centre of the arc of *angle*, the direction of 0°, how far it turns from there (rad), its shorter segment (px)."""
    if not isinstance(angle, JointAngle):
        up = places[1] - places[0]
        return places[0], -1j, cmath.phase(up * 1j), abs(up)
    first, vertex, last = places
    a, arm = (first - vertex) / abs(first - vertex), last - vertex
    zero = a * cmath.rect(1.0, math.copysign(math.radians(angle.neutral), (arm / a).imag))
    return vertex, zero, cmath.phase(arm / zero), min(abs(first - vertex), abs(arm))


def _arc(image: ImageArray, centre: complex, zero: complex, sweep: float, radius: float, unit: float, colour: Colour) -> None:
    """An arc about *centre* that begins in the direction *zero* and turns by *sweep*, with a hairline where it begins."""
    scale = 1 << _SUB
    end = centre + 1.25 * radius * zero
    at, start = (round(centre.real * scale), round(centre.imag * scale)), math.degrees(cmath.phase(zero))
    axes, width = (round(radius * scale), round(radius * scale)), max(2, round(1.8 * unit))
    cv2.line(image, at, (round(end.real * scale), round(end.imag * scale)), MIDDLE, 1, cv2.LINE_AA, _SUB)
    for ink, pen, kind in ((OUTLINE, width + 2, cv2.LINE_8), (colour, width, cv2.LINE_AA)):
        cv2.ellipse(image, at, axes, start, 0.0, math.degrees(sweep), ink, pen, kind, _SUB)


def _number(image: ImageArray, text: str, centre: complex, em: int) -> None:
    width, height = measure(text, em)
    write(image, text, round(centre.real - width / 2), round(centre.imag - height / 2), em, outline=OUTLINE)
