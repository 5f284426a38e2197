"""What an output of live poses is, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from poseapp.core.repetitions import Exercise
from poseapp.live.outputs.update import Update
from poseapp.live.recording import RecordingMark
from poseapp.render import DrawOptions


class Output(Protocol):
    """Gives live poses to another program by one protocol.

    Its runner makes one, calls ``open`` once, then ``send`` and ``mark`` as often as there is something new, and ``close`` once,
    also where ``open`` has failed; all on one thread, so ``send`` may wait. While it waits, frames are dropped, and nobody else
    waits. Any thread may read the properties.

    ``receiving`` is told as far as the protocol knows. ``news`` is for example "2 clients".
    """

    @property
    def receiving(self) -> bool:
        """Whether somebody takes what is sent."""
        ...

    @property
    def news(self) -> str:
        """A few words for the user, or ""."""
        ...

    @property
    def dropped(self) -> int:
        """How many frames it took and could not hand on."""
        ...

    def open(self) -> None:
        """Begin. Raises OutputError; the runner tries again later."""
        ...

    def send(self, update: Update) -> bool:
        """Hand on the poses of a frame; whether they were. Raises OutputError where the output must be opened again."""
        ...

    def mark(self, mark: RecordingMark) -> None:
        """Hand on that a recording has begun or ended. Raises OutputError."""
        ...

    def close(self) -> None:
        """End; raises nothing."""
        ...


@dataclass(frozen=True)
class RemoteCommand:
    """What a receiver asks the app for: to begin or to finish a recording, or whichever it is time for.

    ``name`` is how the recording shall be called, with tags, as a user would type it; "" for no name.
    """

    do: Literal["start", "stop", "toggle"]
    name: str = ""

    def decide(self, recording: bool) -> tuple[bool, str]:
        """Whether to begin (True) or to finish, given whether there is a *recording*; and why neither can be done, or ""."""
        begin = not recording if self.do == "toggle" else self.do == "start"
        if begin == recording:
            return begin, "A recording runs already." if recording else "Nothing is recorded now."
        return begin, ""


Control = Callable[[RemoteCommand], "Future[str]"]
"""Obeys a command; returns at once. The future gives "" when it is done, and else one line that says why it was not."""


def no_control(command: RemoteCommand) -> Future[str]:
    """Obeys nothing."""
    done: Future[str] = Future()
    done.set_result(f"{command.do}: nobody records here.")
    return done


@dataclass(eq=False, kw_only=True)
class OutputSettings:
    """What may change between two frames. Any thread may set a field; the outputs' threads read each one once a frame.

    ``draw`` is how a picture is drawn, and its ``threshold`` the score that joints of angles must have. ``exercise`` is what is
    counted; ``count_number`` is another one when counting begins at zero.
    """

    draw: DrawOptions = field(default_factory=DrawOptions)
    exercise: Exercise | None = None
    count_number: int = 0


@dataclass(frozen=True, kw_only=True)
class OutputAddress:
    """Where an output goes, as the user wrote it: ``kind`` is its name in OUTPUTS, and ``options`` are complete and checked.

    ``host`` and ``port`` are for outputs on the network, ``name`` is for the others.
    """

    kind: str
    host: str = ""
    port: int = 0
    name: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class OutputSetup:
    """What an output may need: ``token`` is the secret of those that let other machines in."""

    settings: OutputSettings
    control: Control
    token: str


MakeOutput = Callable[[OutputAddress, OutputSetup], Output]
