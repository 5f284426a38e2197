"""What the user does about the source: open a file, a folder or an address, and use a camera that was plugged in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt

from poseapp.core.addresses import without_secrets
from poseapp.core.framing import Crop, Framing
from poseapp.live.sources import Camera
from poseapp.review.player import is_recording
from poseapp.ui import dialogs
from poseapp.ui.area_chooser import AreaChooser
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
        self._area = AreaChooser(window.view, window.view.picture_area)
        self._area.chosen.connect(self.use_part)
        self._area.ended.connect(window.view.setFocus)
        picture = window.sidebar.picture
        picture.framing_chosen.connect(lambda framing: controller.setups.change(lambda setup: setup.framed(framing)))
        picture.asked.connect(lambda settings: controller.setups.change(lambda setup: setup.asking(settings)))

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

    def turn(self) -> None:
        """Turn the picture on by a quarter."""
        self._controller.setups.change(lambda setup: setup.framed(setup.framing.turned()))

    def crop(self) -> None:
        """Let the user draw on the picture which part of it is used."""
        if self._window.view.result is None or self._window.view.picture_area().isEmpty():
            self._window.banner.say("crop", "There is no picture to crop yet.", "info")
        else:
            self._area.begin()

    def use_part(self, part: Crop) -> None:
        """Use *part* alone of the picture as it is shown."""
        left, top, right, bottom = part
        if self._window.view.options.mirror:
            left, right = 1.0 - right, 1.0 - left
        try:
            self._controller.setups.change(lambda setup: setup.framed(setup.framing.cropped((left, top, right, bottom))))
        except ValueError:
            self._window.banner.say("crop", "Too little would be left of the picture. Draw a larger rectangle.", "info")

    def use_whole(self) -> None:
        """Use the whole picture again."""
        self._controller.setups.change(lambda setup: setup.framed(Framing(setup.framing.turn)))

    def show_picture_controls(self) -> None:
        """Open the fold of the sidebar that has them, and go there."""
        picture = self._window.sidebar.picture
        self._window.sidebar_dock.setVisible(True)
        picture.set_open(True)
        picture.button.setFocus(Qt.FocusReason.ShortcutFocusReason)

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
