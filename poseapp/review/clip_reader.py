"""The pictures of a video by their numbers: an index of times, and a few decoded pictures around the last one."""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Device, Mode, shown
from poseapp.live.sources.decoding import no_picture, open_file, packets_of, reason, video_mode, video_stream
from poseapp.live.sources.frames import PictureMaker

MOST_CACHED_BYTES = 128 * 2**20
MOST_CACHED = 64  # pictures: a step back needs those since the last key picture
LONGEST_INDEX_S = 10.0  # a longer wait would look like a fault


class NotSeekableError(SourceError):
    """The video can be played from its beginning only."""


class ClipReader(Device):
    """Gives the pictures of the video at *path* in any order. One thread at a time uses it; ``close`` may come from another one.

    Making one reads the file once, without decoding, for ``times_s`` (N,) float64: when each picture is shown, in s from the
    first one, growing, and ``start_s``, the time of that one in the file.
    Decoded pictures are kept as the decoder
    gave them (a picture of 720p is 1.4 MB, not 2.8), and become BGR
    when they are asked for: what is only decoded on the way to another picture costs nothing more.

    Raises SourceError where there is no video, NotSeekableError where its pictures have no times to go by, or reading it takes
    longer than *longest_index_s*.
    """

    def __init__(self, path: Path, longest_index_s: float = LONGEST_INDEX_S) -> None:
        super().__init__()
        self._longest_index_s = longest_index_s
        self.path, self.name = path, shown(path.name)
        self._container: Any = None
        self._cache: OrderedDict[int, Any] = OrderedDict()
        self._make = PictureMaker()
        self._next, self._started_before = 0, False  # what the decoder gives next; whether it began before what was looked for
        try:
            self._container = open_file(self.path)
            self.mode = video_mode(self._container, self.name)
            self._stream = video_stream(self._container)
            self._aspect = self._stream.sample_aspect_ratio
            self._stamps, self._keys = self._index()
            self.times_s: NDArray[np.float64] = np.array(
                [float((stamp - self._stamps[0]) * self._stream.time_base) for stamp in self._stamps]
            )
            self.start_s = float(self._stamps[0] * self._stream.time_base)
            self._frames = self._decode_from(0)
            height, width = self.picture(0).shape[:2]
            self.mode = Mode(width, height, self.mode.fps, self.mode.codec)
        except FFmpegError as error:
            self._release()
            raise SourceError(f"{shown(path)}: cannot be read ({reason(error)}). Try another file.") from None
        except SourceError:
            self._release()
            raise

    def __len__(self) -> int:
        return len(self._stamps)

    def picture(self, number: int) -> ImageArray:
        """Picture *number*, 0 ≤ number < len, (H, W, 3) uint8 BGR; the nearest later one where it is damaged.

        Raises SourceError where nothing can be read there.
        """
        with self._in_use:
            if self._container is None:
                raise SourceError(f"{self.name}: is not open.")
            try:
                frame = self._cache.get(number)
                if frame is None:
                    frame = self._found(number)
                else:
                    self._cache.move_to_end(number)
                return self._make(frame, self._aspect)
            except (FFmpegError, ValueError) as error:
                raise SourceError(f"{self.name}: picture {number + 1} cannot be read ({reason(error)}).") from None

    # -- inside ------------------------------------------------------------------------------------------------

    def _index(self) -> tuple[list[int], list[int]]:
        """The timestamps of all pictures in the order of showing, and the numbers of the key pictures among them."""
        stamps: list[int] = []
        keys: list[int] = []
        last_dts: int | None = None
        deadline = time.monotonic() + self._longest_index_s
        for packet in packets_of(self._container):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.pts is None or (packet.dts is not None and last_dts is not None and packet.dts < last_dts):
                raise self._not_seekable()  # no times, or several videos one after another
            if time.monotonic() > deadline:
                raise self._not_seekable()
            last_dts = packet.dts if packet.dts is not None else last_dts
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
        if not stamps:
            raise SourceError(f"{shown(self.path)}: holds no picture that can be read. {no_picture(self._container)}")
        stamps = sorted(set(stamps))
        return stamps, sorted({bisect_left(stamps, key) for key in keys} | {0})

    def _not_seekable(self) -> NotSeekableError:
        return NotSeekableError(f"{shown(self.path)}: can be played from its beginning only. Convert it to MP4 to move in it.")

    def _found(self, number: int) -> Any:
        """Decode up to *number*: on from here where that is nearer than the key picture before it, else from that one."""
        keys = self._keys[: bisect_right(self._keys, number)]
        if not keys[-1] <= self._next <= number:
            self._frames = self._decode_from(keys[-1])
        arrived = self._advance(number)
        while arrived != number and not self._started_before and len(keys) > 1:
            keys.pop()  # the container went too far, or that key picture is damaged
            self._frames = self._decode_from(keys[-1])
            arrived = self._advance(number)
        if arrived is not None:
            return self._cache[arrived]
        if self._cache:  # the end is damaged: the last one that could be read
            return next(reversed(self._cache.values()))
        raise SourceError(f"{shown(self.path)}: holds no picture that can be read. {no_picture(self._container)}")

    def _advance(self, number: int) -> int | None:
        """Decode until picture *number* or a later one; its number, or None at the end."""
        for frame in self._frames:
            if frame.pts is None:
                raise self._not_seekable()
            at = bisect_left(self._stamps, frame.pts)
            if at == len(self._stamps) or self._stamps[at] != frame.pts:
                continue
            self._started_before |= at <= number
            self._keep(at, frame)
            self._next = at + 1
            if at >= number:
                return at
        self._next = len(self._stamps)
        return None

    def _keep(self, number: int, frame: Any) -> None:
        self._cache[number] = frame
        self._cache.move_to_end(number)
        most = max(2, min(MOST_CACHED, MOST_CACHED_BYTES // max(1, frame.width * frame.height * 3 // 2)))
        while len(self._cache) > most:
            self._cache.popitem(last=False)

    def _decode_from(self, key: int) -> Iterator[Any]:
        """Go to key picture number *key*, and give the frames from there on; damaged ones are left out, as players do."""
        self._container.seek(self._stamps[key], stream=self._stream)
        self._next, self._started_before = key, False
        return self._decode()

    def _decode(self) -> Iterator[Any]:
        for packet in packets_of(self._container):
            try:
                yield from packet.decode()
            except FFmpegError:
                continue

    def _release(self) -> None:
        container, self._container = self._container, None
        self._cache.clear()
        self._frames = iter(())
        if container is not None:
            container.close()
