"""A short queue between a thread that must not wait and the thread that writes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from poseapp.core.limits import MOST_WAITING_BYTES

QUEUE_FRAMES = 12  # 33 MB of 720p: rides out a slow disk for less than half a second, then frames are lost and counted
# Live, a frame that has waited longer is lost and counted: a killed process loses what waits, however slow the encoder is.
LONGEST_WAIT_S = 0.2
PAUSE_S = 0.05  # after so long without a frame the writing thread looks after other things

T = TypeVar("T")


class Lane(Generic[T]):
    """What waits to be written. Live, what finds no room is lost and counted; with *lossless* the giver waits for room.

    Every item that ``put`` takes comes out of ``items`` or is counted in ``lost``. Any thread may call ``put`` and ``close``; the
    thread that writes calls ``items`` and, once, ``end``.
    """

    def __init__(self, lossless: bool) -> None:
        self._lossless = lossless
        self._items: deque[tuple[T, float]] = deque()  # each with when it was put there
        self._changed = threading.Condition()
        self._closing = self._ended = False
        self._lost = 0

    def put(self, item: T, nbytes: int) -> None:
        """Give *item*, which takes *nbytes* of memory while it waits."""
        most = max(1, min(QUEUE_FRAMES, MOST_WAITING_BYTES // nbytes))
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: len(self._items) < most or self._ended)
            if self._ended or len(self._items) >= most:
                self._lost += 1
                return
            self._items.append((item, time.monotonic()))
            self._changed.notify_all()

    def items(self) -> Iterator[T | None]:
        """What was put, in order, until the lane is closed and empty; None where nothing has come for a while."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._closing, PAUSE_S)
                if self._closing and not self._items:
                    return
                item = None
                if self._items:
                    item, since = self._items.popleft()
                    self._changed.notify_all()
                    if not (self._lossless or self._closing) and time.monotonic() - since > LONGEST_WAIT_S:
                        self._lost += 1
                        continue
            yield item

    def lose(self) -> None:
        """Count an item that came out and could not be written."""
        with self._changed:
            self._lost += 1

    def close(self) -> None:
        """Nothing more will be put; what waits is still written."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def end(self) -> None:
        """Nothing more will be written: what waits, and what comes now, is lost."""
        with self._changed:
            self._ended = True
            self._lost += len(self._items)
            self._items.clear()
            self._changed.notify_all()

    @property
    def lost(self) -> int:
        """How many items were lost."""
        with self._changed:
            return self._lost
