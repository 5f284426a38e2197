"""Draws the names and scores of joints beside them: outside of the body, and no two on top of each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.core.types import FloatArray, ImageArray
from poseapp.render.colours import OUTLINE
from poseapp.render.lettering import measure, write

FACE = ("nose", "eye", "ear")
_TRUNK = ("shoulder", "hip", "neck", "thorax", "pelvis")
_LEAST_EM = 11  # px; smaller letters cannot be read
_FACE_LINES = 4.0  # the face must be so many lines high or wide before its joints are named: one line for each
_LYING = 1.3  # a body this much wider than high lies, and its labels lead up and down

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """A person whose joints are named: ``xy`` (K, 2) picture px, ``score`` (K,), ``visible`` (K,), ``unit`` px of a thin line."""

    skeleton: Skeleton
    xy: FloatArray
    score: FloatArray
    visible: NDArray[np.bool_]
    unit: float


def draw_labels(image: ImageArray, people: Sequence[Labelled], taken: Sequence[Box] = ()) -> list[Box]:
    """Write the names of the visible joints of *people* into *image*; returns the boxes of the names.

    The boxes *taken* and the markers of joints stay free. A joint gets no name where there is no room for one.
    """
    boxes = _Boxes(image.shape[:2], [*taken, *(marker for person in people for marker in _markers(person))])
    drawn: list[Box] = []
    for person in people:
        em = max(_LEAST_EM, round(9.2 * person.unit))
        seen = person.xy[person.visible]
        width, height = (seen.max(axis=0) - seen.min(axis=0)).tolist()
        away = (person.xy - _middle(person)).tolist()
        for k in _order(person, away, measure("0", em)[1]):
            name, figure = person.skeleton.keypoints[k].replace("_", " ") + " ", f"{person.score[k]:.2f}"
            (name_w, line), (figure_w, _) = measure(name, em), measure(figure, em)
            x, y = person.xy[k].tolist()
            outwards = (1 if away[k][0] >= 0 else -1, 1 if away[k][1] >= 0 else -1)
            places = _places((x, y), (name_w + figure_w, line), 6.5 * person.unit + 2, width > _LYING * height, outwards)
            box = next((place for place in places if boxes.take(place)), None)
            if box is not None:
                drawn.append(box)
                _lead(image, (x, y), box, person.unit)
                write(image, name, int(box[0]), int(box[1]), em, outline=OUTLINE)
                write(image, figure, int(box[0]) + name_w, int(box[1]), em, outline=OUTLINE)
    return drawn


class _Boxes:
    """The boxes in which something is drawn already."""

    def __init__(self, picture_hw: tuple[int, ...], taken: Sequence[Box]) -> None:
        self._h, self._w = picture_hw
        self._n = len(taken)
        self._boxes = np.array([*taken, *taken, (0, 0, 0, 0)], np.float64)  # as many labels as markers, at most

    def take(self, box: Box) -> bool:
        """Take *box* if it is inside the picture and free; returns whether it was."""
        left, top, right, bottom = box
        if left < 0 or top < 0 or right > self._w or bottom > self._h:
            return False
        x0, y0, x1, y1 = self._boxes[: self._n].T
        if ((x0 < right) & (x1 > left) & (y0 < bottom) & (y1 > top)).any():
            return False
        self._boxes[self._n] = box
        self._n += 1
        return True


def _markers(person: Labelled) -> list[Box]:
    """Around each visible joint."""
    reach = 4.0 * person.unit
    return [(x - reach, y - reach, x + reach, y + reach) for x, y in person.xy[person.visible].tolist()]


def _order(person: Labelled, away: list[list[float]], line_px: int) -> list[int]:
    """The joints to name: the outermost first, since they have most room, and the joints of a large enough face last.

    *away* (K, 2) is the offset of each joint from the middle of the body.
    """
    visible = sorted(np.flatnonzero(person.visible).tolist(), key=lambda k: -math.hypot(*away[k]))
    face = [k for k in visible if person.skeleton.keypoints[k].endswith(FACE)]
    body = [k for k in visible if k not in face]
    large = len(face) == 1 or (len(face) > 1 and np.ptp(person.xy[face], axis=0).max() >= _FACE_LINES * line_px)
    return [*body, *face] if large else body


def _middle(person: Labelled) -> FloatArray:
    """The middle (2,) px of the trunk, or of all visible joints if the trunk is not visible."""
    trunk = _trunk(person.skeleton) & person.visible
    middle: FloatArray = person.xy[trunk if trunk.any() else person.visible].mean(axis=0)
    return middle


@cache
def _trunk(skeleton: Skeleton) -> NDArray[np.bool_]:
    """Which joints (K,) are of the trunk."""
    return np.array([name.endswith(_TRUNK) for name in skeleton.keypoints])


def _places(at: tuple[float, float], size: tuple[int, int], gap: float, lying: bool, outwards: tuple[int, int]) -> Iterator[Box]:
    """Boxes of *size* for the name of the joint *at*, the best one first: right beside it, then a line up or down.

    *outwards* are the signs of the directions in x and y that lead away from the body.
    """
    (w, h), (px, py), (x, y) = size, at, outwards
    left = round(px + gap if x > 0 else px - gap - w)
    beside: list[Box] = [(left, top, left + w, top + h) for top in (round(py - h / 2 + i * h) for i in (0, y, -y, 2 * y, -2 * y))]
    middle, top = round(px - w / 2), round(py + y * gap - (h if y < 0 else 0))
    over: Box = (middle, top, middle + w, top + h)
    yield from (over, *beside) if lying else (*beside, over)


def _lead(image: ImageArray, at: tuple[float, float], box: Box, unit: float) -> None:
    """Draw a thin line from the joint *at* to *box*, unless the box is right beside the joint."""
    left, top, right, bottom = box
    if top <= at[1] <= bottom or left <= at[0] <= right:
        return
    end = (left if at[0] < left else right, (top + bottom) / 2)
    a, b = ([round(c * 16) for c in point] for point in (at, end))
    width = max(1, round(0.5 * unit))
    cv2.line(image, a, b, OUTLINE, width + 2, cv2.LINE_8, 4)
    cv2.line(image, a, b, (255, 255, 255), width, cv2.LINE_AA, 4)
