"""Measures every way of every network, and what the machine reaches in ideal work."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from poseapp.bench.gpu.subjects import FIELDS, Subject, made_up_crops
from poseapp.bench.gpu.ways import BATCHES, COMPILED, EAGER, WAYS, Once, tensorrt_engine, torch_way
from poseapp.core.errors import EngineError, first_line
from poseapp.core.spec import ModelSpec, Precision
from poseapp.nets.blocks import count_macs, count_parameters

WARM_UP_RUNS = 10
MATRIX_SIDE = 8192
COPY_BYTES = 1 << 30


@dataclass(frozen=True)
class Line:
    """One way to run one network at one batch. Times in ms of a whole batch; ``reason`` why there are none."""

    network: str
    batch: int
    way: str
    macs: int
    moved_bytes: int
    p50_ms: float = math.nan
    p95_ms: float = math.nan
    reason: str = ""

    @property
    def people_per_s(self) -> float:
        """Crops a second at the median."""
        return self.batch / self.p50_ms * 1e3


@dataclass(frozen=True)
class Rates:
    """What the machine reaches in ideal work: multiply-accumulates a second by precision, and bytes a second."""

    macs_per_s: Mapping[str, float]
    bytes_per_s: float

    def limit_ms(self, line: Line) -> float:
        """The roofline: no run of *line* can be faster. NaN where the matrix rate was not measured.

        Memory counts what must cross it at least: the weights and the batch's crops and maps, each once.
        """
        rate = self.macs_per_s.get(line.way.rpartition(" ")[2], math.nan)
        if math.isnan(rate):
            return math.nan
        return 1e3 * max(line.macs * line.batch / rate, line.moved_bytes / self.bytes_per_s)


def moved_bytes(spec: ModelSpec, parameters: int, batch: int, way: str) -> int:
    """What must cross the GPU's memory at least: weights, crops, heatmaps and fields, each once."""
    size = {"FP32": 4, "TF32": 4, "FP16": 2, "BF16": 2, "INT8": 1}[way.rpartition(" ")[2]]
    maps = (spec.skeleton.k + (FIELDS if spec.has_affinity_fields else 0)) * spec.heatmap_hw[0] * spec.heatmap_hw[1]
    return parameters * size + batch * (3 * spec.input_hw[0] * spec.input_hw[1] + maps * size)


def measure(once: Once, seconds: float, clock: Callable[[], float] = time.perf_counter) -> tuple[float, float]:
    """p50 and p95 in ms of *once*, run for *seconds* and at least 20 times after a warm-up."""
    for _ in range(WARM_UP_RUNS):
        once()
    times: list[float] = []
    begun = clock()
    while len(times) < 20 or clock() - begun < seconds:
        start = clock()
        once()
        times.append((clock() - start) * 1e3)
    return float(np.percentile(times, 50)), float(np.percentile(times, 95))


def measure_rates(device: torch.device, side: int = MATRIX_SIDE, nbytes: int = COPY_BYTES, seconds: float = 1.0) -> Rates:
    """What *device* reaches: products of *side*² matrices, and copies of *nbytes* within its memory (read and written)."""

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    def rate(work: Once) -> float:
        for _ in range(3):
            work()
        wait()
        best, begun = math.inf, time.perf_counter()
        while time.perf_counter() - begun < seconds or best == math.inf:
            start = time.perf_counter()
            work()
            wait()
            best = min(best, time.perf_counter() - start)
        return 1 / best

    macs: dict[str, float] = {}
    kinds = {"FP32": torch.float32, "TF32": torch.float32, "FP16": torch.float16, "BF16": torch.bfloat16}
    before = torch.backends.cuda.matmul.allow_tf32
    try:
        for name, dtype in kinds.items():
            if device.type == "cpu" and name != "FP32":
                continue
            torch.backends.cuda.matmul.allow_tf32 = name == "TF32"
            a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
            out = torch.empty(side, side, device=device, dtype=dtype)
            macs[name] = side**3 * rate(functools.partial(torch.matmul, a, b, out=out))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    source = torch.empty(nbytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return Rates(macs, 2 * nbytes * rate(lambda: target.copy_(source)))


def run(
    chosen: Sequence[Subject],
    device: torch.device,
    seconds: float,
    ways: Sequence[str] = WAYS,
    batches: Sequence[int] = BATCHES,
    said: Callable[[str], None] = print,
    kept: Callable[[Sequence[Line]], None] = lambda _lines: None,
) -> list[Line]:
    """Measure every way of every network; what fails becomes a line with the reason.

    *said* and *kept* hear of each line at once: a benchmark that is cut off has told what it measured. What torch compiles
    comes last of all, for it takes minutes.
    """
    lines: list[Line] = []
    for last in (False, True):
        for subject in chosen:
            net = subject.make()
            macs, parameters = count_macs(net, subject.spec.input_hw), count_parameters(net)
            for way in (way for way in ways if (way == COMPILED) is last):
                empty = [
                    Line(subject.spec.name, batch, way, macs, moved_bytes(subject.spec, parameters, batch, way))
                    for batch in batches
                ]
                for line in _measured(empty, subject, way, device, seconds):
                    lines.append(line)
                    said(f"{line.network} batch {line.batch} {way}: {line.reason or f'{line.p50_ms:.3f} ms'}")
                    kept(lines)
    return lines


def _measured(empty: Sequence[Line], subject: Subject, way: str, device: torch.device, seconds: float) -> Iterator[Line]:
    if way.startswith("TensorRT"):
        yield from _measured_tensorrt(empty, subject, way, seconds)
        return
    for line in empty:
        try:
            if device.type != "cuda" and way != EAGER:
                raise EngineError("needs an NVIDIA GPU")
            with torch_way(way, subject, line.batch, device) as once:
                p50, p95 = measure(once, seconds)
            yield replace(line, p50_ms=p50, p95_ms=p95)
        except Exception as error:  # noqa: BLE001 - whatever one way fails with, the others are measured
            yield replace(line, reason=first_line(error))


def _measured_tensorrt(empty: Sequence[Line], subject: Subject, way: str, seconds: float) -> Iterator[Line]:
    precision: Precision = {"FP32": "fp32", "FP16": "fp16", "INT8": "int8"}[way.rpartition(" ")[2]]  # type: ignore[assignment]
    done: list[Line] = []
    try:
        with tensorrt_engine(subject, precision) as engine:
            for line in empty:
                crops = made_up_crops(subject.spec, line.batch)
                p50, p95 = measure(lambda crops=crops: engine.infer(crops), seconds)  # type: ignore[misc]
                done.append(replace(line, p50_ms=p50, p95_ms=p95))
    except Exception as error:  # noqa: BLE001 - whatever TensorRT fails with, the other ways are measured
        done += [replace(line, reason=first_line(error)) for line in empty[len(done) :]]
    yield from done
