"""What the user does about the source: open a file, a folder or an address, and use a camera that was plugged in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from poseapp.core.addresses import without_secrets
from poseapp.live.sources import Camera
from poseapp.review.player import is_recording
from poseapp.ui import dialogs
from poseapp.ui.preferences import Preferences
from poseapp.ui.session_controller import SessionController
from poseapp.ui.source_choice import SourceChoice, SourceKind
from poseapp.ui.window_layout import WindowLayout


class SourceActions:
    """Asks for sources over *window*, and hands what was chosen to *controller*."""

    def __init__(
        self,
        window: WindowLayout,
        controller: SessionController,
        preferences: Preferences,
        open_recording: Callable[[Path], None],
    ) -> None:
        self._open_recording = open_recording
        self._window, self._controller, self._preferences = window, controller, preferences

    def open(self, kind: SourceKind) -> None:
        """Ask for a file, a folder or an address, and show it."""
        tried = self._controller.tried
        address = tried.value if tried is not None and tried.kind == "address" else ""
        if without_secrets(address) != address:  # others may see the screen
            address = ""
        self._choose(dialogs.ask_source(self._window, kind, self._preferences.last_folder, address))

    def open_path(self, path: Path) -> None:
        """Show the file or folder at *path*; of a recording, the recording."""
        if is_recording(path):
            self._open_recording(path)
        else:
            self._choose(dialogs.choice_of(path))

    def offer_camera(self, camera: Camera) -> None:
        """Say that *camera* was plugged in, with a button to use it."""
        choice, banner = SourceChoice.camera(camera), self._window.banner
        banner.take_back("note")  # such as that there is no camera
        banner.say(
            "camera", f"{camera.name} is plugged in.", "info", choice.value, "Use it", lambda: self._controller.choose(choice)
        )

    def _choose(self, choice: SourceChoice | None) -> None:
        if choice is None:
            return
        if choice.kind != "address":
            self._preferences.last_folder = str(Path(choice.value).parent)
        self._controller.choose(choice)
