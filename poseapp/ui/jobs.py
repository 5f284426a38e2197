"""Runs slow work of the window on threads and delivers the outcome on the UI thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from poseapp.core.addresses import without_secrets
from poseapp.core.errors import PoseAppError

log = logging.getLogger(__name__)


T = TypeVar("T")


class Jobs(QObject):
    """Runs slow work on plain threads; the outcome comes back on the UI thread."""

    _finished = Signal(object)  # a callable without arguments

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = threading.Event()
        self._finished.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        name: str,
        work: Callable[[], T],
        done: Callable[[T], None] = lambda _value: None,
        failed: Callable[[str], None] = lambda _error: None,
    ) -> None:
        """Run *work* on a thread called *name*, then *done* with its value or *failed* with one line for the user."""

        def run() -> None:
            outcome: Callable[[], None]
            try:
                value = work()
            except PoseAppError as error:
                message = str(error)
                outcome = lambda: failed(message)  # noqa: E731
            except Exception as error:  # the catch-all of this thread: nothing may vanish without a word
                log.exception("%s failed", name)
                said = without_secrets(str(error))
                message = f"{name}: unexpected {type(error).__name__}: {said}. Please report this with the log."
                outcome = lambda: failed(message)  # noqa: E731
            else:
                outcome = lambda: done(value)  # noqa: E731
            if not self._closed.is_set():
                try:
                    self._finished.emit(outcome)
                except RuntimeError:  # the window has gone in between
                    log.debug("%s finished after the window was closed", name)

        threading.Thread(target=run, name=f"poseapp-ui-{name}", daemon=True).start()

    def close(self) -> None:
        """Deliver nothing any more."""
        self._closed.set()

    def _deliver(self, outcome: Callable[[], None]) -> None:
        if not self._closed.is_set():
            outcome()
