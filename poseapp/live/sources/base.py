"""What a source is: the protocol, its picture mode, and what sources share."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.camera_controls import Control, Setting


@dataclass(frozen=True)
class Mode:
    """Picture size and rate of a source; ``fps`` 0 = unknown."""

    width: int
    height: int
    fps: float
    codec: str = ""

    def __str__(self) -> str:
        text = f"{self.width}×{self.height}"
        if self.fps > 0:
            text += f" at {self.fps:g} fps"
        return text + (f", {self.codec}" if self.codec else "")


DEFAULT_MODE = Mode(1280, 720, 30.0, "MJPG")


class Source(Protocol):
    """Something that gives pictures: a camera, a file, an address.

    The capture thread calls ``open``, then ``read`` again and again, then ``close``; it calls ``close`` also after an ``open`` or
    a ``read`` that raised. The source may then be opened again, and begins anew. No other thread calls it, but for ``close``,
    which may come while a ``read`` hangs: see Device.

    A source that is not there, or gives nothing more, raises SourceError, with a line for the user. A source with ``live`` gives
    pictures at their own time; when it raises, it is opened again later. The end of any other source is the None of ``read``,
    and its SourceError ends the session.
    """

    name: str  # for the user, on one line, without secrets
    live: bool
    requested: Mode | None  # the mode that was asked of a device; None where there is nothing to ask

    def open(self) -> Mode:
        """Start; returns the actual mode. May take seconds. Raises SourceError."""
        ...

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture (H, W, 3) uint8 BGR and its time in s, or None at the end; waits for it. Raises SourceError.

        The size of the pictures may change. The time of a live source is the capture time on the monotonic clock; of any other,
        the presentation time from its start. Nobody may write to the picture afterwards.
        """
        ...

    def close(self) -> None:
        """Give the device back; safe to call twice, and from another thread."""
        ...


MOST_SKIPPED = 100  # lines about pictures that could not be read, in a source and in a recording


@runtime_checkable
class Traceable(Protocol):
    """A source that says where in it each picture lies, so that a picture that cannot be read leaves a gap.

    The capture thread reads these after each ``read``.
    """

    place: int  # of the picture that was read last: how many came before it since the source was opened, readable or not
    file: str  # its file, where each picture has one and stands alone; "" where the pictures are a film
    unreadable: int  # how many pictures could not be read since the source was opened
    skipped: list[str]  # a line for each file that could not be read, in a folder; at most MOST_SKIPPED


@runtime_checkable
class SelfTimed(Protocol):
    """A file that is played as the user says: paused, at another speed, from another place.

    The capture thread reads both after each ``read``. With ``keeps_time`` the source waits itself until a picture is due, and the
    times of its pictures are moments of the monotonic clock; without, it is a file as any other.
    """

    keeps_time: bool
    jumped: bool  # the picture that was read last is from another place: people are not where they were


@runtime_checkable
class Repeating(Protocol):
    """A source that can begin again at its end. The capture thread reads ``round`` after each ``read``."""

    round: int  # how often the source has begun again since it was opened


@runtime_checkable
class Controllable(Protocol):
    """A device with settings such as exposure.

    Any thread may call ``ask`` and read ``controls``; what was asked is done before the next ``read``, or at the next ``open``,
    and stays asked when the device is opened again.
    """

    controls: tuple[Control, ...]  # those that the driver has; replaced as a whole when one has changed

    def ask(self, settings: Mapping[str, Setting]) -> None:
        """Ask for *settings*, by the names of controls, beside what was asked before."""
        ...

    def ask_reset(self) -> None:
        """Ask for the settings with which the device comes; nothing is asked any more."""
        ...


class Device:
    """Something that a read may be using while another thread closes it.

    Neither OpenCV nor FFmpeg allows that (FFmpeg's memory would be freed under the read, which crashes), so such
    a close leaves the work to the reading thread, which closes the source when its read has returned.
    """

    def __init__(self) -> None:
        self._in_use = threading.RLock()

    def close(self) -> None:
        """Give the device back, unless another thread is using it just now."""
        if self._in_use.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._in_use.release()

    def _release(self) -> None:
        raise NotImplementedError


MOST_SHOWN = 400  # characters of a name


def shown(name: object) -> str:
    """*name*, which comes from outside, in one line of bearable length."""
    printable = "".join(c if c.isprintable() else "?" for c in str(name))
    return printable if len(printable) <= MOST_SHOWN else f"{printable[:MOST_SHOWN]}…"


def as_bgr(image: Any, name: str) -> ImageArray:
    """*image* as (H, W, 3) uint8 BGR, C-contiguous, from grey, BGR or BGRA. Raises SourceError on anything else."""
    if image.dtype != np.uint8 or image.size == 0 or image.ndim not in (2, 3):
        raise SourceError(f"{name}: expected an 8-bit picture, got {image.shape} {image.dtype}. Choose another camera mode.")
    channels = 1 if image.ndim == 2 else image.shape[2]
    if channels == 1:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    elif channels == 4:
        image = cv2.cvtColor(image, cv2.COLOR_BGRA2BGR)
    elif channels != 3:
        raise SourceError(f"{name}: expected 1, 3 or 4 channels, got {channels}. Choose another camera mode.")
    contiguous: ImageArray = np.ascontiguousarray(image)
    return contiguous
