"""The recordings of a session: the newest one, and those that still write."""

from __future__ import annotations

from poseapp.live.recording.progress import Recording
from poseapp.live.recording.recorder import Recorder


class Recordings:
    """Keeps the recorders of a session until their files are finished.

    The caller of ``add`` and ``status`` holds the session's lock.
    """

    def __init__(self) -> None:
        self.current: Recorder | None = None  # the newest one, finished or not; may be read without the lock
        self._writing: list[Recorder] = []

    def add(self, recorder: Recorder) -> None:
        """*recorder* is the newest one from now on."""
        self.current = recorder
        self._writing = [one for one in self._writing if not one.join(0)] + [recorder]

    def status(self) -> Recording | None:
        """Where the newest recording stands; None where it was called off within its countdown."""
        return self.current.status() if self.current is not None and not self.current.called_off else None

    @property
    def active(self) -> bool:
        """Whether frames are being recorded. One that only finishes its files takes none."""
        current = self.current
        return current is not None and current.taking

    def finish(self, timeout_s: float) -> None:
        """Wait until all files are finished, for each recording *timeout_s* at most."""
        for recorder in self._writing:
            recorder.join(timeout_s)
