"""A thread with a stop flag, and the only place that catches everything."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from poseapp.core.addresses import without_secrets
from poseapp.core.errors import PoseAppError

log = logging.getLogger(__name__)


class Worker:
    """Runs ``run(stop)`` on a thread of its own. An error that escapes from it goes to *failed*, as one line, on that thread.

    The thread is a daemon: a device driver that never returns must not keep the process alive.
    """

    def __init__(self, name: str, run: Callable[[threading.Event], None], failed: Callable[[str], None]) -> None:
        self.stop_requested = threading.Event()
        # Only the thread holds run and failed, so that an ended worker keeps nothing alive that they refer to.
        self._thread = threading.Thread(target=self._guarded, args=(run, failed), name=f"poseapp-{name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask ``run`` to return; does not wait."""
        self.stop_requested.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; True when the thread has ended (or never started)."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _guarded(self, run: Callable[[threading.Event], None], failed: Callable[[str], None]) -> None:
        name = self._thread.name
        try:
            run(self.stop_requested)
        except PoseAppError as error:
            log.debug("%s stopped", name, exc_info=True)
            failed(str(error))
        except Exception as error:  # a worker's loop is the catch-all of its thread
            log.exception("%s failed", name)
            said = without_secrets(str(error))
            failed(f"{name}: unexpected {type(error).__name__}: {said}. Please report this with the log.")
