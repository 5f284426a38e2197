"""How many processes a batch gets on this machine, and how many threads the network in each: timed once, and kept.

Processes share nothing and wait for nobody, so many of one thread are often best. But each one holds a model, and some networks
and processors gain more from threads. So the ways to share out the cores are timed on the demo clip, the whole work: reading,
looking and tracking. The one with the most frames a second wins.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from poseapp import resources
from poseapp.batch.method import Method
from poseapp.core.errors import EngineError, PoseAppError
from poseapp.core.types import Frame
from poseapp.engine import timing_cache
from poseapp.engine.machine import available_cores, cpu_name, instruction_sets
from poseapp.live.sources import VideoSource
from poseapp.pipeline.modes import make_estimator, open_detector

CACHE = "batch"  # the folder of the timings
SECONDS_EACH = 4.0
LOADING_S = 120.0  # a process that has not loaded its model by then is given up
WORTH_IT = 1.05  # more processes must be faster by this much: each takes memory, and timings vary
MOST_ON_A_GPU = 4
Told = Callable[[str, float], None]
"""Gets what is done now, and the share done, 0..1."""


def candidates(cores: int, on_cpu: bool) -> tuple[tuple[int, int], ...]:
    """The (processes, threads) to try, fewest processes first; threads 0 is the usual number, as a GPU needs none."""
    if not on_cpu:
        return tuple((count, 0) for count in (1, 2, 4) if count <= min(cores, MOST_ON_A_GPU))
    counts = [1 << n for n in range(cores.bit_length()) if 1 << n < cores] + [cores]
    return tuple((count, max(1, cores // count)) for count in counts)


def chosen(method: Method, told: Told) -> tuple[int, int]:
    """The processes, and the threads in each, that analyse the most frames a second here: as timed earlier, else as timed now."""
    among = candidates(available_cores(), method.option is not None)
    key = _key(method)
    with suppress(OSError, EngineError):
        content = timing_cache.read(CACHE, key)
        if content is not None:
            known = content.integer("processes"), content.integer("threads")
            if known in among:
                return known
    fps: dict[tuple[int, int], float] = {}
    for n, (processes, threads) in enumerate(among):
        told(f"Timing {processes} process{'es' if processes > 1 else ''}", n / len(among))
        fps[processes, threads] = measure(replace(method, threads=threads), processes)
    best = fastest(fps)
    timing_cache.keep(
        CACHE, key, {"processes": best[0], "threads": best[1], "fps": [[*size, each] for size, each in fps.items()]}
    )
    return best


def fastest(fps: dict[tuple[int, int], float]) -> tuple[int, int]:
    """The (processes, threads) with the most frames a second; fewer processes unless more are worth it."""
    best = min(fps)
    for size in sorted(fps):
        if fps[size] > fps[best] * WORTH_IT:
            best = size
    return best


def measure(method: Method, processes: int, clip: Path | None = None, seconds: float = SECONDS_EACH) -> float:
    """Frames a second of so many *processes* together, by *method* on *clip* over and over; 0 where they cannot run."""
    context = multiprocessing.get_context("spawn")
    start, counts = context.Barrier(processes), context.Queue()
    clip = clip or resources.asset("demo.mp4")
    workers = [context.Process(target=_count, args=(method, clip, seconds, start, counts), daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + LOADING_S + seconds
    for worker in workers:
        worker.join(max(0.0, deadline - time.monotonic()))
    slow = [worker for worker in workers if worker.is_alive()]
    for worker in slow:
        worker.kill()
        worker.join()
    if slow or any(worker.exitcode != 0 for worker in workers):
        return 0.0
    return float(sum(counts.get(timeout=5) for _ in workers))


def _count(method: Method, clip: Path, seconds: float, start: Barrier, counts: Any) -> None:
    """In a process of its own: frames a second from when all processes are ready."""
    try:
        with closing(method.open_engine()) as engine:
            detector = open_detector(method.folder.parent) if method.mode != "bottom-up" else None
            estimator = make_estimator(method.mode, engine, detector, thorough=True)
            source = VideoSource(clip, loop=True)
            with closing(source):
                source.open()
                done, began = 0, float("inf")
                while (item := source.read()) is not None:
                    estimator.estimate(Frame(item[0], done, item[1]))
                    if done == 0:  # everything is loaded and warm
                        start.wait(LOADING_S)
                        began = time.perf_counter()
                    done += 1
                    if (took := time.perf_counter() - began) > seconds:
                        counts.put((done - 1) / took)
                        return
    except PoseAppError:
        start.abort()
        raise SystemExit(1) from None


def _key(method: Method) -> dict[str, object]:
    """All that a timing depends on."""
    return {
        **method.of_result(),
        "device": method.device,
        "option": list(method.option or ()),
        "cpu": cpu_name(),
        "instructions": instruction_sets(),
        "cores": available_cores(),
    }


def asked_for(processes: int, method: Method) -> tuple[int, int]:
    """The threads beside so many *processes* that the user asked for."""
    return processes, max(1, available_cores() // processes) if method.option is not None else 0
