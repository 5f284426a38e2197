"""When the recording of a run without a window begins and ends: at once, after a countdown, or by a raised hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from poseapp.core.errors import PoseAppError

if TYPE_CHECKING:
    from rich.console import Console

    from poseapp.live.recording import RecordOptions
    from poseapp.live.session import Session
    from poseapp.live.sound import Microphone
    from poseapp.live.sources import Source
    from poseapp.live.status import Status


def microphone_called(name: str | None) -> Microphone | None:
    """The microphone *name*; None for "off"."""
    from poseapp.live.sound import parse_microphone

    return None if name in (None, "off") else parse_microphone(name or "")


def check_choices(options: RecordOptions, source: Source) -> None:
    """Raise PoseAppError where *source* cannot be recorded with *options*."""
    if options.microphone is not None and not source.live:
        raise PoseAppError(
            f"--microphone: expected a camera or a live stream, got {source.name}. "
            "Leave it out: a file is not analysed at its own speed."
        )
    if options.start_stop.countdown_s and not source.live:
        raise PoseAppError(
            f"--countdown: expected a camera or a live stream, got {source.name}. "
            "Leave it out: a file is analysed from its beginning."
        )


class Starter:
    """Begins the recording of *session* as *options* say, and ends it by a raised hand where they say so.

    Call ``begin`` before the session starts, then ``look`` with each status.
    """

    def __init__(self, session: Session, options: RecordOptions, console: Console) -> None:
        self._session, self._options, self._console = session, options, console
        self._chosen = options.start_stop
        self._begun = False
        self._signs = 0  # raised hands that were acted on
        self._said = ""
        self._trouble = ""  # with the sound, said already

    def begin(self) -> None:
        """Begin with the first frame, where nothing else is waited for. Raises RecordError."""
        self._session.settings.hand_sign = self._chosen.hand != "off"
        if self._chosen.hand == "off" and not self._chosen.countdown_s:
            self._start()

    def look(self, status: Status) -> bool:
        """Do what is due; whether to go on: not when the recording has ended. Raises RecordError."""
        signed, self._signs = status.hand_signs > self._signs, status.hand_signs
        if not self._begun:
            self._wait(status, signed)
            return True
        recording = status.recording
        if recording is None:
            return False
        if recording.sound is not None and recording.sound.error and recording.sound.error != self._trouble:
            self._trouble = recording.sound.error
            self._say(self._trouble)
        if recording.waits_s > 0:
            self._say(f"{math.ceil(recording.waits_s)}", bell=True)
        elif signed and self._chosen.hand == "start-stop" and recording.active:
            self._say("Raised hand: finishing the recording.")
            self._session.stop_recording()
        return recording.active

    def _wait(self, status: Status, signed: bool) -> None:
        if status.state != "running":
            return
        if self._chosen.hand == "off" or signed:
            self._say("Recording begins.", bell=True)
            self._start()
        else:
            self._say("Hold one hand above the head for 2 s to begin the recording.")

    def _start(self) -> None:
        self._begun = True
        self._session.start_recording(self._options)

    def _say(self, text: str, bell: bool = False) -> None:
        if text != self._said:
            self._said = text
            self._console.print(text, soft_wrap=True)
            if bell:
                self._console.bell()
