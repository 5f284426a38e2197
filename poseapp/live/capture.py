"""The capture loop: reads a source, keeps its time, finds it again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from poseapp.core.errors import SourceError
from poseapp.core.framing import WHOLE, Framing
from poseapp.core.types import Frame, ImageArray
from poseapp.live.sources import Mode, Source
from poseapp.live.sources.base import Controllable, Repeating, SelfTimed, Traceable
from poseapp.live.sources.camera_controls import Control

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 8.0


@dataclass(frozen=True, kw_only=True)
class CaptureEvents:
    """What the capture loop reports to its owner; all are called on the capture thread."""

    frame: Callable[[Frame], None]
    opened: Callable[[Mode], None]
    lost: Callable[[str], None]  # a live source is lost or cannot be opened: trying again
    ended: Callable[[], None]  # a file has been read to its end
    unreadable: Callable[[int, Sequence[str]], None] = lambda _count, _lines: None  # pictures have been passed over
    resized: Callable[[Mode], None] = lambda _mode: None  # pictures come in another size from now on
    jumped: Callable[[], None] = lambda: None  # the next picture is from another place of the file
    rewound: Callable[[], None] = lambda: None  # a clip begins again with the next frame
    controlled: Callable[[Sequence[Control]], None] = lambda _controls: None  # what can be set of the device stands otherwise
    waits: Callable[[bool], None] = lambda _waits: None  # for the source to open or to give a picture, or no longer


class _Numbering:
    """Numbers the pictures of *source*: a picture that could not be read leaves a gap, where the source says so."""

    def __init__(self, source: Source, first_index: int, report: Callable[[int, Sequence[str]], None]) -> None:
        self._source = source if isinstance(source, Traceable) else None
        self._report = report
        self.index = first_index
        self._place = -1
        self._file, self._framing = "", WHOLE
        self._unreadable = self._lines = 0

    def reopened(self) -> None:
        """The source begins anew; frames are counted on."""
        self._place, self._file, self._unreadable, self._lines = -1, "", 0, 0

    def frame(self, image: ImageArray, t: float, framing: Framing) -> Frame:
        """The picture read last as a frame with *framing*: those before it that could not be read leave a gap in its number.

        A still that is given again, for it stays on the screen, is the same frame.
        """
        file = ""
        if self._source is not None:
            file = self._source.file
            again = bool(file) and file == self._file and framing == self._framing
            self.index += -1 if again else max(0, self._source.place - self._place - 1)
            self._place, self._file, self._framing = self._source.place, file, framing
        frame = Frame(framing.apply(image), self.index, t, file, framing=framing)
        self.index += 1
        return frame

    def report_unreadable(self) -> None:
        """Report the pictures that could not be read since the last call."""
        if self._source is None or self._source.unreadable <= self._unreadable:
            return
        self._report(self._source.unreadable - self._unreadable, self._source.skipped[self._lines :])
        self._unreadable, self._lines = self._source.unreadable, len(self._source.skipped)


class _Pace:
    """Waits until the pictures of a file are due that is played at its own speed, from now on."""

    def __init__(self) -> None:
        self._epoch = time.monotonic()  # when a picture of time 0 was due

    def wait(self, t: float, stop: threading.Event) -> float:
        """Wait until a picture of time *t* is due, or *stop*; returns when that was, on the monotonic clock."""
        if not stop.wait(max(0.0, self._epoch + t - time.monotonic())):
            # After a hiccup of the machine the clip goes on from here instead of racing to catch up.
            behind = time.monotonic() - (self._epoch + t)
            if behind > 0.5:
                self._epoch += behind
        return self._epoch + t


class _Watch:
    """Notices what is new with a picture: its place in the file, another round, its framing, what is set of the device."""

    def __init__(self, source: Source, framing: Callable[[], Framing], events: CaptureEvents) -> None:
        self._source = source
        self._rounds = 0
        self._framing, self._events = framing, events
        self._last: Framing | None = None
        self._controls: Sequence[Control] = ()

    def reopened(self) -> None:
        """The source begins anew."""
        self._rounds = 0

    def look(self) -> Framing:
        """Report what is new with the picture that was read last; returns its framing."""
        source = self._source
        if isinstance(source, SelfTimed) and source.jumped:
            self._events.jumped()
        if isinstance(source, Repeating) and source.round > self._rounds:
            self._rounds = source.round
            self._events.rewound()
        framing = self._framing()
        if self._last is not None and framing != self._last:
            self._events.jumped()  # people are not where they were
        self._last = framing
        if isinstance(source, Controllable) and source.controls is not self._controls:
            self._controls = source.controls
            self._events.controlled(self._controls)
        return framing


def capture(
    source: Source,
    realtime: bool,
    first_index: int,
    events: CaptureEvents,
    stop: threading.Event,
    framing: Callable[[], Framing] = lambda: WHOLE,
) -> None:
    """Read *source* until it ends or *stop* is set; *framing* is asked before each frame.

    In real time a file plays at its own speed and its frames carry the moment they were due on the monotonic clock; otherwise
    it is read as fast as it is taken and frames carry the file's own time. A live source that fails is opened again and again,
    waiting twice as long each time, at most eight seconds. Raises SourceError when a file fails.
    """
    retry_s = FIRST_RETRY_S
    numbering, watch = _Numbering(source, first_index, events.unreadable), _Watch(source, framing, events)
    while not stop.is_set():
        try:
            events.waits(True)
            mode = source.open()
            events.waits(False)
            events.opened(mode)
            numbering.reopened()
            watch.reopened()
            pace = _Pace()
            while not stop.is_set():
                events.waits(True)
                item = source.read()
                events.waits(False)
                if stop.is_set():
                    return
                numbering.report_unreadable()
                if item is None:
                    events.ended()
                    return
                image, t = item
                keeps_time = isinstance(source, SelfTimed) and source.keeps_time
                if realtime and not source.live and not keeps_time:
                    t = pace.wait(t, stop)
                    if stop.is_set():
                        return
                if image.shape[:2] != (mode.height, mode.width):
                    mode = replace(mode, width=image.shape[1], height=image.shape[0])
                    events.resized(mode)
                events.frame(numbering.frame(image, t, watch.look()))
                retry_s = FIRST_RETRY_S
        except SourceError as error:
            events.waits(False)
            if stop.is_set():
                return
            if not source.live:
                raise
            events.lost(f"{error} Trying again in {retry_s:g} s.")
        finally:
            source.close()
        stop.wait(retry_s)
        retry_s = min(retry_s * 2, LONGEST_RETRY_S)
