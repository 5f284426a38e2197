"""How the picture of each source is framed and what its camera is asked for: remembered for cameras, by their names."""

from __future__ import annotations

from collections.abc import Callable

from poseapp.live.sources import CameraSource, Source, StreamSource
from poseapp.live.sources.base import Controllable
from poseapp.live.sources.setup import SourceSetup
from poseapp.ui.preferences import Preferences
from poseapp.ui.session_bridge import SessionBridge
from poseapp.ui.source_choice import SourceChoice


class SourceSetups:
    """The setup of every source that is shown, and of the one that is shown now.

    Those of cameras and addresses are remembered by name; that of a file, until the window is closed. *current* gives what is
    shown.
    """

    def __init__(
        self,
        bridge: SessionBridge,
        preferences: Preferences,
        current: Callable[[], tuple[SourceChoice, Source] | None],
    ) -> None:
        self._bridge, self._preferences, self._current = bridge, preferences, current
        self._of_files: dict[tuple[str, str], SourceSetup] = {}

    def of(self, choice: SourceChoice, source: Source | None = None) -> SourceSetup:
        """The setup of *choice*; *source* is what it stands for, where that was given on the command line."""
        if _is_remembered(choice, source):
            return self._preferences.setup(choice.label)
        return self._of_files.get((choice.kind, choice.value), SourceSetup())

    def keep(self, choice: SourceChoice, source: Source | None, setup: SourceSetup) -> None:
        """From now on *setup* is that of *choice*."""
        if _is_remembered(choice, source):
            self._preferences.set_setup(choice.label, setup)
        else:
            self._of_files[choice.kind, choice.value] = setup

    def change(self, setup: Callable[[SourceSetup], SourceSetup]) -> None:
        """Change the setup of what is shown, at once."""
        current = self._current()
        if current is None:
            return
        before = self.of(*current)
        after = setup(before)
        self.keep(*current, after)
        self._bridge.set_framing(after.framing)
        if after.settings != before.settings:
            self._bridge.ask_camera(after.settings)

    def reset(self) -> None:
        """The whole picture, upright, and the camera as it comes."""
        self._bridge.reset_camera()
        current = self._current()
        if current is not None:
            self.keep(*current, SourceSetup())
            self._bridge.set_framing(SourceSetup().framing)


def set_up(source: Source, setup: SourceSetup) -> Source:
    """*source*, of which the settings of *setup* are asked where it has controls."""
    if isinstance(source, Controllable):
        source.ask(setup.settings)
    return source


def _is_remembered(choice: SourceChoice, source: Source | None) -> bool:
    return choice.kind in ("camera", "address") or (choice.kind == "given" and isinstance(source, CameraSource | StreamSource))
