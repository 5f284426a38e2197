"""What the user does to compare the recording that is played with another one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poseapp.core.gait import GaitDifference
from poseapp.render.compare import LAYOUTS
from poseapp.review.comparison import Comparison
from poseapp.review.player import RecordingPlayer
from poseapp.ui.recordings_page import RecordingsPage
from poseapp.ui.screen_fit import open_on_screen
from poseapp.ui.seek_bar import time_code

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

FIRST = "Open a recording to compare with first: Ctrl+D."


class CompareActions:
    """Shows another recording with the one that *window* plays; files are opened and closed by its jobs.

    A recording has a marked frame: two recordings are shown together so that their marked frames are. Without a mark that is the
    first frame.
    """

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._marks: dict[Path, float] = {}  # s in the recording, by its folder
        self._wanted: Path | None = None
        self.comparison: Comparison | None = None
        window.review.opened.connect(lambda _folder: self.player_changed())
        window.review.left.connect(self.player_changed)

    def ask(self) -> None:
        """Choose the recording to compare with; while one is shown, show it no more."""
        window, player = self._window, self._window.review.player
        if player is None:
            return
        if self.comparison is not None:
            self.drop()
            return
        window.review.command(lambda playback: playback.pause())
        page = RecordingsPage(window.preferences.folder, window.jobs, window.themes.current, None, window)
        page.setWindowTitle("Compare with…")
        page.play.setText("Compare")
        page.play_asked.connect(self.open)
        page.show_asked.connect(window.recording_actions.open_folder)
        page.deleting.connect(window.review.leave_folder)
        open_on_screen(page)

    def open(self, folder: Path) -> None:
        """Compare what is played with the recording in *folder*; where nothing is played yet, as soon as it is."""
        window, player = self._window, self._window.review.player
        self._wanted = folder
        if player is None:
            return
        window.banner.say("compare", f"Opening {folder.name}…", "info")
        work = partial(_compared, player, folder, window.view.options.threshold)
        window.jobs.run("compare", work, partial(self._came, player, folder), self._failed)

    def mark(self) -> None:
        """The frame that is shown is the one that belongs together with the marked frame of the other recording."""
        window, player = self._window, self._window.review.player
        if player is None:
            return
        number = player.playback.state().number
        self._marks[player.folder] = player.time_of(number)
        if self.comparison is not None:
            self._synchronise(player, self.comparison)
            return
        marked = f"Marked {time_code(player.time_of(number))}."
        window.banner.say("compare", f"{marked} Comparing (Ctrl+D) shows it beside the marked frame of another one.", "info")

    def step(self, pictures: int) -> None:
        """Show another picture of the other recording with this one, *pictures* further on."""
        player, comparison = self._both()
        if player is not None and comparison is not None:
            player.playback.pause()
            comparison.step(pictures, player.time_of(player.playback.state().number))
            self._show_again(player)

    def next_layout(self) -> None:
        """Side by side, or as a ghost."""
        _, comparison = self._both()
        if comparison is not None:
            now = LAYOUTS.index(comparison.beside.layout)
            comparison.beside = replace(comparison.beside, layout=LAYOUTS[(now + 1) % len(LAYOUTS)])
            self._window.view.set_beside(comparison.beside)

    def player_changed(self) -> None:
        """Another recording is played, or none."""
        wanted = self._wanted if self.comparison is None and self._window.review.player is not None else None
        self.drop()
        if wanted is not None:
            self.open(wanted)

    def drop(self) -> None:
        """Show no other recording any more."""
        comparison, self.comparison, self._wanted = self.comparison, None, None
        window, player = self._window, self._window.review.player
        window.banner.take_back("compare")
        window.view.set_beside(None)
        if comparison is not None:
            if player is not None:
                player.comparison = None
                window.header.show_recording(player.name)
                self._show_again(player)
            window.jobs.run("close", comparison.close)

    # -- inside ------------------------------------------------------------------------------------------------

    def _both(self) -> tuple[RecordingPlayer | None, Comparison | None]:
        if self.comparison is None and self._window.review.player is not None:
            self._window.banner.say("compare", FIRST, "info")
        return self._window.review.player, self.comparison

    def _came(self, player: RecordingPlayer, folder: Path, comparison: Comparison) -> None:
        window = self._window
        if self._wanted != folder or window.review.player is not player:
            window.jobs.run("close", comparison.close)
            return
        if self.comparison is not None:
            window.jobs.run("close", self.comparison.close)
        self.comparison = player.comparison = comparison
        self._wanted = None
        window.header.show_recording(f"{player.name} | {comparison.other.name}")
        window.view.set_beside(comparison.beside)
        window.banner.say("compare", _sentence(comparison), "info")
        self._synchronise(player, comparison)

    def _failed(self, error: str) -> None:
        self._wanted = None
        self._window.banner.say("compare", error)

    def _synchronise(self, player: RecordingPlayer, comparison: Comparison) -> None:
        """Show the marked frames together."""
        own, other = (self._marks.get(one.folder, one.time_of(0)) for one in (player, comparison.other))
        comparison.offset_s = other - own
        self._show_again(player)

    def _show_again(self, player: RecordingPlayer) -> None:
        player.playback.seek(player.playback.state().number)


def _compared(player: RecordingPlayer, folder: Path, threshold: float) -> Comparison:
    other = RecordingPlayer(folder)
    try:
        return Comparison(player, other, threshold)
    except BaseException:
        other.close()
        raise


def _sentence(comparison: Comparison) -> str:
    """What is compared, and how it is moved."""
    return " ".join(
        part
        for part in (
            f"Compared with {comparison.other.name}. , and . move it, W changes the view, Ctrl+D ends.",
            _of_gait(comparison.gait),
        )
        if part
    )


def _of_gait(gait: GaitDifference | None) -> str:
    if gait is None:
        return ""
    name = max(gait.by_curve, key=lambda one: gait.by_curve[one])
    return f"The gaits are {gait.overall:.1f}° apart, most of all the {name.replace('_', ' ')}: {gait.by_curve[name]:.1f}°."
