"""A long video cut at key pictures: the plan, and the pictures of one piece.

Only videos whose numbering and times follow from their timestamps alone are cut: all others are analysed in one piece.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from poseapp.core.types import ImageArray
from poseapp.live.sources.base import shown
from poseapp.live.sources.decoding import new_timeline, open_file, packets_of, video_mode, video_stream
from poseapp.live.sources.frames import PictureMaker
from poseapp.live.sources.losses import LEAST_CUT_S

BESIDE = 3  # pictures on each side of a cut that must be the same from both sides
_ENDLESS = 1 << 62


class NotCuttableError(Exception):
    """The pieces of this video would not be the whole: it is to be analysed in one piece. The message says why."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """The pictures of a video from number ``first`` on; their timestamps are from ``start`` to before ``end``.

    ``index`` counts the pieces of the video from 0; ``times_s`` are the times as the source gives them when it reads the whole.
    """

    index: int
    first: int
    start: int
    end: int
    times_s: tuple[float, ...]


def duration_s(path: Path) -> float:
    """How long the video at *path* says it is; 0 where it does not say. Raises SourceError where it cannot be opened."""
    with closing(open_file(path)) as container:
        return float((container.duration or 0) / av.time_base)


def plan_pieces(path: Path, piece_s: float) -> tuple[Piece, ...]:
    """Cut the video at *path* at the first key picture after every *piece_s*; reads it once, without decoding.

    Raises NotCuttableError where it cannot be cut, SourceError where it cannot be opened.
    """
    name = shown(path.name)
    stamps, keys = [], []
    with closing(open_file(path)) as container:
        mode = video_mode(container, name)
        stream = video_stream(container)
        if "avi" in container.format.name:
            raise NotCuttableError("AVI has no presentation times")
        last_dts: int | None = None
        try:
            for packet in packets_of(container):
                if packet.size == 0:
                    continue
                out_of_order = last_dts is not None and packet.dts is not None and packet.dts < last_dts
                if packet.pts is None or packet.is_discard or packet.is_corrupt or out_of_order:
                    raise NotCuttableError("its timestamps are not whole")
                last_dts = packet.dts if packet.dts is not None else last_dts
                stamps.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        except FFmpegError as error:
            raise NotCuttableError(f"it cannot be read to its end ({error})") from None
        count = len(stamps)
        stamps = sorted(set(stamps))
        base = Fraction(stream.time_base)
        if not stamps or len(stamps) != count or not keys or min(keys) != stamps[0]:
            raise NotCuttableError("its pictures do not each have a time of their own")
        says_more = "mov" in container.format.name and stream.frames and stream.frames != count
        length_s = (container.duration or 0) / av.time_base
        if says_more or (len(container.streams) == 1 and length_s - float((stamps[-1] - stamps[0]) * base) > LEAST_CUT_S + 1):
            raise NotCuttableError("it is cut off")
        timeline = new_timeline(container, mode)
        times = tuple(timeline.at(stamp * base) for stamp in stamps)
    starts = [stamps[0]]
    for key in sorted(keys):
        if float((key - starts[-1]) * base) >= piece_s:
            starts.append(key)
    if len(starts) > 1 and float((stamps[-1] - starts[-1]) * base) < piece_s / 4:
        starts.pop()  # a last piece of a moment is not worth its overhead
    if len(starts) < 2:
        raise NotCuttableError("it has no key pictures to cut at")
    pieces = []
    for index, (start, end) in enumerate(zip(starts, [*starts[1:], _ENDLESS], strict=True)):
        first, after = bisect_left(stamps, start), bisect_left(stamps, end)
        pieces.append(Piece(index=index, first=first, start=start, end=end, times_s=times[first:after]))
    return tuple(pieces)


class PieceReader:
    """The pictures of *piece* of the video at *path*, (H, W, 3) uint8 BGR, in order: iterate over it once.

    ``first_pictures`` and ``next_pictures`` are the hashes of the first ones and of those after the end, once it is read through.
    Raises NotCuttableError where a picture is missing, damaged or of another size, SourceError where the file is gone.
    """

    def __init__(self, path: Path, piece: Piece) -> None:
        self._path, self._piece = path, piece
        self.first_pictures: tuple[str, ...] = ()
        self.next_pictures: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[ImageArray]:
        piece, given, hw = self._piece, 0, None
        with closing(open_file(self._path)) as container:
            try:
                for stamp, image in self._decoded(container):
                    if stamp < piece.start:
                        continue
                    if stamp >= piece.end:
                        self.next_pictures += (_hash(image),)
                        if len(self.next_pictures) == BESIDE:
                            break
                        continue
                    if hw is not None and image.shape != hw:
                        raise NotCuttableError("its pictures change their size")
                    hw = image.shape
                    if len(self.first_pictures) < BESIDE:
                        self.first_pictures += (_hash(image),)
                    given += 1
                    yield image
            except FFmpegError as error:
                raise NotCuttableError(f"a part of it is damaged ({error})") from None
        if given != len(piece.times_s):
            raise NotCuttableError("a picture of it cannot be decoded")

    def _decoded(self, container: Any) -> Iterator[tuple[int, ImageArray]]:
        """The pictures from the key picture on, with their timestamps."""
        video_mode(container, shown(self._path.name))
        stream, make = video_stream(container), PictureMaker()
        aspect = stream.sample_aspect_ratio
        if self._piece.index > 0:
            container.seek(self._piece.start, stream=stream)
        for packet in packets_of(container):
            for frame in packet.decode():
                if frame.pts is None or frame.is_corrupt:
                    raise NotCuttableError("a picture of it is damaged")
                yield frame.pts, make(frame, aspect)


def agree_beside(before: tuple[str, ...], after: tuple[str, ...]) -> bool:
    """Whether the pictures after a piece, as read on from it, are the first ones of the next piece."""
    count = min(len(before), len(after))
    return count > 0 and before[:count] == after[:count]


def _hash(image: ImageArray) -> str:
    return hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
