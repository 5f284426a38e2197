"""Between Qt and the Session: pulls results on a timer, and passes on what the user changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from poseapp.core.framing import Framing
from poseapp.core.types import Result
from poseapp.live.outputs import Outputs
from poseapp.live.recording import RecordOptions, save_snapshot
from poseapp.live.session import Session
from poseapp.live.sources import Source
from poseapp.live.sources.camera_controls import Setting
from poseapp.live.status import Status
from poseapp.live.together import record_together
from poseapp.pipeline.modes import PoseSettings, smooth_rule
from poseapp.render import DrawOptions
from poseapp.ui.jobs import Jobs

FRAME_MS = 16  # how often the window looks for a new result
STATUS_MS = 150


class SessionBridge(QObject):
    """The one place of the window that talks to a Session.

    ``arrived`` brings each new result, at most one for each look; ``status_changed`` the status some
    times a second; ``failed`` one line about something that could not be done.
    """

    arrived = Signal(object)  # Result
    status_changed = Signal(object)  # Status
    failed = Signal(str, str)  # what it is about, one line

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs = jobs
        self.paused = False
        self.beside: Callable[[], list[Session]] = list  # the sessions that are recorded together with this one
        self.outputs: Outputs | None = None  # of each session
        self._session: Session | None = None
        self._heatmaps = self._hand_sign = False
        self._starting_recording = False
        self._frames = QTimer(self)
        self._frames.setTimerType(Qt.TimerType.PreciseTimer)
        self._frames.timeout.connect(self._look)
        self._polls = QTimer(self)
        self._polls.timeout.connect(self.poll)

    @property
    def session(self) -> Session | None:
        """The running session, or None."""
        return self._session

    def start(self, session: Session) -> None:
        """Run *session* from now on."""
        assert self._session is None
        self._session = session
        session.settings.heatmaps, session.settings.hand_sign = self._heatmaps, self._hand_sign
        session.outputs = self.outputs
        session.start()
        self._frames.start(FRAME_MS)
        self._polls.start(STATUS_MS)

    def release(self) -> Session | None:
        """Forget the session and hand it out, still running: whoever takes it stops it."""
        self._frames.stop()
        self._polls.stop()
        session, self._session = self._session, None
        return session

    def set_source(self, source: Source, framing: Framing) -> None:
        """Change the source, and how its pictures are turned and cropped."""
        if self._session is not None:
            self._session.set_source(source, framing)

    def set_framing(self, framing: Framing) -> None:
        """Turn and crop the pictures with *framing*."""
        if self._session is not None:
            self._session.set_framing(framing)
            self.poll()

    def ask_camera(self, settings: Mapping[str, Setting]) -> None:
        """Ask the camera for *settings* of its controls."""
        if self._session is not None:
            self._session.ask_camera(settings)

    def reset_camera(self) -> None:
        """Give the camera back the settings with which it comes."""
        if self._session is not None:
            self._session.reset_camera()

    def set_model(self, folder: Path, device: str, precision: str) -> None:
        """Change the model, or where and how it runs."""
        if self._session is not None:
            self._session.set_model(folder, device, precision)
            self.poll()

    def set_pose_settings(self, pose_settings: PoseSettings) -> None:
        """Change how people are found and smoothed."""
        if self._session is None:
            return
        self._session.settings.latency_budget_ms = pose_settings.latency_budget_ms
        self._session.settings.smoothing = smooth_rule(pose_settings.smoothing)
        if pose_settings.mode != self._session.status().model_request.mode:
            self._session.set_mode(pose_settings.mode)
        self.poll()

    def lock_person(self, xy: tuple[float, float] | None) -> None:
        """Hold on to the person at *xy*, frame px, or let go."""
        if self._session is not None:
            self._session.lock_person(xy)

    def cancel_build(self) -> None:
        """Give up the engine that is being compiled."""
        if self._session is not None:
            self._session.cancel_build()
            self.poll()

    def set_heatmaps(self, on: bool) -> None:
        """Ask the network for its heatmaps, or no longer."""
        self._heatmaps = on
        if self._session is not None:
            self._session.settings.heatmaps = on

    def set_hand_sign(self, on: bool) -> None:
        """Look for raised hands, or no longer."""
        self._hand_sign = on
        if self._session is not None:
            self._session.settings.hand_sign = on

    def painted(self, result: Result, draw_ms: float) -> None:
        """*result* is on the screen."""
        if self._session is not None:
            self._session.painted(result, draw_ms)

    def start_recording(self, options: RecordOptions, done: Callable[[str], None] = lambda _error: None) -> None:
        """Begin a recording, once, however often the key is pressed; making its folder may take a while on a network drive.

        *done* hears that it has begun, as "", or why not.
        """
        session = self._session
        if session is None or self._starting_recording:
            done("A recording is about to begin." if session is not None else "Nothing is captured now.")
            return
        self._starting_recording = True

        def started(error: str = "") -> None:
            self._starting_recording = False
            if error:
                self.failed.emit("record", error)
            self.poll()
            done(error)

        together = [session, *self.beside()]

        def record() -> None:
            if len(together) > 1:
                record_together(together, options)
            else:
                session.start_recording(options)

        self.jobs.run("record", record, lambda _none: started(), started)

    def set_draw(self, draw: DrawOptions) -> None:
        """Draw poses with *draw* on the video of the recording from now on."""
        if self._session is not None:
            self._session.set_draw(draw)

    def stop_recording(self) -> None:
        """Finish the recording."""
        if self._session is not None:
            self._session.stop_recording()
            self.poll()

    def snapshot(self, result: Result, folder: Path, draw: DrawOptions, saved: Callable[[Path], None]) -> None:
        """Save *result* as pictures and keypoints, then call *saved*."""
        failed = lambda error: self.failed.emit("snapshot", error)  # noqa: E731
        self.jobs.run("snapshot", lambda: save_snapshot(result, folder, draw), saved, failed)

    def poll(self) -> None:
        """Ask for the status now."""
        if self._session is not None:
            self.status_changed.emit(self._session.status())

    def status(self) -> Status | None:
        """The status now, or None without a session."""
        return self._session.status() if self._session is not None else None

    def _look(self) -> None:
        if self._session is None or self.paused:
            return
        result = self._session.take()
        if result is not None:
            self.arrived.emit(result)
