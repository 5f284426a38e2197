"""How fast our way with one person is beside MediaPipe's full pose model: the same pictures, in turns, on the same machine."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poseapp.bench import mediapipe_script
from poseapp.bench.clip import clip_images, to_and_fro
from poseapp.core.errors import PoseAppError
from poseapp.core.json_files import Fields, parse_json
from poseapp.core.smoothing import Smoother
from poseapp.core.types import Frame, ImageArray
from poseapp.engine.base import Engine
from poseapp.engine.load import load_engine
from poseapp.pipeline.single import OnePerson

TURNS = 10
FRAMES = 30  # of a turn
HANGS_S = 300.0  # the whole comparison takes a tenth of that: it is stuck
VERSION = "0.10.21"  # the newest known to come with the full model


@dataclass(frozen=True)
class Figures:
    """From a picture to smoothed joints: ``ms`` of a frame (p50), ``cpu_ms`` of all cores (mean), the share ``found`` of frames
    in which there was somebody. The processor's time says less of what is felt, and more on a machine that has other work.
    """

    ms: float
    cpu_ms: float
    found: float

    def __str__(self) -> str:
        return f"{self.ms:.1f} ms a frame ({self.cpu_ms:.1f} ms of processor time), somebody in {self.found:.0%}"


@dataclass(frozen=True)
class Comparison:
    """``model`` is ours and the backend that it runs on, ``version`` MediaPipe's."""

    model: str
    ours: Figures
    version: str
    mediapipe: Figures

    def text(self) -> str:
        """In three lines."""
        times, cpu_times = self.mediapipe.ms / self.ours.ms, self.mediapipe.cpu_ms / self.ours.cpu_ms
        return (
            f"{self.model}: {self.ours}\nMediaPipe {self.version}, full model: {self.mediapipe}\n"
            f"{times:.1f} times as fast, {cpu_times:.1f} times by processor time"
        )


def compare(
    engine_folder: Path,
    python: Path,
    clip: Path | None,
    *,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[float, str], None] = lambda share, text: None,
) -> Comparison:
    """Time both; *python* is one that has MediaPipe. Raises PoseAppError where that cannot run."""

    def tell(text: str, _: float) -> bool:
        progress(0.0, text)
        return True

    images = clip_images(clip)
    engine = load_engine(engine_folder, device, precision=precision, progress=tell)
    ours: list[Turn] = []
    theirs: list[Turn] = []
    try:
        with _MediaPipe(python, images) as mediapipe:
            sides = ((_Ours(engine, images), ours), (mediapipe, theirs))
            for side, _ in sides:
                side.turn(FRAMES)  # to warm up, and to find the person
            for turn in range(TURNS):
                progress(turn / TURNS, "in turns with MediaPipe")
                for side, turns in sides:
                    turns.append(side.turn(FRAMES))
            return Comparison(f"{engine.spec.name} on {engine.backend}", _figures(ours), mediapipe.version, _figures(theirs))
    finally:
        engine.close()


@dataclass(frozen=True)
class Turn:
    """Some frames in a row: the ms of each, the processor's of all together, and in how many of them somebody was found."""

    ms: list[float]
    cpu_ms: float
    found: int


def _figures(turns: Sequence[Turn]) -> Figures:
    ms = [one for turn in turns for one in turn.ms]
    return Figures(
        float(np.median(ms)), sum(turn.cpu_ms for turn in turns) / len(ms), sum(turn.found for turn in turns) / len(ms)
    )


class _Ours:
    """From a picture to smoothed joints, as a session does it; the first turn finds the person."""

    def __init__(self, engine: Engine, images: Sequence[ImageArray]) -> None:
        self._estimator, self._smoother = OnePerson(engine), Smoother(engine.spec.skeleton)
        self._images, self._n = images, 0

    def turn(self, frames: int) -> Turn:
        ms, cpu_ms, found = [], 0.0, 0
        for _ in range(frames):
            frame = Frame(self._images[to_and_fro(self._n, len(self._images))], self._n, self._n / 30)
            start, cpu = time.perf_counter(), time.process_time()
            poses = self._smoother.update(self._estimator.estimate(frame).poses, frame.t)
            ms.append((time.perf_counter() - start) * 1e3)
            cpu_ms += (time.process_time() - cpu) * 1e3
            found, self._n = found + (len(poses) > 0), self._n + 1
        return Turn(ms, cpu_ms, found)


class _MediaPipe:
    """The full model in another Python, which is given the same pictures in a file."""

    def __init__(self, python: Path, images: Sequence[ImageArray]) -> None:
        self._python, self._images = python, images
        self.version = ""

    def __enter__(self) -> _MediaPipe:
        self._folder = tempfile.TemporaryDirectory(prefix="poseapp-bench-", ignore_cleanup_errors=True)
        pictures = Path(self._folder.name) / "pictures.npy"
        command = [str(self._python), str(Path(mediapipe_script.__file__)), str(pictures)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError as error:
            self._folder.cleanup()
            raise PoseAppError(f"{self._python}: cannot be run ({error.strerror}). Give a Python that has MediaPipe.") from None
        self._watch = threading.Timer(HANGS_S, self._process.kill)
        self._watch.daemon = True
        self._watch.start()
        try:
            self.version = self._answer().text("version")
            played = [self._images[to_and_fro(n, len(self._images))] for n in range(2 * len(self._images) - 2)]
            np.save(pictures, np.stack(played)[..., ::-1])  # it takes RGB, and reads them in the first turn
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.cancel()
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def turn(self, frames: int) -> Turn:
        assert self._process.stdin is not None
        with suppress(OSError):  # it is gone: that it does not answer is said below
            self._process.stdin.write(f"{frames}\n")
            self._process.stdin.flush()
        answer = self._answer()
        return Turn(list(answer.floats("ms", frames)), answer.number("cpu_ms"), answer.integer("found"))

    def _answer(self) -> Fields:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._wrong("it ended without a word")
        answer = Fields(parse_json(line, self._wrong), self._wrong)
        if "error" in answer.content:
            raise self._wrong(str(answer.content["error"])[:200])
        return answer

    def _wrong(self, why: str) -> PoseAppError:
        return PoseAppError(
            f"MediaPipe: {self._python} cannot run it ({why}). Install it there: pip install mediapipe=={VERSION}"
        )
