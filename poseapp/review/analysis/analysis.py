"""Analysis: the people in every picture of a recording's clean video, found by any model; it can stop and go on later."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.files import only_one
from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import Frame, Poses, Result
from poseapp.engine.load import load_engine
from poseapp.live.model_runner import LoadEngine, ModelRunner, ModelThread, OpenDetector, RunnerEvents
from poseapp.live.recording import ModelEntry
from poseapp.live.recording.keypoints import keypoints_of
from poseapp.live.recording.picture_files import any_pictures
from poseapp.live.recording.writers import CLEAN
from poseapp.live.shared import LiveSettings, Shared
from poseapp.live.slot import Slot
from poseapp.live.status import ModelRequest
from poseapp.live.worker import Worker
from poseapp.pipeline.modes import open_detector, suited_model
from poseapp.review.analysis.files import LOCK, AnalysisFiles
from poseapp.review.analysis.identities import Identities
from poseapp.review.analysis.placing import Placing, place_pictures
from poseapp.review.clip_reader import ClipReader
from poseapp.review.saved_poses import SavedPoses
from poseapp.review.saved_recording import SavedRecording

AGAIN = 60  # pictures before a stop that are looked at again: about as long as the tracker remembers people, 2 s
_RATE_S = 10.0  # over how long the speed is measured that says the time left


@dataclass(frozen=True)
class AnalysisProgress:
    """``done`` of ``total`` pictures; ``remaining_s`` is None while nobody can tell. ``text`` says what is going on meanwhile."""

    done: int
    total: int
    remaining_s: float | None = None
    text: str = ""

    @property
    def remaining_text(self) -> str:
        """The time left, for people; "" while nobody can tell."""
        if self.remaining_s is None or self.done >= self.total:
            return ""
        if self.remaining_s < 60:
            return f"about {max(1, round(self.remaining_s))} s left"
        minutes = round(self.remaining_s / 60)
        return f"about {minutes} min left" if minutes < 90 else f"about {minutes / 60:.1f} h left"


Tell = Callable[[AnalysisProgress], None]


class Analysis:
    """Analyses every picture of ``clean.mkv`` in the recording *folder*; the result becomes the recording's joints.

    *request* names the model, the device and the mode; *smoothing* steadies the joints, None leaves that out. Nothing of the live
    analysis is lost: ``session.json`` names its files. Who was held live is held again. *load* and *open_detector* are those of
    a Session.
    """

    def __init__(
        self,
        folder: Path,
        request: ModelRequest,
        smoothing: SmoothRule | None,
        *,
        load: LoadEngine = load_engine,
        open_detector: OpenDetector = open_detector,
    ) -> None:
        self.folder = folder.resolve()
        self._request, self._smoothing = request, smoothing
        self._load, self._open_detector = load, open_detector
        self.notes: list[str] = []  # lines for the user, such as why another model runs

    def run(self, stop: threading.Event, tell: Tell = lambda _progress: None) -> bool:
        """Work until all is done (True), or *stop* is set (False): what is done stays, and the next run goes on from there.

        *tell* hears on any thread how far it is. Returns at once where the joints come from this model already. Raises
        PoseAppError where something is missing or damaged.
        """
        clean = self.folder / CLEAN
        if any_pictures(self.folder):
            raise RecordError(
                f"{self.folder}: has pictures that stand alone, and each is analysed already. Nothing is left to do."
            )
        if not clean.is_file():
            raise RecordError(
                f"{self.folder}: expected {CLEAN}, whose pictures are analysed; found none. "
                "Record with Clean video, or analyse the clip itself."
            )
        with ExitStack() as at_the_end:
            try:
                alone = at_the_end.enter_context(only_one(self.folder / LOCK))
            except OSError as error:
                raise RecordError(f"{self.folder}: cannot be written ({error.strerror}). Make it writable, or copy it.") from None
            if not alone:
                raise RecordError(f"{self.folder}: is being analysed already. Wait for that.")
            reader = ClipReader(clean)
            at_the_end.callback(reader.close)
            recording = _read(self.folder)
            placing = place_pictures(reader.times_s + reader.start_s, recording)
            tell(AnalysisProgress(0, len(reader), text="Loading the model"))
            folder, note = suited_model(self._request.folder, self._request.mode)
            self.notes += [note] if note else []

            def loading(text: str, done: float) -> bool:
                tell(AnalysisProgress(0, len(reader), text=f"{text} ({100 * done:.0f} %)"))
                return not stop.is_set()

            try:
                engine = self._load(folder, self._request.device, precision=self._request.precision, progress=loading)
            except PoseAppError:
                if stop.is_set():
                    return False
                raise
            pass_through = _Pass(self, reader, placing, recording, tell, stop)
            try:
                runner = pass_through.runner(engine, folder)
            except BaseException:
                engine.close()
                raise
            at_the_end.callback(runner.close)
            return pass_through.run(runner)


def _read(folder: Path) -> SavedRecording:
    """What is known of the recording so far; nothing, where no line can be read."""
    try:
        return SavedRecording.read(folder)
    except RecordError:
        from poseapp.live.recording import read_manifest

        return SavedRecording(folder=folder, manifest=read_manifest(folder), parts=())


class _Pass:
    """One run over the pictures: a thread decodes, the thread of the caller finds people and writes."""

    def __init__(
        self, analysis: Analysis, reader: ClipReader, placing: Placing, live: SavedRecording, tell: Tell, stop: threading.Event
    ) -> None:
        self._analysis, self._reader, self._placing, self._tell, self._stop = analysis, reader, placing, tell, stop
        self._live = _Held(live)
        settings = LiveSettings(smoothing=analysis._smoothing, latency_budget_ms=math.inf)
        self._shared = Shared(realtime=False, settings=settings)
        self._inbox: Slot[Frame] = Slot(lossless=True)
        self._decoder = Worker("analysis-decoder", self._decode, self._failed)
        self._error = ""
        self._before: list[dict[str, Any]] = []
        self._at = 0  # the picture whose result comes next
        self._files: AnalysisFiles | None = None
        self._identities = Identities(())
        self._recent: deque[tuple[float, int]] = deque()

    def runner(self, engine: Any, folder: Path) -> ModelRunner:
        """The runner of *engine*, which it owns from now on. Raises ModelError: *engine* is then still the caller's."""
        thread = ModelThread(
            worker=self._decoder, inbox=self._inbox, folder=folder, mode=self._analysis._request.mode, order=1, request_number=1
        )
        events = RunnerEvents(
            result=self._take,
            fell_back=self._analysis.notes.append,
            mode_changed=lambda: None,
            mode_refused=lambda _mode, _error: None,
        )
        load, detector = self._analysis._load, self._analysis._open_detector
        runner = ModelRunner(thread, engine, self._shared, events, load=load, open_detector=detector)
        self._analysis.notes += [runner.note] if runner.note else []
        return runner

    def run(self, runner: ModelRunner) -> bool:
        """Work on all pictures that are not done; see Analysis.run."""
        total = len(self._reader)
        entry = ModelEntry(
            mode=runner.thread.mode, model=runner.engine.spec, backend=runner.engine.backend, detector=runner.detector
        )
        files = self._files = AnalysisFiles(self._analysis.folder, entry, self._analysis._smoothing, total)
        if files.is_done:
            self._tell(AnalysisProgress(total, total, 0.0))
            return True
        self._before = files.open()[:total]
        self._identities = Identities(self._before)
        self._at = max(0, len(self._before) - AGAIN) if len(self._before) < total else total
        try:
            if self._at < total:
                self._decoder.start()
                runner.run(self._stop)
        finally:
            self._inbox.drain()
            self._decoder.request_stop()
            self._decoder.join(10.0)
            files.close()
        if self._error:
            raise RecordError(self._error)
        if self._at < total:
            return False
        files.finish(int(self._placing.numbers[0]))
        self._tell(AnalysisProgress(total, total, 0.0))
        return True

    def _decode(self, stop: threading.Event) -> None:
        for at in range(self._at, len(self._reader)):
            image = np.ascontiguousarray(self._reader.picture(at))
            frame = Frame(image, int(self._placing.numbers[at]), float(self._placing.times[at]))
            if stop.is_set() or self._stop.is_set() or not self._inbox.put(frame):
                return
        self._inbox.close()

    def _failed(self, error: str) -> None:
        self._error = error
        self._inbox.drain()

    def _take(self, result: Result) -> None:
        """Write the *result* of the next picture; of one that was done before the stop, learn who is who."""
        assert self._files is not None
        at = self._at
        if at < len(self._before):
            self._identities.learn(result.poses, self._before[at])
        else:
            number, t = int(self._placing.numbers[at]), float(self._placing.times[at])
            self._files.add(keypoints_of(self._renumbered(result), number, t))
        self._at += 1
        for click in self._live.clicks(result):
            self._shared.add_click(click)
        self._say(max(self._at, len(self._before)))

    def _renumbered(self, result: Result) -> Result:
        def renamed(poses: Poses) -> Poses:
            return replace(poses, ids=np.array([self._identities.of(one) for one in poses.ids.tolist()], np.int64))

        return replace(
            result,
            poses=renamed(result.poses),
            smoothed=renamed(result.smoothed) if result.smoothed is not None else None,
            locked=self._identities.of(result.locked) if result.locked is not None else None,
            predicted=frozenset(self._identities.of(one) for one in result.predicted),
        )

    def _say(self, done: int) -> None:
        now, total = time.monotonic(), len(self._reader)
        self._recent.append((now, done))
        while len(self._recent) > 2 and now - self._recent[0][0] > _RATE_S:
            self._recent.popleft()
        began, first = self._recent[0]
        remaining = (total - done) * (now - began) / (done - first) if done > first else None
        self._tell(AnalysisProgress(done, total, remaining))


class _Held:
    """Whom the user held live, so that the same person is held now."""

    def __init__(self, live: SavedRecording) -> None:
        self._poses = SavedPoses(live)
        self._rows = {int(n): i for i, n in enumerate(number for part in live.parts for number in part.frames)}
        self._anybody = any(part.locked.any() for part in live.parts)

    def clicks(self, result: Result) -> Sequence[tuple[float, float] | None]:
        """The clicks after *result* that make its people held as they were live in the same frame."""
        row = self._rows.get(result.frame.index) if self._anybody else None
        if row is None:
            return ()
        frame = self._poses.frame(row)
        if frame.locked is None:
            return (None,) if result.locked is not None else ()
        there = np.flatnonzero(frame.poses.ids == frame.locked)
        if result.locked is not None or not there.size or frame.locked in frame.predicted:
            return ()
        xy, score = frame.poses.xy[there[0]], frame.poses.score[there[0]]
        seen = np.flatnonzero(np.isfinite(xy).all(axis=1))
        if not seen.size:
            return ()
        x, y = xy[seen[np.argmax(score[seen])]].tolist()
        return ((x, y),)
