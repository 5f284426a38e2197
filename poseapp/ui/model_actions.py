"""What the user does about published models: sees the catalogue, and gets, uses and removes them while the camera runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QTimer

from poseapp.convert.catalogue import Entry
from poseapp.core.types import Result
from poseapp.engine.store import StoredModel
from poseapp.live.status import Status
from poseapp.ui.banner import NOTICE_MS
from poseapp.ui.catalogue_names import catalogue_title
from poseapp.ui.colours import Theme
from poseapp.ui.jobs import Jobs
from poseapp.ui.model_dialog import ModelDialog
from poseapp.ui.model_downloads import ModelDownloads
from poseapp.ui.screen_fit import open_on_screen
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.session_controller import SessionController
from poseapp.ui.theme import Themes
from poseapp.ui.window_layout import WindowLayout


class ModelActions:
    """Shows *downloads* in a dialog over *window*; what is installed is chosen through *controller*."""

    def __init__(
        self,
        window: WindowLayout,
        downloads: ModelDownloads,
        jobs: Jobs,
        bridge: SessionBridge,
        controller: SessionController,
        themes: Themes,
    ) -> None:
        self._window, self._downloads, self._jobs = window, downloads, jobs
        self._bridge, self._controller, self._themes = bridge, controller, themes
        self._models: list[StoredModel] = []
        self.dialog: ModelDialog | None = None
        downloads.installed.connect(self._installed)
        downloads.removed.connect(lambda _name: controller.refresh_models())
        downloads.failed.connect(self._failed)
        controller.models_changed.connect(self._show_models)
        themes.changed.connect(self._theme_changed)

    def open(self) -> None:
        """Show the catalogue."""
        if self.dialog is not None:
            self.dialog.raise_()
            return
        self._window.banner.take_back("download")
        folder = self._controller.folder
        speed = speed_here(self._bridge.status(), self._window.view.result, self._models)
        dialog = self.dialog = ModelDialog(
            self._downloads, self._jobs, self._themes.current, speed, folder.name if folder is not None else "", self._window
        )
        dialog.use_asked.connect(self._use)
        dialog.finished.connect(self._closed)
        self._downloads.look()
        open_on_screen(dialog)

    def close(self) -> None:
        """The window goes, and the dialog with it."""
        if self.dialog is not None:
            self.dialog.close()

    def _use(self, name: str) -> None:
        folder = self._downloads.state(name).folder
        if folder is not None:
            self._change_to(folder)

    def _change_to(self, folder: Path) -> None:
        self._controller.choose_model(folder)
        if self.dialog is not None:
            self.dialog.set_in_use(folder.name)

    def _installed(self, folder: Path) -> None:
        """List the new model, then change to it."""
        self._controller.refresh_models(lambda: self._change_to(folder))
        banner, text = self._window.banner, f"{catalogue_title(folder.name)} is here, and is loaded now."
        banner.say("download", text, "success")
        QTimer.singleShot(NOTICE_MS, banner, lambda: banner.take_back("download") if banner.text == text else None)

    def _failed(self, name: str, error: str) -> None:
        if self.dialog is None:  # the dialog says it beside the model
            again = lambda: self._try_again(name)  # noqa: E731
            self._window.banner.say("download", f"{catalogue_title(name)}: {error}", "error", action="Try again", on_action=again)

    def _try_again(self, name: str) -> None:
        self._window.banner.take_back("download")
        self._downloads.get(name)

    def _show_models(self, models: list[StoredModel]) -> None:
        self._models = models

    def _theme_changed(self, theme: Theme) -> None:
        if self.dialog is not None:
            self.dialog.set_theme(theme)

    def _closed(self) -> None:
        self.dialog = None
        if self._downloads.running:
            self._window.banner.say("download", "The download goes on. “Get more models…” shows how far it is.", "info")


def speed_here(status: Status | None, result: Result | None, models: list[StoredModel]) -> Callable[[Entry], float | None]:
    """Estimates the frames per second of an entry: from the time of the model that runs, by their multiply-accumulates.

    The time is of the network alone, for one person. None where nothing was measured yet.
    """
    name = status.model if status is not None else ""
    spec = next((model.spec for model in models if model.spec is not None and model.spec.name == name), None)
    measured = status.stats.ms.get("inference") if status is not None else None
    if spec is None or measured is None or not measured[0] > 0 or not spec.macs:
        return lambda entry: None
    people = max(1, len(result.poses)) if result is not None and result.mode == "top-down" else 1
    ms_per_mac = measured[0] / people / spec.macs
    return lambda entry: 1000.0 / (ms_per_mac * entry.macs) if entry.macs else None
