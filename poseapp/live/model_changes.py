"""ModelChanges: which model runs, which ones are on their way, and who takes over from whom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from poseapp.core.errors import ModelError
from poseapp.core.types import Frame, PoseMode, Result
from poseapp.engine.base import Backend, Engine
from poseapp.live.model_runner import LoadEngine, ModelRunner, ModelThread, OpenDetector, RunnerEvents
from poseapp.live.recording import ModelEntry, Recorder
from poseapp.live.shared import Shared
from poseapp.live.slot import Slot
from poseapp.live.source_runner import SourceRunner
from poseapp.live.status import BuildProgress, ModelRequest
from poseapp.live.worker import Worker
from poseapp.pipeline.modes import suited_model

MOST_LOADS = 2  # at once, of models: each takes memory and cores; of those that wait, only the newest is loaded
STAND_IN_S = 5.0  # how long an engine that takes long to load waits for the one that serves meanwhile


class ModelChanges:
    """Starts a thread for each requested model: the thread loads the model, takes over the frames, and runs it to its end.

    ::

        request ─▶ thread ─▶ waits for its turn ─▶ loads ─▶ takes over ─▶ runs until a newer one has taken over
                     └──▶ a second thread, where loading takes long: the first one is then its stand-in on the CPU

    A failed load leaves the model that runs as it is. Of several requests the newest one that can be loaded stays; those that
    still wait for their turn are given up. *result* gets each result on the thread of the model; *over* is called with the lock
    held when no model is left. *builds_first* says of a folder, device and precision whether loading takes long, because the
    engine is compiled first.

    The session's lock guards all attributes; every method without a word about it is called with the lock held.
    """

    def __init__(
        self,
        request: ModelRequest,
        shared: Shared,
        source: SourceRunner,
        *,
        load: LoadEngine,
        builds_first: Callable[[Path, str, str], bool],
        open_detector: OpenDetector,
        result: Callable[[Result], None],
        over: Callable[[], None],
    ) -> None:
        self._shared, self._source = shared, source
        self._load, self._builds_first, self._open_detector = load, builds_first, open_detector
        self._result, self._over = result, over
        self.request = request
        self.serving: ModelRunner | None = None  # the one that gets the frames
        self.loading = ""  # the name of the model being loaded
        self.build: BuildProgress | None = None
        self.error = ""  # why the last change failed
        self.failure = ""  # why there is no model
        self.note = ""  # why model or mode are not the ones requested
        self._fallback = ""  # why what runs is not what was requested, where its engine does not know
        self._threads: list[ModelThread] = []  # those that load, run or finish
        self._orders = self._order_taken = 0  # the order of the newest thread, and of the one that serves
        self._requests = self._loads = 0  # how many requests there were, and how many models are being loaded now
        self._dropped = 0  # frames in inboxes that are gone

    # -- requests ----------------------------------------------------------------------------------------------

    def change_model(self, folder: Path, device: str | None, precision: str | None) -> None:
        """Load the model in *folder* beside the one that runs; see Session.set_model."""
        self._give_up_build()
        request = self.request
        self._start(replace(request, folder=folder, device=device or request.device, precision=precision or request.precision))

    def change_mode(self, mode: PoseMode, started: bool) -> None:
        """Look for people in *mode*; see Session.set_mode."""
        request = replace(self.request, mode=mode)
        self.error = ""
        if not started:
            self.request = request
        elif mode != "bottom-up" and self._threads and all(thread.folder == request.folder for thread in self._threads):
            self.request, self.note = request, ""
            for thread in self._threads:
                thread.mode = mode
        else:
            self._start(request)

    def cancel_build(self) -> None:
        """Give up the engine that is being compiled, if there is one."""
        if self.build is not None:
            self._give_up_build()
            self.loading, self.build = "", None
            self._fallback = "The build was cancelled. Choose the device again to start it anew."

    def start_first(self) -> None:
        """Load what was requested at the beginning."""
        self._start_thread(self.request)

    def request_stop(self) -> list[ModelThread]:
        """Ask all threads to end; returns them, to be joined without the lock."""
        for thread in self._threads:
            thread.worker.request_stop()
            thread.inbox.close()
        self._shared.lock.notify_all()
        return list(self._threads)

    # -- what others see ---------------------------------------------------------------------------------------

    @property
    def mode(self) -> PoseMode:
        """How people are looked for."""
        return self.serving.thread.mode if self.serving is not None else self.request.mode

    @property
    def backend(self) -> Backend | None:
        """What the model runs on, and why; None where none runs."""
        return self._backend_of(self.serving.engine) if self.serving is not None else None

    @property
    def dropped(self) -> int:
        """How many frames were replaced by newer ones before a model took them."""
        return self._dropped + (self.serving.thread.inbox.dropped if self.serving is not None else 0)

    def describe_in(self, recorder: Recorder) -> None:
        """Write the model that runs, if any, and the mode into the recording. With or without the lock."""
        with self._shared.lock:
            running = self.serving
            if running is None:
                return
            engine = running.engine
            entry = ModelEntry(
                mode=running.thread.mode, model=engine.spec, backend=self._backend_of(engine), detector=running.detector
            )
        recorder.model_changed(entry)

    def _backend_of(self, engine: Engine) -> Backend:
        return replace(engine.backend, fallback=self._fallback) if self._fallback else engine.backend

    # -- a new thread ------------------------------------------------------------------------------------------

    def _give_up_build(self) -> None:
        if self.build is not None:
            for thread in filter(self._is_newest, self._threads):
                thread.worker.request_stop()

    def _start(self, request: ModelRequest) -> None:
        self._requests += 1
        self.request = request
        self._start_thread(request)

    def _start_thread(self, request: ModelRequest, has_stand_in: bool = False) -> None:
        """Load *request* on a thread of its own, which then runs it."""
        self._orders += 1
        self.loading, self.build, self.error, self._fallback = request.folder.name, None, "", ""
        worker = Worker(
            "inference",
            lambda stop: self._load_and_run(thread, request, has_stand_in, stop),
            lambda error: self._failed(thread, error),
        )
        inbox: Slot[Frame] = Slot(lossless=not self._shared.realtime)
        thread = ModelThread(
            worker=worker,
            inbox=inbox,
            folder=request.folder,
            mode=request.mode,
            order=self._orders,
            request_number=self._requests,
        )
        self._threads.append(thread)
        self._shared.lock.notify_all()  # those that wait for their turn and are not wanted any more
        worker.start()

    def _is_newest(self, thread: ModelThread) -> bool:
        return thread.order == self._orders

    # -- on the thread of a model, without the lock ------------------------------------------------------------

    def _load_and_run(self, thread: ModelThread, request: ModelRequest, has_stand_in: bool, stop: threading.Event) -> None:
        note = self._find_folder(thread, request)
        device, precision = request.device, request.precision
        stands_in = not has_stand_in and self._stands_in(thread, request)
        if stands_in:
            device, precision = "cpu", "auto"
        if has_stand_in:  # compiling and timing would only slow the stand-in's start
            with self._shared.lock:
                self._shared.lock.wait_for(
                    lambda: self._is_unwanted(thread, stop) or self.serving is not None or self.failure, STAND_IN_S
                )
        if not self._take_turn(thread, stop):
            return
        try:
            # A stand-in must be there at once: with nobody to hear of progress, the CPU's backends are not tried out.
            progress = None if stands_in else lambda text, done: self._progress(thread, stop, text, done)
            engine = self._load(thread.folder, device, precision=precision, progress=progress)
        finally:
            with self._shared.lock:
                self._loads -= 1
                self._shared.lock.notify_all()
        try:
            self._run(thread, engine, note, stop)
        finally:
            with self._shared.lock:
                self._threads.remove(thread)

    def _find_folder(self, thread: ModelThread, request: ModelRequest) -> str:
        """Find the model for the mode requested; returns a line where it is not the model requested.

        Where there is none and nothing runs yet, that is one person with the model requested.
        """
        try:
            folder, note = suited_model(request.folder, thread.mode)
        except ModelError as error:
            return self._one_instead(thread, error)
        with self._shared.lock:
            thread.folder = folder
            if self._is_newest(thread) and self.loading:
                self.loading = folder.name
        return note

    def _one_instead(self, thread: ModelThread, error: ModelError) -> str:
        """Look for one person, for want of what *error* says; raises *error* where another mode runs that can go on."""
        with self._shared.lock:
            running = self.serving
            self.request = replace(self.request, mode="one" if running is None else running.thread.mode)
            if running is not None:
                raise error
            thread.mode = "one"
        return str(error)

    def _stands_in(self, thread: ModelThread, request: ModelRequest) -> bool:
        """Whether *thread* is to run the CPU's engine; what *request* says is then on its way on another thread."""
        if not self._shared.realtime or not self._builds_first(thread.folder, request.device, request.precision):
            return False
        with self._shared.lock:
            if self.serving is not None and self.serving.thread.folder == thread.folder:
                return False  # the model runs already, somewhere else: that serves
            if self._is_newest(thread) and not self._shared.stopped:
                self._start_thread(request, has_stand_in=True)
            return True

    def _is_unwanted(self, thread: ModelThread, stop: threading.Event) -> bool:
        """Whether *thread* need not load its model any more. With the lock held."""
        return stop.is_set() or self._shared.stopped or thread.request_number < self._requests

    def _take_turn(self, thread: ModelThread, stop: threading.Event) -> bool:
        """Wait until fewer than MOST_LOADS are being loaded; False where *thread* is not wanted any more."""
        with self._shared.lock:
            self._shared.lock.wait_for(lambda: self._loads < MOST_LOADS or self._is_unwanted(thread, stop))
            if self._loads >= MOST_LOADS or stop.is_set() or self._shared.stopped:
                self._threads.remove(thread)
                return False
            self._loads += 1
            return True

    def _progress(self, thread: ModelThread, stop: threading.Event, text: str, done: float) -> bool:
        """Report how far loading is; returns whether it should go on."""
        with self._shared.lock:
            if text and self._is_newest(thread) and not stop.is_set():
                self.build = BuildProgress(text, done)
            # While nothing runs, an older request may be all that can be loaded.
            return not (stop.is_set() or (self.serving is not None and self._is_unwanted(thread, stop)))

    def _run(self, thread: ModelThread, engine: Engine, note: str, stop: threading.Event) -> None:
        """Run *engine*, and close it, unless a newer model serves already."""
        try:
            runner = self._make_runner(thread, engine)
        except BaseException:
            engine.close()
            raise
        try:
            if self._take_over(runner, runner.note or note, stop):
                runner.run(stop)
        finally:
            runner.close()

    def _make_runner(self, thread: ModelThread, engine: Engine) -> ModelRunner:
        events = RunnerEvents(
            result=self._result,
            fell_back=lambda reason: self._fell_back(thread, reason),
            mode_changed=lambda: self._mode_changed(thread),
            mode_refused=lambda mode, error: self._mode_refused(thread, mode, error),
        )

        def make() -> ModelRunner:
            return ModelRunner(thread, engine, self._shared, events, load=self._load, open_detector=self._open_detector)

        try:
            return make()
        except ModelError as error:
            note = self._one_instead(thread, error)
        runner = make()
        runner.note = note
        return runner

    def _take_over(self, runner: ModelRunner, note: str, stop: threading.Event) -> bool:
        """Let *runner* get the frames from now on, unless a newer model already does."""
        thread = runner.thread
        with self._shared.lock:
            if stop.is_set() or thread.order < self._order_taken:
                return False
            previous, self.serving = self.serving, runner
            self._order_taken, self.failure = thread.order, ""
            self._shared.stats.restart()
            if self._is_newest(thread):
                self.loading, self.build = "", None
            if previous is not None:
                self._dropped += previous.thread.inbox.dropped
                left = previous.thread.inbox.drain()
                if left is not None:
                    thread.inbox.put(left)
            self._shared.lock.notify_all()
        if previous is not None:
            # Its last frame first: results must come out in order.
            previous.thread.worker.join(10.0)
            runner.follow_on(previous)
        with self._shared.lock:
            self.note = note
        self._describe()
        return True

    def _describe(self) -> None:
        """Write into the present recording, if there is one, which model runs and how."""
        recorder = self._shared.recordings.current
        if recorder is not None:
            self.describe_in(recorder)

    def _serves(self, thread: ModelThread) -> bool:
        """Whether *thread* gets the frames. With the lock held."""
        return self.serving is not None and self.serving.thread is thread

    def _fell_back(self, thread: ModelThread, reason: str) -> None:
        with self._shared.lock:
            self._shared.stats.restart()
            serves = self._serves(thread)
            if serves:
                self._fallback = reason
        if serves:
            self._describe()

    def _mode_changed(self, thread: ModelThread) -> None:
        with self._shared.lock:
            serves = self._serves(thread)
        if serves:
            self._describe()

    def _mode_refused(self, thread: ModelThread, mode: PoseMode, error: str) -> None:
        with self._shared.lock:
            thread.mode, self.error = mode, error
            self.request = replace(self.request, mode=mode)

    def _failed(self, thread: ModelThread, error: str) -> None:
        """*thread* has ended with an error."""
        with self._shared.lock:
            if thread in self._threads:
                self._threads.remove(thread)
            if self._is_newest(thread) and not thread.worker.stop_requested.is_set():
                self.loading, self.build, self.error = "", None, error
                if any(other.folder == thread.folder for other in self._threads):
                    self._fallback = error
            if self._serves(thread):
                self.serving = None
                thread.inbox.drain()
                self._source.worked(self._source.next_index - 1)
            if self.serving is not None or self._threads:
                return  # the present one goes on, or another one is on its way
            if self._shared.stopped:
                return  # loading was given up since all ends: that is no failure, and must not hide the source's own
            self.failure = error
            self._shared.lock.notify_all()
            self._over()
