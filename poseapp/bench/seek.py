"""How fast a place in a long recording is on the screen: seeking in one of ten minutes at 1280×720."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.bench.clip import clip_images, to_and_fro
from poseapp.core.errors import RecordError
from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses, Result
from poseapp.live.recording import SourceEntry
from poseapp.live.recording.keypoints import KEYPOINTS, KeypointsWriter
from poseapp.live.recording.manifest import Manifest
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.recording.writers import CLEAN
from poseapp.review.player import RecordingPlayer

FPS = 30
SEEKS, STEPS = 200, 60
GIVE_UP_S = 20.0
Progress = Callable[[float, str], None]


@dataclass(frozen=True, kw_only=True)
class SeekReport:
    """Times in ms, sorted, from the command until the picture with its joints is there; ``open_s`` is what opening took.

    ``far_processor_ms`` is processor time of all threads: also good on a busy machine.
    """

    pictures: int
    minutes: float
    bytes: int
    open_s: float
    far_ms: tuple[float, ...]
    back_ms: tuple[float, ...]
    far_processor_ms: tuple[float, ...]

    def table(self) -> str:
        """For people."""
        lines = [
            f"{self.minutes:.1f} min, {self.pictures} pictures, {self.bytes / 1e6:.0f} MB, opened in {self.open_s:.1f} s",
            f"{'':22}{'median':>9}{'p95':>9}{'longest':>9}",
        ]
        rows = (
            ("to any place", self.far_ms),
            ("processor time of it", self.far_processor_ms),
            ("one picture back", self.back_ms),
        )
        for title, times in rows:
            lines.append(f"{title:22}" + "".join(f"{value:>6.0f} ms" for value in (*percentiles(times), times[-1])))
        return "\n".join(lines)


def percentiles(times: tuple[float, ...]) -> tuple[float, float]:
    """The median and the 95th percentile of sorted *times*."""
    return times[len(times) // 2], times[min(len(times) - 1, round(0.95 * len(times)))]


def make_recording(folder: Path, clip: Path | None, minutes: float, progress: Progress = lambda _done, _text: None) -> None:
    """Write a recording of *minutes* at 1280×720 into the new *folder*, with the recorder's writers; one person moves in it."""
    images = clip_images(clip)
    folder.mkdir(parents=True)
    manifest = Manifest(folder, SourceEntry(name="benchmark"))
    manifest.add_segment(0, COCO_17, {KEYPOINTS: KEYPOINTS})
    manifest.write()
    count = max(2, round(minutes * 60 * FPS))
    joints, video = KeypointsWriter(folder / KEYPOINTS), VideoWriter(folder / CLEAN, images[0].shape[:2], FPS)
    one = np.ones(1, np.float32)
    place = np.linspace((400, 100), (800, 600), COCO_17.k, dtype=np.float32)
    try:
        for n in range(count):
            image = images[to_and_fro(n, len(images))]
            xy = (place + 50 * np.sin(n / 20)).astype(np.float32)[None]
            score = np.full((1, COCO_17.k), 0.9, np.float32)
            poses = Poses(xy=xy, score=score, person_score=one, ids=np.ones(1, np.int64), skeleton=COCO_17)
            joints.write(Result(frame=Frame(image, n, n / FPS), poses=poses, smoothed=poses), n, n / FPS)
            video.write(image, n / FPS)
            if n % FPS == 0:
                progress(n / count, "making the recording")
    finally:
        joints.close()
        video.close()
    manifest.finish({"seconds": round((count - 1) / FPS, 3)})


def run_seek(folder: Path, progress: Progress = lambda _done, _text: None) -> SeekReport:
    """Seek in the recording in *folder*. Raises PoseAppError where it cannot be played."""
    progress(0.0, "opening")
    began = time.perf_counter()
    player = RecordingPlayer(folder)
    open_s = time.perf_counter() - began
    count = player.playback.state().count
    chance = random.Random(20)
    try:
        player.playback.pause()
        player.start()
        _wait_for(player, None)
        far, processor = [], []
        for n in range(SEEKS):
            progress(n / SEEKS, "seeking")
            before = time.process_time()
            far.append(_timed(player, chance.randrange(count)))
            processor.append((time.process_time() - before) * 1e3)
        start = chance.randrange(min(STEPS, count - 1), count)
        _timed(player, start)
        back = [_timed(player, start - n) for n in range(1, min(STEPS, start) + 1)]
    finally:
        player.close()
    return SeekReport(
        pictures=count,
        minutes=player.playback.state().duration_s / 60,
        bytes=sum(file.stat().st_size for file in folder.iterdir()),
        open_s=open_s,
        far_ms=tuple(sorted(far)),
        back_ms=tuple(sorted(back)),
        far_processor_ms=tuple(sorted(processor)),
    )


def _timed(player: RecordingPlayer, number: int) -> float:
    began = time.perf_counter()
    player.playback.seek(number)
    _wait_for(player, number)
    return (time.perf_counter() - began) * 1e3


def _wait_for(player: RecordingPlayer, number: int | None) -> None:
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        result = player.take(GIVE_UP_S)
        if result is not None and number in (None, result.frame.index):
            return
    why = player.error or f"no picture within {GIVE_UP_S:.0f} s"
    raise RecordError(f"{player.folder}: cannot be played ({why}). Choose another recording.")
