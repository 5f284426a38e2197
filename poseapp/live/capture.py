"""The capture loop: reads a source, keeps its time, finds it again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from poseapp.core.errors import SourceError
from poseapp.core.types import Frame, ImageArray
from poseapp.live.sources import Mode, Source
from poseapp.live.sources.base import Repeating, SelfTimed, Traceable

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
    waits: Callable[[bool], None] = lambda _waits: None  # for the source to open or to give a picture, or no longer


class _Numbering:
    """Numbers the pictures of *source*: a picture that could not be read leaves a gap, where the source says so."""

    def __init__(self, source: Source, first_index: int, report: Callable[[int, Sequence[str]], None]) -> None:
        self._source = source if isinstance(source, Traceable) else None
        self._report = report
        self.index = first_index
        self._place = -1
        self._file = ""
        self._unreadable = self._lines = 0

    def reopened(self) -> None:
        """The source begins anew; frames are counted on."""
        self._place, self._file, self._unreadable, self._lines = -1, "", 0, 0

    def frame(self, image: ImageArray, t: float) -> Frame:
        """The picture read last as a frame: those before it that could not be read leave a gap in its number.

        A still that is given again, for it stays on the screen, is the same frame.
        """
        file = ""
        if self._source is not None:
            file = self._source.file
            again = bool(file) and file == self._file
            self.index += -1 if again else max(0, self._source.place - self._place - 1)
            self._place, self._file = self._source.place, file
        frame = Frame(image, self.index, t, file)
        self.index += 1
        return frame

    def report_unreadable(self) -> None:
        """Report the pictures that could not be read since the last call."""
        if self._source is None or self._source.unreadable <= self._unreadable:
            return
        self._report(self._source.unreadable - self._unreadable, self._source.skipped[self._lines :])
        self._unreadable, self._lines = self._source.unreadable, len(self._source.skipped)


def capture(source: Source, realtime: bool, first_index: int, events: CaptureEvents, stop: threading.Event) -> None:
    """Read *source* until it ends or *stop* is set.

    In real time a file plays at its own speed and its frames carry the moment they were due on the
    monotonic clock; otherwise it is read as fast as it is taken and frames carry the file's own time. A live
    source that fails is opened again and again, waiting twice as long each time, at most eight seconds.
    Raises SourceError when a file fails.
    """
    retry_s = FIRST_RETRY_S
    numbering = _Numbering(source, first_index, events.unreadable)
    while not stop.is_set():
        try:
            events.waits(True)
            mode = source.open()
            events.waits(False)
            events.opened(mode)
            numbering.reopened()
            rounds = 0
            epoch = time.monotonic()
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
                if isinstance(source, SelfTimed) and source.jumped:
                    events.jumped()
                if realtime and not source.live and not keeps_time:
                    if stop.wait(max(0.0, epoch + t - time.monotonic())):
                        return
                    # After a hiccup of the machine the clip goes on from here instead of racing to catch up.
                    behind = time.monotonic() - (epoch + t)
                    if behind > 0.5:
                        epoch += behind
                    t = epoch + t
                if image.shape[:2] != (mode.height, mode.width):
                    mode = replace(mode, width=image.shape[1], height=image.shape[0])
                    events.resized(mode)
                if isinstance(source, Repeating) and source.round > rounds:
                    rounds = source.round
                    events.rewound()
                events.frame(numbering.frame(image, t))
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
