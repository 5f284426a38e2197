"""Another recording that is shown with the one that plays, at the moment that belongs to it."""

from __future__ import annotations

import math
import threading

from poseapp.core.gait import GaitDifference, compare, gait_of
from poseapp.core.scale import height_px
from poseapp.core.types import Result
from poseapp.render.compare import Beside
from poseapp.review.measurements import measured_frames
from poseapp.review.player import RecordingPlayer
from poseapp.review.recorded_part import PersonTrack, RecordedPart
from poseapp.review.saved_recording import SavedRecording


class Comparison:
    """Gives the frames of *other*, which is not started, for the times of *own*; *threshold* is for what is measured.

    ``offset_s`` is the time of the other one at the time 0 of the own one; any thread may change it. ``beside`` says how the two
    are drawn together, and ``gait`` how far the gaits of those who are seen longest are apart, None where not both walk.

    ``_lock`` guards the other player, which one thread at a time may ask.
    """

    def __init__(self, own: RecordingPlayer, other: RecordingPlayer, threshold: float) -> None:
        self.other, self.offset_s = other, 0.0
        self._lock = threading.Lock()
        self._closed = False
        mine, theirs = _seen_longest(own.recording), _seen_longest(other.recording)
        self.gait = _gaits_apart(mine, theirs, threshold)
        ratio = 1.0
        if mine is not None and theirs is not None:
            ratio = _height_px(*mine, threshold) / _height_px(*theirs, threshold)
        self.beside = Beside(
            is_drawn=other.is_drawn,
            own=mine[1].id if mine is not None else None,
            other=theirs[1].id if theirs is not None else None,
            size_ratio=ratio if math.isfinite(ratio) and ratio > 0 else 1.0,
        )

    def at(self, t: float) -> Result | None:
        """The frame of the other one at *t* s of the own one, at its ends the first or last one; None after ``close``.

        Raises SourceError.
        """
        with self._lock:
            return self.other.result(self.other.number_at(t + self.offset_s)) if not self._closed else None

    def step(self, pictures: int, t: float) -> None:
        """Let the other one be *pictures* further on (back, below 0) at *t* s of the own one."""
        number = self.other.number_at(t + self.offset_s)
        self.offset_s = self.other.time_of(number + pictures) - t

    def close(self) -> None:
        """Close the other one; waits until nobody asks it."""
        with self._lock:
            self._closed = True
            self.other.close()


_Person = tuple[RecordedPart, PersonTrack]


def _seen_longest(recording: SavedRecording | None) -> _Person | None:
    """Whoever is seen in the most frames of *recording*."""
    everybody = [(part, track) for part in (recording.parts if recording is not None else ()) for track in part.people.values()]
    return max(everybody, key=lambda one: len(one[1].rows), default=None)


def _height_px(part: RecordedPart, track: PersonTrack, threshold: float) -> float:
    seen = measured_frames(part, track, threshold)
    return height_px(seen.xy, seen.score, part.skeleton, threshold)


def _gaits_apart(mine: _Person | None, theirs: _Person | None, threshold: float) -> GaitDifference | None:
    gaits = []
    for one in (mine, theirs):
        if one is None:
            return None
        seen = measured_frames(*one, threshold)
        try:
            gaits.append(gait_of(seen.t, seen.xy, seen.score, one[0].skeleton, threshold))
        except ValueError:  # too long
            return None
    difference = compare(*gaits)
    return difference if math.isfinite(difference.overall) else None
