"""The command run: the window on a source, or the same pipeline without one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from poseapp import resources
from poseapp.cli.camera_options import CameraChoices, Controls, CropText, Rotate
from poseapp.cli.display import no_window_because
from poseapp.cli.headless import WAIT_S, HeadlessRun, run_headless
from poseapp.cli.live_outputs import Count, NoRecording, OutputChoices, OutputOption
from poseapp.cli.options import (
    BlurFaces,
    Budget,
    Device,
    EnginesDir,
    GivenBackdrop,
    Model,
    ModeName,
    OldModeName,
    Precision,
    Smoothing,
)
from poseapp.cli.preset_options import PresetName, find_preset, over_preset, recorded_draw, source_of
from poseapp.cli.record_options import (
    CleanVideo,
    Countdown,
    Hand,
    Microphone,
    Name,
    RecordChoices,
    StopAfter,
    StopWhenEmpty,
    Tags,
    record_choices,
)
from poseapp.cli.starting import microphone_called
from poseapp.console import plain_console
from poseapp.engine.store import default_engines_dir, find_model

DEMO = resources.asset("demo.mp4")
WITHOUT_WINDOW = "Without a window"  # title in --help

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE",
        help="camera, camera:1 (camera number 1), a video, a picture, a folder of pictures, a recording, the address of a stream "
        "(rtsp://… or http://…), or synthetic (a drawn figure).",
        show_default="the demo clip; in the window the first camera",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="The folder for recordings.", show_default="recordings/ where you are"),
]
Headless = Annotated[
    bool,
    typer.Option("--headless", help="Analyse SOURCE, and write video and joints to --out.", rich_help_panel=WITHOUT_WINDOW),
]
Seconds = Annotated[
    float | None,
    typer.Option(
        "--seconds",
        metavar="SECONDS",
        min=0.1,
        help="Stop this long after the model is loaded.",
        rich_help_panel=WITHOUT_WINDOW,
        show_default="at the end of SOURCE",
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0.0,
        help="How long to wait for a camera or stream that gives no picture.",
        rich_help_panel=WITHOUT_WINDOW,
    ),
]


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of run. None was not given: the window then takes its last choice, a run without a window the default."""

    engines_dir: Path
    source: str | None = None
    model: str | None = None
    device: str | None = None
    precision: str | None = None
    mode: str | None = None
    smoothing: float | None = None
    latency_budget_ms: float | None = None
    background: str | None = None
    blur_faces: bool = False
    out: Path | None = None
    headless: bool = False
    seconds: float | None = None
    wait_s: float = WAIT_S
    outputs: OutputChoices = field(default_factory=OutputChoices)
    recording: RecordChoices = field(default_factory=RecordChoices)
    camera: CameraChoices = field(default_factory=CameraChoices)
    preset: str = ""
    compare: Path | None = None  # the recording that is shown with the one in source

    def draw(self) -> dict[str, Any]:
        """Those of DrawOptions that were given."""
        given = {"background": self.background, "blur_faces": self.blur_faces or None}
        return {name: value for name, value in given.items() if value is not None}

    def pose_settings(self) -> dict[str, Any]:
        """Those of PoseSettings that were given."""
        settings = {"mode": self.mode, "smoothing": self.smoothing, "latency_budget_ms": self.latency_budget_ms}
        return {name: value for name, value in settings.items() if value is not None}


def run_command(  # noqa: PLR0913 - the command's options
    source: Source = None,
    out: Out = None,
    model: Model = None,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
    precision: Precision = None,
    mode: ModeName = None,
    people: OldModeName = None,
    smoothing: Smoothing = None,
    latency_budget_ms: Budget = None,
    rotate: Rotate = None,
    crop: CropText = None,
    control: Controls = None,
    preset: PresetName = "",
    background: GivenBackdrop = None,
    blur_faces: BlurFaces = False,
    headless: Headless = False,
    seconds: Seconds = None,
    wait: Wait = WAIT_S,
    clean_video: CleanVideo = False,
    name: Name = "",
    tag: Tags = None,
    countdown: Countdown = None,
    stop_after: StopAfter = None,
    stop_when_empty: StopWhenEmpty = None,
    hand: Hand = None,
    microphone: Microphone = None,
    output: OutputOption = None,
    no_recording: NoRecording = False,
    count: Count = None,
) -> None:
    """Open the window on SOURCE, or analyse SOURCE without a window.

    The window remembers your choices. A default below counts when you have not chosen yet.
    """
    options = RunOptions(
        source=source,
        model=model,
        engines_dir=engines_dir,
        device=device,
        precision=precision,
        mode=mode or people,
        smoothing=smoothing,
        latency_budget_ms=latency_budget_ms,
        background=background,
        blur_faces=blur_faces,
        out=out,
        headless=headless,
        seconds=seconds,
        wait_s=wait,
        recording=record_choices(clean_video, name, tag, countdown, stop_after, stop_when_empty, hand, microphone),
        camera=CameraChoices(rotate, crop, tuple(control or ())),
        preset=preset,
        outputs=OutputChoices(tuple(output or ()), not no_recording, count),
    )
    open_source(options)


def open_source(options: RunOptions) -> None:
    """Open the window where there is a screen, and run the same pipeline without one where there is none.

    Raises typer.Exit with the window's exit status.
    """
    if options.headless:
        _run_without_window(options)
        return
    reason = no_window_because()
    if reason:
        plain_console(stderr=True).print(f"{reason} Running without a window.")
        _run_without_window(options)
        return
    from poseapp.live.sources import parse_source
    from poseapp.review.player import is_recording
    from poseapp.ui.app import Opening, run_app
    from poseapp.ui.output_actions import chosen_outputs

    recording = Path(options.source) if options.source and is_recording(Path(options.source)) else None
    chosen = parse_source(options.source, loop=True) if options.source is not None and recording is None else None
    preset = find_preset(options.preset)
    setup = options.camera.setup()
    if preset is not None and options.source is None:
        setup = options.camera.setup(preset.setup) or preset.setup
        preset = replace(preset, setup=setup)
        address = preset.source.value if preset.source is not None and preset.source.kind == "address" else ""
        chosen = parse_source(address) if address else None  # not written down with its password
    opening = Opening(
        source=chosen,
        setup=setup,
        model=options.model,
        engines_dir=options.engines_dir,
        device=options.device,
        precision=options.precision,
        folder=options.out,
        pose_settings=options.pose_settings(),
        draw=options.draw(),
        clean_video=options.recording.clean_video,
        typed_name=options.recording.typed_name,
        start_stop=options.recording.start_stop(),
        microphone=options.recording.microphone,
        recording=recording,
        outputs=chosen_outputs(options.outputs.addresses),
        compare=options.compare,
        preset=preset,
    )
    status = run_app(opening)
    raise typer.Exit(status)


def _run_without_window(options: RunOptions) -> None:
    from poseapp.live.recording import RecordOptions, StartStop
    from poseapp.live.status import ModelRequest
    from poseapp.pipeline.modes import PoseSettings, check_mode
    from poseapp.render import DrawOptions

    console = plain_console(stderr=True)
    preset = find_preset(options.preset)
    if preset is not None:
        options = over_preset(options, preset)
    source = options.source if options.source is not None else source_of(preset)
    if source is None:
        console.print(f"No source given: using the demo clip {DEMO.name}.")
        source = str(DEMO)
    settings = PoseSettings(**options.pose_settings())
    device = options.device or "auto"
    folder = find_model(options.engines_dir, options.model, device).folder
    check_mode(folder, settings.mode)
    request = ModelRequest(folder, device, options.precision or "auto", settings.mode)
    chosen = options.recording
    recording = RecordOptions(
        folder=options.out or Path("recordings"),
        clean_video=chosen.clean_video,
        draw=replace(recorded_draw(preset) if preset is not None else DrawOptions(), **options.draw()),
        name=chosen.name,
        tags=chosen.tags,
        start_stop=StartStop(**chosen.start_stop()),
        microphone=microphone_called(chosen.microphone),
    )
    run = HeadlessRun(
        source=source,
        request=request,
        pose_settings=settings,
        recording=recording,
        seconds=options.seconds,
        wait_s=options.wait_s,
        setup=options.camera.setup(preset.setup if preset is not None else None),
        live=options.outputs.live(),
    )
    run_headless(run, console)
