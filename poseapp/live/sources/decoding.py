"""What files and streams share: pictures and their times out of FFmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.format import Flags
from av.stream import Disposition

from poseapp.core.errors import SourceError, first_line
from poseapp.core.limits import FFMPEG_LIMIT, MOST_VIDEO_PIXELS, too_large
from poseapp.core.types import ImageArray
from poseapp.live.sources.allocations import limit_allocations
from poseapp.live.sources.base import Mode, shown
from poseapp.live.sources.frames import PictureMaker
from poseapp.live.sources.losses import Losses
from poseapp.live.sources.timeline import Timeline

DISCARD_ALL = 48  # AVDISCARD_ALL of FFmpeg
LIKELY_PERIOD_S = 1 / 30  # of a video that does not say


def open_container(address: str, **options: Any) -> Any:
    """av.open for what comes from outside: with bounds in pixels and bytes. Raises FFmpegError, OSError and ValueError."""
    limit_allocations()
    return av.open(address, options={**options.pop("options", {}), **FFMPEG_LIMIT}, metadata_errors="replace", **options)


def open_file(path: Path) -> Any:
    """The container of the video at *path*; SourceError in one line where that cannot be opened."""
    if not path.is_file():
        raise SourceError(f"{shown(path)}: no such file. Check the path.")
    if path.stat().st_size == 0:
        raise SourceError(f"{shown(path)}: the file is empty. Record or copy it again.")
    try:
        # With the scheme, no colon or pattern in a name means anything to FFmpeg.
        return open_container(f"file:{path}")
    except (FFmpegError, OSError, IndexError, ValueError) as error:
        raise SourceError(f"{shown(path)}: not a video that can be read ({reason(error)}). Try another file.") from None


def video_stream(container: Any) -> Any:
    """The video in *container*, or None: not a cover picture, nor one in a format that nobody here knows."""
    found = (s for s in container.streams.video if s.codec_context is not None and not s.disposition & Disposition.attached_pic)
    return next(found, None)


def video_mode(container: Any, name: str, live: bool = False) -> Mode:
    """Set up decoding of the video in an open *container* and return its mode as stored; SourceError where it has none."""
    stream = video_stream(container)
    if stream is None:
        raise SourceError(f"{name}: holds no video that can be read. It may be cut off: try another file.")
    for other in container.streams:
        if other.index != stream.index:
            with suppress(AttributeError):  # PyAV before 18 reads them all
                other.discard = DISCARD_ALL  # the other qualities of an address need not even be fetched
    # Threads that decode a frame each give the first one when as many have come as there are cores: too late for what is live.
    stream.thread_type = "SLICE" if live else "AUTO"
    reason = too_large(stream.width, stream.height, MOST_VIDEO_PIXELS)
    if reason:
        raise SourceError(f"{name}: {reason}. Make it smaller, or choose another source.")
    stream.codec_context.options = {**stream.codec_context.options, **FFMPEG_LIMIT}  # the size may change in mid-stream
    rate = stream.average_rate or stream.guessed_rate
    return Mode(stream.width, stream.height, round(float(rate), 3) if rate else 0.0, stream.codec_context.name)


def no_picture(container: Any) -> str:
    """Why no picture came out of *container*, as far as is known, in a sentence."""
    if video_stream(container).width > 0:
        return "The file is truncated or damaged."
    return f"It is damaged, or its pictures have more than the {MOST_VIDEO_PIXELS / 1e6:.0f} million pixels allowed."


def packets_of(container: Any) -> Iterator[Any]:
    """The packets of the video in *container*."""
    stream = video_stream(container)
    while True:
        try:
            yield from container.demux(stream)
        except IndexError:  # a stream that began later: PyAV has counted those of the beginning only
            continue
        return


def new_timeline(container: Any, mode: Mode) -> Timeline:
    """The times of the video in *container*."""
    joined = bool(container.format.flags & Flags.ts_discont.value)
    return Timeline(1 / mode.fps if mode.fps > 0 else LIKELY_PERIOD_S, joined)


class Decoder:
    """The pictures of the video in an open container, and their times; those that cannot be decoded are counted in ``lost``.

    Iterating gives (H, W, 3) uint8 BGR, upright with square pixels, and the time in s from the first one. Raises
    SourceError when the container cannot be read further. *packets* are the container's own where they do not come
    from elsewhere.
    """

    def __init__(self, container: Any, name: str, timeline: Timeline, packets: Iterable[Any] | None = None) -> None:
        self._name, self._timeline = name, timeline
        self._stream = video_stream(container)
        self._stored_size = self._stream.width, self._stream.height
        self._pixel_aspect = self._stream.sample_aspect_ratio  # as the container says, else the codec
        self._packets = packets_of(container) if packets is None else packets
        self._make, self._clock = PictureMaker(), _Clock()
        self._losses = Losses(container, self._stream, timeline.period_s)
        self._pictures = self._decode()

    @property
    def lost(self) -> int:
        """How many pictures could not be decoded, so far."""
        return self._losses.count

    def __iter__(self) -> Iterator[tuple[ImageArray, float]]:
        return self._pictures

    def next(self) -> tuple[ImageArray, float] | None:
        """The next picture and its time, or None at the end."""
        return next(self._pictures, None)

    def _decode(self) -> Iterator[tuple[ImageArray, float]]:
        try:
            for packet in self._packets:
                self._losses.sent(packet)
                try:
                    frames = packet.decode()
                except FFmpegError:  # damage is passed over, as players do
                    if packet.size > 0:
                        self._losses.failed()
                    continue
                for frame in frames:
                    try:
                        image = self._make(frame, self._aspect(frame))
                    except (FFmpegError, ValueError):
                        self._losses.failed()
                        continue
                    t = self._timeline.at(self._clock.stamp(frame))
                    self._losses.came(frame, t)
                    yield image, t
                    del image  # or its memory could not be used for the next one
            self._losses.ended()
        except FFmpegError as error:
            raise SourceError(f"{self._name}: cannot be read further ({reason(error)}).") from None

    def _aspect(self, frame: Any) -> Fraction | None:
        """A pixel's width by its height: as the container says of the size it names, as the codec says after a change."""
        if (frame.width, frame.height) == self._stored_size:
            aspect: Fraction | None = self._pixel_aspect
        else:
            aspect = self._stream.codec_context.sample_aspect_ratio
        return aspect


class _Clock:
    """The timestamp to go by: the presentation time, unless it goes back more often than the decoding time does.

    AVI has no presentation times, and what FFmpeg gives for them is in the order of decoding; its own tools choose in this way.
    """

    def __init__(self) -> None:
        self._faults = [0, 0]
        self._last: list[int | None] = [None, None]

    def stamp(self, frame: Any) -> Fraction | None:
        """The time of *frame* in s, None where it has none."""
        given: tuple[int | None, int | None] = frame.pts, frame.dts
        for i, value in enumerate(given):
            last = self._last[i]
            if value is not None:
                self._faults[i] += last is not None and value <= last
                self._last[i] = value
        pts, dts = given
        chosen = pts if pts is not None and self._faults[0] <= self._faults[1] else dts
        return None if chosen is None or not frame.time_base else chosen * Fraction(frame.time_base)


def reason(error: Exception) -> str:
    """What FFmpeg or the system says of *error*, in one line."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", "") or first_line(error))
