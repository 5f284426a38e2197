"""ACTIONS, the one table of what the user can do: menus, shortcuts, tooltips, button texts and the F1 sheet follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace

MENUS = ("File", "Record", "Play", "View", "Model", "Help")
SECTIONS = ("Record", "Play", "View", "Source", "Window")


@dataclass(frozen=True)
class Action:
    """Something that the user can do.

    Attributes:
        name: What the code calls it. Each action with a menu has a handler of this name in action_handlers.py.
        menu: One of MENUS, or "" for an action that is in no menu.
        text: The text in the menu.
        keys: The shortcuts.
        gesture: What is shown in place of the shortcuts where there are none: a click, or a key that the window handles itself.
        checkable: Whether it is a state that is on or off.
        section: One of SECTIONS, where it stands on the F1 sheet, or "" for nowhere.
        sheet: What the F1 sheet says; "" for the text of the menu.
        button: The text of its button; "" for the text of the menu.
        tip: The tooltip of its button, without the keys; "" for the text of the menu.
    """

    name: str
    menu: str
    text: str
    _: KW_ONLY
    keys: tuple[str, ...] = ()
    gesture: str = ""
    checkable: bool = False
    section: str = ""
    sheet: str = ""
    button: str = ""
    tip: str = ""

    @property
    def button_text(self) -> str:
        """The text of its button."""
        return self.button or self.text.rstrip("…")

    @property
    def tooltip(self) -> str:
        """The tooltip of its button, which ends with the keys."""
        keys = ", ".join(self.keys) or self.gesture
        return (self.tip or self.text.rstrip("…")) + (f" ({keys})" if keys else "")

    @property
    def sheet_line(self) -> tuple[str, str]:
        """Its keys, and what they do, as the F1 sheet has them."""
        return "  ·  ".join(self.keys) or self.gesture, self.sheet or self.text.rstrip("…")


def separator(menu: str) -> Action:
    """A line between two groups of *menu*."""
    return Action("", menu, "")


ACTIONS: tuple[Action, ...] = (
    Action("open_video", "File", "Open video…", keys=("Ctrl+O",), section="Source"),
    Action("open_picture", "File", "Open picture…", keys=("Ctrl+I",), section="Source"),
    Action("open_folder", "File", "Open folder…", keys=("Ctrl+Shift+O",), section="Source"),
    Action("open_recording", "File", "Open recording…", keys=("Ctrl+Shift+R",), section="Source"),
    Action("open_address", "File", "Phone or network address…", keys=("Ctrl+U",), section="Source"),
    separator("File"),
    Action("synthetic", "File", "Synthetic figure"),
    Action("demo", "File", "Demo clip"),
    Action("cameras", "File", "Look for cameras", keys=("F5",), section="Source"),
    separator("File"),
    Action("turn", "File", "Turn the picture by 90°", keys=("Shift+T",), section="Source"),
    Action(
        "crop", "File", "Crop the picture…", keys=("Shift+C",), section="Source", sheet="Use a part of the picture",
        button="Crop…", tip="Draw a rectangle around the part of the picture that is used, in recordings, too",
    ),
    Action("no_crop", "File", "Whole picture", button="Whole", tip="Use the whole picture again"),
    Action("picture", "File", "Exposure, focus, zoom…", keys=("Ctrl+K",), section="Source"),
    Action(
        "reset_camera", "File", "Reset the camera", button="Reset",
        tip="The whole picture, not turned, and the settings with which the camera comes",
    ),
    Action("beside", "File", "Another camera beside…", keys=("Ctrl+B",), section="Source"),
    Action("no_beside", "File", "Close the camera beside", keys=("Ctrl+Shift+B",), section="Source"),
    Action("presets", "File", "Presets…", keys=("Ctrl+L",), section="Source", sheet="Presets: save, load, delete"),
    separator("File"),
    Action("quit", "File", "Quit", keys=("Ctrl+Q",), section="Window"),
    Action(
        "record", "Record", "Record", keys=("R",), section="Record", sheet="Start or finish a recording",
        tip="Record the video with the skeleton, and the joints as data",
    ),
    Action("snapshot", "Record", "Snapshot", keys=("S",), section="Record", tip="Snapshot: save the picture and the joints"),
    separator("Record"),
    Action(
        "outputs", "Record", "Outputs…", keys=("Shift+L",), section="Record", sheet="Live outputs: OSC, WebSocket, …",
    ),
    separator("Record"),
    Action(
        "start_stop", "Record", "Start, stop and sound…", keys=("Shift+R",), section="Record",
        sheet="Countdown, stop, sound",
        tip="Start, stop and sound: countdown, automatic stop, raised hand, microphone",
    ),
    Action("choose_folder", "Record", "Choose folder…"),
    Action("recordings", "Record", "Recordings…", keys=("Ctrl+R",), section="Record", sheet="Recordings: play, search, delete"),
    Action("open_recordings", "Record", "Show folder of recordings", keys=("Ctrl+E",), section="Record"),
    # Space and the arrows are no shortcuts, so that they still do what they do in a button or a slider that has the focus.
    Action(
        "pause", "Play", "Pause", gesture="Space", checkable=True, section="Play",
        sheet="Pause, and go on", tip="Pause the clip or the preview",
    ),
    Action("step_back", "Play", "One picture back", gesture="←", section="Play"),
    Action("step_forward", "Play", "One picture on", gesture="→", section="Play"),
    Action("to_start", "Play", "To the beginning", gesture="Home", section="Play"),
    Action("to_end", "Play", "To the end", gesture="End", section="Play"),
    separator("Play"),
    Action("backwards", "Play", "Play backwards", keys=("J",), section="Play", sheet="Play backwards, again: 2×"),
    Action("stand_still", "Play", "Stand still", keys=("K",), section="Play"),
    Action("forwards", "Play", "Play forwards", keys=("L",), section="Play", sheet="Play forwards, again: 2×"),
    Action("slower", "Play", "Slower", keys=("-",), section="Play"),
    Action("faster", "Play", "Faster", keys=("+", "="), section="Play"),
    separator("Play"),
    Action("loop_from", "Play", "Loop from here (A)", keys=("I",), section="Play"),
    Action("loop_to", "Play", "Loop to here (B)", keys=("O",), section="Play"),
    Action("loop_off", "Play", "No loop", keys=("X",), section="Play"),
    separator("Play"),
    Action(
        "curves", "Play", "Angle curves", keys=("V",), checkable=True, section="Play", sheet="Angle curves",
        tip="Angles over time, and their figures over the span A–B",
    ),
    Action(
        "analyse", "Play", "Analyse all frames", keys=("Shift+A",), section="Play",
        tip="Find people in every frame of the clip or the recording, in the background",
    ),
    Action("stop_analysis", "Play", "Stop the analysis"),
    Action(
        "export", "Play", "Export…", keys=("Shift+E",), section="Play", sheet="Export the joints",
        tip="Write the joints as tables, markers or a video",
    ),
    Action(
        "report", "Play", "PDF report…", keys=("Ctrl+P",), section="Play", sheet="One-page report as a PDF",
        tip="One page about a person, as a PDF: stills, curves, ranges, repetitions",
    ),
    Action(
        "scale", "Play", "Scale: pixels to metres…", keys=("Ctrl+M",), section="Play", sheet="Scale: pixels to metres",
        tip="Set how many pixels a metre has, by a height or by two points, and measure distances",
    ),
    Action(
        "compare", "Play", "Compare with a recording…", keys=("Ctrl+D",), section="Play",
        sheet="Compare two recordings",
    ),
    Action("mark_frame", "Play", "Mark the frame for comparing", keys=("Y",), section="Play"),
    Action("other_back", "Play", "Other one: a picture back", keys=(",",), section="Play"),
    Action("other_forward", "Play", "Other one: a picture on", keys=(".",), section="Play"),
    Action("next_layout", "Play", "Side by side, or as a ghost", keys=("W",), section="Play"),
    Action("close_recording", "Play", "Close the recording", keys=("Ctrl+W",), section="Play"),
    Action(
        "mirror", "View", "Mirror", keys=("M",), checkable=True, section="View", sheet="Mirror the preview",
        tip="Mirror the preview. Recordings and data are not mirrored",
    ),
    Action(
        "labels", "View", "Joint names", keys=("N",), checkable=True, section="View",
        button="Names", tip="Write the name and the confidence beside each joint",
    ),
    Action(
        "angles", "View", "Angles on the body", keys=("D",), checkable=True, section="View",
        button="On the body", tip="Draw angles of joints on the body, in degrees; recordings show them, too",
    ),
    Action(
        "heatmaps", "View", "Heatmap", keys=("H",), checkable=True, section="View",
        tip="Show where the model sees joints",
    ),
    Action(
        "fields", "View", "Affinity fields", keys=("A",), checkable=True, section="View",
        tip="Show the part affinity fields that join joints to people; the colour is the direction",
    ),
    Action(
        "blur_faces", "View", "Blur faces", keys=("U",), checkable=True, section="View",
        tip="Make faces unrecognisable, also in the annotated video. Somebody who is not found keeps the face",
    ),
    Action(
        "next_background", "View", "Change the background", keys=("G",), section="View",
        sheet="Background: picture, black, green",
    ),
    Action("lower", "View", "Lower threshold", keys=("[",), section="View"),
    Action("raise", "View", "Raise threshold", keys=("]",), section="View"),
    separator("View"),
    Action("sidebar", "View", "Controls", keys=("C",), checkable=True, section="Window", sheet="Show or hide the controls"),
    Action(
        "panel", "View", "Benchmark panel", keys=("B",), checkable=True, section="Window",
        tip="Live plots, and a benchmark to run",
    ),
    Action("fullscreen", "View", "Full screen", keys=("F", "F11"), checkable=True, section="View", sheet="Full screen, and back"),
    separator("View"),
    Action("next_theme", "View", "Next theme", keys=("Ctrl+T",), section="Window"),
    Action(
        "next_mode", "Model", "Change how many people", keys=("P",), section="Window",
        sheet="One person, several, all at once",
    ),
    Action("get_models", "Model", "Get more models…", tip="Download models that others have published"),
    Action("help", "Help", "Keyboard shortcuts", keys=("F1", "?"), section="Window", sheet="All keys"),
    Action("own_keys", "Help", "Assign a key or a pedal…", keys=("Shift+K",), section="Window"),
    Action("run_benchmark", "Help", "Run benchmark"),
    separator("Help"),
    Action("about", "Help", "About poseapp"),
    Action("hold", "", "Hold on to a person", gesture="Click", section="View"),
    Action("release", "", "Leave full screen, let go of the person", gesture="Esc", section="View"),
    Action("choose_model", "", "Choose the model", gesture="Ctrl+1 … 9", section="Window"),
)  # fmt: skip


def action(name: str) -> Action:
    """The action called *name*."""
    return next(one for one in ACTIONS if one.name == name)


def sheet_lines(section: str, keys: Mapping[str, tuple[str, ...]] | None = None) -> list[tuple[str, str]]:
    """The lines of *section* of the F1 sheet: keys, and what they do. *keys* are those of actions whose keys differ."""
    changed = keys or {}
    shown = (replace(one, keys=changed.get(one.name, one.keys)) for one in ACTIONS if one.section == section)
    return [one.sheet_line for one in shown if one.keys or one.gesture]
