"""SourceRunner: reads one source after another, and knows how the present one is."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from poseapp.core.errors import SourceError
from poseapp.core.framing import WHOLE, Framing
from poseapp.core.types import Frame
from poseapp.live.capture import CaptureEvents, capture
from poseapp.live.shared import Shared
from poseapp.live.sources import Mode, Source
from poseapp.live.sources.camera_controls import Control
from poseapp.live.status import State
from poseapp.live.worker import Worker

log = logging.getLogger(__name__)

SILENT_S = 1.5  # a source that has not answered for so long is reported; two seconds are what a user waits
LET_GO_S = (1.5, 1.0)  # how long a source that is left may take, and then once its device is closed under it
MOST_HUNG = 4  # sources that never answered and were left: each has a thread that cannot be ended


class SourceRunner:
    """Reads the present source on a capture thread of its own.

    *deliver* gets each frame on the capture thread, with the flag that says that the source was left. *over* is called with the
    lock held when the source has come to its end and its last frame is worked on. The session's lock guards all attributes; every
    method without a word about it is called with the lock held.
    """

    def __init__(
        self,
        source: Source,
        shared: Shared,
        deliver: Callable[[Frame, threading.Event], None],
        over: Callable[[], None],
        framing: Framing = WHOLE,
    ) -> None:
        self._shared, self._deliver, self._over = shared, deliver, over
        self.source, self.framing = source, framing
        self.controls: Sequence[Control] = ()  # of a device that has some
        self.actual: Mode | None = None  # until it has answered
        self.state: State = "starting"
        self.message = ""
        self.next_index = 0  # of the frame that comes next, counted over all sources
        self._worked_index = -1  # frames up to this one are worked on, or wanted by nobody
        self._final: tuple[State, str] | None = None  # what the source comes to once its last frame is worked on
        self._waits_since: float | None = None  # for the source to answer
        self._worker: Worker | None = None
        self._running: list[tuple[Worker, Source]] = []  # those that have not ended

    def change(self, source: Source, framing: Framing) -> None:
        """Read *source* from now on, instead of the one before, and frame its pictures with *framing*."""
        self._running = [(worker, old) for worker, old in self._running if not worker.join(0)]
        before = list(self._running)
        previous, self.source, self.actual = self._worker, source, None
        self.framing, self.controls = framing, ()
        self.state, self.message, self._final = "starting", "", None
        self._waits_since = None

        def run(stop: threading.Event) -> None:
            _let_go(before, stop, source.name)
            events = CaptureEvents(
                frame=lambda frame: self._deliver(frame, stop),
                opened=lambda mode: self._opened(mode, stop),
                resized=lambda mode: self._resized(mode, stop),
                rewound=lambda: self._rewound(stop),
                lost=lambda error: self._lost(error, stop),
                jumped=lambda: self._jumped(stop),
                ended=lambda: self._finished("ended", "", stop),
                waits=lambda waits: self._waits(waits, stop),
                controlled=lambda controls: self._controlled(controls, stop),
                unreadable=lambda count, skipped: self._unreadable(count, skipped, stop),
            )
            with self._shared.lock:
                first_index = self.next_index
            capture(source, self._shared.realtime, first_index, events, stop, lambda: self.framing)

        self._worker = worker = Worker("capture", run, lambda error: self._finished("failed", error, worker.stop_requested))
        self._running.append((worker, source))
        if previous is not None:
            previous.request_stop()
            self._shared.lock.notify_all()
        worker.start()

    @property
    def waits_for_model(self) -> bool:
        """Whether the source is held until a model is there: a clip begins when there is somebody to look at it."""
        return not (self._shared.realtime and self.source.live)

    @property
    def silence(self) -> str:
        """One line where the source does not answer, or ""."""
        if self._waits_since is None or time.monotonic() - self._waits_since < SILENT_S:
            return ""
        missing = "does not deliver pictures" if self.actual is not None else "does not answer"
        return f"{self.source.name}: {missing}. Check it, or choose another source."

    def came(self, frame: Frame) -> None:
        """*frame* has come, so the source runs."""
        self.state, self.message = "running", ""
        self.next_index = frame.index + 1

    def worked(self, index: int) -> None:
        """Frames up to *index* are done with."""
        self._worked_index = index
        if self._final is not None and index >= self.next_index - 1:
            (self.state, self.message), self._final = self._final, None
            self._over()

    def request_stop(self) -> None:
        """Ask the capture thread to end; does not wait."""
        if self._worker is not None:
            self._worker.request_stop()

    def join(self) -> None:
        """Wait for the capture thread. One that hangs is given up after two seconds. Without the lock."""
        worker, source = self._worker, self.source
        if worker is not None and not worker.join(1.5):
            log.warning("%s does not answer; its device is closed under it", source.name)
            threading.Thread(target=source.close, name="poseapp-close", daemon=True).start()
            worker.join(0.5)

    # -- on the capture thread, without the lock ---------------------------------------------------------------

    def _waits(self, waits: bool, stop: threading.Event) -> None:
        """The capture thread waits for the source from now on, or no longer."""
        with self._shared.lock:
            if not stop.is_set():
                self._waits_since = time.monotonic() if waits else None

    def _opened(self, mode: Mode, stop: threading.Event) -> None:
        with self._shared.lock:
            if stop.is_set():
                return
            self.message = ""
            recorder = self._shared.recordings.current
        self._resized(mode, stop)
        if recorder is not None:
            recorder.source_opened(mode)

    def _resized(self, mode: Mode, stop: threading.Event) -> None:
        with self._shared.lock:
            if not stop.is_set():
                self.actual = mode
                self._shared.new_scene_from = self.next_index

    def _jumped(self, stop: threading.Event) -> None:
        with self._shared.lock:
            if not stop.is_set():
                self._shared.new_scene_from = self.next_index

    def _rewound(self, stop: threading.Event) -> None:
        with self._shared.lock:
            if not stop.is_set():
                self._shared.rewound_from = self.next_index

    def _unreadable(self, count: int, skipped: Sequence[str], stop: threading.Event) -> None:
        recorder = self._shared.recordings.current
        if recorder is not None and not stop.is_set():
            recorder.unreadable(count, skipped)

    def _controlled(self, controls: Sequence[Control], stop: threading.Event) -> None:
        with self._shared.lock:
            if stop.is_set():
                return
            self.controls = controls
            recorder = self._shared.recordings.current
        if recorder is not None:
            recorder.source_controlled(controls)

    def _lost(self, error: str, stop: threading.Event) -> None:
        with self._shared.lock:
            if not stop.is_set():
                self.state, self.message = "reconnecting", error

    def _finished(self, state: State, message: str, stop: threading.Event) -> None:
        """The source gives no more frames; it comes to *state* when the last one has been worked on."""
        with self._shared.lock:
            if not stop.is_set():
                self._final = (state, message)
                self.worked(self._worked_index)


def _let_go(before: list[tuple[Worker, Source]], stop: threading.Event, name: str) -> None:
    """Wait until the sources that were read *before* are closed: often the next one is the same camera.

    One that hangs is closed under its thread, and then left. Raises SourceError where too many were left.
    """
    for patience_s in LET_GO_S:
        deadline = time.monotonic() + patience_s
        while [one for one in before if not one[0].join(0)] and not stop.is_set() and time.monotonic() < deadline:
            stop.wait(0.01)
        before = [one for one in before if not one[0].join(0)]
        if stop.is_set():
            return
        for _, source in before:
            source.close()
    if len(before) >= MOST_HUNG:
        raise SourceError(f"{name}: {len(before)} sources before it hang, and none lets go. Restart the app.")
