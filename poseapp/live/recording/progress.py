"""What a recording is asked for, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from poseapp.live.recording.counts import Counts
from poseapp.live.recording.sound_track import SoundState
from poseapp.live.recording.start_stop import EndedBy, StartStop
from poseapp.live.sound import Microphone
from poseapp.render import DrawOptions


@dataclass(frozen=True)
class RecordingMark:
    """A recording has begun or ended: ``t`` is when, s on the monotonic clock; ``name`` is that of its folder.

    The ``t`` of a beginning is the capture time of its first frame, which is 0 in ``keypoints.jsonl``.
    """

    recording: bool
    t: float
    name: str


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """``folder`` gets a new sub-folder of the date and ``name``; ``clean_video`` adds the video of all captured frames, and
    ``annotated_video`` that of the analysed ones.

    ``draw`` is how poses are drawn at first; ``tags`` are the user's words for finding the recording again. ``start_stop`` says
    when it begins and when it stops by itself. ``microphone`` adds sound to what is recorded live; each recording needs its own.
    ``epoch_t`` is the moment of t = 0, s on the monotonic clock, where several cameras are recorded with one clock; None is the
    first frame.
    """

    folder: Path
    clean_video: bool = False
    annotated_video: bool = True
    draw: DrawOptions = field(default_factory=DrawOptions)
    name: str = ""
    tags: tuple[str, ...] = ()
    start_stop: StartStop = field(default_factory=StartStop)
    epoch_t: float | None = None
    microphone: Microphone | None = None


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Where a recording stands.

    ``counts`` says what became of its frames, and ``segment`` how many segments there are so far: a new one begins where the
    skeleton changes. ``disk_left_s`` is the time until the disk is full at this rate; ``error`` says why the recording stopped by
    itself, or "". ``waits_s`` is the rest of the countdown: until that is over no frame is taken. ``ended_by`` says which rule
    ended the recording. ``sound`` is how the sound is; None where none was asked for.
    """

    folder: Path
    active: bool
    seconds: float
    bytes: int
    counts: Counts
    segment: int
    disk_left_s: float
    error: str
    waits_s: float = 0.0
    ended_by: EndedBy = ""
    sound: SoundState | None = None

    @property
    def frames(self) -> int:
        """How many analysed frames are in the files."""
        return self.counts.written

    @property
    def summary(self) -> str:
        """One line for the user."""
        text = f"{self.counts.sentence()}; {self.seconds:.1f} s, {self.bytes / 1e6:.1f} MB in {self.folder}"
        return f"{self.error} {text}" if self.error else text
