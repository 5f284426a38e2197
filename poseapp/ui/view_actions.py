"""What the user does about the view: what is drawn, pause, controls, full screen, theme."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer

from poseapp.render import DrawOptions
from poseapp.ui.banner import NOTICE_MS
from poseapp.ui.theme import THEME_NAMES, ThemeName

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow


def recorded(options: DrawOptions) -> DrawOptions:
    """How poses are drawn on a recording: only the preview is mirrored, and a heatmap would hide the person in the file."""
    return replace(options, mirror=False, heatmaps=False, fields=False)


DRAWN = ("mirror", "labels", "angles", "heatmaps", "fields", "blur_faces")  # the actions that are fields of DrawOptions


class ViewActions:
    """Changes what *window* shows. None of it touches the data."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window

    def set_draw(self, **changes: bool) -> None:
        """Change how poses are drawn: fields of DrawOptions."""
        options = replace(self._window.sidebar.view.options, **changes)  # type: ignore[arg-type]  # they are switches
        self._window.sidebar.set_options(options)
        self.draw_with(options)

    def draw_with(self, options: DrawOptions) -> None:
        """Draw poses with *options*, and remember them."""
        window = self._window
        window.preferences.draw = options
        window.view.set_options(options)
        window.bridge.set_heatmaps(options.heatmaps or options.fields)
        window.bridge.set_draw(recorded(options))
        window.output_actions.outputs.settings.draw = recorded(options)
        for name in DRAWN:
            window.menus.check(name, getattr(options, name))
        window.menus.check_choice("Background", options.background)

    def set_paused(self, paused: bool) -> None:
        """Let the clip stand still; of a camera the preview alone: capture and recording go on."""
        playback = self._window.review.playback
        if playback is not None:
            (playback.pause if paused else playback.play)()
            return
        self._window.bridge.paused = paused
        self._window.view.set_paused(paused)

    def go_on(self) -> None:
        """Something else is shown: the preview does not stand still any more."""
        self._window.bridge.paused = False
        self._window.view.set_paused(False)
        self._window.menus.check("pause", False)

    def show_sidebar(self, visible: bool) -> None:
        """Show or hide the controls."""
        self._window.sidebar_dock.setVisible(visible)
        self._window.header.buttons["sidebar"].setChecked(visible)

    def set_full_screen(self, on: bool) -> None:
        """Show the picture alone on the whole screen, or go back."""
        window = self._window
        window.full_screen.set(on)
        window.view.set_full_screen(on)
        window.view.setFocus()
        if on:
            window.banner.say("full screen", "Esc leaves full screen. C shows the controls.", "info")
            QTimer.singleShot(NOTICE_MS, window.banner, lambda: window.banner.take_back("full screen"))
        else:
            window.banner.take_back("full screen")

    def use_theme(self, name: str) -> None:
        """Use the theme *name*, and remember it."""
        theme: ThemeName = "dark" if name == "dark" else "light" if name == "light" else "system"
        self._window.preferences.theme = theme
        self._window.themes.use(theme)
        self._window.menus.check_choice("Theme", theme)

    def next_theme(self) -> None:
        """Use the next theme."""
        self.use_theme(THEME_NAMES[(THEME_NAMES.index(self._window.themes.name) + 1) % len(THEME_NAMES)])
