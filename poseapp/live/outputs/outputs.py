"""Outputs: all outputs of live poses that are on, and who starts and ends them."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Sequence

from poseapp.core.errors import OutputError
from poseapp.core.repetitions import Exercise
from poseapp.core.types import Result
from poseapp.live.outputs.base import Control, OutputAddress, OutputSettings, OutputSetup, no_control
from poseapp.live.outputs.parse import OUTPUTS
from poseapp.live.outputs.runner import OutputRunner, OutputStatus
from poseapp.live.recording import RecordingMark

TOKEN_VARIABLE = "POSEAPP_TOKEN"
SHORTEST_TOKEN = 16  # characters


class Outputs:
    """The outputs that are on, each on a thread of its own; they outlive a session.

    ``put`` and ``mark`` are what a Session calls, and never wait. The other methods are for one thread, that of the user;
    ``settings`` may be changed by any. *control* obeys what receivers ask for. ``token`` is the secret that receivers on other
    machines must know: that of the environment's POSEAPP_TOKEN, else a new one each time; nothing writes it down.
    """

    def __init__(self, control: Control = no_control, token: str | None = None) -> None:
        self.settings = OutputSettings()
        self.token = token or os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(18)
        if len(self.token) < SHORTEST_TOKEN or not self.token.isascii():
            raise OutputError(
                f"{TOKEN_VARIABLE}: expected at least {SHORTEST_TOKEN} ASCII characters, got {len(self.token)} characters. "
                "Set another one, or none for a token that the app makes."
            )
        self._setup = OutputSetup(settings=self.settings, control=control, token=self.token)
        self._runners: tuple[OutputRunner, ...] = ()  # replaced as a whole
        self._ending: list[OutputRunner] = []
        self._begun: float | None = None  # the capture time of the first frame
        self._lock = threading.Lock()  # for the one after the other

    def choose(self, addresses: Sequence[OutputAddress]) -> None:
        """Have the outputs at *addresses* on, and no others; those that are on already go on. Returns at once."""
        with self._lock:
            wanted = dict.fromkeys(address.text for address in addresses)
            stay = {runner.address.text: runner for runner in self._runners if runner.address.text in wanted}
            leave = [runner for runner in self._runners if runner.address.text not in wanted]
            for runner in leave:
                runner.request_stop()
            self._ending = [runner for runner in (*self._ending, *leave) if not runner.join(0)]
            new = {
                address.text: OutputRunner(address, OUTPUTS[address.kind].make, self._setup, tuple(self._ending))
                for address in addresses
                if address.text not in stay
            }
            self._runners = tuple((stay | new)[text] for text in wanted)
            for runner in new.values():
                runner.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until each is open or could not be opened, so that no frame that comes now is missed."""
        deadline = time.monotonic() + timeout_s
        for runner in self._runners:
            runner.wait(max(0.0, deadline - time.monotonic()))

    def put(self, result: Result, t: float) -> None:
        """Offer *result*, captured at *t* on the monotonic clock, to all of them."""
        if self._begun is None:
            self._begun = t
        for runner in self._runners:
            runner.put(result, t, max(0.0, t - self._begun))

    def mark(self, mark: RecordingMark) -> None:
        """Tell all of them that a recording has begun or ended."""
        for runner in self._runners:
            runner.mark(mark)

    def count(self, exercise: Exercise | None) -> None:
        """Count the repetitions of *exercise* from zero on, or nothing."""
        self.settings.exercise = exercise
        self.settings.count_number += 1

    def status(self) -> tuple[OutputStatus, ...]:
        """How each one is doing, in the order in which they were chosen."""
        return tuple(runner.status() for runner in self._runners)

    def close(self, timeout_s: float = 5.0) -> None:
        """End all of them, and wait for that."""
        self.choose(())
        deadline = time.monotonic() + timeout_s
        for runner in self._ending:
            runner.join(max(0.0, deadline - time.monotonic()))
