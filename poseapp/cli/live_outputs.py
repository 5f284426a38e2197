"""Outputs of ``poseapp run``: its options, what is said of them, and who begins recordings for them without a window."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from poseapp.core.errors import PoseAppError
from poseapp.core.repetitions import EXERCISES, Exercise

if TYPE_CHECKING:
    from rich.console import Console

    from poseapp.live.outputs import OutputAddress, Outputs, RemoteCommand
    from poseapp.live.recording import RecordOptions
    from poseapp.live.session import Session

OPEN_S = 3.0  # the first pictures wait so long for outputs that are being opened
GIVEN = "Live outputs"  # title in --help

OutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        metavar="ADDRESS",
        help="Send live poses to another program; may be repeated. osc, udp, ws (WebSocket and a web page), lsl or vcam (virtual "
        "camera), or an address such as osc://127.0.0.1:9000.",
        rich_help_panel=GIVEN,
    ),
]
NoRecording = Annotated[
    bool,
    typer.Option(
        "--no-recording",
        help="With --headless: record only what a program asks for through ws, and play clips at their own speed.",
        rich_help_panel=GIVEN,
    ),
]


def _exercise(name: str | None) -> str | None:
    known = [one.name for one in EXERCISES]
    if name is not None and name.lower() not in map(str.lower, known):
        raise typer.BadParameter(f"expected one of {', '.join(known)}, got {name!r}")
    return name


Count = Annotated[
    str | None,
    typer.Option(
        "--count",
        metavar="EXERCISE",
        callback=_exercise,
        help=f"With --headless: send how often it was repeated. One of {', '.join(one.name for one in EXERCISES)}.",
        rich_help_panel=GIVEN,
    ),
]


@dataclass(frozen=True, kw_only=True)
class LiveOutputs:
    """What a run gives to other programs.

    ``exercise`` is counted. Without ``records`` nothing is recorded before a program asks for it, and a clip plays at its own
    speed.
    """

    addresses: tuple[OutputAddress, ...] = ()
    exercise: Exercise | None = None
    records: bool = True


@dataclass(frozen=True)
class OutputChoices:
    """The options above as they were given."""

    addresses: tuple[str, ...] = ()
    records: bool = True
    count: str | None = None

    def live(self) -> LiveOutputs:
        """What they come to. Raises OutputError."""
        from poseapp.live.outputs import parse_output

        exercise = next((one for one in EXERCISES if one.name.lower() == (self.count or "").lower()), None)
        return LiveOutputs(addresses=tuple(map(parse_output, self.addresses)), exercise=exercise, records=self.records)


class _Control:
    """Begins and finishes recordings with *options* for the outputs of *session*, on a thread of its own."""

    def __init__(self, session: Session, options: RecordOptions) -> None:
        self._session, self._options = session, options
        self._worker = ThreadPoolExecutor(1, "poseapp-control")

    def __call__(self, command: RemoteCommand) -> Future[str]:
        """See Control."""
        return self._worker.submit(self._obey, command)

    def close(self) -> None:
        """End the thread."""
        self._worker.shutdown(cancel_futures=True)

    def _obey(self, command: RemoteCommand) -> str:
        from poseapp.live.recording import split_name

        recording = self._session.status().recording
        begin, problem = command.decide(recording is not None and recording.active)
        if problem:
            return problem
        if not begin:
            self._session.stop_recording()
            return ""
        name, tags = split_name(command.name)
        options = replace(self._options, name=name, tags=tags) if command.name else self._options
        try:
            self._session.start_recording(options)
        except PoseAppError as error:
            return str(error)
        return ""


@contextlib.contextmanager
def giving(session: Session, live: LiveOutputs, options: RecordOptions, console: Console) -> Iterator[list[str]]:
    """Within it *session* gives its poses to *live*, and receivers may record with *options*; then a line each is in the list."""
    from poseapp.live.outputs import Outputs

    control = _Control(session, options)
    outputs = session.outputs = Outputs(control)
    outputs.count(live.exercise)
    outputs.choose(live.addresses)
    outputs.wait(OPEN_S)
    _say(outputs, console)
    lines: list[str] = []
    try:
        yield lines
    finally:
        for status in outputs.status():
            trouble = f" ({status.message})" if status.light == "failed" else ""
            lines.append(f"output     {status.address}: {status.sent} frames sent, {status.dropped} dropped{trouble}")
        outputs.close()
        control.close()


def _say(outputs: Outputs, console: Console) -> None:
    """Say where poses go. The token of an output that lets other machines in is for this terminal alone."""
    from poseapp.live.outputs.web_access import WebAccess

    for status in outputs.status():
        address = status.address
        if address.kind != "ws":
            console.print(f"Sending to {address}.", soft_wrap=True)
            continue
        access = WebAccess(address.host, address.port, outputs.token)
        console.print(f"Page: {access.page_address()}", soft_wrap=True, markup=False, highlight=False)
        if access.needs_token:
            console.print("Other machines can connect with the token behind the #. Keep it secret.", soft_wrap=True)
