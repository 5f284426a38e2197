"""Session: owns the capture, inference and recording threads, and is all that a window or a command line talks to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from poseapp.core.errors import EngineError, ModelError, RecordError, SourceError
from poseapp.core.smoothing import Smoother, SmoothRule
from poseapp.core.types import Frame, PoseMode, Result
from poseapp.engine.base import Backend, Engine, Progress
from poseapp.engine.load import builds_first, load_engine
from poseapp.live.capture import CaptureEvents, capture
from poseapp.live.recording import Recorder, Recording, RecordOptions
from poseapp.live.slot import Slot
from poseapp.live.sources import Mode, Source
from poseapp.live.stats import Snapshot, Stats
from poseapp.live.worker import Worker
from poseapp.pipeline.estimator import Estimator, PersonFinder, Point
from poseapp.pipeline.modes import LATENCY_BUDGET_MS, make_estimator, open_detector, suited_model
from poseapp.pipeline.top_down import TopDown

log = logging.getLogger(__name__)

# How long stop waits for the recorder to write what is queued; a file that is not finished plays, too.
FINISH_LIVE_S = 10.0
FINISH_OFFLINE_S = 60.0
SILENT_S = 1.5  # a source that has not answered for so long is reported; two seconds are what a user waits
LET_GO_S = (1.5, 1.0)  # how long a source that is left may take, and then once its device is closed under it
MOST_HUNG = 4  # sources that never answered and were left: each has a thread that cannot be ended
MOST_LOADS = 2  # at once, of models: each takes memory and cores; of those that wait, only the newest is loaded
STAND_IN_S = 5.0  # how long an engine that takes long to load waits for the one that serves meanwhile

State = Literal["idle", "starting", "running", "reconnecting", "ended", "failed", "stopped"]


class Load(Protocol):
    """Makes the engine of a model's folder, as ``load_engine`` does."""

    def __call__(self, folder: Path, device: str, *, precision: str, progress: Progress | None) -> Engine:
        """See ``load_engine``."""
        ...


@dataclass(frozen=True)
class ModelRequest:
    """What the user wants to run: a model, on a device, in a precision, and a mode of looking for people."""

    folder: Path
    device: str = "auto"
    precision: str = "auto"
    mode: PoseMode = "one"


@dataclass(frozen=True)
class Build:
    """How far the loading of a model is, where that takes long enough to be told: a line, and the share done 0..1."""

    text: str
    done: float


@dataclass(frozen=True)
class Status:
    """What a session is doing now.

    ``message`` is one line for the user, or ""; ``asked`` and ``granted`` are picture modes; ``loading`` is the model
    being loaded, ``build`` how far that is, and ``model_error`` why the last change of model failed; ``wish`` is what was
    asked for and ``backend`` what really runs, with the reason in ``backend.fallback`` where that is something else, or
    None while nothing does, as in the state "starting";
    ``mode`` is how people are looked for, and ``note`` one line about why model or mode are not the ones wished for.
    """

    state: State
    message: str
    source: str
    requested: Mode | None
    actual: Mode | None
    model: str
    loading: str
    build: Build | None
    model_error: str
    wish: ModelRequest
    backend: Backend | None
    mode: PoseMode
    note: str
    person_count: int
    stats: Snapshot
    recording: Recording | None


@dataclass(eq=False)
class _Inference:
    """One inference thread with its inbox. The engine itself never leaves that thread."""

    worker: Worker
    inbox: Slot[Frame]
    folder: Path
    mode: PoseMode  # the one asked for; the estimator changes to it between two frames
    number: int  # of the wish: a newer one is loaded instead, as long as this one waits
    engine: Engine | None = None
    detector: PersonFinder | None = None
    estimator: Estimator | None = None
    smoother: Smoother | None = None
    searched_from: int = 0  # the estimator knows nothing older than this frame


class Session:
    """A source, a model and perhaps a recording, running.

    ::

        idle → starting → running ⇄ reconnecting
                             ↓ file at its end      ↓ a worker failed
                           ended                  failed        → stopped (from anywhere, by stop)

    ``ended`` is left by set_source, ``failed`` by set_source or set_model, whichever failed. In real time frames are
    dropped rather than queued; otherwise (a file without a window) each one is worked on, as fast as possible. *model*
    is a folder of the model store. Every method may be called from any thread; all return at once, but for stop, wait
    and, while it makes its folder, start_recording. *load* makes an engine; *builds_first* says of a folder, device and
    precision whether that takes long, because the engine is compiled first; *open_detector* loads the person detector of a
    model store, or gives None. *mode* is how people are looked for, *smoothing* steadies their joints.

    In real time the CPU then serves meanwhile, and it takes over, too, from a device that fails in mid-stream.
    """

    def __init__(
        self,
        source: Source,
        model: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        mode: PoseMode = "one",
        smoothing: SmoothRule | None = None,
        realtime: bool = True,
        load: Load = load_engine,
        builds_first: Callable[[Path, str, str], bool] = builds_first,
        open_detector: Callable[[Path], PersonFinder | None] = open_detector,
    ) -> None:
        self.heatmaps = False
        self.latency_budget_ms = LATENCY_BUDGET_MS  # of the poses of all people in a frame, top-down
        self._smoothing = smoothing
        self._realtime, self._load, self._builds_first, self._open_detector = realtime, load, builds_first, open_detector
        self._lock = threading.RLock()
        self._engine_came = threading.Condition(self._lock)  # or will not come any more
        self._started = self._stopped = False
        self._done = threading.Event()
        self._stats = Stats()
        self._results: Slot[Result] = Slot()
        self._people = 0
        # The source
        self._source, self._actual = source, None  # type: Source, Mode | None
        self._capture: Worker | None = None
        self._captures: list[tuple[Worker, Source]] = []  # those that have not ended
        self._waits_since: float | None = None  # for the source to answer
        self._source_state: State = "starting"
        self._source_message = ""
        self._final: tuple[State, str] | None = None  # what the source comes to once its last frame is worked on
        self._next_index = 0
        self._worked_index = -1  # frames up to this one are worked on, or wanted by nobody
        self._search_from = 0  # from this frame on the picture is another one
        # The model
        self._wish = ModelRequest(model, device, precision, mode)
        self._inference: _Inference | None = None  # the one that gets the frames
        self._newest: _Inference  # the last one asked for
        self._loaders: list[_Inference] = []  # those that load, run or finish
        self._model_requests = self._model_taken = 0
        self._wishes = self._loads = 0  # of models: how many were asked for, and how many are being loaded now
        self._loading = self._model_error = ""
        self._build: Build | None = None
        self._fallback = ""  # why what runs is not what was wished for, where its engine does not know
        self._engine_error = ""  # why there is no engine
        self._note = ""  # why model or mode are not the ones wished for
        self._clicks: list[Point | None] = []  # on people to lock; None lets go
        self._capture_drops = 0  # of inboxes that are gone
        # The recording
        self._recorder: Recorder | None = None  # the last one
        self._recorders: list[Recorder] = []  # those that still write

    # -- control ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all threads."""
        with self._lock:
            if self._started or self._stopped:
                raise RuntimeError("a session is started once")
            self._started = True
            self._start_loader(self._wish)
            self._start_capture(self._source)

    def set_source(self, source: Source) -> None:
        """Change to *source*. A recording is finished first: its frames would not fit together."""
        with self._lock:
            if self._stopped:
                return
            self.stop_recording()
            self._start_capture(source)

    def set_model(self, folder: Path, device: str | None = None, precision: str | None = None) -> None:
        """Load the model in *folder* beside the present one and change to it between two frames.

        When that fails, the present one goes on and ``status().model_error`` says why. When another one is asked
        for meanwhile, the last one that can be loaded stays; an engine that is being compiled is given up. *device* and
        *precision* stay as they are where they are None.
        """
        with self._lock:
            if self._stopped:
                return
            if self._build is not None:
                self._newest.worker.request_stop()
            self._wishes += 1
            self._wish = ModelRequest(folder, device or self._wish.device, precision or self._wish.precision, self._wish.mode)
            self._start_loader(self._wish)

    def set_mode(self, mode: PoseMode) -> None:
        """Look for people in *mode* from now on: between two frames, where the model can, else with one that can.

        When that fails, all goes on as it was and ``status().model_error`` says why.
        """
        with self._lock:
            if self._stopped:
                return
            self._wish = replace(self._wish, mode=mode)
            self._model_error = ""
            if not self._started:
                return
            if mode != "bottom-up" and self._loaders and all(one.folder == self._wish.folder for one in self._loaders):
                self._note = ""
                for one in self._loaders:
                    one.mode = mode
            else:
                self._wishes += 1
                self._start_loader(self._wish)

    def set_smoothing(self, rule: SmoothRule | None) -> None:
        """Steady the joints by *rule* from the next frame on; None gives them as they are found."""
        self._smoothing = rule

    def lock_person(self, xy: Point | None) -> None:
        """Hold on to the person at *xy*, frame px; None, and the same person once more, lets go."""
        with self._lock:
            self._clicks.append(xy)

    def cancel_build(self) -> None:
        """Give up the engine that is being compiled; what runs goes on, and its backend says why it is that one."""
        with self._lock:
            if self._build is not None:
                self._newest.worker.request_stop()
                self._loading, self._build = "", None
                self._fallback = "The build was cancelled. Choose the device again to start it anew."

    def start_recording(self, options: RecordOptions) -> Path:
        """Begin a recording in a new folder and return that; RecordError when it cannot be written."""
        with self._lock:
            self.stop_recording()
            source = self._source_to_record()
            about = {
                "source": {"name": source.name, "requested": _mode(source.requested), "actual": _mode(self._actual)},
                "draw": asdict(options.draw),
            }
        # Making a folder may take a while on a network drive; nobody else should wait for it.
        recorder = Recorder(
            options,
            about,
            self._stats,
            lossless=not self._realtime,
            finished=self._recording_finished,
            first_index=None if self._started else self._next_index,  # from the source's first picture on, readable or not
        )
        with self._lock:
            try:
                if self._source_to_record() is not source:
                    raise RecordError("recording: the source was changed just now. Start the recording again.")
            except RecordError:
                recorder.close(keep_empty=False)
                raise
            self.stop_recording()
            self._note_model(recorder)
            self._recorder = recorder
            self._recorders = [r for r in self._recorders if not r.join(0)] + [recorder]
            return recorder.folder

    def stop_recording(self) -> None:
        """Finish the recording on its own thread; nothing happens when there is none.

        Where nothing came, since source or model failed, no folder is left.
        """
        with self._lock:
            recorder, failed = self._recorder, self._actual is None or bool(self._engine_error)
        if recorder is not None:
            recorder.close(keep_empty=not failed)

    def stop(self) -> None:
        """Stop everything and finish the recording; safe to call twice.

        A camera that hangs is given up after two seconds: its thread is left behind, and the process can still end.
        """
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            capture_worker, loaders, source = self._capture, list(self._loaders), self._source
            if capture_worker is not None:
                capture_worker.request_stop()
            for inference in loaders:
                inference.worker.request_stop()
                inference.inbox.close()
            self._engine_came.notify_all()
        deadline = time.monotonic() + 2.5
        if capture_worker is not None and not capture_worker.join(1.5):
            log.warning("%s does not answer; its device is closed under it", source.name)
            threading.Thread(target=source.close, name="poseapp-close", daemon=True).start()
            capture_worker.join(0.5)
        for inference in loaders:
            inference.worker.join(max(0.1, deadline - time.monotonic()))
        self.stop_recording()
        for recorder in self._recorders:
            recorder.join(FINISH_LIVE_S if self._realtime else FINISH_OFFLINE_S)
        self._results.close()
        self._done.set()

    @property
    def failure(self) -> str:
        """Why the session failed, also after it was stopped; "" when it did not."""
        with self._lock:
            return self._engine_error or (self._source_message if self._source_state == "failed" else "")

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
            state, message = self._state_and_message()
            recording = self._recorder.status() if self._recorder is not None else None
            inbox_drops = self._inference.inbox.dropped if self._inference is not None else 0
            drops = {
                "capture": self._capture_drops + inbox_drops,
                "display": self._results.dropped,
                "recording": recording.dropped if recording is not None else 0,
            }
            return Status(
                state,
                message,
                self._source.name,
                self._source.requested,
                self._actual,
                engine.spec.name if engine is not None else "",
                self._loading,
                self._build,
                self._model_error,
                self._wish,
                self._backend(engine) if engine is not None and state != "starting" else None,
                self._inference.mode if self._inference is not None else self._wish.mode,
                self._note,
                self._people,
                self._stats.snapshot(drops),
                recording,
            )

    def _state_and_message(self) -> tuple[State, str]:
        """What the source and the model come to together. With the lock held."""
        state = self._source_state
        if self._stopped:
            state = "stopped"
        elif not self._started:
            state = "idle"
        elif self._engine_error:
            state = "failed"
        elif state == "running" and self._inference is None:
            state = "starting"
        return state, self._engine_error or self._source_message or self._silence(state)

    def _silence(self, state: State) -> str:
        """One line where the source does not answer, or "". With the lock held."""
        if state not in ("starting", "running") or self._waits_since is None:
            return ""
        if time.monotonic() - self._waits_since < SILENT_S:
            return ""
        missing = "does not deliver pictures" if self._actual is not None else "does not answer"
        return f"{self._source.name}: {missing}. Check it, or choose another source."

    def _source_to_record(self) -> Source:
        """The source; RecordError when no frame will come from it. With the lock held."""
        state, message = self._state_and_message()
        if state in ("ended", "failed", "stopped"):
            raise RecordError(f"recording: {self._source.name} gives no pictures ({message or state}). Choose a source first.")
        return self._source

    # -- capture thread --------------------------------------------------------------------------------------

    def _start_capture(self, source: Source) -> None:
        """Read *source* from now on, instead of the one before. With the lock held."""
        self._captures = [(worker, old) for worker, old in self._captures if not worker.join(0)]
        before = list(self._captures)
        previous, self._source, self._actual = self._capture, source, None
        self._source_state, self._source_message, self._final = "starting", "", None
        self._waits_since = None
        self._done.clear()

        def run(stop: threading.Event) -> None:
            _let_go(before, stop, source.name)
            events = CaptureEvents(
                frame=lambda frame: self._captured(frame, stop),
                opened=lambda mode: self._opened(mode, stop),
                resized=lambda mode: self._resized(mode, stop),
                lost=lambda error: self._lost(error, stop),
                ended=lambda: self._finish_source("ended", "", stop),
                waits=lambda waits: self._waits(waits, stop),
                unreadable=lambda count, skipped: self._unreadable(count, skipped, stop),
            )
            capture(source, self._realtime, self._next_index, events, stop)

        self._capture = Worker("capture", run, lambda error: self._finish_source("failed", error, worker.stop_requested))
        worker = self._capture
        self._captures.append((worker, source))
        if previous is not None:
            previous.request_stop()
            self._engine_came.notify_all()
        worker.start()

    def _waits(self, waits: bool, stop: threading.Event) -> None:
        """The capture thread waits for the source from now on, or no longer."""
        with self._lock:
            if not stop.is_set():
                self._waits_since = time.monotonic() if waits else None

    def _opened(self, mode: Mode, stop: threading.Event) -> None:
        with self._lock:
            if stop.is_set():
                return
            self._source_message = ""
            recorder = self._recorder
        self._resized(mode, stop)
        if recorder is not None:
            recorder.source_opened(asdict(mode))

    def _resized(self, mode: Mode, stop: threading.Event) -> None:
        with self._lock:
            if not stop.is_set():
                self._actual = mode
                self._search_from = self._next_index

    def _unreadable(self, count: int, skipped: Sequence[str], stop: threading.Event) -> None:
        recorder = self._recorder
        if recorder is not None and not stop.is_set():
            recorder.unreadable(count, skipped)

    def _captured(self, frame: Frame, stop: threading.Event) -> None:
        self._stats.tick("capture")
        while True:
            with self._lock:
                if not self._realtime or not self._source.live:  # a clip begins when there is somebody to look at it
                    self._engine_came.wait_for(lambda: stop.is_set() or self._inference is not None or self._engine_error)
                if stop.is_set():
                    return
                self._source_state, self._source_message = "running", ""
                self._next_index = frame.index + 1
                if self._inference is None:
                    self._worked(frame.index)
                    return
                inbox = self._inference.inbox
            # An inbox that is closed just now has been replaced by that of another model.
            if inbox.put(frame):
                return

    def _lost(self, error: str, stop: threading.Event) -> None:
        with self._lock:
            if not stop.is_set():
                self._source_state, self._source_message = "reconnecting", error

    def _finish_source(self, state: State, message: str, stop: threading.Event) -> None:
        """The source gives no more frames; it comes to *state* when the last one has been worked on."""
        with self._lock:
            if not stop.is_set():
                self._final = (state, message)
                self._worked(self._worked_index)

    def _worked(self, index: int) -> None:
        """Frames up to *index* are done with. With the lock held."""
        self._worked_index = index
        if self._final is not None and index >= self._next_index - 1:
            (self._source_state, self._source_message), self._final = self._final, None
            self.stop_recording()
            self._done.set()

    # -- inference threads -----------------------------------------------------------------------------------

    def _start_loader(self, wish: ModelRequest, has_stand_in: bool = False) -> None:
        """Load what is wished for on a thread of its own, which then infers. With the lock held."""
        self._model_requests += 1
        request = self._model_requests
        self._loading, self._build, self._model_error, self._fallback = wish.folder.name, None, "", ""
        worker = Worker(
            "inference",
            lambda stop: self._load_and_infer(inference, wish, request, has_stand_in, stop),
            lambda error: self._inference_failed(inference, request, error),
        )
        inbox: Slot[Frame] = Slot(lossless=not self._realtime)
        self._newest = inference = _Inference(worker, inbox, wish.folder, wish.mode, self._wishes)
        self._loaders.append(inference)
        self._engine_came.notify_all()  # those that wait for their turn and are not wanted any more
        worker.start()

    def _load_and_infer(
        self, me: _Inference, wish: ModelRequest, request: int, has_stand_in: bool, stop: threading.Event
    ) -> None:
        def tell(text: str, done: float) -> bool:
            with self._lock:
                if text and request == self._model_requests and not stop.is_set():
                    self._build = Build(text, done)
                # While nothing runs, an older wish may be all that can be loaded.
                return not (stop.is_set() or (self._inference is not None and self._unwanted(me, stop)))

        note, wished = self._suit(me, wish), wish
        wish = replace(wish, folder=me.folder, mode=me.mode)
        stands_in = not has_stand_in and self._stands_in(wish, wished, request)
        if stands_in:
            wish = ModelRequest(wish.folder, "cpu", mode=wish.mode)
        if has_stand_in:  # compiling and timing would only slow the stand-in's start
            with self._lock:
                self._engine_came.wait_for(lambda: self._unwanted(me, stop) or self._inference or self._engine_error, STAND_IN_S)
        if not self._take_turn(me, stop):
            return
        try:
            # A stand-in must be there at once: with nobody told, the CPU's backends are not tried out.
            me.engine = self._load(wish.folder, wish.device, precision=wish.precision, progress=None if stands_in else tell)
        finally:
            with self._lock:
                self._loads -= 1
                self._engine_came.notify_all()
        try:
            note = self._set_up(me) or note
            assert me.estimator is not None
            if self._take_over(me, me.estimator, request, stop):
                self._note = note
                self._infer(me, stop)
        finally:
            if me.detector is not None:
                me.detector.close()
            me.engine.close()
            with self._lock:
                self._loaders.remove(me)

    def _unwanted(self, me: _Inference, stop: threading.Event) -> bool:
        """Whether *me* need not be loaded any more. With the lock held."""
        return stop.is_set() or self._stopped or me.number < self._wishes

    def _take_turn(self, me: _Inference, stop: threading.Event) -> bool:
        """Wait until fewer than MOST_LOADS are being loaded; False where *me* is not wanted any more."""
        with self._lock:
            self._engine_came.wait_for(lambda: self._loads < MOST_LOADS or self._unwanted(me, stop))
            if self._loads >= MOST_LOADS or stop.is_set() or self._stopped:
                self._loaders.remove(me)
                return False
            self._loads += 1
            return True

    def _suit(self, me: _Inference, wish: ModelRequest) -> str:
        """Find the model for the mode wished for; returns a line where it is not the model wished for.

        Where there is none and nothing runs yet, that is one person with the model wished for.
        """
        try:
            me.folder, note = suited_model(wish.folder, me.mode)
        except ModelError as error:
            return self._one_instead(me, error)
        with self._lock:
            if me is self._newest and self._loading:
                self._loading = me.folder.name
        return note

    def _set_up(self, me: _Inference) -> str:
        """Make the estimator, and the detector where one helps; returns a line where something is missing."""
        note = self._equip(me)
        try:
            me.estimator = self._make_estimator(me)
        except ModelError as error:
            note = self._one_instead(me, error)
            me.estimator = self._make_estimator(me)
        return note

    def _equip(self, me: _Inference) -> str:
        """Open the detector where the mode has use for one and there is none yet; returns a line where it cannot be opened."""
        if me.mode == "bottom-up" or me.detector is not None:
            return ""
        try:
            me.detector = self._open_detector(me.folder.parent)
        except ModelError as error:
            log.warning("%s", error)
            return str(error)
        return ""

    def _one_instead(self, me: _Inference, error: ModelError) -> str:
        """Look for one person, for want of what *error* says; raises *error* where another mode runs that can go on."""
        with self._lock:
            running = self._inference
            self._wish = replace(self._wish, mode="one" if running is None else running.mode)
        if running is not None:
            raise error
        me.mode = "one"
        return str(error)

    def _make_estimator(self, me: _Inference) -> Estimator:
        assert me.engine is not None
        return make_estimator(me.mode, me.engine, me.detector, self.latency_budget_ms, thorough=not self._realtime)

    def _stands_in(self, wish: ModelRequest, wished: ModelRequest, request: int) -> bool:
        """Whether this thread is to run the CPU engine for *wish*; what was *wished* is then on its way on another thread."""
        if not self._realtime or not self._builds_first(wish.folder, wish.device, wish.precision):
            return False
        with self._lock:
            if self._inference is not None and self._inference.folder == wish.folder:
                return False  # the model runs already, somewhere else: that serves
            if request == self._model_requests and not self._stopped:
                self._start_loader(wished, has_stand_in=True)
            return True

    def _take_over(self, me: _Inference, estimator: Estimator, request: int, stop: threading.Event) -> bool:
        """Become the one that gets the frames, unless a newer model already does."""
        with self._lock:
            if stop.is_set() or request < self._model_taken:
                return False
            previous, self._inference = self._inference, me
            self._model_taken, self._engine_error = request, ""
            self._stats.restart()
            if request == self._model_requests:
                self._loading, self._build = "", None
            if previous is not None:
                self._capture_drops += previous.inbox.dropped
                left = previous.inbox.drain()
                if left is not None:
                    me.inbox.put(left)
            self._engine_came.notify_all()
        if previous is not None:
            # Its last frame first: results must come out in order.
            previous.worker.join(10.0)
            me.searched_from = previous.searched_from
            if previous.estimator is not None:
                estimator.take_over_state(previous.estimator)
        if self._recorder is not None:
            self._note_model(self._recorder)
        return True

    def _fall_back(self, me: _Inference, reason: str) -> Estimator:
        """Put the CPU engine in the place of one whose device failed, on the same thread and with the same frames."""
        log.warning("%s The CPU takes over.", reason)
        assert me.engine is not None
        assert me.estimator is not None
        with suppress(EngineError):  # a device that is gone may not even let go
            me.engine.close()
        me.engine, failed = self._load(me.folder, "cpu", precision="auto", progress=None), me.estimator
        estimator = self._make_estimator(me)
        estimator.take_over_state(failed)
        with self._lock:
            me.estimator = estimator
            self._stats.restart()
            serving = me is self._inference
            if serving:
                self._fallback = reason
        if serving and self._recorder is not None:
            self._note_model(self._recorder)
        return estimator

    def _backend(self, engine: Engine) -> Backend:
        """What *engine* runs on, and why. With the lock held."""
        return replace(engine.backend, fallback=self._fallback) if self._fallback else engine.backend

    def _note_model(self, recorder: Recorder) -> None:
        """Write the model that runs, if any, and the mode into the recording."""
        with self._lock:
            running = self._inference
            if running is None or running.engine is None:
                return
            engine, mode = running.engine, running.mode
            backend = self._backend(engine)
        recorder.model_changed(engine.spec, backend, mode)

    def _infer(self, me: _Inference, stop: threading.Event) -> None:
        while not stop.is_set():
            frame = me.inbox.take(timeout_s=0.5)
            if frame is None:
                if me.inbox.closed:
                    return
                continue
            assert me.estimator is not None
            if me.mode != me.estimator.mode:
                self._change_way(me, me.estimator)
            self._instruct(me.estimator)
            if me.searched_from < self._search_from <= frame.index:
                me.searched_from = self._search_from
                me.estimator.reset()
                self._count_anew(me.estimator)
            wait_ms = max(0.0, time.monotonic() - frame.t) * 1e3 if self._realtime else 0.0
            result = self._steadied(me, self._estimate(me, me.estimator, frame, wait_ms))
            self._stats.tick("inference")
            self._stats.add_all(result.stage_ms)
            self._people = len(result.poses)
            recorder = self._recorder
            if recorder is not None:
                recorder.put(result)
            self._results.put(result)
            with self._lock:
                self._worked(frame.index)

    def _change_way(self, me: _Inference, before: Estimator) -> None:
        """Go on with the same engine and another estimator."""
        try:
            self._equip(me)
            me.estimator = self._make_estimator(me)
            me.estimator.take_over_state(before)
            if before.mode == "one":  # whose number nobody has seen
                self._count_anew(me.estimator)
        except ModelError as error:
            with self._lock:
                me.mode, self._model_error = before.mode, str(error)
                self._wish = replace(self._wish, mode=before.mode)
            return
        if me is self._inference and self._recorder is not None:
            self._note_model(self._recorder)

    def _count_anew(self, estimator: Estimator) -> None:
        """Number people from 1 on again; but in a recording nobody gets a number that was somebody else's."""
        recorder = self._recorder
        if recorder is not None and recorder.status().active:
            return
        if estimator.locked is None:
            estimator.tracker.reset()  # or else who is not found again would keep number 1
        estimator.renumber()

    def _instruct(self, estimator: Estimator) -> None:
        """Pass on what the user has changed since the last frame."""
        with self._lock:
            clicks, self._clicks = self._clicks, []
        for xy in clicks:
            estimator.lock(xy)
        if isinstance(estimator, TopDown):
            estimator.latency_budget_ms = self.latency_budget_ms

    def _steadied(self, me: _Inference, result: Result) -> Result:
        """*result* with smoothed poses, where they are wanted."""
        rule, skeleton = self._smoothing, result.poses.skeleton
        if rule is None:
            me.smoother = None
            return result
        if me.smoother is None:
            me.smoother = Smoother(skeleton, rule)
        me.smoother.rule = rule
        started = time.perf_counter()
        smoothed = me.smoother.update(result.poses, result.frame.t)
        decode_ms = result.stage_ms.get("decode", 0.0) + (time.perf_counter() - started) * 1e3
        return replace(result, smoothed=smoothed, stage_ms=MappingProxyType({**result.stage_ms, "decode": decode_ms}))

    def _estimate(self, me: _Inference, estimator: Estimator, frame: Frame, wait_ms: float) -> Result:
        """The poses in *frame*, on the CPU where the device fails at it."""
        try:
            return estimator.estimate(frame, self.heatmaps, wait_ms)
        except EngineError as error:
            if me.engine is None or me.engine.backend.device == "CPU":
                raise
            estimator = self._fall_back(me, str(error))
        return estimator.estimate(frame, self.heatmaps, wait_ms)

    def _inference_failed(self, me: _Inference, request: int, error: str) -> None:
        with self._lock:
            if me in self._loaders:
                self._loaders.remove(me)
            if request == self._model_requests and not me.worker.stop_requested.is_set():
                self._loading, self._build, self._model_error = "", None, error
                if any(other.folder == me.folder for other in self._loaders):
                    self._fallback = error
            if me is self._inference:
                self._inference = None
                me.inbox.drain()
                self._worked(self._next_index - 1)
            if self._inference is not None or self._loaders:
                return  # the present one goes on, or another one is on its way
            if self._stopped:
                return  # loading was given up since all ends: that is no failure, and must not hide the source's own
            self._engine_error = error
            self._engine_came.notify_all()
            self.stop_recording()
            self._done.set()

    # -- recorder thread -------------------------------------------------------------------------------------

    def _recording_finished(self, recording: Recording) -> None:
        if recording.error:
            log.warning("%s", recording.summary)


def _let_go(before: list[tuple[Worker, Source]], stop: threading.Event, name: str) -> None:
    """Wait until the sources that were read *before* are closed: often the next one is the same camera.

    One that hangs is closed under its thread, and then left. Raises SourceError where too many were left.
    """
    for patience_s in LET_GO_S:
        deadline = time.monotonic() + patience_s
        while [one for one in before if not one[0].join(0)] and not stop.is_set() and time.monotonic() < deadline:
            stop.wait(0.01)
        before = [one for one in before if not one[0].join(0)]
        if stop.is_set():
            return
        for _, source in before:
            source.close()
    if len(before) >= MOST_HUNG:
        raise SourceError(f"{name}: {len(before)} sources before it hang, and none lets go. Restart the app.")


def _mode(mode: Mode | None) -> dict[str, object] | None:
    return asdict(mode) if mode is not None else None
