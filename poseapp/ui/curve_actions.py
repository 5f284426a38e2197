"""Connects the panel of curves with the recording that is played."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from poseapp.review.curves import PersonCurves, curves_of
from poseapp.review.playback import PlaybackState

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow


class CurveActions:
    """Measures the recording of *window* on a job, again where the threshold changes, and lets the panel follow it."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._threshold: float | None = None  # of the curves that are there, or that are being measured
        self._measuring = self._has_curves = False
        window.review.opened.connect(lambda _folder: self._begin())
        window.review.left.connect(self._begin)
        window.curves.sought.connect(lambda t: window.review.command(lambda playback: playback.seek_time(t)))

    def show(self, on: bool) -> None:
        """Show the panel with each recording from now on, or hide it."""
        self._window.preferences.shows_curves = on
        self._place()

    def follow(self, state: PlaybackState | None) -> None:
        """The window looks where the playback stands; None without one."""
        window, player = self._window, self._window.review.player
        if player is None or player.recording is None or state is None or state.name:
            window.curves.hide()
            return
        threshold = window.view.options.threshold
        if threshold != self._threshold and not self._measuring:
            self._threshold, self._measuring = threshold, True
            came = partial(self._came, player.folder, player.start_s)
            window.jobs.run("curves", partial(curves_of, player.recording, threshold), came, self._failed)
        a, b = state.loop_a, state.loop_b
        playback = player.playback
        marked = (playback.time_of(a), playback.time_of(b)) if a is not None and b is not None else None
        window.curves.set_exercise(window.sidebar.measure.repetitions.exercise)
        window.curves.show_state(state, marked)
        self._place()

    # -- inside ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Another recording is shown, or none."""
        self._threshold, self._has_curves = None, False
        self._window.curves.show_people((), 0.0)
        self._place()

    def _came(self, folder: Path, start_s: float, people: tuple[PersonCurves, ...]) -> None:
        self._measuring = False
        player = self._window.review.player
        if player is None or player.folder != folder:
            self._threshold = None
            return
        self._has_curves = bool(people)
        self._window.curves.show_people(people, start_s)
        self._place()

    def _failed(self, error: str) -> None:
        self._measuring = False
        self._window.banner.say("curves", error)

    def _place(self) -> None:
        window = self._window
        on = window.preferences.shows_curves and self._has_curves and not window.full_screen.on
        window.curves.setVisible(on and window.review.player is not None)
