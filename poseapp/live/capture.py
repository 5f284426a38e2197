"""The capture loop: reads a source, keeps its time, finds it again when it is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from poseapp.core.errors import SourceError
from poseapp.core.types import Frame
from poseapp.live.source import Mode, Source

FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 8.0


@dataclass(frozen=True)
class CaptureEvents:
    """What the capture loop tells its owner; all are called on the capture thread."""

    frame: Callable[[Frame], None]
    opened: Callable[[Mode], None]
    lost: Callable[[str], None]  # a live source is lost or cannot be opened: trying again
    ended: Callable[[], None]  # a file has been read to its end
    waits: Callable[[bool], None] = lambda _waits: None  # for the source to open or to give a picture, or no longer


def capture(source: Source, realtime: bool, first_index: int, events: CaptureEvents, stop: threading.Event) -> None:
    """Read *source* until it ends or *stop* is set.

    In real time a file plays at its own speed and its frames carry the moment they were due on the
    monotonic clock; otherwise it is read as fast as it is taken and frames carry the file's own time. A live
    source that fails is opened again and again, waiting twice as long each time, at most eight seconds.
    Raises SourceError when a file fails.
    """
    retry_s = FIRST_RETRY_S
    index = first_index
    while not stop.is_set():
        try:
            events.waits(True)
            mode = source.open()
            events.waits(False)
            events.opened(mode)
            epoch = time.monotonic()
            while not stop.is_set():
                events.waits(True)
                item = source.read()
                events.waits(False)
                if stop.is_set():
                    return
                if item is None:
                    events.ended()
                    return
                image, t = item
                if realtime and not source.live:
                    if stop.wait(max(0.0, epoch + t - time.monotonic())):
                        return
                    # After a hiccup of the machine the clip goes on from here instead of racing to catch up.
                    behind = time.monotonic() - (epoch + t)
                    if behind > 0.5:
                        epoch += behind
                    t = epoch + t
                events.frame(Frame(image, index, t))
                index += 1
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
