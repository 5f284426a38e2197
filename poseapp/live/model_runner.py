"""ModelRunner: one loaded model on its thread, from frames to results."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from poseapp.core.errors import EngineError, ModelError
from poseapp.core.smoothing import Smoother
from poseapp.core.types import Frame, PoseMode, Result
from poseapp.engine.base import Engine, Progress
from poseapp.engine.detector import Detector, DetectorSpec
from poseapp.live.recording import Recorder
from poseapp.live.shared import Shared
from poseapp.live.slot import Slot
from poseapp.live.worker import Worker
from poseapp.pipeline.estimator import Estimator, PersonFinder
from poseapp.pipeline.modes import make_estimator
from poseapp.pipeline.top_down import TopDown

log = logging.getLogger(__name__)


class LoadEngine(Protocol):
    """Makes the engine of a model's folder, as ``load_engine`` does."""

    def __call__(self, folder: Path, device: str, *, precision: str, progress: Progress | None) -> Engine:
        """See ``load_engine``."""
        ...


OpenDetector = Callable[[Path], PersonFinder | None]
"""Loads the person detector of a model store, or gives None; raises ModelError. ``open_detector`` is the one of the app."""


@dataclass(eq=False, kw_only=True)
class ModelThread:
    """The thread of one requested model, from the request to the end of the model: first it loads, then it runs."""

    worker: Worker
    inbox: Slot[Frame]
    folder: Path
    mode: PoseMode  # that is wanted; the runner changes to it between two frames
    order: int  # counts the threads: a newer one takes over from an older one, and never the other way round
    request_number: int  # counts the user's requests: one that waits for its turn is given up for a newer one


@dataclass(frozen=True, kw_only=True)
class RunnerEvents:
    """What a ModelRunner reports to its owner; all are called on the runner's thread, without the lock."""

    result: Callable[[Result], None]  # of each frame, in the order of the frames
    fell_back: Callable[[str], None]  # the CPU has taken over from a device that failed, and why
    mode_changed: Callable[[], None]
    mode_refused: Callable[[PoseMode, str], None]  # the mode stays the one given, and why


class ModelRunner:
    """Finds the people in frame after frame with one model, on the CPU where its device fails.

    Made, used and closed on the thread of the model; it owns *engine*, and closes it. Only ``engine`` is read by other threads,
    with the lock held. ``note`` says in a line what is missing, or is "". Raises ModelError where the mode of *thread* lacks
    something; *engine* is then still the caller's.
    """

    def __init__(
        self,
        thread: ModelThread,
        engine: Engine,
        shared: Shared,
        events: RunnerEvents,
        *,
        load: LoadEngine,
        open_detector: OpenDetector,
    ) -> None:
        self.thread, self.engine = thread, engine
        self._shared, self._events = shared, events
        self._load, self._open_detector = load, open_detector
        self._detector: PersonFinder | None = None  # None: the store has none, or no mode had a use for it so far
        self.note = self._equip(thread.mode)
        self.estimator = self._make_estimator(thread.mode, engine)
        self._smoother = Smoother(engine.spec.skeleton)
        self._searched_from = 0  # the estimator knows nothing older than this frame
        self._rewound_from = 0  # the first frame of the round of a clip that the estimator is in
        self._still = -1  # the still that the estimator has looked at
        self._counted_for: Recorder | None = None  # the recording in which people were counted from 1 on

    def run(self, stop: threading.Event) -> None:
        """Work on the frames in the inbox until it is closed or *stop* is set."""
        inbox = self.thread.inbox
        while not stop.is_set():
            frame = inbox.take(timeout_s=0.5)
            if frame is not None:
                self._prepare(frame)
                self._events.result(self._smoothed(self._estimate(frame)))
            elif inbox.closed:
                return

    def follow_on(self, previous: ModelRunner) -> None:
        """Go on where *previous* was, whose thread has ended or waits."""
        self._searched_from, self._rewound_from = previous._searched_from, previous._rewound_from
        self._counted_for, self._still = previous._counted_for, previous._still
        self.estimator.take_over_state(previous.estimator)

    @property
    def detector(self) -> DetectorSpec | None:
        """The spec of the person detector that the mode uses, if any. Any thread may ask."""
        detector = self._detector if self.thread.mode != "bottom-up" else None
        return detector.spec if isinstance(detector, Detector) else None

    def close(self) -> None:
        """Give back the engine and the detector."""
        if self._detector is not None:
            self._detector.close()
        self.engine.close()

    def _equip(self, mode: PoseMode) -> str:
        """Open the detector where *mode* has a use for one and there is none yet; returns a line where it cannot be opened."""
        if mode == "bottom-up" or self._detector is not None:
            return ""
        try:
            self._detector = self._open_detector(self.thread.folder.parent)
        except ModelError as error:
            log.warning("%s", error)
            return str(error)
        return ""

    def _make_estimator(self, mode: PoseMode, engine: Engine) -> Estimator:
        budget_ms = self._shared.settings.latency_budget_ms
        return make_estimator(mode, engine, self._detector, budget_ms, thorough=not self._shared.realtime)

    def _prepare(self, frame: Frame) -> None:
        """Bring the estimator up to date with what the user and the source have changed since the last frame."""
        if self.thread.mode != self.estimator.mode:
            self._change_mode(self.thread.mode)
        clicks, new_scene_from, rewound_from = self._shared.take_news()
        for xy in clicks:
            self.estimator.lock(xy)
        if isinstance(self.estimator, TopDown):
            self.estimator.latency_budget_ms = self._shared.settings.latency_budget_ms
        if self._searched_from < new_scene_from <= frame.index:
            self._searched_from = self._rewound_from = new_scene_from
            self._forget()
        if self._rewound_from < rewound_from <= frame.index:
            self._rewound_from = rewound_from
            self.estimator.rewind()
            self._smoother.reset()  # or else people would be drawn from where they were at the end to where they begin
        if frame.is_still and frame.index != self._still:
            self._still = frame.index
            self._forget()  # of a folder of pictures each stands alone
        recorder = self._shared.recordings.current
        if recorder is not None and recorder is not self._counted_for and recorder.includes(frame):
            self._counted_for = recorder
            self._smoother.renumber(self.estimator.renumber())

    def _forget(self) -> None:
        """Know nobody any more."""
        self.estimator.reset()
        self._smoother.reset()
        self._count_anew()

    def _change_mode(self, mode: PoseMode) -> None:
        """Go on with the same engine and another estimator."""
        before = self.estimator
        try:
            self._equip(mode)
            estimator = self._make_estimator(mode, self.engine)
        except ModelError as error:
            self._events.mode_refused(before.mode, str(error))
            return
        self._replace_estimator(estimator)
        if before.mode == "one":  # whose number nobody has seen
            self._count_anew()
        self._events.mode_changed()

    def _replace_estimator(self, estimator: Estimator) -> None:
        estimator.take_over_state(self.estimator)
        with self._shared.lock:
            self.estimator = estimator

    def _count_anew(self) -> None:
        """Number people from 1 on again; but in a recording nobody gets a number that was somebody else's."""
        if self._shared.recordings.active:
            return
        if self.estimator.locked is None:
            self.estimator.tracker.reset()  # or else who is not found again would keep number 1
        self._smoother.renumber(self.estimator.renumber())

    def _estimate(self, frame: Frame) -> Result:
        """The poses in *frame*, on the CPU where the device fails at it."""
        wait_ms = max(0.0, time.monotonic() - frame.t) * 1e3 if self._shared.realtime else 0.0
        heatmaps = self._shared.settings.heatmaps
        try:
            return self.estimator.estimate(frame, heatmaps, wait_ms)
        except EngineError as error:
            if self.engine.backend.device == "CPU":
                raise
            self._fall_back(str(error))
        return self.estimator.estimate(frame, heatmaps, wait_ms)

    def _fall_back(self, reason: str) -> None:
        """Put the CPU's engine in the place of one whose device failed, with the same frames."""
        log.warning("%s The CPU takes over.", reason)
        with suppress(EngineError):  # a device that is gone may not even let go
            self.engine.close()
        engine = self._load(self.thread.folder, "cpu", precision="auto", progress=None)
        with self._shared.lock:
            self.engine = engine
        self._replace_estimator(self._make_estimator(self.estimator.mode, engine))
        self._events.fell_back(reason)

    def _smoothed(self, result: Result) -> Result:
        """*result* with smoothed poses, where they are wanted and there is a film to smooth over."""
        rule = self._shared.settings.smoothing
        if rule is None or result.frame.is_still:
            self._smoother.reset()
            return result
        self._smoother.rule = rule
        started = time.perf_counter()
        smoothed = self._smoother.update(result.poses, result.frame.t)
        decode_ms = result.stage_ms.get("decode", 0.0) + (time.perf_counter() - started) * 1e3
        stage_ms = MappingProxyType({**result.stage_ms, "decode": decode_ms})
        return replace(result, smoothed=smoothed, smoothing=rule, stage_ms=stage_ms)
