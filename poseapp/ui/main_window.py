"""The window: puts the parts together and passes word between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QDesktopServices, QDragEnterEvent, QDropEvent, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QDialog

from poseapp.core.addresses import without_secrets
from poseapp.core.types import Result
from poseapp.engine.load import StoredModel
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Status
from poseapp.live.sources import Camera, Source
from poseapp.render import DrawOptions
from poseapp.ui import dialogs, stage
from poseapp.ui.benchmark_panel import BenchmarkRun
from poseapp.ui.bridge import Bridge, Jobs
from poseapp.ui.choices import Choice, Kind, in_order
from poseapp.ui.colours import Theme
from poseapp.ui.commands import DRAWN, bind_commands
from poseapp.ui.full_screen import FullScreen
from poseapp.ui.help_sheet import AboutBox, HelpSheet
from poseapp.ui.player import Player
from poseapp.ui.preferences import Preferences
from poseapp.ui.screen_fit import fit_to_screen
from poseapp.ui.status_view import NOTICE_MS, StatusView
from poseapp.ui.theme import THEME_NAMES, ThemeName, Themes
from poseapp.ui.window_parts import WindowParts

PANEL_HEIGHT = 270


class MainWindow(WindowParts):
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
        self.bridge = Bridge(self.jobs, self)
        self.player = Player(self.bridge, self.jobs, preferences, engines_dir, device, precision)
        self.benchmark = BenchmarkRun(self.jobs, self)
        self._closing = self._closed = False
        self.actions_ = bind_commands(self)
        self.full_screen = FullScreen(self, self.actions_, (self.menuBar(), self.header, self.record_bar))
        self.status_view = StatusView(
            self.header,
            self.controls,
            self.actions_,
            self.banner,
            self.build_line,
            self.view,
            self.record_bar,
            self.panel,
            self._act,
        )
        self._connect()
        self._restore()

    def begin(self, source: Source | None = None, model: str | None = None) -> None:
        """Start; see Player.begin."""
        self.view.set_state(stage.STARTING)
        self.banner.say("settings", self.preferences.problem, "warning")
        self.player.begin(source, model)

    @property
    def is_closed(self) -> bool:
        """Whether everything has stopped."""
        return self._closed

    # -- putting together --------------------------------------------------------------------------------------

    def _connect(self) -> None:
        bridge, player, controls, bar = self.bridge, self.player, self.controls, self.record_bar
        bridge.arrived.connect(self._show_result)
        bridge.status_changed.connect(self._show_status)
        bridge.failed.connect(self._problem)
        player.cameras_changed.connect(controls.source.set_cameras)
        player.models_changed.connect(self._show_models)
        player.choice_changed.connect(self._show_choice)
        player.note_changed.connect(self.view.set_note)
        player.problem.connect(self._problem)
        player.no_model.connect(lambda error: self.view.set_state(stage.no_model(error)))
        player.camera_appeared.connect(self._offer_camera)
        self.view.painted.connect(bridge.painted)
        self.view.action.connect(self._act)
        self.notices.height_changed.connect(self.view.set_covered)
        self.view.double_clicked.connect(self.actions_.by_name["fullscreen"].toggle)
        controls.source.chosen.connect(player.choose)
        controls.source.mode_chosen.connect(player.set_mode)
        controls.model.chosen.connect(player.choose_model)
        controls.model.device_chosen.connect(player.choose_device)
        controls.model.precision_chosen.connect(player.choose_precision)
        player.devices_known.connect(self._show_devices)
        self.build_line.cancel_asked.connect(bridge.cancel_build)
        controls.view.changed.connect(self._draw_changed)
        controls.people.changed.connect(player.set_looking)
        self.view.clicked.connect(lambda x, y: bridge.lock_person((x, y)))
        bar.record_asked.connect(lambda _on: self.toggle_recording())
        bar.snapshot_asked.connect(self.snapshot)
        bar.folder_asked.connect(self.choose_folder)
        bar.open_asked.connect(self.open_folder)
        bar.clean.toggled.connect(lambda on: setattr(self.preferences, "clean_video", on))
        for name, button in self.header.buttons.items():
            button.clicked.connect(self.actions_.by_name[name].trigger)
        controls.benchmark.clicked.connect(self.actions_.by_name["panel"].trigger)
        self.panel.visibilityChanged.connect(lambda _v: self._panel_shown(self.panel.isVisible()))
        self.panel.run_asked.connect(self.run_benchmark)
        self.panel.cancel_asked.connect(self.benchmark.cancel)
        self.panel.copy_asked.connect(lambda text: QGuiApplication.clipboard().setText(text))
        self.panel.save_asked.connect(self._save_report)
        self.benchmark.progress.connect(self.panel.show_progress)
        self.benchmark.finished.connect(self.panel.show_report)
        self.benchmark.failed.connect(lambda error: self.banner.say("benchmark", error))
        self.benchmark.ended.connect(self._benchmark_ended)
        self.themes.changed.connect(self._theme_changed)

    def _restore(self) -> None:
        p = self.preferences
        self.resize(1280, 800)
        self.restoreGeometry(p.geometry)
        self.restoreState(p.window_state)
        self.sidebar.show()
        if p.window_state.isEmpty():
            self.resizeDocks([self.panel], [PANEL_HEIGHT], Qt.Orientation.Vertical)
        self.panel.setVisible(p.panel_open)
        self.controls.source.set_mode(p.mode)
        self.controls.set_options(p.draw)
        self.controls.people.show_looking(self.player.pose_settings)
        self._draw_changed(p.draw)
        self.record_bar.clean.set_on(p.clean_video)
        self.record_bar.set_folder(p.folder)
        self._theme_changed(self.themes.current)
        self._panel_shown(p.panel_open)
        self.header.buttons["sidebar"].setChecked(True)
        fit_to_screen(self)

    # -- word from the session ---------------------------------------------------------------------------------

    def _show_result(self, result: Result) -> None:
        self.status_view.seen = True
        self.view.show_result(result)
        self.controls.show_result(result)
        self.header.show_people(len(result.poses))

    def _show_status(self, status: Status) -> None:
        if not self._closing:
            self.status_view.show(status, self.player.kind)

    def _problem(self, topic: str, text: str) -> None:
        """Say *text*, with a button that helps; an address that is none can be changed."""
        tried = self.player.tried
        if topic == "choice":
            self.banner.take_back("address")
            topic = "address" if tried is not None and tried.kind == "address" else topic
        self.status_view.say(topic, text)

    def _show_choice(self, choice: Choice) -> None:
        self.status_view.seen = False
        self.controls.source.set_current(choice)
        self.header.source.set_text(choice.label)
        self.setWindowTitle(f"{choice.label} – poseapp")
        for topic in ("source", "choice", "address", "camera"):
            self.banner.take_back(topic)

    def _show_models(self, models: list[StoredModel]) -> None:
        models = in_order(models)
        self.controls.model.set_models(models)
        self.actions_.set_models(models, self.player.choose_model)

    def _show_devices(self, missing: dict[str, str]) -> None:
        self.controls.model.set_devices(missing)
        self.actions_.disable_choices("Device", missing)

    def _offer_camera(self, camera: Camera) -> None:
        choice = Choice.camera(camera)
        self.banner.say(
            "camera", f"{camera.name} is plugged in.", "info", choice.value, "Use it", lambda: self.player.choose(choice)
        )

    # -- what the user does ------------------------------------------------------------------------------------

    def open_source(self, kind: Kind) -> None:
        """Ask for a file, a folder or an address, and show it."""
        tried = self.player.tried
        address = tried.value if tried is not None and tried.kind == "address" else ""
        if without_secrets(address) != address:  # others may see the screen
            address = ""
        self._open(dialogs.ask_source(self, kind, self.preferences.last_folder, address))

    def open_path(self, path: Path) -> None:
        """Show the file or folder at *path*."""
        self._open(dialogs.choice_of(path))

    def _open(self, choice: Choice | None) -> None:
        if choice is None:
            return
        if choice.kind != "address":
            self.preferences.last_folder = str(Path(choice.value).parent)
        self.player.choose(choice)

    def toggle_recording(self) -> None:
        """Begin a recording, or finish the one that runs."""
        status = self.bridge.status()
        if status is None:
            self.record_bar.show_recording(None)
            return
        if status.recording is not None and status.recording.active:
            self.bridge.stop_recording()
            return
        self.record_bar.show_recording(status.recording)
        # Only the preview is mirrored, and a heatmap would hide the person in the file.
        draw = replace(self.view.options, mirror=False, heatmaps=False, fields=False)
        self.banner.take_back("record")
        self.bridge.start_recording(RecordOptions(self.preferences.folder, self.record_bar.clean.isChecked(), draw))

    def snapshot(self) -> None:
        """Save what is on the screen, unmirrored."""
        if self.view.result is None:
            self.banner.say("snapshot", "There is no picture to save yet.", "info")
            return
        draw = replace(self.view.options, mirror=False)
        self.bridge.snapshot(self.view.result, self.preferences.folder, draw, self._snapshot_saved)

    def choose_folder(self) -> None:
        """Ask where recordings go."""
        folder = dialogs.ask_folder(self, self.preferences.folder)
        if folder is not None:
            self.set_folder(folder)

    def set_folder(self, folder: Path) -> None:
        """Put recordings into *folder*."""
        self.preferences.folder = folder
        self.record_bar.set_folder(folder)
        self.banner.take_back("record")

    def open_folder(self, folder: Path) -> None:
        """Show *folder* in the file manager."""
        if not folder.exists():
            self.banner.say("folder", f"{folder}: there is nothing recorded yet.", "info")
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
            self.banner.say("folder", f"No file manager answers. The files are in {folder}.", "info")

    def set_paused(self, paused: bool) -> None:
        """Let the preview stand still; capture and recording go on."""
        self.bridge.paused = paused
        self.view.set_paused(paused)

    def show_panel(self, visible: bool) -> None:
        """Show or hide the benchmark panel."""
        self.panel.setVisible(visible)

    def show_sidebar(self, visible: bool) -> None:
        """Show or hide the controls."""
        self.sidebar.setVisible(visible)
        self.header.buttons["sidebar"].setChecked(visible)

    def set_full_screen(self, on: bool) -> None:
        """Show the picture alone on the whole screen, or go back."""
        self.full_screen.set(on)
        self.view.set_full_screen(on)
        self.view.setFocus()
        if on:
            self.status_view.say("full screen", "Esc leaves full screen. C shows the controls.", "info")
            QTimer.singleShot(NOTICE_MS, self.banner, lambda: self.banner.take_back("full screen"))
        else:
            self.banner.take_back("full screen")

    def use_theme(self, name: str) -> None:
        """Use the theme *name*, and remember it."""
        theme: ThemeName = "dark" if name == "dark" else "light" if name == "light" else "system"
        self.preferences.theme = theme
        self.themes.use(theme)
        self.actions_.check_choice("Theme", theme)

    def show_help(self) -> None:
        """The sheet of shortcuts."""
        self._show(HelpSheet(self.themes.current, self))

    def show_about(self) -> None:
        """Name and version."""
        status = self.bridge.status()
        self._show(AboutBox(str(status.backend) if status is not None and status.backend is not None else "", self))

    def _show(self, dialog: QDialog) -> None:
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.ensurePolished()
        dialog.resize(dialog.sizeHint())
        fit_to_screen(dialog)
        dialog.open()

    def run_benchmark(self) -> None:
        """Measure the present model; the live view waits, so that it does not spoil the figures."""
        status = self.bridge.status()
        if self.benchmark.running or self.player.folder is None:
            return
        if status is not None and status.recording is not None and status.recording.active:
            self.banner.say("benchmark", "Finish the recording first: a benchmark needs the whole machine.", "info")
            return
        folder = self.player.folder
        self.actions_.by_name["panel"].setChecked(True)
        self.panel.show_page("benchmark")
        self.panel.show_progress(0.0, "Preparing…")
        self.benchmark.prepare()
        self.view.set_state(stage.BENCHMARK)
        self.player.suspend(lambda: self.benchmark.start(folder, self.player.device, self.player.precision))

    # -- inside ------------------------------------------------------------------------------------------------

    def set_draw(self, **changes: bool) -> None:
        """Change how poses are drawn: fields of DrawOptions."""
        options = replace(self.controls.view.options, **changes)
        self.controls.set_options(options)
        self._draw_changed(options)

    def _draw_changed(self, options: DrawOptions) -> None:
        self.preferences.draw = options
        self.view.set_options(options)
        self.bridge.set_heatmaps(options.heatmaps or options.fields)
        for name in DRAWN:
            self.actions_.check(name, getattr(options, name))

    def _snapshot_saved(self, path: Path) -> None:
        text = f"Snapshot saved: {path.name}"
        self.banner.say("snapshot", text, "success", str(path), "Open folder", lambda: self.open_folder(path.parent))
        QTimer.singleShot(NOTICE_MS, self, lambda: self.banner.take_back("snapshot") if self.banner.text == text else None)

    def _act(self, key: str) -> None:
        """What a button of the card or of a notice stands for."""
        if key == "again":
            self.view.set_state(stage.STARTING)
            self.player.again()
        elif key == "model":
            self.actions_.by_name["sidebar"].setChecked(True)
            self.controls.model.box.setFocus()
            self.controls.model.box.showPopup()
        else:
            self.actions_.by_name[key if key in self.actions_.by_name else f"open_{key}"].trigger()

    def _panel_shown(self, visible: bool) -> None:
        if self._closing:
            return
        self.actions_.check("panel", visible)
        self.controls.benchmark.setChecked(visible)
        if not self.full_screen.on:
            self.preferences.panel_open = visible

    def _benchmark_ended(self) -> None:
        self.panel.show_ended()
        if not self._closing:
            self.status_view.seen = False
            self.view.set_state(stage.STARTING)
            self.player.resume()

    def _save_report(self, text: str) -> None:
        path = dialogs.ask_report(self)
        if path is not None:
            self.save_report(path, text)

    def save_report(self, path: Path, text: str) -> None:
        """Write a benchmark's JSON to *path*."""
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            self.banner.say("benchmark", f"{path}: cannot be written ({error.strerror}). Choose another place.")

    def next_theme(self) -> None:
        """Use the next theme."""
        self.use_theme(THEME_NAMES[(THEME_NAMES.index(self.themes.name) + 1) % len(THEME_NAMES)])

    def _theme_changed(self, theme: Theme) -> None:
        for part in (self.header, self.banner, self.view, self.controls, self.record_bar, self.panel):
            part.set_theme(theme)

    # -- Qt ----------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space pauses, or plays again what has ended; Esc leaves full screen, and lets go of a held person after that."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            if self.view.state == stage.ENDED:
                self._act("again")
            else:
                self.actions_.by_name["pause"].toggle()
        elif event.key() == Qt.Key.Key_Escape and self.full_screen.on:
            self.actions_.by_name["fullscreen"].setChecked(False)
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
        self.open_path(Path(event.mimeData().urls()[0].toLocalFile()))

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
        self._remember()
        self.benchmark.cancel()
        if recording:
            self.view.set_recording("")
            self.view.set_state(stage.FINISHING)
        else:
            self.hide()
        if self.benchmark.running:  # it has a session of its own, with files to clean up
            self.benchmark.ended.connect(lambda: self.player.stop(self._stopped))
        else:
            self.player.stop(self._stopped)

    def _remember(self) -> None:
        self.full_screen.set(False)
        self.preferences.geometry = self.saveGeometry()
        self.preferences.window_state = self.saveState()
        self.preferences.save()

    def _stopped(self) -> None:
        self._closed = True
        self.jobs.close()
        with QSignalBlocker(self.panel):
            self.close()
        self.closed.emit()
