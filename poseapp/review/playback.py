"""Playback: which picture of a clip is due. Play, pause, seek, step, speed, loop."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

SLOWEST, FASTEST = 0.1, 2.0
JUMP_S = 0.5  # farther away people are not where they were
LATE_S = 0.5  # after such a hiccup of the machine the clip goes on from here instead of racing to catch up


@dataclass(frozen=True, kw_only=True)
class PlaybackState:
    """Where a playback stands. ``number`` is the picture that was given last, of ``count``; ``t`` and ``duration_s`` are in s.

    ``speed`` is 0.1 … 2, ``backwards`` its direction. ``loop_a`` and ``loop_b`` are the first and last picture of the loop,
    None where they are not set: the loop is on with both. ``name`` is the picture's own, where each has one; it is "" in a film.
    """

    number: int = 0
    count: int = 0
    t: float = 0.0
    duration_s: float = 0.0
    playing: bool = False
    speed: float = 1.0
    backwards: bool = False
    loop_a: int | None = None
    loop_b: int | None = None
    name: str = ""


@dataclass(frozen=True)
class Move:
    """The picture that is due now.

    ``jumped``: the user went far from the one before, so people are elsewhere. ``repeated``: the clip or its loop begins again.
    """

    number: int
    jumped: bool
    repeated: bool = False


class Playback:
    """The user's side (any thread) says what to do; the reader's thread asks ``next`` for the picture that is due.

    Of several seeks that come while a picture is being decoded, the newest wins. Up to real speed each picture is given; faster,
    pictures are left out. *repeat* begins again at the end, else the playback stops there. *clock* gives seconds.

    ``_changed`` guards everything.
    """

    def __init__(self, repeat: bool = False, playing: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self._repeat, self._clock = repeat, clock
        self._changed = threading.Condition()
        self._times: Sequence[float] = ()
        self._names: Sequence[str] = ()
        self._number = 0
        self._target: int | None = None
        self._playing, self._direction, self._speed = playing, 1, 1.0
        self._a: int | None = None
        self._b: int | None = None
        self._anchor = (0.0, 0.0)  # a moment of the clock, and the time of the clip at that moment

    def load(self, times_s: Sequence[float], names: Sequence[str] = ()) -> None:
        """The clip has pictures at *times_s* (N,), s, growing; nothing can be asked for before. Begins at the first one.

        Stills have *names* (N,).
        """
        with self._changed:
            self._times = [float(t) for t in times_s]
            self._names = list(names)
            self._a = self._b = None
            self._target = 0 if self._times else None
            self._number = 0
            self._changed.notify_all()

    # -- the user ----------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Play on; at the end from the beginning."""
        with self._changed:
            self._play(1)

    def pause(self) -> None:
        """Stand still."""
        with self._changed:
            self._playing = False
            self._changed.notify_all()

    def toggle(self) -> None:
        """Pause, or play on."""
        with self._changed:
            if self._playing:
                self._playing = False
                self._changed.notify_all()
            else:
                self._play(1)

    def shuttle(self, direction: int) -> None:
        """Play forwards (1) or backwards (−1) at real speed; asked for once more, twice as fast."""
        with self._changed:
            again = self._playing and self._direction == direction
            self._speed = FASTEST if again and self._speed >= 1.0 else 1.0
            self._play(direction)

    def seek(self, number: int) -> None:
        """Go to picture *number*, or the nearest there is."""
        with self._changed:
            if self._times:
                self._target = min(max(0, number), len(self._times) - 1)
                self._changed.notify_all()

    def step(self, pictures: int) -> None:
        """Stand still, *pictures* further on (or back, below 0)."""
        with self._changed:
            self._playing = False
            self.seek((self._number if self._target is None else self._target) + pictures)

    def seek_time(self, t: float) -> None:
        """Go to the picture that is shown at *t* s."""
        with self._changed:
            self.seek(bisect_right(self._times, t) - 1)

    def set_speed(self, speed: float) -> None:
        """Play at *speed*, within 0.1 … 2."""
        with self._changed:
            self._speed = min(max(SLOWEST, speed), FASTEST)
            self._anchor_here()
            self._changed.notify_all()

    def mark_a(self) -> None:
        """The loop begins here."""
        with self._changed:
            self._a = self._number if self._target is None else self._target
            if self._b is not None and self._b <= self._a:
                self._b = None

    def mark_b(self) -> None:
        """The loop ends here; it begins at the beginning where that is not set, or later."""
        with self._changed:
            self._b = self._number if self._target is None else self._target
            if self._a is None or self._a >= self._b:
                self._a = 0
            if self._b == 0:  # one picture is no loop
                self._a = self._b = None

    def clear_loop(self) -> None:
        """No loop any more."""
        with self._changed:
            self._a = self._b = None

    def state(self) -> PlaybackState:
        """Where it stands."""
        with self._changed:
            if not self._times:
                return PlaybackState(playing=self._playing, speed=self._speed)
            return PlaybackState(
                number=self._number,
                count=len(self._times),
                t=self._times[self._number],
                duration_s=self._times[-1],
                playing=self._playing,
                speed=self._speed,
                backwards=self._direction < 0,
                loop_a=self._a,
                loop_b=self._b,
                name=self._names[self._number] if self._names else "",
            )

    def time_of(self, number: int) -> float:
        """When picture *number* is shown, s; of the nearest there is."""
        with self._changed:
            return self._times[min(max(0, number), len(self._times) - 1)] if self._times else 0.0

    # -- the reader --------------------------------------------------------------------------------------------

    def next(self, timeout_s: float) -> Move | None:
        """Wait for the picture that is due next; None when none is within *timeout_s*."""
        with self._changed:
            deadline = self._clock() + timeout_s
            while True:
                if self._target is not None:
                    number, self._target = self._target, None
                    return self._arrive(number, jumped=self._is_far(number))
                due_at, number = self._due()
                now = self._clock()
                if due_at <= now:
                    return self._give(number, due_at, now)
                if now >= deadline:
                    return None
                self._changed.wait(min(due_at, deadline) - now)

    # -- inside: with the lock held ----------------------------------------------------------------------------

    def _play(self, direction: int) -> None:
        first, last = self._ends()
        if not self._playing or direction != self._direction:
            at_the_end = self._number >= last if direction > 0 else self._number <= first
            if self._target is None and at_the_end and self._times:
                self._target = first if direction > 0 else last
        self._playing, self._direction = True, direction
        self._anchor_here()
        self._changed.notify_all()

    def _ends(self) -> tuple[int, int]:
        """The first and the last picture to play."""
        if self._a is not None and self._b is not None:
            return self._a, self._b
        return 0, max(0, len(self._times) - 1)

    def _anchor_here(self) -> None:
        self._anchor = self._clock(), self._times[self._number] if self._times else 0.0

    def _arrive(self, number: int, jumped: bool = False) -> Move:
        self._number = number
        self._anchor_here()
        return Move(number, jumped)

    def _is_far(self, number: int) -> bool:
        return abs(self._times[number] - self._times[self._number]) > JUMP_S

    def _moment(self, t: float) -> float:
        """The clock's moment at which the time *t* of the clip is due."""
        at, here = self._anchor
        return at + (t - here) * self._direction / self._speed

    def _due(self) -> tuple[float, int]:
        """When which picture is due, as far as is known now: never, where it stands still."""
        if not self._playing or len(self._times) < 2:
            return float("inf"), self._number
        first, last = self._ends()
        forwards = self._direction > 0
        if (self._number >= last) if forwards else (self._number <= first):
            if not self._repeat and self._b is None:
                self._playing = False
                return float("inf"), self._number
            # The last picture stays as long as the one before it did.
            period = (self._times[-1] - self._times[0]) / (len(self._times) - 1)
            return self._moment(self._times[self._number] + self._direction * period), first if forwards else last
        number = self._number + self._direction
        return self._moment(self._times[number]), number

    def _give(self, number: int, due_at: float, now: float) -> Move:
        step = (number - self._number) * self._direction
        if step != 1 or now - due_at > LATE_S:  # round the loop, or after a hiccup: on from here
            self._arrive(number)
            return Move(number, False, step != 1)
        if self._speed > 1:
            number = self._newest_due(number, now)
        self._number = number
        return Move(number, False)

    def _newest_due(self, number: int, now: float) -> int:
        first, last = self._ends()
        while first < number < last and self._moment(self._times[number + self._direction]) <= now:
            number += self._direction
        return number
