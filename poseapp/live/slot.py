"""A hand-over between two threads: one place, newest wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class Slot(Generic[T]):
    """One place between a producer and a consumer.

    Live (``lossless=False``), ``put`` never blocks: an item not yet taken is replaced and counted, so
    the consumer always gets the newest and no queue can grow. Offline (``lossless=True``), ``put`` waits
    until the place is free, so that every frame of a file is worked on. ``close`` wakes both sides.
    """

    def __init__(self, lossless: bool = False) -> None:
        self._lossless = lossless
        self._item: T | None = None
        self._closed = False
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, item: T) -> bool:
        """Offer *item*; False when the slot is closed."""
        with self._changed:
            while self._lossless and self._item is not None and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float | None = None) -> T | None:
        """The item, waiting up to *timeout_s* (None = for ever) for one; None on time-out or when closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    def drain(self) -> T | None:
        """Close the slot and give back the item that was still in it."""
        with self._changed:
            item, self._item = self._item, None
            self._closed = True
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """No more items are taken in; one that is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return self._closed
