"""Counts the repetitions of the chosen exercise while results arrive, for each person apart."""

from __future__ import annotations

from poseapp.core.repetitions import Exercise, RepetitionCounter, tempo
from poseapp.core.types import Result


class RepetitionCount:
    """One counter for each person. Where one person is followed, all belong to that one, lost and found again or not."""

    def __init__(self) -> None:
        self._exercise: Exercise | None = None
        self._counters: dict[int, RepetitionCounter] = {}
        self._shown = 0

    @property
    def exercise(self) -> Exercise | None:
        """What is counted, or None."""
        return self._exercise

    def choose(self, exercise: Exercise | None) -> None:
        """Count *exercise* from now on, or nothing."""
        self._exercise = exercise
        self.reset()

    def reset(self) -> None:
        """Begin at zero."""
        self._counters = {}
        self._shown = 0

    def update(self, result: Result, row: int | None, threshold: float) -> None:
        """Take in *result*; the person in *row* of its poses is the one shown, None for nobody."""
        if self._exercise is None or result.frame.is_still:  # a movement is not seen in one picture
            return
        poses = result.shown
        values = self._exercise.curve(poses.xy, poses.score, poses.skeleton, threshold).tolist()
        for i, (identity, angle) in enumerate(zip(poses.ids.tolist(), values, strict=True)):
            key = 0 if result.mode == "one" else identity
            if key not in self._counters:
                self._counters[key] = RepetitionCounter(self._exercise)
            self._counters[key].update(result.frame.t, angle)
            if i == row:
                self._shown = key

    @property
    def count(self) -> int:
        """The repetitions of the person shown."""
        counter = self._counters.get(self._shown)
        return counter.count if counter is not None else 0

    @property
    def counts(self) -> dict[int, int]:
        """The repetitions of each person, by identity; by 0 where one person is followed."""
        return {identity: counter.count for identity, counter in self._counters.items()}

    def detail(self) -> str:
        """Tempo and depth of the last repetition of the person shown, for the user; "" before the first."""
        counter = self._counters.get(self._shown)
        last = tempo(counter.repetitions[-1:]) if counter is not None else None
        if counter is None or last is None:
            return ""
        there, back = counter.exercise.phases
        return f"{there} {last.there_s:.1f} s · {back} {last.back_s:.1f} s · to {last.depth_deg:.0f}°"
