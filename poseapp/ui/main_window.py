"""The window: puts its parts together and connects them with the session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeyEvent

from poseapp import resources
from poseapp.core.types import Result
from poseapp.engine.store import StoredModel
from poseapp.live.sources import Source
from poseapp.live.sources.setup import SourceSetup
from poseapp.live.status import Status
from poseapp.ui import session_messages
from poseapp.ui.about_box import AboutBox
from poseapp.ui.action_handlers import make_menus
from poseapp.ui.analysis_actions import AnalysisActions
from poseapp.ui.benchmark_actions import BenchmarkActions
from poseapp.ui.benchmark_run import BenchmarkRun
from poseapp.ui.colours import Theme
from poseapp.ui.compare_actions import CompareActions
from poseapp.ui.curve_actions import CurveActions
from poseapp.ui.display_names import in_order
from poseapp.ui.export_actions import ExportActions
from poseapp.ui.full_screen import FullScreen
from poseapp.ui.help_sheet import HelpSheet
from poseapp.ui.jobs import Jobs
from poseapp.ui.model_actions import ModelActions
from poseapp.ui.model_downloads import ModelDownloads
from poseapp.ui.output_actions import OutputActions
from poseapp.ui.own_keys_page import OwnKeysPage
from poseapp.ui.preferences import Preferences
from poseapp.ui.preset_actions import PresetActions
from poseapp.ui.recording_actions import RecordingActions
from poseapp.ui.recordings_page import RecordingsPage
from poseapp.ui.report_actions import ReportActions
from poseapp.ui.review_controller import ReviewController
from poseapp.ui.scale_actions import ScaleActions
from poseapp.ui.screen_fit import fit_to_screen, open_on_screen
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.session_controller import SessionController
from poseapp.ui.side_cameras import SideCameras
from poseapp.ui.source_actions import SourceActions
from poseapp.ui.source_choice import SourceChoice
from poseapp.ui.start_stop import StartStopActions
from poseapp.ui.status_presenter import StatusPresenter
from poseapp.ui.theme import Themes
from poseapp.ui.view_actions import ViewActions
from poseapp.ui.window_layout import WindowLayout

PANEL_HEIGHT = 270
_MOVES = {
    Qt.Key.Key_Left: "step_back",
    Qt.Key.Key_Right: "step_forward",
    Qt.Key.Key_Home: "to_start",
    Qt.Key.Key_End: "to_end",
}
_PLAIN = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)


class MainWindow(WindowLayout):
    """The one window of the app. ``closed`` is emitted when everything has stopped and all files are finished."""

    closed = Signal()

    def __init__(
        self,
        preferences: Preferences,
        themes: Themes,
        engines_dir: Path,
        device: str | None = None,
        precision: str | None = None,
    ) -> None:
        super().__init__()
        self.setWindowTitle("poseapp")
        self.setAcceptDrops(True)
        self.preferences, self.themes = preferences, themes
        self.jobs = Jobs(self)
        self.bridge = SessionBridge(self.jobs, self)
        self.controller = SessionController(self.bridge, self.jobs, preferences, engines_dir, device, precision)
        self.benchmark = BenchmarkRun(self.jobs, self)
        self.downloads = ModelDownloads(self.jobs, engines_dir, resources.cache_dir("weights"), self)
        self.view_actions = ViewActions(self)
        self.review = ReviewController(self, self._go_on)
        self.report_actions, self.export_actions = ReportActions(self), ExportActions(self)
        self.scale_actions, self.compare_actions = ScaleActions(self), CompareActions(self)
        self.curve_actions, self.analysis_actions = CurveActions(self), AnalysisActions(self)
        self.source_actions = SourceActions(self, self.controller, preferences, self.review.open)
        self.preset_actions, self.side_cameras = PresetActions(self), SideCameras(self)
        self.recording_actions = RecordingActions(self, self.bridge, preferences)
        self.output_actions = OutputActions(self)
        self.bridge.outputs = self.output_actions.outputs
        self.start_stop = StartStopActions(self, self.bridge, preferences, themes, self.recording_actions.toggle)
        self.benchmark_actions = BenchmarkActions(self, self.benchmark, self.bridge, self.controller, self._go_on)
        self.model_actions = ModelActions(self, self.downloads, self.jobs, self.bridge, self.controller, themes)
        self._closing = self._closed = False
        self.menus = make_menus(self)
        self.full_screen = FullScreen(self, self.menus, (self.menuBar(), self.header, self.record_bar))
        self.status_presenter = StatusPresenter(self, self.menus, self._act)
        self._connect()
        self._restore()

    def begin(
        self,
        source: Source | None = None,
        model: str | None = None,
        recording: Path | None = None,
        setup: SourceSetup | None = None,
    ) -> None:
        """Start with the *recording*, or with *source*; see SessionController.begin."""
        self.view.set_message(session_messages.STARTING)
        self.banner.say("settings", self.preferences.problem, "warning")
        if recording is not None:
            self.controller.suspend(lambda: None)  # no camera is opened before the user asks for it
            self.review.open(recording)
        self.controller.begin(source, model, setup)

    @property
    def is_closed(self) -> bool:
        """Whether everything has stopped."""
        return self._closed

    # -- putting together --------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """What each part says, and who hears it: the session, the controller, the picture, the bars, the panel, the controls."""
        self._connect_sidebar()
        bridge, controller, sidebar, bar = self.bridge, self.controller, self.sidebar, self.record_bar
        bridge.arrived.connect(self.show_result)
        bridge.status_changed.connect(self._show_status)
        bridge.failed.connect(self._problem)

        controller.cameras_changed.connect(sidebar.source.set_cameras)
        controller.models_changed.connect(self._show_models)
        controller.devices_known.connect(self._show_devices)
        controller.choice_changed.connect(self._show_choice)
        controller.note_changed.connect(lambda note: self.banner.say("note", note, "info"))
        controller.problem.connect(self._problem)
        controller.no_model.connect(self._say_no_model)
        controller.camera_appeared.connect(self.source_actions.offer_camera)

        self.view.painted.connect(bridge.painted)
        self.view.action.connect(self._act)
        self.view.clicked.connect(lambda x, y: bridge.lock_person((x, y)))
        self.view.double_clicked.connect(self.menus.actions["fullscreen"].toggle)
        self.build_progress.cancel_asked.connect(bridge.cancel_build)
        self.analysis_progress.cancel_asked.connect(self.analysis_actions.stop)

        for name, button in self.header.buttons.items():
            button.clicked.connect(self.menus.actions[name].trigger)
        bar.record_asked.connect(lambda _on: self.recording_actions.toggle())
        bar.snapshot_asked.connect(self.recording_actions.snapshot)
        bar.start_stop_asked.connect(self.start_stop.open)
        bar.folder_asked.connect(self.recording_actions.choose_folder)
        bar.open_asked.connect(self.recording_actions.open_folder)
        self.saved.play_asked.connect(self.review.open)
        for name, button in self.transport.buttons.items():
            button.clicked.connect(self.menus.actions[name].trigger)
        self.saved.rename_asked.connect(self.recording_actions.rename)
        self.saved.discard_asked.connect(self.recording_actions.discard)
        self.saved.show_asked.connect(self.recording_actions.open_folder)
        bar.clean.toggled.connect(lambda on: setattr(self.preferences, "clean_video", on))

        self.panel.visibilityChanged.connect(lambda _v: self._panel_shown(self.panel.isVisible()))
        self.panel.copy_asked.connect(lambda text: QGuiApplication.clipboard().setText(text))
        self.themes.changed.connect(self._theme_changed)

    def _connect_sidebar(self) -> None:
        """What the controls say."""
        controller, sidebar, own = self.controller, self.sidebar, self.preferences.own_exercises
        sidebar.source.chosen.connect(controller.choose)
        sidebar.source.mode_chosen.connect(controller.set_mode)
        sidebar.picture.choose.clicked.connect(self.menus.actions["crop"].trigger)
        sidebar.picture.whole.clicked.connect(self.menus.actions["no_crop"].trigger)
        sidebar.picture.reset.clicked.connect(self.menus.actions["reset_camera"].trigger)
        sidebar.model.chosen.connect(controller.choose_model)
        sidebar.model.more_asked.connect(self.model_actions.open)
        sidebar.model.device_chosen.connect(controller.choose_device)
        sidebar.model.precision_chosen.connect(controller.choose_precision)
        sidebar.pose.changed.connect(controller.set_pose_settings)
        sidebar.view.changed.connect(self.view_actions.draw_with)
        sidebar.measure.exercise_chosen.connect(lambda name: setattr(self.preferences, "exercise", name))
        sidebar.measure.exercise_kept.connect(lambda one: self._remember_exercise(lambda: own.keep(one)))
        sidebar.measure.exercise_forgotten.connect(lambda name: self._remember_exercise(lambda: own.forget(name)))
        sidebar.measure.confidence_chosen.connect(lambda on: setattr(self.preferences, "shows_confidence", on))
        sidebar.measure.counted.connect(self.view.set_count)
        sidebar.benchmark.clicked.connect(self.menus.actions["panel"].trigger)

    def _restore(self) -> None:
        p = self.preferences
        self.resize(1280, 800)
        self.restoreGeometry(p.geometry)
        self.restoreState(p.window_state)
        self.sidebar_dock.show()
        if p.window_state.isEmpty():
            self.resizeDocks([self.panel], [PANEL_HEIGHT], Qt.Orientation.Vertical)
        self.panel.setVisible(p.panel_open)
        self.sidebar.source.set_mode(p.mode)
        self.sidebar.set_options(p.draw)
        self.sidebar.measure.set_own_exercises(p.own_exercises.all())
        self.sidebar.measure.restore(p.exercise, p.shows_confidence)
        self.sidebar.pose.show_pose_settings(self.controller.pose_settings)
        self.view_actions.draw_with(p.draw)
        self.menus.set_own_keys(p.own_keys)
        self.output_actions.restore()
        self.menus.check("curves", p.shows_curves)
        self.record_bar.clean.set_on(p.clean_video)
        self.record_bar.set_folder(p.folder)
        self.start_stop.choose(p.start_stop)
        self._theme_changed(self.themes.current)
        self._panel_shown(p.panel_open)
        self.header.buttons["sidebar"].setChecked(True)
        fit_to_screen(self)

    # -- news from the session ---------------------------------------------------------------------------------

    def show_result(self, result: Result) -> None:
        """Show *result* of the session or of a recording."""
        self.status_presenter.seen = True
        self.view.show_result(result)
        self.sidebar.show_result(result)
        self.header.show_people(len(result.poses))

    def _remember_exercise(self, work: Callable[[], None]) -> None:
        """Keep or forget an exercise of the user's own; the file may be on a slow disk."""
        self.jobs.run("exercises", work, lambda _none: None, lambda error: self.banner.say("exercises", error))

    def _show_status(self, status: Status) -> None:
        if not self._closing:
            self.status_presenter.show(status, self.controller.kind)

    def _problem(self, topic: str, text: str) -> None:
        """Say *text*, with a button that helps; an address that is none can be changed."""
        tried = self.controller.tried
        if topic == "choice":
            self.banner.take_back("address")
            topic = "address" if tried is not None and tried.kind == "address" else topic
        self.status_presenter.say(topic, text)

    def _say_no_model(self, error: str) -> None:
        if self.review.player is None:  # a recording needs none
            self.view.set_message(session_messages.no_model(error))

    def _show_choice(self, choice: SourceChoice) -> None:
        self.status_presenter.seen = False
        self.sidebar.source.set_current(choice)
        if self.review.player is not None:
            return
        self.header.source.set_text(choice.label)
        self.setWindowTitle(f"{choice.label} – poseapp")
        for topic in ("source", "choice", "address", "camera"):
            self.banner.take_back(topic)

    def _show_models(self, models: list[StoredModel]) -> None:
        models = in_order(models)
        self.sidebar.model.set_models(models)
        self.menus.set_models(models, self.controller.choose_model)

    def _show_devices(self, missing: dict[str, str]) -> None:
        self.sidebar.model.set_devices(missing)
        self.menus.disable_choices("Device", missing)

    # -- what the user does ------------------------------------------------------------------------------------

    def show_help(self) -> None:
        """The sheet of shortcuts."""
        open_on_screen(HelpSheet(self.themes.current, self, self.preferences.own_keys))

    def show_own_keys(self) -> None:
        """The page on which keys and pedals are assigned."""
        page = OwnKeysPage(self.preferences.own_keys, self)
        page.changed.connect(self._assign_keys)
        open_on_screen(page)

    def show_recordings(self) -> None:
        """The page of recordings."""
        status = self.bridge.status()
        recording = status.recording if status is not None else None
        busy = recording.folder if recording is not None and recording.active else None
        page = RecordingsPage(self.preferences.folder, self.jobs, self.themes.current, busy, self)
        page.play_asked.connect(self.review.open)
        page.show_asked.connect(self.recording_actions.open_folder)
        page.deleting.connect(self.review.leave_folder)
        open_on_screen(page)

    def show_about(self) -> None:
        """Name and version."""
        status = self.bridge.status()
        open_on_screen(AboutBox(str(status.backend) if status is not None and status.backend is not None else "", self))

    # -- inside ------------------------------------------------------------------------------------------------

    def _act(self, key: str) -> None:
        """What a button of the card or of a notice stands for."""
        if key == "again":
            self.view.set_message(session_messages.STARTING)
            self.controller.again()
        elif key == "model":
            self.menus.actions["sidebar"].setChecked(True)
            self.sidebar.model.box.setFocus()
            self.sidebar.model.box.showPopup()
        else:
            self.menus.actions[key if key in self.menus.actions else f"open_{key}"].trigger()

    def _assign_keys(self, keys: dict[str, str]) -> None:
        self.preferences.own_keys = keys
        self.menus.set_own_keys(keys)

    def _go_on(self) -> None:
        """The benchmark has ended, or the recording was closed: the live view comes back."""
        if not self._closing and self.review.player is None:
            choice = self.controller.choice
            if choice is not None:
                self._show_choice(choice)
            self.status_presenter.seen = False
            self.view.set_message(session_messages.STARTING)
            self.controller.resume()

    def _panel_shown(self, visible: bool) -> None:
        if self._closing:
            return
        self.menus.check("panel", visible)
        self.sidebar.benchmark.setChecked(visible)
        if not self.full_screen.on:
            self.preferences.panel_open = visible

    def _theme_changed(self, theme: Theme) -> None:
        parts = (
            self.header,
            self.banner,
            self.view,
            self.sidebar,
            self.curves,
            self.transport,
            self.record_bar,
            self.saved,
            self.panel,
        )
        for part in parts:
            part.set_theme(theme)

    # -- Qt ----------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space pauses, or plays again what has ended; Esc leaves full screen, and lets go of a held person after that.

        The arrows, Home and End come here where nothing else has used them.
        """
        moves = self.menus.actions.get(_MOVES.get(Qt.Key(event.key()), ""))
        if moves is not None and moves.isEnabled() and event.modifiers() in _PLAIN:
            moves.trigger()
        elif event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            if self.view.message == session_messages.ENDED:
                self._act("again")
            else:
                self.menus.actions["pause"].toggle()
        elif event.key() == Qt.Key.Key_Escape and self.full_screen.on:
            self.menus.actions["fullscreen"].setChecked(False)
        elif event.key() == Qt.Key.Key_Escape and self.view.locked is not None:
            self.bridge.lock_person(None)
        elif event.key() == Qt.Key.Key_Escape:
            self.view.setFocus()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take one file or folder."""
        if event.mimeData().hasUrls() and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Show what was dropped."""
        self.source_actions.open_path(Path(event.mimeData().urls()[0].toLocalFile()))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Finish the recording and stop everything on a thread; the window goes when that is done."""
        if self._closed:
            event.accept()
            return
        event.ignore()
        if self._closing:
            return
        status = self.bridge.status()
        recording = status is not None and status.recording is not None and status.recording.active
        self._closing = True
        self.side_cameras.close()
        self.compare_actions.drop()
        self.review.stop()
        self.analysis_actions.stop()
        self._remember()
        self.benchmark.cancel()
        self.model_actions.close()
        if recording:
            self.view.set_recording("")
            self.view.set_message(session_messages.FINISHING)
        else:
            self.hide()
        if self.benchmark.running:  # it has a session of its own, with files to clean up
            self.benchmark.ended.connect(lambda: self.controller.stop(self._session_stopped))
        else:
            self.controller.stop(self._session_stopped)

    def _remember(self) -> None:
        self.full_screen.set(False)
        self.preferences.geometry = self.saveGeometry()
        self.preferences.window_state = self.saveState()
        self.preferences.save()

    def _session_stopped(self) -> None:
        self.output_actions.stop(lambda: self.analysis_actions.end(lambda: self.downloads.stop(self._stopped)))

    def _stopped(self) -> None:
        self._closed = True
        self.jobs.close()
        with QSignalBlocker(self.panel):
            self.close()
        self.closed.emit()
