"""Which source and model run: starting, changing, trying again, pausing for a benchmark, stopping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from poseapp.core.addresses import holds_secrets
from poseapp.core.errors import PoseAppError
from poseapp.engine.store import StoredModel, find_model, list_models
from poseapp.live.session import Session
from poseapp.live.sources import (
    Camera,
    CameraSource,
    FolderSource,
    Mode,
    PictureSource,
    Source,
    StreamSource,
    VideoSource,
)
from poseapp.live.sources.setup import SourceSetup
from poseapp.live.status import ModelRequest
from poseapp.pipeline.modes import PoseSettings, smooth_rule
from poseapp.review.played_clip import PlayedClip
from poseapp.review.played_pictures import PlayedPictures
from poseapp.ui import key_store
from poseapp.ui.jobs import Jobs
from poseapp.ui.preferences import Preferences
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.source_choice import SourceChoice, SourceKind, first_choice, make_source, playable
from poseapp.ui.source_setups import SourceSetups, set_up
from poseapp.ui.startup import FoundAtStart, find_cameras, look_around, look_for_devices

LIST_CAMERAS_MS = 4000
_KINDS: dict[type, SourceKind] = {
    CameraSource: "camera",
    PlayedClip: "video",
    PlayedPictures: "folder",
    VideoSource: "video",
    PictureSource: "picture",
    FolderSource: "folder",
    StreamSource: "address",
}


class SessionController(QObject):
    """Owns the choice of source and model; everything that takes time is done by Jobs or by the Session."""

    cameras_changed = Signal(list)  # of Camera
    models_changed = Signal(list)  # of StoredModel
    choice_changed = Signal(object)  # SourceChoice
    chosen = Signal()  # the user wants to see a source
    camera_appeared = Signal(object)  # Camera, while there is nothing better to see than the demo clip
    note_changed = Signal(str)  # why this is not what the user would expect
    problem = Signal(str, str)  # topic, one line; never a topic of the session's status, which takes its own back
    no_model = Signal(str)  # nothing can run, and why
    devices_known = Signal(dict)  # device → why it cannot be used here, "" where it can

    def __init__(
        self,
        bridge: SessionBridge,
        jobs: Jobs,
        preferences: Preferences,
        engines_dir: Path,
        device: str | None = None,
        precision: str | None = None,
    ) -> None:
        super().__init__()
        self._bridge, self._jobs, self._preferences = bridge, jobs, preferences
        self._engines_dir = engines_dir
        self._device, self._precision = device or preferences.device, precision or preferences.precision
        self._cameras: list[Camera] = []
        self._given: Source | None = None
        self._requested_model: str | None = None
        self._choice: SourceChoice | None = None
        self._tried: SourceChoice | None = None
        self._source: Source | None = None
        self._folder: Path | None = None
        self._by_default = False  # the demo clip, for want of a camera
        self._listing = False
        self._suspended = self._stopped = False
        self._pose_settings = preferences.pose_settings
        self.setups = SourceSetups(bridge, preferences, self._shown)
        self.make_session: Callable[..., Session] = Session
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.refresh_cameras)

    @property
    def kind(self) -> SourceKind:
        """The kind of what is shown; of a source from the command line, that of its class where there is one."""
        if self._choice is not None and self._choice.kind != "given":
            return self._choice.kind
        return next((kind for source, kind in _KINDS.items() if isinstance(self._given, source)), "given")

    @property
    def tried(self) -> SourceChoice | None:
        """What was chosen last, whether it can be shown or not."""
        return self._tried

    @property
    def choice(self) -> SourceChoice | None:
        """What is shown, or would be; None before anything was found."""
        return self._choice

    @property
    def source(self) -> Source | None:
        """The source that is shown, or would be."""
        return self._source

    @property
    def cameras(self) -> list[Camera]:
        """The cameras that are plugged in, as far as is known."""
        return self._cameras

    @property
    def is_suspended(self) -> bool:
        """Whether the session waits for ``resume``."""
        return self._suspended

    @property
    def folder(self) -> Path | None:
        """The folder of the model that was asked for last."""
        return self._folder

    @property
    def device(self) -> str:
        """The device asked for."""
        return self._device

    @property
    def precision(self) -> str:
        """The precision asked for."""
        return self._precision

    def begin(self, source: Source | None, model: str | None, setup: SourceSetup | None = None) -> None:
        """Look what there is, and start: *source*, else the remembered one, the first camera or the demo clip.

        *setup* is that of *source*; None is what is remembered.
        """
        self._given, self._requested_model = playable(source), model
        if setup is not None and self._given is not None:
            self.setups.keep(SourceChoice("given", label=self._given.name), self._given, setup)
        wanted = model or self._preferences.model or None
        device, needs_source = self._device, source is None

        def look() -> FoundAtStart:
            remembered = self._preferences.source if needs_source else None  # it may be on a slow disk
            return look_around(self._engines_dir, wanted, device, remembered, needs_source)

        self._jobs.run("start", look, self._found, lambda e: self.problem.emit("app", e))

    def choose(self, choice: SourceChoice) -> None:
        """Change to *choice* and remember it."""
        self._by_default = False
        self.note_changed.emit("")
        self.chosen.emit()
        if self._change_to(choice) and choice.kind != "given":
            self._remember(choice)

    def set_mode(self, mode: Mode) -> None:
        """Ask cameras for *mode*, this one at once."""
        self._preferences.mode = mode
        given = self._given
        if isinstance(given, CameraSource):
            self._given = CameraSource(given.index, given.name, mode, given.backend)
        if self._choice is not None and (self._choice.kind == "camera" or isinstance(self._source, CameraSource)):
            self._change_to(self._choice)

    def choose_model(self, folder: Path) -> None:
        """Change to the model in *folder* and remember it."""
        self._folder = folder
        self._preferences.model = folder.name
        if self._source is None and self._choice is not None:  # there was no model to start with
            self._source = self._make(self._choice)
        self._load()

    def refresh_models(self, then: Callable[[], None] = lambda: None) -> None:
        """List the models anew on a thread, then call *then*."""

        def listed(models: list[StoredModel]) -> None:
            self.models_changed.emit(models)
            then()

        self._jobs.run("models", lambda: list_models(self._engines_dir), listed, lambda e: self.problem.emit("models", e))

    def use_model(self, name: str, device: str, precision: str) -> None:
        """Run the model called *name* on *device* in *precision*, with one change. Raises ModelError where there is none."""
        self._device, self._precision = device, precision
        try:
            if name:
                self._folder = find_model(self._engines_dir, name, device).folder
        finally:
            self._load()

    def choose_device(self, device: str) -> None:
        """Run the model on *device* and remember it."""
        self._device = self._preferences.device = device
        self._load()

    def choose_precision(self, precision: str) -> None:
        """Run the model in *precision* and remember it."""
        self._precision = self._preferences.precision = precision
        self._load()

    @property
    def pose_settings(self) -> PoseSettings:
        """How people are found and smoothed."""
        return self._pose_settings

    def set_pose_settings(self, pose_settings: PoseSettings) -> None:
        """Find people with *pose_settings*, and remember them."""
        self._pose_settings = self._preferences.pose_settings = pose_settings
        self._bridge.set_pose_settings(pose_settings)

    def again(self) -> None:
        """Try once more what did not work, or play what has ended."""
        status = self._bridge.status()
        if status is None:
            self.begin(self._given, self._requested_model)
        elif status.state == "failed" and not status.model and self._folder is not None:
            self._load()
        elif self._choice is not None:
            self._change_to(self._choice)

    def refresh_cameras(self) -> None:
        """List the cameras on a thread, unless that is going on already."""
        if self._listing or self._stopped:
            return
        self._listing = True
        self._jobs.run("cameras", find_cameras, self._listed, lambda e: self._listed(([], e)))

    def suspend(self, then: Callable[[], None]) -> None:
        """Stop the session, so that the machine is free, and call *then*; ``resume`` starts it again.

        What is chosen until then counts, but nothing runs.
        """
        self._suspended = True
        session = self._bridge.release()
        if session is None:
            then()
            return
        self._jobs.run("suspend", session.stop, lambda _none: then(), lambda _error: then())

    def resume(self) -> None:
        """Run again after ``suspend``."""
        self._suspended = False
        if not self._stopped and self._bridge.session is None and self._choice is not None:
            self._source = self._make(self._choice)
            self._start()

    def stop(self, then: Callable[[], None]) -> None:
        """Stop for good on a thread, then call *then*."""
        self._stopped = True
        self._timer.stop()
        self.suspend(then)

    # -- inside ------------------------------------------------------------------------------------------------

    def _found(self, found: FoundAtStart) -> None:
        if self._stopped:
            return
        self._cameras = found.cameras
        self.cameras_changed.emit(found.cameras)
        self.models_changed.emit(found.models)
        self._timer.start(LIST_CAMERAS_MS)
        if self._given is not None:
            choice, note = SourceChoice("given", label=self._given.name), ""
        else:
            choice, note = first_choice(found.remembered, found.cameras)
            self._by_default = choice.kind == "demo" and bool(note)
        if found.cameras_error:
            self.problem.emit("cameras", found.cameras_error)
        self._choice, self._folder = choice, found.model
        self.choice_changed.emit(choice)
        self.note_changed.emit("" if self._suspended else note)  # what plays instead is what the user asked for
        if found.model is None:
            self.no_model.emit(found.model_error)
            return
        if found.model_error:
            self.problem.emit("first model", found.model_error)
        self._source = self._make(choice)
        self._start()
        # Looking for GPUs may take a second: the picture comes first.
        self._jobs.run("devices", look_for_devices, self.devices_known.emit)

    def _remember(self, choice: SourceChoice) -> None:
        """Start with *choice* next time. What may be secret in it goes to the system's key store."""
        before, self._preferences.source = self._preferences.source, choice
        if choice.kind == "address" and holds_secrets(choice.value):
            self._jobs.run("key store", lambda: key_store.keep(choice.value))
        elif before is not None and before.kind == "address" and not before.value:
            self._jobs.run("key store", key_store.forget)

    def _shown(self) -> tuple[SourceChoice, Source] | None:
        return (self._choice, self._source) if self._choice is not None and self._source is not None else None

    def _setup(self) -> SourceSetup:
        """That of what is shown."""
        shown = self._shown()
        return self.setups.of(*shown) if shown is not None else SourceSetup()

    def _load(self) -> None:
        if self._bridge.session is None:
            self._start()
        elif self._folder is not None:
            self._bridge.set_model(self._folder, self._device, self._precision)

    def _start(self) -> None:
        if self._source is not None and self._folder is not None and not (self._suspended or self._stopped):
            session = self.make_session(
                self._source,
                ModelRequest(self._folder, self._device, self._precision, self._pose_settings.mode),
                framing=self._setup().framing,
                smoothing=smooth_rule(self._pose_settings.smoothing),
            )
            session.settings.latency_budget_ms = self._pose_settings.latency_budget_ms
            self._bridge.start(session)

    def _make(self, choice: SourceChoice) -> Source | None:
        self._tried = choice
        if choice.kind == "given" and self._given is not None:
            return set_up(self._given, self.setups.of(choice, self._given))
        try:
            return set_up(make_source(choice, self._cameras, self._preferences.mode), self.setups.of(choice))
        except PoseAppError as error:
            self.problem.emit("choice", str(error))
            return None

    def _change_to(self, choice: SourceChoice) -> bool:
        source = self._make(choice)
        if source is None:
            return False
        self._choice, self._source = choice, source
        self.choice_changed.emit(choice)
        if self._bridge.session is not None:
            self._bridge.set_source(source, self._setup().framing)
        else:
            self._start()
        return True

    def _listed(self, outcome: tuple[list[Camera], str]) -> None:
        cameras, error = outcome
        self._listing = False
        self.problem.emit("cameras", error)
        new = [camera for camera in cameras if camera not in self._cameras]
        if cameras != self._cameras:
            self._cameras = cameras
            self.cameras_changed.emit(cameras)
        if new and self._by_default:
            self.camera_appeared.emit(new[0])
