"""What each command of the window calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, get_args

from poseapp.engine.backends import device_labels
from poseapp.ui.actions import Actions
from poseapp.ui.choices import DEMO, PRECISION_NAMES, SYNTHETIC
from poseapp.ui.people_controls import MODE_NAMES
from poseapp.ui.theme import THEME_TITLES

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

THRESHOLD_STEP = 0.05
DRAWN = ("mirror", "labels", "heatmaps", "fields")  # the commands that are fields of DrawOptions
OpenKind = Literal["video", "picture", "folder", "address"]


def bind_commands(window: MainWindow) -> Actions:
    """The commands of the table, each with what it calls in *window*."""
    handlers: dict[str, Callable[..., object]] = {
        **{f"open_{kind}": lambda kind=kind: window.open_source(kind) for kind in get_args(OpenKind)},
        **{name: lambda on, name=name: window.set_draw(**{name: on}) for name in DRAWN},
        "synthetic": lambda: window.player.choose(SYNTHETIC),
        "demo": lambda: window.player.choose(DEMO),
        "cameras": window.player.refresh_cameras,
        "quit": window.close,
        "record": window.toggle_recording,
        "snapshot": window.snapshot,
        "choose_folder": window.choose_folder,
        "open_recordings": lambda: window.open_folder(window.preferences.folder),
        "lower": lambda: window.controls.view.step_threshold(-THRESHOLD_STEP),
        "raise": lambda: window.controls.view.step_threshold(THRESHOLD_STEP),
        "pause": window.set_paused,
        "sidebar": window.show_sidebar,
        "panel": window.show_panel,
        "fullscreen": window.set_full_screen,
        "next_theme": window.next_theme,
        "next_mode": window.controls.people.next_mode,
        "help": window.show_help,
        "run_benchmark": window.run_benchmark,
        "about": window.show_about,
    }
    actions = Actions(window, handlers)
    actions.add_choice("View", "Theme", THEME_TITLES, window.preferences.theme, window.use_theme, before="next_theme")
    actions.add_choice(
        "Model", "People", MODE_NAMES, window.player.pose_settings.mode, window.controls.people.choose, before="next_mode"
    )
    actions.add_choice("Model", "Device", device_labels(), window.player.device, window.player.choose_device)
    actions.add_choice("Model", "Precision", PRECISION_NAMES, window.player.precision, window.player.choose_precision)
    actions.check("sidebar", True)
    openers = [*(f"open_{kind}" for kind in get_args(OpenKind)), "cameras"]
    window.controls.source.set_open_menu([actions.by_name[name] for name in openers])
    return actions
