"""What a source is: the protocol, its picture mode, and devices that are closed while a read hangs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from poseapp.core.types import ImageArray


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


MOST_SKIPPED = 100
MOST_SHOWN = 400  # characters of a name
DEFAULT_MODE = Mode(1280, 720, 30.0, "MJPG")


class Source(Protocol):
    """Something that gives pictures. ``live`` sources come at their own time and may come back when lost."""

    name: str
    live: bool
    requested: Mode | None

    def open(self) -> Mode:
        """Start; returns what was granted. Raises SourceError."""
        ...

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture (H, W, 3) uint8 BGR and its time in s, or None at the end. Raises SourceError.

        The time of a live source is the capture time on the monotonic clock; of any other, the
        presentation time from its start.
        """
        ...

    def close(self) -> None:
        """Give the device back; safe to call twice, and from another thread."""
        ...


@runtime_checkable
class Traceable(Protocol):
    """A source that says where in it each picture lies, so that one that cannot be read leaves a gap."""

    place: int  # of the picture that was read last: how many came before it since the source was opened, readable or not
    file: str  # its file, in a folder; "" elsewhere
    unreadable: int  # how many pictures could not be read since the source was opened
    skipped: list[str]  # a line for each file that could not be read, in a folder; at most MOST_SKIPPED


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


def shown(name: object) -> str:
    """*name*, which comes from outside, in one line of bearable length."""
    printable = "".join(c if c.isprintable() else "?" for c in str(name))
    return printable if len(printable) <= MOST_SHOWN else f"{printable[:MOST_SHOWN]}…"
