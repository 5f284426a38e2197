"""Keeps sound on the clock of the pictures: of blocks with times it makes an even stream of samples."""

from __future__ import annotations

import numpy as np

from poseapp.live.sound.base import SoundArray, SoundBlock

GAP_S = 0.08  # a block that is farther from its place follows a gap, or overlaps; nearer, its time is not that exact
SETTLE_S = 4.0  # over so long the times of blocks are averaged
CORRECT_FROM_S = 0.004  # a smaller deviation is nobody's business
STRETCH = 0.003  # at most so much of a block is added or left out: nobody hears it


class SoundTimeline:
    """Sample number n of what ``add`` returns was heard n / *rate* s after *start_t*.

    The clock of a sound card and that of the system drift apart, by seconds in a day. So blocks are stretched by a very little
    where they come too late or too early on average. Where sound is missing there is silence, and ``lost_s`` counts it.
    """

    def __init__(self, rate: int, start_t: float) -> None:
        self._rate, self._start_t = rate, start_t
        self._count = 0  # samples so far
        self._deviation_s = 0.0  # how much later than its place sound comes, on average
        self._lost = self._stretched = 0
        self._begun = False

    @property
    def seconds(self) -> float:
        """How long the stream is."""
        return self._count / self._rate

    @property
    def lost_s(self) -> float:
        """How much of it is silence for want of sound."""
        return self._lost / self._rate

    @property
    def drift_ppm(self) -> float:
        """How much faster the microphone's clock runs than the system's, as far as it was corrected."""
        return -1e6 * self._stretched / self._count if self._count else 0.0

    def add(self, block: SoundBlock) -> SoundArray:
        """The samples that follow those before, up to the end of *block*; (0,) where it lies before the start."""
        samples = block.samples
        place = round((block.t - self._start_t) * self._rate)
        off = place - self._count
        if not self._begun and off < 0:  # from before the first picture
            samples = samples[min(-off, len(samples)) :]
            if not len(samples):
                return samples
            off = 0
        silence = 0
        if off / self._rate > GAP_S or not self._begun:
            silence, self._deviation_s = off, 0.0
        elif -off / self._rate > GAP_S:
            samples, self._deviation_s = samples[min(-off, len(samples)) :], 0.0
        else:
            samples = self._nudged(samples, off / self._rate)
        self._begun = True
        self._lost += silence
        self._count += silence + len(samples)
        return np.concatenate([np.zeros(silence, np.int16), samples]) if silence else samples

    def silence_until(self, t: float) -> SoundArray:
        """Silence up to *t* s on the monotonic clock, where no sound came: it is lost."""
        missing = max(0, round((t - self._start_t) * self._rate) - self._count)
        self._lost += missing
        self._count += missing
        return np.zeros(missing, np.int16)

    def _nudged(self, samples: SoundArray, late_s: float) -> SoundArray:
        """*samples*, stretched or squeezed by a few where sound has been late or early for some time."""
        self._deviation_s += (late_s - self._deviation_s) * min(1.0, len(samples) / self._rate / SETTLE_S)
        if abs(self._deviation_s) < CORRECT_FROM_S or len(samples) < 2:
            return samples
        most = max(1, int(STRETCH * len(samples)))
        more = int(np.clip(round(self._deviation_s * self._rate), -most, most))
        self._deviation_s -= more / self._rate
        self._stretched += more
        old = np.arange(len(samples))
        new = np.linspace(0, len(samples) - 1, len(samples) + more)
        return np.rint(np.interp(new, old, samples)).astype(np.int16)
