"""Sound stays on the clock of the pictures: drift, jitter, gaps, a late start, an early one."""

from __future__ import annotations

import numpy as np
import pytest

from poseapp.live.sound import SoundBlock, SyntheticMicrophone
from poseapp.live.sound.base import SoundArray
from poseapp.live.sound.synthetic import PERIOD_S, onsets, tones
from poseapp.live.sound.timeline import GAP_S, SoundTimeline

RATE = 8000
OPENED = 1000.3  # on the monotonic clock


def stream(microphone: SyntheticMicrophone, start_t: float, seconds: float) -> tuple[SoundArray, SoundTimeline]:
    """What the timeline makes of *seconds* of the microphone, which was opened at OPENED."""
    timeline = SoundTimeline(RATE, start_t)
    blocks = (microphone.block(OPENED, number) for number in range(round(seconds / 0.02)))
    return np.concatenate([timeline.add(block) for block in blocks if block is not None]), timeline


def worst_ms(samples: SoundArray, start_t: float, after_s: float = 0.0) -> float:
    """The largest distance of a tone from where it was heard."""
    found = [start_t + onset for onset in onsets(samples, RATE) if onset >= after_s]
    assert len(found) > 3
    return max(abs((t + PERIOD_S / 2) % PERIOD_S - PERIOD_S / 2) for t in found) * 1e3


@pytest.mark.parametrize("drift_ppm", [-300.0, 0.0, 300.0])
@pytest.mark.parametrize("jitter_s", [0.0, 0.02])
def test_a_clock_that_drifts_stays_in_sync(drift_ppm: float, jitter_s: float) -> None:
    """Without correction 300 ppm are 72 ms after four minutes."""
    microphone = SyntheticMicrophone(RATE, drift_ppm=drift_ppm, jitter_s=jitter_s)
    samples, timeline = stream(microphone, OPENED + 0.2, 240)
    assert worst_ms(samples, OPENED + 0.2) < 25
    assert worst_ms(samples, OPENED + 0.2, after_s=30) < 8
    assert timeline.lost_s == 0
    if not jitter_s:
        assert timeline.drift_ppm == pytest.approx(drift_ppm, abs=40)


def test_a_gap_is_silence_of_its_length() -> None:
    samples, timeline = stream(SyntheticMicrophone(RATE, gap_s=(4.0, 5.5)), OPENED, 20)
    assert timeline.lost_s == pytest.approx(1.5, abs=0.03)
    assert worst_ms(samples, OPENED) < 1
    silent = samples[round(4.1 * RATE) : round(5.4 * RATE)]
    assert not silent.any()


def test_sound_from_before_the_first_picture_is_left_out_and_a_late_start_is_silence() -> None:
    for start_t, lost_s in ((OPENED + 2.345, 0.0), (OPENED - 0.8, 0.8)):
        samples, timeline = stream(SyntheticMicrophone(RATE), start_t, 10)
        assert worst_ms(samples, start_t) < 1
        assert timeline.lost_s == pytest.approx(lost_s, abs=0.001)


def test_blocks_that_overlap_are_heard_once() -> None:
    timeline, t = SoundTimeline(RATE, 0.0), np.arange(RATE) / RATE
    first = timeline.add(SoundBlock(tones(t), 0.0))
    second = timeline.add(SoundBlock(tones(t + 0.5), 0.5))
    assert len(first) + len(second) == round(1.5 * RATE)
    assert worst_ms(np.concatenate([first, second, *(timeline.add(SoundBlock(tones(t + s), s)) for s in (1.5, 2.5))]), 0.0) < 1


def test_times_that_are_a_little_off_are_no_gaps() -> None:
    timeline = SoundTimeline(RATE, 0.0)
    for i, wrong in enumerate((0.0, GAP_S * 0.9, -GAP_S * 0.9, GAP_S * 0.5)):
        assert len(timeline.add(SoundBlock(np.ones(RATE // 10, np.int16), i * 0.1 + wrong))) <= RATE // 10 * 1.01
    assert timeline.lost_s == 0


def test_silence_at_the_end_is_lost_sound() -> None:
    timeline = SoundTimeline(RATE, 10.0)
    timeline.add(SoundBlock(np.ones(RATE, np.int16), 10.0))
    assert len(timeline.silence_until(13.0)) == 2 * RATE
    assert timeline.lost_s == 2
    assert len(timeline.silence_until(12.0)) == 0
