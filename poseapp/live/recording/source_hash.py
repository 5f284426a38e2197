"""The hash of the file that a recording is made of, found while frames are recorded."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from poseapp.live.recording.description import SourceEntry

log = logging.getLogger(__name__)

END_S = 5.0  # how long the end of a recording waits: a file of some GB is read through in that time
BLOCK_BYTES = 1 << 20


class SourceHash:
    """Reads the file of *source* on a thread of its own and gives its SHA-256 to *found*; does nothing without a file."""

    def __init__(self, source: SourceEntry, found: Callable[[str], None]) -> None:
        self._found, self._stop = found, threading.Event()
        self._thread: threading.Thread | None = None
        path = Path(source.path) if source.path is not None else None
        if path is not None and path.is_file():
            self._thread = threading.Thread(target=self._run, args=(path,), name="poseapp-recorder-hash", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Wait a little for the hash, then do without it."""
        if self._thread is not None:
            self._thread.join(END_S)
            self._stop.set()
            self._thread.join()

    def _run(self, path: Path) -> None:
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(BLOCK_BYTES):
                    if self._stop.is_set():
                        log.warning("%s: too large to be hashed while it was recorded", path)
                        return
                    digest.update(block)
        except OSError as error:  # the recording is worth more than the hash
            log.warning("%s: cannot be hashed (%s)", path, error.strerror)
            return
        self._found(digest.hexdigest())
