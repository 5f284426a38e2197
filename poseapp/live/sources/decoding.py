"""What files and streams share: pictures and their times out of FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Mode


def video_mode(container: Any, name: str, live: bool = False) -> Mode:
    """Set up decoding of the video in an open *container* and return its mode; SourceError where it has none."""
    if not container.streams.video:
        raise SourceError(f"{name}: holds no video that can be read. It may be cut off: try another file.")
    stream = container.streams.video[0]
    # Threads that decode a frame each give the first one when as many have come as there are cores: too late for what is live.
    stream.thread_type = "SLICE" if live else "AUTO"
    rate = stream.average_rate or stream.guessed_rate
    return Mode(stream.width, stream.height, round(float(rate), 3) if rate else 0.0, stream.codec_context.name)


def decode(container: Any, name: str, period_s: float) -> Iterator[tuple[ImageArray, float]]:
    """Pictures and their times from the first one; damaged ones are passed over, as players do.

    Where a file has no times (bare H.264), its pictures are *period_s* apart.
    """
    first: float | None = None
    t = -period_s
    try:
        for packet in container.demux(container.streams.video[0]):
            try:
                frames = packet.decode()
            except FFmpegError:
                continue
            for frame in frames:
                if frame.time is None:
                    t += period_s
                else:
                    first = frame.time if first is None else first
                    t = float(frame.time - first)
                yield upright(frame), t
    except FFmpegError as error:
        raise SourceError(f"{name}: cannot be read further ({reason(error)}).") from None


def upright(frame: Any) -> ImageArray:
    """A decoded frame as BGR, turned as the file says: phones record sideways and note the angle."""
    image = frame.to_ndarray(format="bgr24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    upright: ImageArray = np.ascontiguousarray(np.rot90(image, turns) if turns else image)
    return upright


def reason(error: Exception) -> str:
    """What FFmpeg or the system says of *error*, in one line."""
    if isinstance(error, av.error.ExitError):
        return "no answer in time"
    return str(getattr(error, "strerror", "") or error).splitlines()[0]
