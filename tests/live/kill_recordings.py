"""Kills recordings while processes that do nothing but count keep the machine busy, and measures what is lost.

Usage: python tests/live/kill_recordings.py [KILLS] [BUSY PROCESSES]
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from poseapp.live.recording import read_keypoints, read_manifest

ROOT = Path(__file__).resolve().parents[2]
MODEL = "hourglass-t"

# The whole live pipeline, with a camera that gives the bundled clip. Says when it captured the first frame that is recorded.
RECORDING = """
import sys, time
from pathlib import Path
from poseapp.live import session as session_module
from poseapp.live.recording import Recorder, RecordOptions
from poseapp.live.sources import VideoSource
from poseapp.live.status import ModelRequest

class Camera(VideoSource):
    live = True

    def read(self):
        image, t = super().read()
        self.begun = getattr(self, "begun", time.monotonic() - t)
        time.sleep(max(0.0, self.begun + t - time.monotonic()))
        return image, time.monotonic()

class Told(Recorder):
    has_frames = False

    def capture(self, frame):
        if not self.has_frames:
            print(frame.t, flush=True)
        self.has_frames = True
        super().capture(frame)

session_module.Recorder = Told
clip, model, folder = map(Path, sys.argv[1:])
session = session_module.Session(Camera(clip, loop=True), ModelRequest(model, "cpu"))
session.start()
while session.status().backend is None:
    time.sleep(0.01)
session.start_recording(RecordOptions(folder=folder))
time.sleep(120)
"""


@dataclass(frozen=True)
class Killed:
    """What one kill cost: s between the kill and the last picture and line; ``age_s`` is how old the recording was then."""

    age_s: float
    video_loss_s: float
    joints_loss_s: float
    pictures: int
    lines: int


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep so many cores busy."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def kill_one(folder: Path, age_s: float) -> Killed:
    """Record into *folder*, kill the process *age_s* after the first frame, and read what is there.

    Raises where a file cannot be read.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RECORDING, str(ROOT / "assets" / "demo.mp4"), str(ROOT / "engines" / MODEL), str(folder)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 120)
            assert ready, "no frame was recorded"
            first = float(process.stdout.readline())
            time.sleep(max(0.0, first + age_s - time.monotonic()))
        finally:
            process.kill()
            killed = time.monotonic()
            process.wait()
    (made,) = folder.iterdir()
    return read(made, killed - first)


def read(made: Path, age_s: float) -> Killed:
    """What the recording in *made* holds, that was killed when it was *age_s* old."""
    manifest = read_manifest(made)
    assert manifest["finished"] is False
    lines: list[float] = []
    if (made / "keypoints.jsonl").exists():
        lines = [line["t"] for line in read_keypoints(made)]
    pictures: list[float] = []
    if (made / "annotated.mkv").exists():
        with av.open(str(made / "annotated.mkv")) as container:
            pictures = [float(frame.time) for frame in container.decode(video=0)]
        assert pictures, "a video that is there has a picture"
    assert len(pictures) <= len(lines), "each picture has its line"
    loss = [age_s - (times[-1] if times else 0.0) for times in (pictures, lines)]
    return Killed(age_s, loss[0], loss[1], len(pictures), len(lines))


def kill_many(folder: Path, kills: int, busy_processes: int, seed: int = 0) -> Iterator[Killed]:
    """Kill *kills* recordings, each third of them in its first half second."""
    rng = random.Random(seed)
    with busy(busy_processes):
        for n in range(kills):
            age_s = rng.uniform(0.0, 0.5) if n % 3 == 0 else rng.uniform(0.5, 4.0)
            place = folder / str(n)
            place.mkdir()
            yield kill_one(place, age_s)


def main() -> None:
    """Print a line for each kill, and the worst."""
    kills, busy_processes = (int(text) for text in [*sys.argv[1:], "50", "2"][:2])
    with tempfile.TemporaryDirectory() as folder:
        outcomes = []
        for one in kill_many(Path(folder), kills, busy_processes):
            outcomes.append(one)
            print(
                f"killed at {one.age_s:.2f} s: {one.pictures} pictures, {one.lines} lines, "
                f"lost {one.video_loss_s:.2f} s of video and {one.joints_loss_s:.2f} s of joints",
                flush=True,
            )
    video, joints = max(o.video_loss_s for o in outcomes), max(o.joints_loss_s for o in outcomes)
    print(f"{kills} kills, every file readable; the most that was lost: {video:.2f} s of video, {joints:.2f} s of joints")


if __name__ == "__main__":
    main()
