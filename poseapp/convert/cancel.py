"""Ending a download from another thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from poseapp.core.errors import ModelError

if TYPE_CHECKING:
    import requests


class CancelledError(ModelError):
    """The user gave up a download; what has come of the file is kept."""


class Cancel:
    """``cancel`` ends the download that was given this object, at once, even while it waits for a server that says nothing.

    The thread that downloads calls ``check`` between its steps, and reads an answer inside ``watching``. Any thread may call
    ``cancel``, and more than once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._descriptor: int | None = None  # of the connection that is being read

    @property
    def cancelled(self) -> bool:
        """Whether ``cancel`` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """End the download."""
        with self._lock:
            self._cancelled = True
            if self._descriptor is not None:
                _shut(self._descriptor)

    def check(self) -> None:
        """Raise CancelledError after ``cancel``."""
        if self._cancelled:
            raise CancelledError("The download was cancelled. What has come of the file is kept.")

    @contextlib.contextmanager
    def watching(self, response: requests.Response) -> Iterator[None]:
        """While the block reads *response*, ``cancel`` cuts its connection. Raises CancelledError where it did before."""
        with self._lock:
            self.check()
            self._descriptor = response.raw.fileno()
        try:
            yield
        finally:
            with self._lock:  # a closed connection's number may be that of another file soon
                self._descriptor = None


def _shut(descriptor: int) -> None:
    """Cut the connection with this *descriptor*, which stays its owner's to close."""
    connection = socket.socket(fileno=descriptor)
    try:
        with contextlib.suppress(OSError):  # the server was faster
            connection.shutdown(socket.SHUT_RDWR)
    finally:
        connection.detach()
