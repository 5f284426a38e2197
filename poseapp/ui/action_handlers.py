"""What each action of the table calls in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

from poseapp.engine.backends import device_labels
from poseapp.ui.display_names import PRECISION_NAMES
from poseapp.ui.menus import Handler, Menus
from poseapp.ui.pose_controls import MODE_NAMES
from poseapp.ui.review_controller import ReviewController
from poseapp.ui.source_choice import DEMO, SYNTHETIC
from poseapp.ui.theme import THEME_TITLES
from poseapp.ui.view_actions import DRAWN
from poseapp.ui.view_controls import BACKGROUND_NAMES

if TYPE_CHECKING:
    from poseapp.ui.main_window import MainWindow

THRESHOLD_STEP = 0.05
OpenKind = Literal["video", "picture", "folder", "address"]


def handlers(window: MainWindow) -> dict[str, Handler]:
    """What each action with a menu calls, by its name; a checkable one hands over its new state."""
    return {
        **{f"open_{kind}": lambda kind=kind: window.source_actions.open(kind) for kind in get_args(OpenKind)},
        **{name: lambda on, name=name: window.view_actions.set_draw(**{name: on}) for name in DRAWN},
        "synthetic": lambda: window.controller.choose(SYNTHETIC),
        "demo": lambda: window.controller.choose(DEMO),
        "cameras": window.controller.refresh_cameras,
        "beside": window.side_cameras.ask,
        "no_beside": window.side_cameras.remove_last,
        "presets": window.preset_actions.open,
        "turn": window.source_actions.turn,
        "crop": window.source_actions.crop,
        "no_crop": window.source_actions.use_whole,
        "picture": window.source_actions.show_picture_controls,
        "reset_camera": window.controller.setups.reset,
        **playback_handlers(window.review),
        "open_recording": window.review.ask,
        "curves": window.curve_actions.show,
        "analyse": window.analysis_actions.start,
        "stop_analysis": window.analysis_actions.stop,
        "export": window.export_actions.ask,
        "report": window.report_actions.ask,
        "scale": window.scale_actions.ask,
        "compare": window.compare_actions.ask,
        "mark_frame": window.compare_actions.mark,
        "other_back": lambda: window.compare_actions.step(-1),
        "other_forward": lambda: window.compare_actions.step(1),
        "next_layout": window.compare_actions.next_layout,
        "quit": window.close,
        "record": window.recording_actions.toggle,
        "snapshot": window.recording_actions.snapshot,
        "start_stop": window.start_stop.open,
        "choose_folder": window.recording_actions.choose_folder,
        "recordings": window.show_recordings,
        "open_recordings": lambda: window.recording_actions.open_folder(window.preferences.folder),
        "outputs": window.output_actions.show,
        "own_keys": window.show_own_keys,
        "next_background": window.sidebar.view.next_background,
        "lower": lambda: window.sidebar.view.step_threshold(-THRESHOLD_STEP),
        "raise": lambda: window.sidebar.view.step_threshold(THRESHOLD_STEP),
        "pause": window.view_actions.set_paused,
        "sidebar": window.view_actions.show_sidebar,
        "panel": window.panel.setVisible,
        "fullscreen": window.view_actions.set_full_screen,
        "next_theme": window.view_actions.next_theme,
        "next_mode": window.sidebar.pose.next_mode,
        "get_models": window.model_actions.open,
        "help": window.show_help,
        "run_benchmark": window.benchmark_actions.run,
        "about": window.show_about,
    }


def playback_handlers(review: ReviewController) -> dict[str, Handler]:
    """Those of the menu Play, but for the pause, which a camera has too."""
    return {
        "step_back": lambda: review.command(lambda playback: playback.step(-1)),
        "step_forward": lambda: review.command(lambda playback: playback.step(1)),
        "to_start": lambda: review.command(lambda playback: playback.seek(0)),
        "to_end": lambda: review.command(lambda playback: playback.seek(playback.state().count - 1)),
        "backwards": lambda: review.command(lambda playback: playback.shuttle(-1)),
        "stand_still": lambda: review.command(lambda playback: playback.pause()),
        "forwards": lambda: review.command(lambda playback: playback.shuttle(1)),
        "slower": lambda: review.change_speed(-1),
        "faster": lambda: review.change_speed(1),
        "loop_from": lambda: review.command(lambda playback: playback.mark_a()),
        "loop_to": lambda: review.command(lambda playback: playback.mark_b()),
        "loop_off": lambda: review.command(lambda playback: playback.clear_loop()),
        "close_recording": review.leave,
    }


def make_menus(window: MainWindow) -> Menus:
    """The menu bar of *window*, and the menu of its button that opens sources."""
    menus, controller = Menus(window, handlers(window)), window.controller
    menus.add_choice("View", "Theme", THEME_TITLES, window.preferences.theme, window.view_actions.use_theme, before="next_theme")
    choose_background = window.sidebar.view.choose_background
    background = window.preferences.draw.background
    menus.add_choice("View", "Background", BACKGROUND_NAMES, background, choose_background, before="next_background")
    mode, choose_mode = controller.pose_settings.mode, window.sidebar.pose.choose_mode
    menus.add_choice("Model", "People", MODE_NAMES, mode, choose_mode, before="next_mode")
    menus.add_choice("Model", "Device", device_labels(), controller.device, controller.choose_device)
    menus.add_choice("Model", "Precision", PRECISION_NAMES, controller.precision, controller.choose_precision)
    menus.check("sidebar", True)
    openers = [*(f"open_{kind}" for kind in get_args(OpenKind)), "open_recording", "cameras"]
    window.sidebar.source.set_open_menu([menus.actions[name] for name in openers])
    return menus
