"""Clips of several people, composed: the person of a clip, cut out and pasted side by side over the empty room.

For measuring what people cost, and for looking at several of them without a crowd at hand::

    python -m poseapp.bench.crowd assets/demo.mp4 crowd.mkv --people 5
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from poseapp.bench.clip import HW, to_and_fro
from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.sources import VideoSource

START_S, SECONDS = 3.4, 1.7  # of the demo clip: both arms go up
STRIDE = 2  # every second frame is used: 15 a second of the demo's 30
STANDS = 0.385, 0.6  # the shares of the width between which the person of the demo clip stands in its first picture
_CHROMA, _LUMA = 10, 55  # how much a pixel of the person differs from the room; a shadow differs in brightness alone


@dataclass(frozen=True, eq=False)
class CutOut:
    """A person (h, w, 3) with their mask (h, w) of 0..255; ``x`` is the column over which they stand."""

    picture: ImageArray
    mask: NDArray[np.uint8]
    x: float


class Crowd:
    """Cut-outs of the person in a clip, in time, and the room without them.

    The room is the first picture; what the person hides in it, between *stands* (shares of the width), goes over from the
    column on their left to the one on their right: walls and floors mostly run across. Made for the demo clip, and good
    for others from a camera that stands still with one person before a plain wall.
    """

    def __init__(
        self,
        clip: Path,
        hw: tuple[int, int] = HW,
        start_s: float = START_S,
        seconds: float = SECONDS,
        stands: tuple[float, float] = STANDS,
    ) -> None:
        first, pictures = _pictures(clip, hw, start_s, start_s + seconds)
        self.hw = hw
        self.room = _without_person(first, round(stands[0] * hw[1]), round(stands[1] * hw[1]))
        middle = sum(stands) / 2 * hw[1]
        self._cutouts = [_cut_out(picture, self.room, middle) for picture in pictures]

    def __len__(self) -> int:
        return len(self._cutouts)

    def picture(self, n: int, people: int) -> ImageArray:
        """The *n*-th picture with *people* people, who are *n* frames and more apart in what they do."""
        image = self.room.copy()
        for x, y, height, delay in places(people, self.hw):
            cutout = self._cutouts[to_and_fro(n + delay, len(self._cutouts))]
            _paste(image, cutout, x, y, height / len(self._cutouts[0].picture))
        return image


def places(people: int, hw: tuple[int, int]) -> list[tuple[float, float, float, int]]:
    """Where *people* people stand: x of the middle, y of the feet, height (all px), and how many frames they are behind.

    In rows of five at most, as on steps: the rear ones higher up and a little smaller, so that everybody is seen.
    """
    rows = -(-people // 5)
    out: list[tuple[float, float, float, int]] = []
    for row in range(rows):
        here = people // rows + (1 if row >= rows - people % rows else 0)
        nearness = (row + 1) / rows
        height = hw[0] * min(0.6, 0.84 / rows) * (0.9 + 0.1 * nearness)
        for i in range(here):
            shift = 0.25 if rows > 1 and row % 2 else 0.0
            x = hw[1] * (i + 0.5 + shift) / (here + (0.25 if rows > 1 else 0.0))
            out.append((x, hw[0] * (0.04 + 0.92 * nearness), height, 11 * len(out)))
    return out


def write(crowd: Crowd, path: Path, people: int, fps: float = 15.0) -> None:
    """Write the clip with *people* people to *path*, Matroska."""
    writer = VideoWriter(path, crowd.hw)
    try:
        for n in range(len(crowd)):
            writer.write(crowd.picture(n, people), n / fps)
    finally:
        writer.close()


def _pictures(clip: Path, hw: tuple[int, int], start_s: float, end_s: float) -> tuple[ImageArray, list[ImageArray]]:
    """The first picture of *clip*, and every second one from *start_s* to *end_s*."""
    source = VideoSource(clip)
    source.open()
    pictures: list[ImageArray] = []
    count = 0
    try:
        while (item := source.read()) is not None and item[1] < end_s:
            if count == 0 or (count % STRIDE == 0 and item[1] >= start_s):
                picture = cv2.resize(item[0], (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
                pictures.append(picture.astype(np.uint8, copy=False))
            count += 1
    finally:
        source.close()
    if len(pictures) < 2:
        raise SourceError(f"{clip}: expected pictures at {start_s:g} s and later, got none. Take a longer clip.")
    return pictures[0], pictures[1:]


def _without_person(picture: ImageArray, left: int, right: int) -> ImageArray:
    """*picture* with the columns from *left* to *right* replaced by what goes over from one to the other, row by row."""
    room = picture.astype(np.float32)
    a, b = room[:, left - 4 : left].mean(axis=1), room[:, right : right + 4].mean(axis=1)
    share = np.linspace(0, 1, right - left, dtype=np.float32)[None, :, None]
    room[:, left:right] = a[:, None] * (1 - share) + b[:, None] * share
    return np.rint(room).astype(np.uint8)


def _cut_out(picture: ImageArray, room: ImageArray, middle: float) -> CutOut:
    """The person in *picture*, who stands over the column *middle*."""
    a, b = (cv2.cvtColor(cv2.GaussianBlur(image, (5, 5), 0), cv2.COLOR_BGR2LAB).astype(np.int16) for image in (picture, room))
    gap = np.abs(a - b)
    differs = ((gap[..., 1:].max(axis=2) > _CHROMA) | (gap[..., 0] > _LUMA)).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    # Closed mostly upwards: between shirt and shoes there is skin, which looks much like a wooden floor.
    tall = round(0.11 * len(picture))
    differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((tall, 5), np.uint8))
    outlines, _ = cv2.findContours(differs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        raise SourceError("crowd: nobody moves in the clip. Take one of a person before a camera that stands still.")
    outline = max(outlines, key=cv2.contourArea)
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.drawContours(mask, [outline], -1, 255, -1)
    x, y, w, h = cv2.boundingRect(outline)
    soft = cv2.GaussianBlur(mask, (5, 5), 0).astype(np.uint8)
    return CutOut(picture[y : y + h, x : x + w].copy(), soft[y : y + h, x : x + w], middle - x)


def _paste(image: ImageArray, cutout: CutOut, x: float, y: float, scale: float) -> None:
    """Put *cutout* into *image* with the middle of its feet at *x*, *y*; parts outside are left out."""
    h, w = cutout.mask.shape
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = cv2.resize(cutout.picture, size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(cutout.mask, size, interpolation=cv2.INTER_AREA)
    left, top = round(x - cutout.x * scale), round(y - size[1])
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + size[0], image.shape[1]), min(top + size[1], image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    inside = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    share = alpha[inside][..., None].astype(np.float32) / 255
    part = image[y0:y1, x0:x1]
    part[:] = np.rint(small[inside] * share + part * (1 - share)).astype(np.uint8)


def main(arguments: Sequence[str] | None = None) -> None:
    """``python -m poseapp.bench.crowd CLIP OUT --people N``."""
    parser = argparse.ArgumentParser(prog="python -m poseapp.bench.crowd", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("clip", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=5)
    options = parser.parse_args(arguments)
    write(Crowd(options.clip), options.out, options.people)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
