"""Framing: how the picture of a source is turned and which part of it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import cv2
import numpy as np

if TYPE_CHECKING:
    from poseapp.core.types import ImageArray

Turn = Literal[0, 90, 180, 270]
TURNS: tuple[Turn, ...] = get_args(Turn)
Crop = tuple[float, float, float, float]
WHOLE_CROP: Crop = (0.0, 0.0, 1.0, 1.0)
SMALLEST_SHARE = 0.05  # of a side; whoever crops more has slipped with the mouse
SMALLEST_PX = 16  # of a side of the picture that is left, where the picture has so many
_ROTATIONS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


@dataclass(frozen=True)
class Framing:
    """How a picture is turned, and then cropped.

    ``turn`` is in degrees clockwise. ``crop`` is left, top, right and bottom of the part that is used, as shares 0..1 of the
    *turned* picture, so that it holds for every picture size. Raises ValueError where these are not.
    """

    turn: Turn = 0
    crop: Crop = WHOLE_CROP

    def __post_init__(self) -> None:
        if self.turn not in TURNS or isinstance(self.turn, bool):
            raise ValueError(f"turn: expected one of {', '.join(map(str, TURNS))}, got {self.turn}")
        left, top, right, bottom = self.crop
        for low, high, name in ((left, right, "left and right"), (top, bottom, "top and bottom")):
            if not (0.0 <= low < high <= 1.0 and high - low >= SMALLEST_SHARE - 1e-9):
                raise ValueError(
                    f"crop: expected {name} between 0 and 100 %, at least {SMALLEST_SHARE:.0%} apart, "
                    f"got {100 * low:g} % and {100 * high:g} %"
                )

    @classmethod
    def from_json(cls, content: object) -> Framing:
        """The framing in *content*, an object with ``turn`` and ``crop``. Raises ValueError."""
        if not isinstance(content, Mapping):
            raise ValueError("framing: expected an object")
        turn, crop = content.get("turn", 0), content.get("crop", WHOLE_CROP)
        if not isinstance(turn, int) or not _is_crop(crop):
            raise ValueError("framing: expected turn, and left, top, right and bottom of crop")
        return cls(turn, (float(crop[0]), float(crop[1]), float(crop[2]), float(crop[3])))  # type: ignore[arg-type]  # checked there

    @property
    def is_whole(self) -> bool:
        """Whether pictures stay as they are."""
        return self == WHOLE

    def turned(self, by: Turn = 90) -> Framing:
        """The same part of the picture, turned on by *by* degrees clockwise."""
        left, top, right, bottom = self.crop
        for _ in range(by // 90):
            left, top, right, bottom = 1.0 - bottom, left, 1.0 - top, right
        turn: Any = (self.turn + by) % 360
        return Framing(turn, (left, top, right, bottom))

    def cropped(self, part: Crop) -> Framing:
        """*part* of what is used now: shares of the picture as it is shown. Raises ValueError where too little is left."""
        left, top, right, bottom = self.crop
        width, height = right - left, bottom - top
        inner = (left + part[0] * width, top + part[1] * height, left + part[2] * width, top + part[3] * height)
        return Framing(self.turn, (inner[0], inner[1], min(1.0, inner[2]), min(1.0, inner[3])))

    def apply(self, image: ImageArray) -> ImageArray:
        """*image* (H, W, 3) turned and cropped, C-contiguous; the very same array where nothing is to be done."""
        if self.is_whole:
            return image
        turned_hw = image.shape[:2] if self.turn % 180 == 0 else image.shape[1::-1]
        x0, x1 = _span(self.crop[0], self.crop[2], turned_hw[1])
        y0, y1 = _span(self.crop[1], self.crop[3], turned_hw[0])
        # The part is cut out first, in the places of the unturned picture: so only what is used is moved.
        height, width = image.shape[:2]
        rows, columns = {
            0: ((y0, y1), (x0, x1)),
            90: ((height - x1, height - x0), (y0, y1)),
            180: ((height - y1, height - y0), (width - x1, width - x0)),
            270: ((x0, x1), (width - y1, width - y0)),
        }[self.turn]
        part = image[slice(*rows), slice(*columns)]
        if self.turn:
            part = cv2.rotate(part, _ROTATIONS[self.turn]).astype(np.uint8, copy=False)
        return np.ascontiguousarray(part)

    def __str__(self) -> str:
        """In words for the user; "" where pictures stay as they are."""
        parts = [f"turned {self.turn}°"] if self.turn else []
        return ", ".join(parts + (["cropped"] if self.crop != WHOLE_CROP else []))


WHOLE = Framing()


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    """The first pixel of a part and the one after its last, of *length*; never too few pixels to work with."""
    first, last = round(low * length), round(high * length)
    missing = min(SMALLEST_PX, length) - (last - first)
    if missing > 0:
        first = max(0, min(first - missing // 2, length - min(SMALLEST_PX, length)))
        last = first + min(SMALLEST_PX, length)
    return first, last


def _is_crop(value: object) -> bool:
    is_four = isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 4
    return is_four and all(isinstance(one, int | float) and not isinstance(one, bool) for one in value)  # type: ignore[attr-defined]


def parse_crop(text: str) -> Crop:
    """The crop in *text*: left, top, right and bottom in per cent, as in "10,0,90,100". Raises ValueError."""
    try:
        numbers = [float(part) / 100 for part in text.replace("%", "").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise ValueError(f"crop: expected left,top,right,bottom in per cent, as in 10,0,90,100, got {text!r}")
    return Framing(0, (numbers[0], numbers[1], numbers[2], numbers[3])).crop
