"""Session: owns the capture, inference and recording threads, and is all that a window or a command line talks to."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from poseapp.core.types import Frame, Result
from poseapp.engine.base import Backend, Engine
from poseapp.engine.load import load_engine
from poseapp.live.capture import CaptureEvents, capture
from poseapp.live.estimator import Estimator
from poseapp.live.record import Recorder, Recording, RecordOptions
from poseapp.live.slot import Slot
from poseapp.live.source import Mode, Source
from poseapp.live.stats import Snapshot, Stats
from poseapp.live.worker import Worker

log = logging.getLogger(__name__)

State = Literal["idle", "starting", "running", "reconnecting", "ended", "failed", "stopped"]


@dataclass(frozen=True)
class Status:
    """What a session is doing now.

    ``message`` is one line for the user, or ""; ``asked`` and ``granted`` are picture modes; ``loading`` is the model
    being loaded and ``model_error`` why the last change of model failed; ``backend`` is what really runs.
    """

    state: State
    message: str
    source: str
    asked: Mode | None
    granted: Mode | None
    model: str
    loading: str
    model_error: str
    backend: Backend | None
    people: int
    stats: Snapshot
    recording: Recording | None


@dataclass(eq=False)
class _Inference:
    """One inference thread with its inbox. The engine itself never leaves that thread."""

    worker: Worker
    inbox: Slot[Frame]
    engine: Engine | None = None
    estimator: Estimator | None = None


class Session:
    """A source, a model and perhaps a recording, running.

    ::

        idle → starting → running ⇄ reconnecting
                             ↓ file at its end      ↓ a worker failed
                           ended                  failed        → stopped (from anywhere, by stop)

    ``ended`` and ``failed`` are left by set_source or set_model. In real time frames are dropped rather than
    queued; otherwise (a file without a window) each one is worked on, as fast as possible. *model* is a folder
    of the model store. All methods return at once, but for stop and wait, and may be called from any one thread.
    """

    def __init__(self, source: Source, model: Path, *, device: str = "auto", realtime: bool = True) -> None:
        self.heatmaps = False
        self._realtime, self._device = realtime, device
        self._lock = threading.RLock()
        self._source, self._granted = source, None  # type: Source, Mode | None
        self._first_model = model
        self._state: State = "idle"
        self._message = self._failure = ""
        self._loading = self._model_error = ""
        self._stats = Stats()
        self._results: Slot[Result] = Slot()
        self._people = 0
        self._next_index = 0
        self._capture: Worker | None = None
        self._inference: _Inference | None = None  # the one that gets the frames
        self._loaders: list[_Inference] = []  # those that load, run or finish
        self._model_requests = 0
        self._capture_drops = 0  # of inboxes that are gone
        self._ready = threading.Event()  # an engine takes frames
        self._search_again = threading.Event()
        self._recorder: Recorder | None = None
        self._done = threading.Event()

    # -- control ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all threads."""
        if self._state != "idle":
            raise RuntimeError("a session is started once")
        self._state = "starting"
        self.set_model(self._first_model)
        self._start_capture(self._source)

    def set_source(self, source: Source) -> None:
        """Change to *source*. A recording is finished first: its frames would not fit together."""
        if self._state == "stopped":
            return
        self.stop_recording()
        self._done.clear()
        self._start_capture(source)

    def set_model(self, folder: Path, device: str | None = None) -> None:
        """Load the model in *folder* beside the present one and change to it between two frames.

        When that fails, the present one goes on and ``status().model_error`` says why.
        """
        with self._lock:
            if self._state == "stopped":
                return
            self._device = device or self._device
            self._model_requests += 1
            request, self._loading, self._model_error = self._model_requests, folder.name, ""
            inbox: Slot[Frame] = Slot(lossless=not self._realtime)
            worker = Worker(
                "inference",
                lambda stop: self._load_and_infer(inference, folder, self._device, request, stop),
                lambda error: self._inference_failed(inference, request, error),
            )
            inference = _Inference(worker, inbox)
            self._loaders.append(inference)
            worker.start()

    def start_recording(self, options: RecordOptions) -> Path:
        """Begin a recording in a new folder and return that; RecordError when it cannot be written."""
        with self._lock:
            self.stop_recording()
            about = {
                "source": {"name": self._source.name, "asked": _mode(self._source.asked), "granted": _mode(self._granted)},
                "draw": asdict(options.draw),
            }
            recorder = Recorder(options, about, self._stats, lossless=not self._realtime, finished=self._recording_finished)
            engine = self._inference.engine if self._inference is not None else None
            if engine is not None:
                recorder.model_changed(engine.spec, engine.backend)
            self._recorder = recorder
            return recorder.folder

    def stop_recording(self) -> None:
        """Finish the recording on its own thread; nothing happens when there is none."""
        recorder = self._recorder
        if recorder is not None:
            recorder.close()

    def stop(self) -> None:
        """Stop everything and finish the recording; safe to call twice.

        A camera that hangs is given up after two seconds: its thread is left behind, and the process can still end.
        """
        with self._lock:
            if self._state == "stopped":
                return
            self._state = "stopped"
            capture_worker, loaders, recorder, source = self._capture, list(self._loaders), self._recorder, self._source
        deadline = time.monotonic() + 2.5
        if capture_worker is not None:
            capture_worker.request_stop()
        self._ready.set()
        for inference in loaders:
            inference.worker.request_stop()
            inference.inbox.close()
        if capture_worker is not None and not capture_worker.join(1.5):
            log.warning("%s does not answer; its device is closed under it", source.name)
            threading.Thread(target=source.close, name="poseapp-close", daemon=True).start()
            capture_worker.join(0.5)
        for inference in loaders:
            inference.worker.join(max(0.1, deadline - time.monotonic()))
        if recorder is not None:
            recorder.close()
            recorder.join(10.0)
        self._results.close()
        self._done.set()

    @property
    def failure(self) -> str:
        """Why the session failed, also after it was stopped; "" when it did not."""
        return self._failure

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until a source that is not repeated has been worked on to its end, or the session has failed."""
        return self._done.wait(timeout_s)

    # -- what others see -------------------------------------------------------------------------------------

    def take(self) -> Result | None:
        """The newest result not yet taken, or None; never blocks."""
        return self._results.take(0)

    def painted(self, result: Result, draw_ms: float) -> None:
        """The window says that *result* is on the screen now."""
        self._stats.tick("display")
        self._stats.add("draw", draw_ms)
        if self._realtime:
            self._stats.add("total", (time.monotonic() - result.frame.t) * 1e3)

    def status(self) -> Status:
        """A snapshot; cheap."""
        with self._lock:
            engine = self._inference.engine if self._inference is not None else None
            recording = self._recorder.status() if self._recorder is not None else None
            inbox_drops = self._inference.inbox.dropped if self._inference is not None else 0
            drops = {
                "capture": self._capture_drops + inbox_drops,
                "display": self._results.dropped,
                "recording": recording.dropped if recording is not None else 0,
            }
            return Status(
                self._state,
                self._message,
                self._source.name,
                self._source.asked,
                self._granted,
                engine.spec.name if engine is not None else "",
                self._loading,
                self._model_error,
                engine.backend if engine is not None else None,
                self._people,
                self._stats.snapshot(drops),
                recording,
            )

    # -- capture thread --------------------------------------------------------------------------------------

    def _start_capture(self, source: Source) -> None:
        with self._lock:
            previous, previous_source = self._capture, self._source
            self._source, self._granted = source, None
            self._state, self._message = "starting", ""

            def run(stop: threading.Event) -> None:
                if previous is not None:
                    # The old device must be free before the new one opens: often it is the same camera.
                    previous.request_stop()
                    if not previous.join(1.5):
                        previous_source.close()
                        previous.join(1.0)
                events = CaptureEvents(
                    frame=lambda frame: self._captured(frame, stop),
                    opened=lambda mode: self._opened(mode, stop),
                    lost=lambda error: self._lost(error, stop),
                    ended=lambda: self._ended(stop),
                )
                capture(source, self._realtime, self._next_index, events, stop)

            worker = Worker("capture", run, lambda error: self._capture_failed(worker, error))
            if previous is not None:
                previous.request_stop()
            self._capture = worker
            worker.start()

    def _opened(self, mode: Mode, stop: threading.Event) -> None:
        with self._lock:
            if not stop.is_set():
                self._granted, self._message = mode, ""
            recorder = self._recorder
        self._search_again.set()
        if recorder is not None:
            recorder.source_opened(asdict(mode))

    def _captured(self, frame: Frame, stop: threading.Event) -> None:
        self._next_index = frame.index + 1
        self._stats.tick("capture")
        if not self._realtime:
            self._ready.wait()
        while True:
            with self._lock:
                if stop.is_set():
                    return
                if self._state in ("starting", "reconnecting") and self._inference is not None:
                    self._state, self._message = "running", ""
                inbox = self._inference.inbox if self._inference is not None else None
            # An inbox that is closed just now has been replaced by that of another model.
            if inbox is None or inbox.put(frame):
                return

    def _lost(self, error: str, stop: threading.Event) -> None:
        with self._lock:
            if not stop.is_set():
                self._state, self._message = "reconnecting", error

    def _ended(self, stop: threading.Event) -> None:
        with self._lock:
            if stop.is_set():
                return
            inference = self._inference
        if self._realtime or inference is None:
            self._finish("ended", "")
        else:
            inference.inbox.close()  # the inference thread takes what is left and then finishes

    def _capture_failed(self, worker: Worker, error: str) -> None:
        with self._lock:
            current = worker is self._capture
        if current:
            self._finish("failed", error)

    def _finish(self, state: State, message: str) -> None:
        with self._lock:
            if self._state != "stopped":
                self._state, self._message = state, message
                self._failure = message if state == "failed" else ""
        self.stop_recording()
        recorder = self._recorder
        if recorder is not None and not self._realtime:
            recorder.join(60.0)
        self._done.set()

    # -- inference threads -----------------------------------------------------------------------------------

    def _load_and_infer(self, me: _Inference, folder: Path, device: str, request: int, stop: threading.Event) -> None:
        engine = load_engine(folder, device)
        try:
            previous = self._take_over(me, engine, request, stop)
            if previous is not None:
                # Its last frame first: results must come out in order.
                previous.worker.join(10.0)
                if previous.estimator is not None and me.estimator is not None:
                    me.estimator.follower.inherit(previous.estimator.follower)
            if me.estimator is not None:
                self._infer(me, me.estimator, stop)
        finally:
            engine.close()
            with self._lock:
                self._loaders.remove(me)

    def _take_over(self, me: _Inference, engine: Engine, request: int, stop: threading.Event) -> _Inference | None:
        """Become the one that gets the frames, unless a newer request was made; returns the one before."""
        with self._lock:
            if stop.is_set() or request != self._model_requests:
                return None
            previous, self._inference = self._inference, me
            me.engine, me.estimator = engine, Estimator(engine)
            self._loading = ""
            if previous is not None:
                self._capture_drops += previous.inbox.dropped
                left = previous.inbox.drain()
                if left is not None:
                    me.inbox.put(left)
            if self._state == "failed" and previous is None:
                self._state, self._message = "starting", ""
            recorder = self._recorder
        if recorder is not None:
            recorder.model_changed(engine.spec, engine.backend)
        self._ready.set()
        return previous

    def _infer(self, me: _Inference, estimator: Estimator, stop: threading.Event) -> None:
        while not stop.is_set():
            frame = me.inbox.take(timeout_s=0.5)
            if frame is None:
                if me.inbox.closed:
                    break
                continue
            if self._search_again.is_set():
                self._search_again.clear()
                estimator.follower.forget()
            wait_ms = max(0.0, time.monotonic() - frame.t) * 1e3 if self._realtime else 0.0
            result = estimator.estimate(frame, self.heatmaps, wait_ms)
            self._stats.tick("inference")
            self._stats.add_all(result.stage_ms)
            self._people = len(result.poses)
            recorder = self._recorder
            if recorder is not None:
                recorder.put(result)
            self._results.put(result)
        if not self._realtime and me is self._inference and not stop.is_set():
            self._finish("ended", "")

    def _inference_failed(self, me: _Inference, request: int, error: str) -> None:
        with self._lock:
            if me in self._loaders:
                self._loaders.remove(me)
            if me is not self._inference and self._inference is not None:
                # The new one could not be loaded: the old one goes on.
                if request == self._model_requests:
                    self._loading, self._model_error = "", error
                return
            if request == self._model_requests:
                self._loading = ""
            self._model_error = error
            if me is self._inference:
                self._inference = None
            me.inbox.drain()
        self._finish("failed", error)

    # -- recorder thread -------------------------------------------------------------------------------------

    def _recording_finished(self, recording: Recording) -> None:
        if recording.error:
            log.warning("%s", recording.summary)


def _mode(mode: Mode | None) -> dict[str, object] | None:
    return asdict(mode) if mode is not None else None
