"""What the app itself adds to a frame, in processor time: a figure that other work on the machine hardly changes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from poseapp.bench.clip import ClipSource, clip_images
from poseapp.core.smoothing import Smoother
from poseapp.core.spec import ModelSpec
from poseapp.core.types import Frame, ImageArray
from poseapp.engine.base import Backend, Engine, Output
from poseapp.engine.load import load_engine
from poseapp.engine.store import default_engines_dir, find_model
from poseapp.pipeline.single import OnePerson
from poseapp.render import DrawOptions, annotate

STAGES = ("crop", "decode", "smooth", "draw")
FRAMES = 200
PAUSE_S = 0.01  # as between a camera's frames: caches are cold after it
FIRST = 30  # frames until the person is followed, not counted


class _Marked:
    """An engine that notes when it is called and when it returns, in s of its thread's processor time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.called = self.returned = 0.0

    @property
    def spec(self) -> ModelSpec:
        return self._engine.spec

    @property
    def backend(self) -> Backend:
        return self._engine.backend

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        self.called = time.thread_time()
        output = self._engine.infer(crops, heatmaps)
        self.returned = time.thread_time()
        return output

    def close(self) -> None:
        self._engine.close()


def stage_ms(engine: Engine, clip: Path | None, frames: int = FRAMES) -> dict[str, float]:
    """Median ms of processor time, by stage, of a frame of *clip* (default: the synthetic figure) with one person."""
    marked, source = _Marked(engine), ClipSource(clip_images(clip), fps=30.0)
    estimator, smoother = OnePerson(marked), Smoother(engine.spec.skeleton)
    took: dict[str, list[float]] = {stage: [] for stage in STAGES}
    canvas: ImageArray | None = None
    for index in range(FIRST + frames):
        image, t = source.picture(index)
        time.sleep(PAUSE_S)
        begun = time.thread_time()
        result = estimator.estimate(Frame(image, index, t))
        found = time.thread_time()
        smoother.update(result.poses, t)
        smoothed = time.thread_time()
        time.sleep(PAUSE_S / 2)
        drawing = time.thread_time()
        canvas = annotate(result, DrawOptions(), canvas)
        drawn = time.thread_time()
        if index >= FIRST:
            spans = (marked.called - begun, found - marked.returned, smoothed - found, drawn - drawing)
            for stage, span in zip(STAGES, spans, strict=True):
                took[stage].append(span * 1e3)
    return {stage: float(np.median(ms)) for stage, ms in took.items()}


def report(clip: Path) -> str:
    """The figures of the default CPU model as a Markdown table."""
    engine = load_engine(find_model(default_engines_dir(), None, "cpu").folder, "cpu")
    try:
        ms = stage_ms(engine, clip)
    finally:
        engine.close()
    lines = [
        f"{engine.spec.name} on {engine.backend}; processor time of a frame at 1280×720 with one person, p50",
        "",
        f"| {' | '.join(STAGES)} | all |",
        f"| {' | '.join('---:' for _ in STAGES)} | ---: |",
        f"| {' | '.join(f'{ms[stage]:.2f}' for stage in STAGES)} | {sum(ms.values()):.2f} |",
    ]
    return "\n".join(lines)
