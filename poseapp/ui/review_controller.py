"""ReviewController: the transport of what is shown, and recordings that are played instead of the live picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QFileDialog

from poseapp.review.playback import JUMP_S, Playback
from poseapp.review.played_clip import PlayedClip
from poseapp.review.played_pictures import PlayedPictures
from poseapp.review.player import RecordingPlayer
from poseapp.ui.session_bridge import FRAME_MS
from poseapp.ui.transport_bar import SPEEDS

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

PLAYBACK_ACTIONS = (
    "step_back", "step_forward", "to_start", "to_end", "backwards", "stand_still", "forwards", "slower", "faster",
    "loop_from", "loop_to", "loop_off",
)  # fmt: skip
# They need a recording on the screen.
RECORDING_ACTIONS = (
    "close_recording", "export", "report", "scale",
    "compare", "mark_frame", "other_back", "other_forward", "next_layout",
)  # fmt: skip


class ReviewController(QObject):
    """Plays recordings in *window* while its session waits, and passes the user's commands to what is played.

    *go_on* brings the live picture back. Opening and closing files is done by jobs.
    """

    opened = Signal(object)  # Path: the recording is on the screen
    left = Signal()

    def __init__(self, window: MainWindow, go_on: Callable[[], None]) -> None:
        super().__init__(window)
        self._window, self._go_on = window, go_on
        self._player: RecordingPlayer | None = None
        self._wanted: Path | None = None
        self._at: int | None = None  # the picture that is shown first, of a recording that is opened again
        self._closed = False
        self._last_t = 0.0  # of the picture of a recording that was shown last
        self._had_playback: bool | None = None  # not looked yet
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._look)
        self._timer.start(FRAME_MS)
        bar = window.transport
        bar.sought.connect(lambda number: self.command(lambda p: p.seek(number)))
        bar.speed_chosen.connect(lambda speed: self.command(lambda p: p.set_speed(speed)))
        window.controller.chosen.connect(lambda: QTimer.singleShot(0, self.leave))

    @property
    def player(self) -> RecordingPlayer | None:
        """The recording on the screen."""
        return self._player

    @property
    def playback(self) -> Playback | None:
        """What plays: the recording, or the clip that the session shows; None where there is nothing to move in."""
        if self._player is not None:
            return self._player.playback
        source, session = self._window.controller.source, self._window.bridge.session
        if session is None or not isinstance(source, (PlayedClip, PlayedPictures)):
            return None
        state = source.playback.state()
        return source.playback if state.count > 1 or state.name else None

    # -- recordings --------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask for the folder of a recording, and play it."""
        window = self._window
        path = QFileDialog.getExistingDirectory(window, "Open recording", str(window.preferences.folder))
        if path:
            self.open(Path(path))

    def open(self, folder: Path) -> None:
        """Play the recording in *folder*. The live picture goes on until it is there."""
        window, status = self._window, self._window.bridge.status()
        if status is not None and status.recording is not None and status.recording.active:
            window.banner.say("review", "Finish the recording first, then open another one.", "info")
            return
        if window.benchmark.running:
            window.banner.say("review", "Wait for the benchmark, or stop it first.", "info")
            return
        self._wanted, self._at = folder, None
        window.banner.say("review", f"Opening {folder.name}…", "info")
        came, failed = partial(self._came, folder), partial(self._failed, folder)
        window.jobs.run("review", lambda: RecordingPlayer(folder), came, failed)

    def open_again(self) -> None:
        """Read the recording on the screen anew: its joints have changed. It stands where it was."""
        player = self._player
        if player is not None:
            at = player.playback.state().number
            self.open(player.folder)
            self._at = at

    def leave(self) -> None:
        """Back to the live picture, where a recording is shown."""
        self._wanted = None
        if self._player is not None:
            self._drop_player()
            self._window.view.set_drawn(False)
            self._window.banner.take_back("review")
            self.left.emit()
            self._go_on()

    def leave_folder(self, folder: Path) -> None:
        """Nobody plays *folder* any more: it is about to go."""
        if self._player is not None and self._player.folder == folder:
            self.leave()

    def stop(self) -> None:
        """The window closes."""
        self._closed = True
        self._timer.stop()
        self._drop_player()

    # -- commands ----------------------------------------------------------------------------------------------

    def command(self, give: Callable[[Playback], object]) -> None:
        """Give a command to what plays, if anything does."""
        playback = self.playback
        if playback is not None:
            give(playback)

    def change_speed(self, step: int) -> None:
        """The next slower (−1) or faster (1) speed."""
        playback = self.playback
        if playback is not None:
            speed = playback.state().speed
            nearest = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - speed))
            playback.set_speed(SPEEDS[min(max(0, nearest + step), len(SPEEDS) - 1)])

    # -- inside ------------------------------------------------------------------------------------------------

    def _came(self, folder: Path, player: RecordingPlayer) -> None:
        if folder != self._wanted or self._closed or self._window.benchmark.running:
            self._window.jobs.run("close", player.close)
            return
        self._window.controller.suspend(lambda: self._show(folder, player))

    def _show(self, folder: Path, player: RecordingPlayer) -> None:
        window = self._window
        if folder != self._wanted or self._closed:
            window.jobs.run("close", player.close)
            return
        self._drop_player()
        self._player = player
        window.view.clear()
        window.view.set_message(None)
        window.view.set_drawn(player.is_drawn)
        window.saved.dismiss()  # what it offers is on the screen, or the user wants to see something else
        window.header.show_recording(player.name)
        window.setWindowTitle(f"{player.name} – poseapp")
        window.banner.say("review", " ".join(player.notes), "warning" if player.problem else "info")
        player.start()
        at, self._at = self._at, None
        if at is not None:
            player.playback.pause()
            player.playback.seek(at)
        self.opened.emit(folder)

    def _failed(self, folder: Path, error: str) -> None:
        if folder != self._wanted or self._closed:
            return
        self._wanted = None
        self._window.banner.say("review", error)
        if self._player is None and self._window.controller.is_suspended:
            self._go_on()

    def _drop_player(self) -> None:
        player, self._player = self._player, None
        if player is not None:
            player.request_stop()
            self._window.jobs.run("close", player.close)

    def _look(self) -> None:
        """Show the newest picture of a recording, and where the playback stands."""
        window, player = self._window, self._player
        if player is not None:
            result = player.take()
            if result is not None:
                if not self._last_t <= result.frame.t <= self._last_t + JUMP_S:
                    window.sidebar.measure.count_anew()  # a repetition is one movement, not two places of the recording
                self._last_t = result.frame.t
                window.show_result(result)
            if player.error:
                window.banner.say("review", player.error)
        playback = self.playback
        bar = window.transport
        if (playback is not None) != self._had_playback:
            if self._had_playback is not None:
                window.view_actions.go_on()
            self._had_playback = playback is not None
            for name in PLAYBACK_ACTIONS:
                window.menus.actions[name].setEnabled(playback is not None)
        for name in RECORDING_ACTIONS:
            window.menus.actions[name].setEnabled(player is not None)
        bar.setVisible(playback is not None and not window.full_screen.on)
        window.curve_actions.follow(playback.state() if playback is not None else None)
        if playback is not None:
            state = playback.state()
            bar.show_state(state, player is not None)
            window.menus.check("pause", not state.playing)
