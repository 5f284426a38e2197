"""A made-up microphone with known answers: a short tone at every half second of the monotonic clock."""

from __future__ import annotations

import threading
import time

import numpy as np

from poseapp.core.errors import SoundError
from poseapp.live.sound.base import Deliver, SoundArray, SoundBlock, SoundMode

PERIOD_S = 0.5  # from tone to tone: they begin at its multiples on the monotonic clock
TONE_S, TONE_HZ = 0.03, 1000.0
LOUDNESS = 16_000  # of 32767


class SyntheticMicrophone:
    """Gives tones, as a real microphone would that hears them.

    Its clock runs *drift_ppm* fast; its times are wrong by up to *jitter_s*. Between the two times
    *gap_s*, s after it was opened, it loses all sound; *lasts_s* after that it falls silent for good. *error* is why it cannot be
    opened.
    """

    def __init__(
        self,
        rate: int = 48_000,
        block_s: float = 0.02,
        drift_ppm: float = 0.0,
        jitter_s: float = 0.0,
        gap_s: tuple[float, float] | None = None,
        lasts_s: float = float("inf"),
        error: str = "",
    ) -> None:
        self.name = "Synthetic microphone"
        self._rate, self._jitter_s = rate, jitter_s
        self._true_rate = rate * (1 + drift_ppm * 1e-6)
        self._block = max(1, round(block_s * rate))
        self._gap_s, self._lasts_s, self._error = gap_s, lasts_s, error
        self._noise = np.random.default_rng(0)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, deliver: Deliver) -> SoundMode:
        """See Microphone."""
        if self._error:
            raise SoundError(self._error)
        self._thread = threading.Thread(target=self._run, args=(deliver,), name="poseapp-microphone", daemon=True)
        self._thread.start()
        return SoundMode(self._rate)

    def close(self) -> None:
        """See Microphone."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def block(self, opened_t: float, number: int) -> SoundBlock | None:
        """Block *number* of a microphone that was opened at *opened_t*; None where it has lost that one."""
        first = number * self._block
        t = opened_t + (first + np.arange(self._block)) / self._true_rate
        after = float(t[0]) - opened_t
        if after >= self._lasts_s or (self._gap_s is not None and self._gap_s[0] <= after < self._gap_s[1]):
            return None
        jitter = float(self._noise.uniform(-self._jitter_s, self._jitter_s)) if self._jitter_s else 0.0
        return SoundBlock(tones(t), float(t[0]) + jitter)

    def _run(self, deliver: Deliver) -> None:
        opened_t, number = time.monotonic(), 0
        while not self._stop.is_set():
            due = opened_t + (number + 1) * self._block / self._true_rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            block = self.block(opened_t, number)
            if block is not None:
                deliver(block)
            number += 1


def tones(t: np.ndarray) -> SoundArray:
    """What is heard at the times *t* (n,) s: int16."""
    phase = np.mod(t, PERIOD_S)
    heard: SoundArray = (np.where(phase < TONE_S, np.sin(2 * np.pi * TONE_HZ * phase), 0.0) * LOUDNESS).astype(np.int16)
    return heard


def onsets(samples: SoundArray, rate: int) -> list[float]:
    """When the tones in *samples* (n,) int16 begin, s from the first sample; one that is cut off at the beginning is left out."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > LOUDNESS // 8)
    if not len(loud):
        return []
    begins = loud[np.flatnonzero(np.diff(loud, prepend=-rate) > rate * PERIOD_S / 4)]
    return [float(begin) / rate for begin in begins if begin > rate * TONE_S]
