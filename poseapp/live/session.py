"""Session: all that a window or a command line talks to while pictures are worked on."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import RecordError
from poseapp.core.framing import WHOLE, Framing
from poseapp.core.raised_hand import RaisedHand
from poseapp.core.smoothing import SmoothRule
from poseapp.core.types import Frame, PoseMode, Result
from poseapp.engine.load import builds_first, load_engine
from poseapp.live.model_changes import ModelChanges
from poseapp.live.model_runner import LoadEngine, OpenDetector
from poseapp.live.outputs import Outputs
from poseapp.live.recording import Recorder, Recording, RecordingMark, RecordOptions, SourceEntry
from poseapp.live.shared import LiveSettings, Shared
from poseapp.live.source_runner import SourceRunner
from poseapp.live.sources import Source
from poseapp.live.sources.base import Controllable
from poseapp.live.sources.camera_controls import Setting
from poseapp.live.status import ModelRequest, State, Status
from poseapp.pipeline.estimator import Point
from poseapp.pipeline.modes import open_detector
from poseapp.render import DrawOptions

log = logging.getLogger(__name__)

# How long stop waits for the recorder to write what is queued; a file that is not finished plays, too.
FINISH_LIVE_S = 10.0
FINISH_OFFLINE_S = 60.0
REMEMBERED_TIMES = 300  # capture times: ten seconds of a camera


class Session:
    """A source, a model and perhaps a recording, running.

    ::

        idle ─start─▶ starting ─▶ running ⇄ reconnecting (a live source is lost, and tried again)
                          │          ├─▶ ended    the last frame of a file is worked on; set_source leaves this state
                          └──────────┴─▶ failed   source or model failed; set_source or set_model leaves it, whichever failed
        every state ─stop─▶ stopped

    "running" means that frames come and a model is there. In real time frames are dropped rather than queued, and the CPU serves
    while an engine is compiled. Otherwise (a file without a window) each frame is worked on, as fast as possible. In both cases
    the CPU takes over from a device that fails.

    Every method may be called from any thread, and all return at once, but for these: ``stop``, ``wait`` and
    ``finish_recording`` wait, and ``start_recording`` and ``set_source`` with *record* make a folder; call them off the UI
    thread, or when that may wait. ``take`` and ``painted`` are for one thread that shows the results. ``settings`` may be changed
    by any thread at any time. ``outputs`` get each result, too; whoever sets them, before the start, closes them. What the
    threads of a session share, and what its lock guards, is in ``shared.py``.

    *source*, *framing* (how its pictures are turned and cropped, before anything else sees them), *model* and *smoothing* are
    what the session begins with. *load* makes the engine of a model; *builds_first* says of
    a folder, device and precision whether that takes long, because the engine is compiled first; *open_detector* loads the person
    detector of a model store, or gives None.
    """

    def __init__(
        self,
        source: Source,
        model: ModelRequest,
        *,
        framing: Framing = WHOLE,
        smoothing: SmoothRule | None = None,
        realtime: bool = True,
        load: LoadEngine = load_engine,
        builds_first: Callable[[Path, str, str], bool] = builds_first,
        open_detector: OpenDetector = open_detector,
    ) -> None:
        self.settings = LiveSettings(smoothing=smoothing)
        self.outputs: Outputs | None = None
        self._shared = Shared(realtime=realtime, settings=self.settings)
        self._lock, self.stats, self._recordings = self._shared.lock, self._shared.stats, self._shared.recordings
        self._source = SourceRunner(source, self._shared, deliver=self._deliver, over=self._over, framing=framing)
        self._models = ModelChanges(
            model,
            self._shared,
            self._source,
            load=load,
            builds_first=builds_first,
            open_detector=open_detector,
            result=self._publish,
            over=self._over,
        )
        self.capture_times: deque[float] = deque(maxlen=REMEMBERED_TIMES)  # of the newest frames; any thread may copy it
        self._started = False
        self._person_count = 0  # in the last frame
        self._hand, self._hand_signs = RaisedHand(), 0
        self._done = threading.Event()

    # -- control ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all threads; a session is started once."""
        with self._lock:
            if self._started or self._shared.stopped:
                raise RuntimeError("a session is started once")
            self._started = True
            self._models.start_first()
            self._source.change(self._source.source, self._source.framing)

    def set_source(self, source: Source, framing: Framing = WHOLE, record: RecordOptions | None = None) -> None:
        """Change to *source* with *framing*. A recording is finished first: its frames would not fit together.

        With *record*, a recording of *source* begins with its first picture; RecordError when it cannot be written, and then
        the source before has been left.
        """
        with self._lock:
            if self._shared.stopped:
                return
            self.stop_recording()
            self._source.request_stop()  # no frame of the source before counts from here on
            first_index = self._source.next_index
        recorder = self._recorder(record, SourceEntry.of(source, None), first_index) if record is not None else None
        with self._lock:
            self._done.clear()
            if recorder is not None:
                self._models.describe_in(recorder)
                self._recordings.add(recorder)
            self._source.change(source, framing)

    def set_framing(self, framing: Framing) -> None:
        """Turn and crop the pictures of the source with *framing* from the next one on, recordings and poses with them."""
        with self._lock:
            self._source.framing = framing

    def ask_camera(self, settings: Mapping[str, Setting]) -> None:
        """Ask the camera for *settings* of its controls; ``status().controls`` says what it does. Nothing else has any."""
        source = self._source.source
        if isinstance(source, Controllable):
            source.ask(settings)

    def reset_camera(self) -> None:
        """Give the camera back the settings with which it comes."""
        source = self._source.source
        if isinstance(source, Controllable):
            source.ask_reset()

    def set_model(self, folder: Path, device: str | None = None, precision: str | None = None) -> None:
        """Load the model in *folder* beside the present one and change to it between two frames.

        When that fails, the present one goes on and ``status().model_error`` says why. When another one is requested
        meanwhile, the last one that can be loaded stays; an engine that is being compiled is given up. *device* and
        *precision* stay as they are where they are None.
        """
        with self._lock:
            if not self._shared.stopped:
                self._models.change_model(folder, device, precision)

    def set_mode(self, mode: PoseMode) -> None:
        """Look for people in *mode* from now on: between two frames, where the model can, else with one that can.

        When that fails, all goes on as it was and ``status().model_error`` says why.
        """
        with self._lock:
            if not self._shared.stopped:
                self._models.change_mode(mode, self._started)

    def lock_person(self, xy: Point | None) -> None:
        """Hold on to the person at *xy*, frame px; None, and the same person once more, lets go."""
        self._shared.add_click(xy)

    def cancel_build(self) -> None:
        """Give up the engine that is being compiled; what runs goes on, and its backend says why it is that one."""
        with self._lock:
            self._models.cancel_build()

    def start_recording(self, options: RecordOptions) -> Path:
        """Begin a recording in a new folder and return that; RecordError when it cannot be written."""
        with self._lock:
            self.stop_recording()
            source = self._source_to_record()
            entry = SourceEntry.of(source, self._source.actual, self._source.controls)
            first_index = None if self._started else self._source.next_index  # the source's first picture, readable or not
        # Making a folder may take a while on a network drive; nobody else should wait for it.
        recorder = self._recorder(options, entry, first_index)
        with self._lock:
            try:
                if self._source_to_record() is not source:
                    raise RecordError("recording: the source was changed just now. Start the recording again.")
            except RecordError:
                recorder.close(keep_empty=False)
                raise
            self.stop_recording()
            self._models.describe_in(recorder)
            self._recordings.add(recorder)
            return recorder.folder

    def _recorder(self, options: RecordOptions, source: SourceEntry, first_index: int | None) -> Recorder:
        return Recorder(
            options,
            source,
            self.stats,
            lossless=not self._shared.realtime,
            finished=_log_error,
            first_index=first_index,
            mark=self._mark,
        )

    def set_draw(self, draw: DrawOptions) -> None:
        """Draw poses with *draw* on the annotated video from now on, if there is a recording."""
        recorder = self._recordings.current
        if recorder is not None:
            recorder.set_draw(draw)

    def note_together(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Note in the recording, if there is one, which others are made with its clock; see together.py."""
        recorder = self._recordings.current
        if recorder is not None:
            recorder.note_together(entries)

    def stop_recording(self) -> None:
        """Finish the recording on its own thread; nothing happens when there is none.

        Where nothing came, since source or model failed, no folder is left.
        """
        with self._lock:
            recorder, failed = self._recordings.current, self._source.actual is None or bool(self._models.failure)
        if recorder is not None:
            recorder.close(keep_empty=not failed)

    def finish_recording(self) -> Recording | None:
        """Finish the recording, wait for its files, and say what became of it; None where there never was one."""
        self.stop_recording()
        self._recordings.finish(FINISH_LIVE_S if self._shared.realtime else FINISH_OFFLINE_S)
        with self._lock:
            return self._recordings.status()

    def stop(self) -> None:
        """Stop everything and finish the recording; safe to call twice.

        A camera that hangs is given up after two seconds: its thread is left behind, and the process can still end.
        """
        with self._lock:
            if self._shared.stopped:
                return
            self._shared.stopped = True
            self._source.request_stop()
            threads = self._models.request_stop()
        deadline = time.monotonic() + 2.5
        self._source.join()
        for thread in threads:
            thread.worker.join(max(0.1, deadline - time.monotonic()))
        self.finish_recording()
        self._shared.results.close()
        self._done.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until a source that is not repeated has been worked on to its end, or the session has failed."""
        return self._done.wait(timeout_s)

    # -- what others see -------------------------------------------------------------------------------------

    def take(self) -> Result | None:
        """The newest result not yet taken, or None; never blocks."""
        return self._shared.results.take(0)

    def painted(self, result: Result, draw_ms: float) -> None:
        """The window says that *result* is on the screen now."""
        self.stats.tick("display")
        self.stats.add("draw", draw_ms)
        if self._shared.realtime:
            self.stats.add("total", (time.monotonic() - result.frame.t) * 1e3)

    @property
    def failure(self) -> str:
        """Why the session failed, also after it was stopped; "" when it did not."""
        with self._lock:
            return self._models.failure or (self._source.message if self._source.state == "failed" else "")

    def status(self) -> Status:
        """A snapshot; cheap."""
        with self._lock:
            source, models, recording = self._source, self._models, self._recordings.status()
            state, message = self._state_and_message()
            drops = {
                "capture": models.dropped,
                "display": self._shared.results.dropped,
                "recording": recording.counts.all_lost if recording is not None else 0,
            }
            return Status(
                state=state,
                message=message,
                source=source.source.name,
                requested=source.source.requested,
                actual=source.actual,
                framing=source.framing,
                controls=tuple(source.controls),
                model=models.serving.engine.spec.name if models.serving is not None else "",
                spec=models.serving.engine.spec if models.serving is not None else None,
                loading=models.loading,
                build=models.build,
                model_error=models.error,
                model_request=models.request,
                backend=models.backend if state != "starting" else None,
                mode=models.mode,
                note=models.note,
                person_count=self._person_count,
                stats=self.stats.snapshot(drops),
                recording=recording,
                hand_signs=self._hand_signs,
                hand_progress=self._hand.progress if self.settings.hand_sign else 0.0,
            )

    def _state_and_message(self) -> tuple[State, str]:
        """What the source and the model come to together. With the lock held."""
        source, state = self._source, self._source.state
        if self._shared.stopped:
            state = "stopped"
        elif not self._started:
            state = "idle"
        elif self._models.failure:
            state = "failed"
        elif state == "running" and self._models.serving is None:
            state = "starting"
        silence = source.silence if state in ("starting", "running") else ""
        return state, self._models.failure or source.message or silence

    def _source_to_record(self) -> Source:
        """The source; RecordError when no frame will come from it. With the lock held."""
        state, message = self._state_and_message()
        source = self._source.source
        if state in ("ended", "failed", "stopped"):
            raise RecordError(f"recording: {source.name} gives no pictures ({message or state}). Choose a source first.")
        return source

    # -- from thread to thread -------------------------------------------------------------------------------

    def _deliver(self, frame: Frame, stop: threading.Event) -> None:
        """Hand *frame* to the recording, and then to the model that runs. On the capture thread."""
        self.stats.tick("capture")
        self.capture_times.append(frame.t)
        models, is_recorded = self._models, False
        while True:
            with self._lock:
                if self._source.waits_for_model:
                    self._lock.wait_for(lambda: stop.is_set() or models.serving is not None or models.failure)
                if stop.is_set():
                    return
                self._source.came(frame)
                recorder, serving = self._recordings.current, models.serving
            if recorder is not None and not is_recorded:
                recorder.capture(frame)
                is_recorded = True
            if serving is None:
                with self._lock:
                    self._source.worked(frame.index)
                return
            # An inbox that is closed just now has been replaced by that of another model.
            if serving.thread.inbox.put(frame):
                return

    def _publish(self, result: Result) -> None:
        """Hand *result* to the recording and to whoever shows it. On the thread of the model."""
        self.stats.tick("inference")
        self.stats.add_all(result.stage_ms)
        recorder = self._recordings.current
        if recorder is not None:
            recorder.put(result)
        self._shared.results.put(result)
        if self.outputs is not None:
            self.outputs.put(result, result.frame.t if self._shared.realtime else time.monotonic())
        with self._lock:
            self._person_count = len(result.poses)
            self._hand_signs += self._look_for_sign(result)
            self._source.worked(result.frame.index)

    def _look_for_sign(self, result: Result) -> bool:
        """Whether *result* completes the sign of a raised hand, by the one whom the user holds on to. With the lock held."""
        if not self.settings.hand_sign:
            self._hand.reset()
            return False
        poses = result.poses
        wanted = [result.locked in (None, one) and one not in result.predicted for one in poses.ids.tolist()]
        return self._hand.update(poses.pick(np.array(wanted, bool)), result.frame.t)

    def _mark(self, mark: RecordingMark) -> None:
        """Tell the outputs that a recording has begun or ended. On any thread, perhaps with the lock held."""
        if self.outputs is not None:
            self.outputs.mark(mark)

    def _over(self) -> None:
        """The source has ended or failed, or no model is left. With the lock held."""
        self.stop_recording()
        self._done.set()


def _log_error(recording: Recording) -> None:
    if recording.error:
        log.warning("%s", recording.summary)
