"""What files and streams share: pictures and their times out of FFmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError
from av.format import Flags

from poseapp.core.errors import SourceError
from poseapp.core.limits import FFMPEG_LIMIT, MOST_VIDEO_PIXELS, too_large
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Mode
from poseapp.live.sources.frames import PictureMaker
from poseapp.live.sources.timeline import Timeline

LIKELY_PERIOD_S = 1 / 30  # of a video that does not say
MOST_AWAITED = 600  # packets that wait for their pictures: more than any decoder holds back


def video_mode(container: Any, name: str, live: bool = False) -> Mode:
    """Set up decoding of the video in an open *container* and return its mode as stored; SourceError where it has none."""
    if not container.streams.video:
        raise SourceError(f"{name}: holds no video that can be read. It may be cut off: try another file.")
    stream = container.streams.video[0]
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
    if container.streams.video[0].width > 0:
        return "The file is truncated or damaged."
    return f"It is damaged, or its pictures have more than the {MOST_VIDEO_PIXELS / 1e6:.0f} million pixels allowed."


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
        self.lost = 0
        self._container, self._name, self._timeline = container, name, timeline
        self._stream = container.streams.video[0]
        self._stored_size = self._stream.width, self._stream.height
        self._pixel_aspect = self._stream.sample_aspect_ratio  # as the container says, else the codec
        self._packets = container.demux(self._stream) if packets is None else packets
        self._make = PictureMaker()
        self._awaited: dict[int, int] = {}  # timestamps of packets whose pictures have not come yet → their place in the file
        self._sent = 0
        self._first_key: int | None = None
        self._begun = False
        self._pictures = self._decode()

    def __iter__(self) -> Iterator[tuple[ImageArray, float]]:
        return self._pictures

    def next(self) -> tuple[ImageArray, float] | None:
        """The next picture and its time, or None at the end."""
        return next(self._pictures, None)

    def _decode(self) -> Iterator[tuple[ImageArray, float]]:
        try:
            for packet in self._packets:
                self._await(packet)
                try:
                    frames = packet.decode()
                except FFmpegError:  # damage is passed over, as players do
                    self.lost += packet.pts is None and packet.size > 0
                    continue
                for frame in frames:
                    self._came(frame.pts)
                    try:
                        image = self._make(frame, self._aspect(frame))
                    except (FFmpegError, ValueError):
                        self.lost += 1
                        continue
                    yield image, self._timeline.at(_stamp(frame))
            self.lost += len(self._awaited)
        except FFmpegError as error:
            raise SourceError(f"{self._name}: cannot be read further ({reason(error)}).") from None

    def _await(self, packet: Any) -> None:
        """Remember that a picture should come of *packet*."""
        if packet.pts is None or packet.size == 0 or packet.is_discard:
            return
        if self._first_key is None:
            if not packet.is_keyframe:  # a recording that begins in the middle: nothing can come of this one
                return
            self._first_key = packet.pts
        self._sent += 1
        if self._begun or packet.pts >= self._first_key:  # what is shown before the first key picture may lean on another one
            self._awaited[packet.pts] = self._sent
        if len(self._awaited) > MOST_AWAITED:
            del self._awaited[next(iter(self._awaited))]
            self.lost += 1

    def _came(self, pts: int | None) -> None:
        """Count those that should have come before the picture of timestamp *pts*: pictures come in the order of their times."""
        self._begun = True
        place = self._awaited.pop(pts, None) if pts is not None else None
        if place is None:
            return
        assert pts is not None
        missing = [other for other, sent in self._awaited.items() if sent < place and other < pts]
        for other in missing:
            del self._awaited[other]
        self.lost += len(missing)

    def _aspect(self, frame: Any) -> Fraction | None:
        """A pixel's width by its height: as the container says of the size it names, as the codec says after a change."""
        if (frame.width, frame.height) == self._stored_size:
            aspect: Fraction | None = self._pixel_aspect
        else:
            aspect = self._stream.codec_context.sample_aspect_ratio
        return aspect


def _stamp(frame: Any) -> Fraction | None:
    return None if frame.pts is None else frame.pts * Fraction(frame.time_base)


def reason(error: Exception) -> str:
    """What FFmpeg or the system says of *error*, in one line."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", "") or error).splitlines()[0]
