"""OutputRunner: one output on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from poseapp.core.errors import OutputError, first_line
from poseapp.core.types import Result
from poseapp.live.outputs.base import MakeOutput, Output, OutputAddress, OutputSetup
from poseapp.live.outputs.update import Update
from poseapp.live.recording import RecordingMark
from poseapp.live.repetition_count import RepetitionCount
from poseapp.live.slot import Slot
from poseapp.live.stats import rate_of
from poseapp.live.worker import Worker

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 8.0
LOOK_S = 0.1  # how often a mark is looked for while no frame comes
MOST_MARKS = 64  # that wait; nobody begins so many recordings in a tenth of a second
QUIET_S = 1.5  # so long after the last frame an output is not live any more
LET_GO_S = 3.0  # how long an output waits for the one before it, which may have the same port

Light = Literal["starting", "live", "waiting", "failed"]


@dataclass(frozen=True, kw_only=True)
class OutputStatus:
    """How an output is doing.

    ``light`` is "live" while somebody receives poses, "waiting" while nobody does or no frame comes, "failed" while it cannot be
    opened. ``rate`` is frames a second. ``dropped`` counts frames that came too fast or could not be handed on. ``message`` is
    one line for the user, or "".
    """

    address: OutputAddress
    light: Light
    rate: float
    sent: int
    dropped: int
    message: str


class OutputRunner:
    """Opens an output, gives it the newest poses, and opens it again where it fails, less and less often.

    ``put`` never waits: a frame that was not sent yet is replaced and counted. ``put`` and ``mark`` are for one thread at a time
    each, the others for any. *before* are those whose addresses may be the same: they end first.
    """

    def __init__(self, address: OutputAddress, make: MakeOutput, setup: OutputSetup, before: Sequence[OutputRunner] = ()) -> None:
        self.address = address
        self._make, self._setup, self._before = make, setup, before
        self._inbox: Slot[tuple[Result, float, float]] = Slot()
        self._marks: deque[RecordingMark] = deque(maxlen=MOST_MARKS)
        self._counter, self._count_number = RepetitionCount(), -1
        self._output: Output | None = None  # while it is open
        self._sent = self._dropped_before = 0  # the latter by outputs that are closed
        self._ticks: deque[float] = deque(maxlen=1024)
        self._error = ""
        self._tried = threading.Event()  # to open it
        self._worker = Worker(f"output-{address.kind}", self._run, self._give_up)

    def start(self) -> None:
        """Begin; returns at once."""
        self._worker.start()

    def put(self, result: Result, t: float, seconds: float) -> None:
        """Offer *result*, captured at *t* on the monotonic clock, *seconds* after the first frame."""
        if self._output is not None:
            self._inbox.put((result, t, seconds))

    def mark(self, mark: RecordingMark) -> None:
        """Say that a recording has begun or ended."""
        self._marks.append(mark)

    def wait(self, timeout_s: float) -> bool:
        """Wait until it is open, or could not be opened; True when that is so."""
        return self._tried.wait(timeout_s)

    def request_stop(self) -> None:
        """Ask it to end; does not wait."""
        self._worker.request_stop()
        self._inbox.close()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; True when it has ended."""
        return self._worker.join(timeout_s)

    def status(self) -> OutputStatus:
        """A snapshot; cheap."""
        output, error = self._output, self._error
        now, ticks = time.monotonic(), deque(self._ticks)
        rate = rate_of(ticks, now)
        light: Light = "failed" if error else "starting"
        if output is not None:
            light = "live" if output.receiving and ticks and now - ticks[-1] < QUIET_S else "waiting"
        return OutputStatus(
            address=self.address,
            light=light,
            rate=rate if light == "live" else 0.0,
            sent=self._sent,
            dropped=self._inbox.dropped + self._dropped_before + (output.dropped if output is not None else 0),
            message=error or (output.news if output is not None else ""),
        )

    # -- on its thread -----------------------------------------------------------------------------------------

    def _run(self, stop: threading.Event) -> None:
        for runner in self._before:
            runner.join(LET_GO_S)
        self._before = ()
        retry_s = FIRST_RETRY_S
        while not stop.is_set():
            output = self._make(self.address, self._setup)
            try:
                output.open()
                self._error, self._output, retry_s = "", output, FIRST_RETRY_S
                self._tried.set()
                self._feed(output, stop)
            except (OutputError, OSError) as error:
                self._error = str(error) if isinstance(error, OutputError) else f"{self.address}: {first_line(error)}."
            finally:
                self._tried.set()
                self._output = None
                self._dropped_before += output.dropped
                output.close()
            if stop.wait(retry_s):
                return
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    def _feed(self, output: Output, stop: threading.Event) -> None:
        """Give *output* what comes, until *stop* is set."""
        while not stop.is_set():
            item = self._inbox.take(LOOK_S)
            while self._marks:
                output.mark(self._marks.popleft())
            if item is not None and output.send(self._update(*item)):
                self._sent += 1
                self._ticks.append(time.monotonic())

    def _update(self, result: Result, t: float, seconds: float) -> Update:
        settings = self._setup.settings
        if settings.count_number != self._count_number:
            self._count_number = settings.count_number
            self._counter.choose(settings.exercise)
        threshold = settings.draw.threshold
        self._counter.update(result, None, threshold)
        return Update(result=result, t=t, seconds=seconds, threshold=threshold, repetitions=self._counter.counts)

    def _give_up(self, error: str) -> None:
        """Something that nobody expected ended the thread."""
        self._output, self._error = None, error
