"""How many threads a network gets on this CPU: timed once, alone and beside the work of a recording, and kept.

A network alone is fastest on all cores. Beside an encoder each layer waits for the thread whose core the encoder uses, so it
may be better to leave one core to the encoder. This depends on network, runtime and processor. So two numbers are timed, all
cores and one less, in two situations: alone, as while viewing or with several people in a frame, and beside the copying,
converting and compressing of a picture for each crop, as while recording one person.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import psutil

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.spec import ModelSpec
from poseapp.core.types import ImageArray
from poseapp.engine import timing_cache
from poseapp.engine.backends import BACKENDS
from poseapp.engine.base import Engine, Progress
from poseapp.engine.choice import Option, open_option
from poseapp.engine.comparator import sample_crops
from poseapp.engine.machine import available_cores, cpu_name, instruction_sets, most_threads

Situation = Literal["alone", "recording"]
SITUATIONS: tuple[Situation, ...] = ("alone", "recording")
CACHE = "threads"  # the folder of the timings
SECONDS_EACH = 0.3  # for a number of threads in a situation
MOST_OTHERS = 0.15  # cores that others may keep busy meanwhile
WORTH_IT = 1.1  # fewer threads must be faster than all by this much, over both situations: timings vary


def chosen(folder: Path, spec: ModelSpec, option: Option, progress: Progress | None) -> int:
    """The number of threads for *option* of the model in *folder*: as timed earlier, else as timed now; 0 is the usual number.

    Without *progress* nothing is timed. A timing is not kept when other work was going on, such as another program or the model
    that serves meanwhile: beside other work one core less always looks best. Raises EngineError when *progress* says to stop.
    """
    key = _key(spec, option)
    known = _read(key)
    if known is not None or progress is None or len(candidates()) == 1:
        return known or 0
    others = _Others()
    ms = measure(lambda count: open_option(folder, spec, option, count), progress)
    if not ms or others.cores() > MOST_OTHERS:
        return 0
    _write(key, ms)
    return best(ms)


class _Others:
    """The other work from now on: other programs, and the threads of this program that exist already."""

    def __init__(self) -> None:
        self._programs, self._since = _used_s()
        self._threads = _threads_s()

    def cores(self) -> float:
        """How many cores they have kept busy since then, on average."""
        programs, now = _used_s()
        threads = _threads_s()
        here = sum(threads[identity] - used for identity, used in self._threads.items() if identity in threads)
        return (programs - self._programs + here) / (now - self._since)


def _threads_s() -> dict[int, float]:
    """The processor time of each thread of this process, in s, by its number; without the calling thread."""
    if sys.platform == "darwin":  # its threads have other numbers there, so that the one that asks cannot be told
        return {}
    every, own = psutil.Process().threads(), threading.get_native_id()
    return {one.id: one.user_time + one.system_time for one in every if one.id != own}


def _used_s() -> tuple[float, float]:
    """The processor time of other programs on all cores, and the clock, in s: both count from some moment on."""
    every, own = psutil.cpu_times(), psutil.Process().cpu_times()
    busy = every.user + every.system + getattr(every, "nice", 0.0)
    return busy - own.user - own.system, time.monotonic()


def candidates() -> tuple[int, ...]:
    """The numbers of threads to try, the usual one first."""
    most = most_threads()
    return (most, most - 1) if most > 1 else (most,)


def best(ms: Mapping[int, Mapping[Situation, float]]) -> int:
    """The number of threads that is best over all situations; *ms* has the ms of a frame for each number."""
    most = max(ms)

    def cost(count: int) -> float:
        log_ms = sum(math.log(ms[count][situation]) for situation in SITUATIONS) / len(SITUATIONS)
        return log_ms + (0.0 if count == most else math.log(WORTH_IT))

    return min(sorted(ms, reverse=True), key=cost)


def measure(open_engine: Callable[[int], Engine], progress: Progress) -> dict[int, dict[Situation, float]]:
    """Ms of a frame by the number of threads and the situation; *open_engine* opens the model with so many threads.

    Empty when that fails: the next one who opens the model gets the error. Raises EngineError when *progress* says to stop.
    """
    with ExitStack() as stack:
        engines: dict[int, Engine] = {}
        for count in candidates():
            try:
                engines[count] = open_engine(count)
            except ModelError:
                return {}
            stack.callback(engines[count].close)
        spec = next(iter(engines.values())).spec
        crops = sample_crops(spec.input_hw)[:1]
        beside = stack.enter_context(_Recording(sample_crops((180, 128))))
        took: dict[int, dict[Situation, list[float]]] = {count: {s: [] for s in SITUATIONS} for count in engines}
        start = time.perf_counter()
        end = start + SECONDS_EACH * len(engines) * len(SITUATIONS)
        # In turns, so that whatever else the machine does meanwhile slows them all.
        while time.perf_counter() < end or len(took[candidates()[0]]["alone"]) < 3:
            done = min(1.0, (time.perf_counter() - start) / (end - start))
            if not progress("Timing numbers of threads", done):
                raise EngineError(f"{spec.name}: the timing of numbers of threads was cancelled.")
            for count, engine in engines.items():
                for situation in SITUATIONS:
                    took[count][situation] += _frames_ms(engine, crops, beside if situation == "recording" else None)
        # Of the better quarter: what other programs do meanwhile is not asked for.
        return {count: {s: float(np.percentile(ms, 25)) for s, ms in of.items()} for count, of in took.items()}


def _frames_ms(engine: Engine, crops: ImageArray, beside: _Recording | None, frames: int = 6) -> list[float]:
    """The ms of some frames in a row; the first frames, which find another situation's caches, are left out."""
    took: list[float] = []
    for _ in range(frames):
        start = time.perf_counter()
        if beside is not None:
            beside.next_frame()
        engine.infer(crops)
        took.append((time.perf_counter() - start) * 1e3)
    if beside is not None:
        beside.finish()
    return took[2:]


class _Recording:
    """The work of a recording on a picture, on its own thread, one picture behind the network.

    JPEG stands in for H.264: it takes as long (3 ms at 720p, like x264 at its fastest), and needs no library.
    """

    def __init__(self, crops: ImageArray) -> None:
        rows = np.concatenate([crops, crops[:8]]).reshape(4, 10, *crops.shape[1:])
        self._picture = np.ascontiguousarray(np.concatenate(np.concatenate(rows, axis=1), axis=1))  # 720×1280
        self._given, self._idle = threading.Semaphore(0), threading.Semaphore(1)
        self._closed, self.frames = False, 0
        self._thread = threading.Thread(target=self._run, name="poseapp-threads", daemon=True)

    def __enter__(self) -> _Recording:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._given.release()
        self._thread.join()

    def next_frame(self) -> None:
        """Give it a picture, when it is done with the one before."""
        self._idle.acquire()
        self._given.release()

    def finish(self) -> None:
        """Wait until it is done."""
        self._idle.acquire()
        self._idle.release()

    def _run(self) -> None:
        while True:
            self._given.acquire()
            if self._closed:
                return
            cv2.cvtColor(self._picture.copy(), cv2.COLOR_BGR2YUV_I420)
            cv2.imencode(".jpg", self._picture)
            self.frames += 1
            self._idle.release()


def _read(key: Mapping[str, object]) -> int | None:
    try:
        content = timing_cache.read(CACHE, key)
        count = content.integer("threads") if content is not None else 0
        return count if count in candidates() else None
    except (OSError, EngineError):
        return None  # damaged: it is measured again


def _write(key: Mapping[str, object], ms: Mapping[int, Mapping[Situation, float]]) -> None:
    timing_cache.keep(CACHE, key, {"threads": best(ms), "ms": ms})


def _key(spec: ModelSpec, option: Option) -> dict[str, object]:
    """Everything that a timing depends on."""
    return {
        "model": spec.weights_sha256,
        "variants": dict(spec.variants),
        "option": str(option),
        "version": BACKENDS[option.runtime].load().version(),
        "cpu": cpu_name(),
        "instructions": instruction_sets(),
        "cores": available_cores(),
    }
