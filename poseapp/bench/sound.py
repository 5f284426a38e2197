"""How far sound and picture of a recording are apart: a made-up camera and a made-up microphone show the same clock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, ImageArray, Poses, Result
from poseapp.live.recording import Recorder, RecordOptions, SourceEntry
from poseapp.live.recording.sound_track import SoundState
from poseapp.live.sound import Microphone, SyntheticMicrophone
from poseapp.live.sound.base import SoundArray
from poseapp.live.sound.synthetic import PERIOD_S, onsets
from poseapp.live.stats import Stats

FPS = 30.0
HW = (360, 640)
DARKEST, SPAN = 30, 190  # brightness of the beginning of a period, and how much is added to its end
VIDEOS = ("clean.mkv", "annotated.mkv")
LIMIT_MS = 40.0  # EBU R 37: sound may be 40 ms early; late, more


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """What was measured in one video: how much later than its picture the sound comes, ms, and the number of tones."""

    video: str
    median_ms: float
    worst_ms: float
    tones: int


def measure_sync(
    folder: Path, seconds: float = 10.0, microphone: Microphone | None = None
) -> tuple[list[SyncReport], SoundState, Path]:
    """Record so long into *folder*; what each video shows, how the sound was, and where the recording is."""
    options = RecordOptions(folder=folder, clean_video=True, microphone=microphone or SyntheticMicrophone(drift_ppm=100.0))
    recorder = Recorder(options, SourceEntry(name="clock"), Stats())
    began, index = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        now = time.monotonic()
        frame = Frame(picture(now), index, now)
        recorder.capture(frame)
        recorder.put(Result(frame=frame, poses=Poses.none(COCO_17)))
        index += 1
        time.sleep(max(0.0, began + index / FPS - time.monotonic()))
    recorder.close()
    recorder.join(120)
    sound = recorder.status().sound
    assert sound is not None
    return [read_sync(recorder.folder / name) for name in VIDEOS], sound, recorder.folder


def picture(t: float) -> ImageArray:
    """A grey picture: its brightness says how much of the period has passed at *t* s."""
    return np.full((*HW, 3), round(DARKEST + SPAN * (t % PERIOD_S) / PERIOD_S), np.uint8)


def read_sync(video: Path) -> SyncReport:
    """Compare each tone in *video* with the pictures, which say when their period began."""
    samples, rate, first_s = read_sound(video)
    heard = np.array([first_s + onset for onset in onsets(samples, rate)])
    late = []
    with av.open(str(video)) as container:
        for one in container.decode(video=0):
            assert one.time is not None
            part = (float(one.to_ndarray(format="gray")[8:-8, 8:-8].mean()) - DARKEST) / SPAN
            if 0.1 < part < 0.9 and len(heard):  # not where one period may look like the next
                began = one.time - part * PERIOD_S
                late.append(float(heard[np.abs(heard - began).argmin()] - began))
    inside = [one for one in late if abs(one) < PERIOD_S / 2]  # before the first tone and after the last there is none
    if not inside:
        return SyncReport(video=video.name, median_ms=float("nan"), worst_ms=float("nan"), tones=len(heard))
    worst = max(inside, key=abs)
    return SyncReport(video=video.name, median_ms=1e3 * float(np.median(inside)), worst_ms=1e3 * worst, tones=len(heard))


def read_sound(video: Path) -> tuple[SoundArray, int, float]:
    """The samples (n,) int16 of the sound in *video*, their rate, and the time of the first one, s; none without sound."""
    with av.open(str(video)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.int16), 1, 0.0
        frames = list(container.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    return samples.astype(np.int16), frames[0].sample_rate, float(frames[0].time or 0.0)


def is_in_sync(reports: Sequence[SyncReport]) -> bool:
    """Whether no tone is farther from its picture than may be."""
    return all(abs(report.worst_ms) <= LIMIT_MS for report in reports)
