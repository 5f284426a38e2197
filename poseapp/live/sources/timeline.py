"""Presentation times that only grow, out of timestamps as files and streams have them."""

from __future__ import annotations

from fractions import Fraction

LEAP_S = 10.0  # in formats that may be joined from pieces (MPEG-TS and the like), as FFmpeg's dts_delta_threshold
LONGEST_LEAP_S = 30 * 3600.0  # in all others, as FFmpeg's dts_error_threshold
LONGEST_JITTER_S = 0.5  # B-frames of a damaged file come a few periods early; other steps back are a beginning
AFTER_S = 1e-6  # what is shown after another picture of the same time; too little to add up to anything


class Timeline:
    """Times from 0 for the pictures of one video, each later than the one before.

    A picture without a timestamp comes *period_s* after the one before. Timestamps that start again, as in joined files, or
    leap, go on one period after the last picture. Equal ones, as of more than 1,000 pictures a second in a
    container that counts milliseconds, stay where they are.
    """

    def __init__(self, period_s: float, joined: bool = False) -> None:
        self.period_s = period_s
        self._jitter_s = min(max(4.5 * period_s, 0.002), LONGEST_JITTER_S)
        self._leap_s = LEAP_S if joined else LONGEST_LEAP_S
        # So many pictures in a row may be no later than the one before: those of 2 ms, or a few in a wrong order.
        self._patience = 3 + round(0.002 / period_s)
        self._stuck = 0
        self._zero: Fraction | None = None  # the timestamp that is shown at _base
        self._base = 0.0
        self._last: float | None = None

    @property
    def last_s(self) -> float:
        """The time of the picture before; 0 before the first one."""
        return self._last or 0.0

    def restart(self) -> None:
        """What comes now is the beginning of another piece."""
        self._zero = None

    def at(self, stamp: Fraction | None) -> float:
        """When a picture of timestamp *stamp*, in s, is shown; None = it has none."""
        after = 0.0 if self._last is None else self._last + self.period_s
        if stamp is None:
            t = after
        elif self._zero is None or self._is_joint(stamp):
            self._zero, self._base, self._stuck = stamp, after, 0
            t = after
        else:
            t = self._base + float(stamp - self._zero)
        if self._last is not None and t <= self._last:
            self._stuck += 1
            t = self._last + AFTER_S
        else:
            self._stuck = 0
        self._last = t
        return t

    def _is_joint(self, stamp: Fraction) -> bool:
        assert self._zero is not None
        step = self._base + float(stamp - self._zero) - self.last_s
        goes_back = step < -self._jitter_s
        return goes_back or step > self._leap_s or (step <= 0 and self._stuck >= self._patience)
