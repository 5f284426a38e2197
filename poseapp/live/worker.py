"""A thread with a stop flag, and the only place that catches everything."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from poseapp.core.errors import PoseAppError

log = logging.getLogger(__name__)


class Worker:
    """Runs ``run(stop)`` on a thread of its own; whatever escapes goes to *failed*, once.

    The thread is a daemon: a device driver that never returns must not keep the process alive.
    """

    def __init__(self, name: str, run: Callable[[threading.Event], None], failed: Callable[[str], None]) -> None:
        self._stop = threading.Event()
        self._run, self._failed = run, failed
        self._thread = threading.Thread(target=self._guarded, name=f"poseapp-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask ``run`` to return; does not wait."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; True when the thread has ended (or never started)."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _guarded(self) -> None:
        try:
            self._run(self._stop)
        except PoseAppError as error:
            log.debug("%s stopped", self._thread.name, exc_info=True)
            self._failed(str(error))
        except Exception as error:
            log.exception("%s failed", self._thread.name)
            self._failed(f"{self._thread.name}: unexpected {type(error).__name__}: {error}. Please report this with the log.")
