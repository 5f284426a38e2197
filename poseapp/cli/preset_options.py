"""--preset of run, and the command presets: what was saved under a name in the window."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from poseapp.console import plain_console
from poseapp.core.errors import PresetError

if TYPE_CHECKING:
    from poseapp.cli.run import RunOptions
    from poseapp.live.sources import Source
    from poseapp.render import DrawOptions
    from poseapp.ui.presets import Preset

PresetName = Annotated[
    str,
    typer.Option(
        "--preset",
        metavar="NAME",
        help="A preset that was saved in the window: camera, model, mode, drawing and outputs. Other options count in its place.",
        show_default="no preset",
    ),
]


def presets_command() -> None:
    """List the presets that were saved in the window, for `poseapp run --preset NAME`."""
    from poseapp.ui.presets import Presets

    console, errors = plain_console(), plain_console(stderr=True)
    presets, broken = Presets().all()
    for preset in presets:
        console.print(f"{preset.name}: {preset.summary}", soft_wrap=True)
    if not presets:
        console.print("No preset is saved. In the window, File → Presets… (Ctrl+L) saves one.")
    for line in broken:
        errors.print(line, soft_wrap=True)


def find_preset(name: str) -> Preset | None:
    """The preset called *name*, with its address; None for "". Raises PresetError."""
    from poseapp.ui.presets import Presets

    return Presets().named(name).with_address() if name else None


def over_preset(options: RunOptions, preset: Preset) -> RunOptions:
    """*options*, and what *preset* has where they say nothing."""
    settings = preset.pose_settings
    return replace(
        options,
        model=options.model or preset.model or None,
        device=options.device or preset.device,
        precision=options.precision or preset.precision,
        mode=options.mode or settings.mode,
        smoothing=settings.smoothing if options.smoothing is None else options.smoothing,
        latency_budget_ms=settings.latency_budget_ms if options.latency_budget_ms is None else options.latency_budget_ms,
        outputs=replace(options.outputs, addresses=options.outputs.addresses or preset.outputs),
        recording=replace(options.recording, clean_video=options.recording.clean_video or preset.clean_video),
    )


def recorded_draw(preset: Preset) -> DrawOptions:
    """How *preset* draws on a video: only the preview is mirrored, and a heatmap would hide the person."""
    return replace(preset.draw, mirror=False, heatmaps=False, fields=False)


def source_of(preset: Preset | None) -> Source | str | None:
    """The source of *preset* for a run without a window; None where it has none. Raises SourceError."""
    from poseapp.live.sources import CameraSource, list_cameras
    from poseapp.ui.source_choice import DEMO, SYNTHETIC, find_camera, unique_labels

    choice = preset.source if preset is not None else None
    if preset is None or choice is None or choice == DEMO:
        return None
    if choice == SYNTHETIC:
        return "synthetic"
    if choice.kind != "camera":
        return choice.value
    camera = find_camera(choice, unique_labels(list_cameras()))
    if camera is None:
        raise PresetError(f"{preset.name}: {choice.label} is not plugged in. Plug it in, or give another source.")
    return CameraSource(camera.index, camera.name, preset.mode, camera.backend)
