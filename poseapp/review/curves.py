"""The angles of each person over a whole recording, and what is measured over a span of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from poseapp.core.angles import AngleSummary, summarise
from poseapp.core.repetitions import Exercise, Repetition, count_repetitions
from poseapp.review.measurements import MeasuredFrames, measured_frames
from poseapp.review.recorded_part import Floats
from poseapp.review.saved_recording import SavedRecording


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonCurves:
    """Angles (n,) in degrees by name of the person ``id`` at ``t`` (n,) s of the recording, which grow; NaN where not seen."""

    id: int
    t: Floats
    angles: Mapping[str, Floats]

    def summary(self, name: str, span: tuple[float, float]) -> AngleSummary:
        """What the angle *name* does from ``span[0]`` to ``span[1]`` s, both included."""
        within = self._within(span)
        return summarise(self.t[within], self.angles[name][within])

    def repetitions(self, exercise: Exercise, span: tuple[float, float]) -> list[Repetition]:
        """The repetitions of *exercise* in *span*. What was begun before it does not count."""
        within = self._within(span)
        there = [self.angles[name][within] for name in exercise.angles if name in self.angles]
        if not there:
            return []
        return count_repetitions(self.t[within], exercise.combine(np.stack(there, axis=-1)), exercise)

    def _within(self, span: tuple[float, float]) -> slice:
        first = int(np.searchsorted(self.t, span[0] - 1e-6))
        return slice(first, int(np.searchsorted(self.t, span[1] + 1e-6, side="right")))


def curves_of(recording: SavedRecording, threshold: float) -> tuple[PersonCurves, ...]:
    """The curves of everybody in *recording*, who is seen longest first; joints below *threshold* do not count.

    Where the joints change during the recording, the curve of an angle goes on with the new ones.
    """
    frames: dict[int, list[MeasuredFrames]] = {}
    for part in recording.parts:
        for track in part.people.values():
            frames.setdefault(track.id, []).append(measured_frames(part, track, threshold))
    found = [_joined(identity, some) for identity, some in frames.items()]
    return tuple(sorted((one for one in found if len(one.t)), key=lambda one: (-len(one.t), one.id)))


def _joined(identity: int, frames: list[MeasuredFrames]) -> PersonCurves:
    t = np.concatenate([some.t for some in frames])
    names = dict.fromkeys(name for some in frames for name in some.angles)
    nowhere = [np.full(len(some.t), np.nan) for some in frames]
    angles = {
        name: np.concatenate([some.angles.get(name, empty) for some, empty in zip(frames, nowhere, strict=True)])
        for name in names
    }
    growing = np.diff(t, prepend=-np.inf) > 0  # two parts may share a moment
    return PersonCurves(id=identity, t=t[growing], angles={name: values[growing] for name, values in angles.items()})
