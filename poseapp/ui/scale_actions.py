"""What the user does about the scale of a recording: set it by a height or by two clicks, and measure with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poseapp.core.scale import Scale
from poseapp.live.recording.scales import save_scale
from poseapp.review.saved_recording import SavedRecording
from poseapp.review.scaling import recording_scale_by_height, recording_scale_by_points
from poseapp.ui.report_dialog import seen_longest_first
from poseapp.ui.scale_dialog import ScaleDialog
from poseapp.ui.screen_fit import fit_to_screen

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow


class ScaleActions:
    """Sets the scale of the recording that *window* plays; the work is done by its jobs."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self.dialog: ScaleDialog | None = None
        window.view.clicked.connect(self.click)
        window.review.opened.connect(lambda _folder: self.player_changed())
        window.review.left.connect(self.player_changed)

    def ask(self) -> None:
        """Open the dialog, or bring it to the front."""
        window, player = self._window, self._window.review.player
        if player is None:
            return
        if player.recording is None:
            window.banner.say("scale", "The joints of this recording cannot be read, so there is nothing to measure.", "info")
            return
        if self.dialog is not None:
            self.dialog.activateWindow()
            return
        window.review.command(lambda playback: playback.pause())
        people = [number for number, _ in seen_longest_first(player.recording)]
        if window.view.locked in people:
            people.sort(key=lambda number: number != window.view.locked)
        dialog = self.dialog = ScaleDialog(people, window)
        dialog.show_scale(player.recording.scale)
        recording = player.recording
        dialog.height_given.connect(
            lambda metres, person: self._find(lambda: recording_scale_by_height(recording, metres, person))
        )
        dialog.distance_given.connect(lambda a, b, metres: self._find(lambda: recording_scale_by_points(recording, a, b, metres)))
        dialog.none_wanted.connect(lambda: self._find(lambda: None))
        dialog.closed.connect(self._closed)
        dialog.ensurePolished()
        dialog.resize(dialog.sizeHint())
        dialog.move(window.view.mapToGlobal(window.view.rect().topLeft()))
        fit_to_screen(dialog)
        dialog.show()

    def click(self, x: float, y: float) -> None:
        """The user has clicked in the picture, at frame px of the video."""
        if self.dialog is not None:
            self.dialog.click((x, y))
            self._window.view.set_points(tuple(self.dialog.points))

    def player_changed(self) -> None:
        """Another recording is shown, or none: say its scale beside what is measured."""
        if self.dialog is not None:
            self.dialog.close()
        player = self._window.review.player
        recording = player.recording if player is not None else None
        self._say(recording.scale if recording is not None else None)

    def _find(self, find: Callable[[], Scale | None]) -> None:
        player = self._window.review.player
        if player is None:
            return
        self._window.jobs.run("scale", partial(_find_and_save, player.folder, find), self._found, self._failed)

    def _found(self, found: tuple[Path, Scale | None]) -> None:
        folder, scale = found
        player = self._window.review.player
        self._window.banner.take_back("scale")
        if player is None or player.folder != folder or player.recording is None:
            return
        manifest = {key: value for key, value in player.recording.manifest.items() if key != "scale"}
        player.recording = _with_manifest(player.recording, manifest, scale)
        self._say(scale)
        if self.dialog is not None:
            self.dialog.show_scale(scale)

    def _failed(self, error: str) -> None:
        self._window.banner.say("scale", error)

    def _say(self, scale: Scale | None) -> None:
        self._window.sidebar.measure.set_scale(scale.sentence if scale is not None else "")

    def _closed(self) -> None:
        self.dialog = None
        self._window.view.set_points(())


def _find_and_save(folder: Path, find: Callable[[], Scale | None]) -> tuple[Path, Scale | None]:
    scale = find()
    save_scale(folder, scale)
    return folder, scale


def _with_manifest(recording: SavedRecording, manifest: dict[str, object], scale: Scale | None) -> SavedRecording:
    return replace(recording, manifest=manifest | ({"scale": scale.to_json()} if scale is not None else {}))
