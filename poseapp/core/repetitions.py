"""Counts the repetitions of an exercise on the curve of an angle, with hysteresis.

An exercise goes from a rest position to a turning point and back. The angle must cross two thresholds: that of the turn and, on
the way back, that of rest. Trembling about one of them counts nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from poseapp.core.angles import Degrees, angles_of, measure
from poseapp.core.skeleton import Skeleton

LONGEST_GAP_S = 1.0  # after a longer gap nobody knows what happened in it: the repetition in progress is given up
SHORTEST_S = 0.3  # nobody is so fast; joints that jump to the other leg and back are


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What is repeated.

    ``angles`` are names of core/angles.py, of both sides; ``sides`` says what their sides give: the "mean" of those that are seen
    where both move together, the "largest" where one arm may work alone. The angle is at rest up to ``rest_deg`` and has turned
    from ``turn_deg`` on; where ``turn_deg`` is the smaller, down to it. ``phases`` are the words for the way there and back.
    Raises ValueError unless the two thresholds differ.
    """

    name: str
    angles: tuple[str, ...]
    rest_deg: float
    turn_deg: float
    sides: Literal["mean", "largest"] = "mean"
    phases: tuple[str, str] = ("down", "up")

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rest_deg) and math.isfinite(self.turn_deg)) or abs(self.turn_deg - self.rest_deg) < 1:
            raise ValueError(
                f"exercise {self.name}: expected thresholds at least 1° apart, got {self.rest_deg:g}° and {self.turn_deg:g}°. "
                "Mark two positions that differ more."
            )
        if not self.angles:
            raise ValueError(f"exercise {self.name}: expected an angle, got none. Choose one.")

    def curve(self, xy: NDArray[np.floating], score: NDArray[np.floating], skeleton: Skeleton, threshold: float) -> Degrees:
        """The angle (...) of this exercise in joints *xy* (..., K, 2) px with *score* (..., K); NaN where it is not seen."""
        chosen = [angle for angle in angles_of(skeleton) if angle.name in self.angles]
        return self.combine(measure(xy, score, skeleton, threshold, chosen))

    def combine(self, values: Degrees) -> Degrees:
        """What the sides *values* (..., S) give together (...)."""
        there = ~np.isnan(values)
        if self.sides == "largest":
            most = np.where(there, values, -np.inf).max(axis=-1, initial=-np.inf)
            return np.where(np.isfinite(most), most, np.nan)
        count = there.sum(axis=-1)
        total = np.where(there, values, 0.0).sum(axis=-1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _both(part: str) -> tuple[str, str]:
    return f"left_{part}", f"right_{part}"


# Somebody who is seen from the front bends less in the picture than in space: 60° in a deep squat.
EXERCISES: tuple[Exercise, ...] = (
    Exercise(name="Squat", angles=_both("knee"), rest_deg=25, turn_deg=45),
    Exercise(name="Sit to stand", angles=_both("knee"), rest_deg=45, turn_deg=25, phases=("up", "down")),
    Exercise(name="Curl", angles=_both("elbow"), rest_deg=50, turn_deg=90, sides="largest", phases=("up", "down")),
    Exercise(name="Arm raise", angles=_both("shoulder"), rest_deg=35, turn_deg=70, sides="largest", phases=("up", "down")),
)
"""Sit to stand counts how often somebody has stood up and sat down again: it rests on the chair."""


def marked(name: str, angle: str, rest_deg: float, turn_deg: float) -> Exercise:
    """An exercise of the user's own on *angle*, from its degrees in the marked rest position and at the marked turning point.

    The thresholds lie a third of the way from each, so that somebody who does not go quite so far is counted too. Raises
    ValueError for marks that are too close.
    """
    if not abs(turn_deg - rest_deg) >= 10:
        raise ValueError(
            f"exercise {name}: expected marks at least 10° apart, got {rest_deg:.0f}° and {turn_deg:.0f}°. "
            "Mark two positions that differ more."
        )
    third = (turn_deg - rest_deg) / 3
    return Exercise(name=name, angles=(angle,), rest_deg=rest_deg + third, turn_deg=turn_deg - third, phases=("there", "back"))


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """One repetition: ``start_t`` and ``end_t`` are when the angle left rest and was back, ``turn_t`` when it was farthest, s.

    Rest ends and begins at the exercise's threshold. ``depth_deg`` is the angle at the turning point.
    """

    start_t: float
    turn_t: float
    end_t: float
    depth_deg: float

    @property
    def there_s(self) -> float:
        """Seconds from rest to the turning point: down, in a squat."""
        return self.turn_t - self.start_t

    @property
    def back_s(self) -> float:
        """Seconds from the turning point to rest: up, in a squat."""
        return self.end_t - self.turn_t


class RepetitionCounter:
    """Counts while values arrive, one at a time. ``repetitions`` are those that are complete.

    The median of three values is taken first, so a single wild one changes nothing; each value therefore takes effect when the
    next arrives.
    """

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.repetitions: list[Repetition] = []
        # Up is always towards the turn: what turns below is counted upside down.
        self._sign = 1.0 if exercise.turn_deg > exercise.rest_deg else -1.0
        self._rest, self._turn = self._sign * exercise.rest_deg, self._sign * exercise.turn_deg
        self._last_t = -math.inf
        self._begin_again()

    @property
    def count(self) -> int:
        """How many repetitions are complete."""
        return len(self.repetitions)

    @property
    def is_turned(self) -> bool:
        """Whether the turning point is reached, and the way back is not complete."""
        return self._turned

    def update(self, t: float, angle_deg: float) -> Repetition | None:
        """Take in the angle at *t* s, NaN where it is not seen; the repetition that it completes, or None.

        A time before the last one begins again, as a clip does that is played in a loop.
        """
        if not math.isfinite(angle_deg):
            return None
        if not 0 <= t - self._last_t <= LONGEST_GAP_S:
            self._begin_again()
        self._last_t = t
        self._recent.append((t, self._sign * angle_deg))
        if len(self._recent) < 3:
            return None
        return self._step(self._recent[1][0], sorted(value for _, value in self._recent)[1])

    def _begin_again(self) -> None:
        """Nothing is known of the position, so only somebody seen at rest first can make a repetition."""
        self._recent: deque[tuple[float, float]] = deque(maxlen=3)
        self._before: tuple[float, float] | None = None
        self._start: float | None = None  # when rest was left; None before rest was seen
        self._farthest = (math.nan, -math.inf)
        self._turned = False

    def _step(self, t: float, value: float) -> Repetition | None:
        before, self._before = self._before, (t, value)
        if value <= self._rest:
            found = self._complete(self._crossing(before, (t, value))) if self._turned else None
            self._start, self._turned, self._farthest = t, False, (math.nan, -math.inf)
            return found
        if self._start is None:
            return None
        if before is not None and before[1] <= self._rest:
            self._start = self._crossing(before, (t, value))
        if value > self._farthest[1]:
            self._farthest = (t, value)
        self._turned |= value >= self._turn
        return None

    def _complete(self, end_t: float) -> Repetition | None:
        assert self._start is not None
        if end_t - self._start < SHORTEST_S:
            return None
        turn_t, depth = self._farthest
        found = Repetition(start_t=self._start, turn_t=turn_t, end_t=end_t, depth_deg=self._sign * depth)
        self.repetitions.append(found)
        return found

    def _crossing(self, before: tuple[float, float] | None, now: tuple[float, float]) -> float:
        """When the line between the two values crosses the threshold of rest, s."""
        assert before is not None
        (t0, v0), (t1, v1) = before, now
        return t0 + (t1 - t0) * (self._rest - v0) / (v1 - v0)


def count_repetitions(
    t: NDArray[np.floating] | Iterable[float], angle_deg: NDArray[np.floating] | Iterable[float], exercise: Exercise
) -> list[Repetition]:
    """The repetitions in the curve *angle_deg* (T,) at the times *t* (T,) s: the same as a RepetitionCounter finds live."""
    counter = RepetitionCounter(exercise)
    for at, angle in zip(t, angle_deg, strict=True):
        counter.update(float(at), float(angle))
    return counter.repetitions


@dataclass(frozen=True, kw_only=True)
class Tempo:
    """The medians over repetitions: seconds there and back, and the depth in degrees."""

    there_s: float
    back_s: float
    depth_deg: float


def tempo(repetitions: list[Repetition]) -> Tempo | None:
    """The usual tempo and depth of *repetitions*, by medians; None without any."""
    if not repetitions:
        return None
    there, back, depth = np.median([(r.there_s, r.back_s, r.depth_deg) for r in repetitions], axis=0).tolist()
    return Tempo(there_s=there, back_s=back, depth_deg=depth)
