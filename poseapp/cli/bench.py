"""The command bench and its sub-commands: everything that measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from poseapp import resources
from poseapp.cli.bench_training import training_app
from poseapp.cli.help import PlainCommand, PlainGroup
from poseapp.cli.options import Device, EnginesDir, Model, ModeName, OldModeName, Precision
from poseapp.cli.packages import require
from poseapp.cli.progress import sharing
from poseapp.console import plain_console
from poseapp.core.errors import PoseAppError
from poseapp.core.types import PoseMode
from poseapp.engine.store import default_engines_dir, find_model

DEMO = resources.asset("demo.mp4")
DEFAULT = "pipeline"
# How the sub-commands were spelled when they were options of bench. The old spellings are taken for one more release.
OLD_SPELLINGS = {"--soak": ("soak", "--minutes"), "--people-table": ("people",), "--mediapipe": ("mediapipe",)}


class BenchGroup(PlainGroup):
    """Takes its options for those of its DEFAULT sub-command where no sub-command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the sub-command; typer calls it with the words of the command line after "bench"."""
        return list(super().parse_args(ctx, with_sub_command(args)))


def with_sub_command(args: list[str]) -> list[str]:
    """*args* of bench, beginning with the name of the sub-command that is meant."""
    if args and (not args[0].startswith("-") or args[0] == "--help"):
        return args
    for i, word in enumerate(args):
        option, _, value = word.partition("=")
        if option in OLD_SPELLINGS:
            return [*OLD_SPELLINGS[option], *([value] if value else []), *args[i + 1 :], *args[:i]]
    return [DEFAULT, *args]


Seconds = Annotated[float, typer.Option("--seconds", metavar="SECONDS", min=1.0, help="How long each line is measured.")]

bench_app = typer.Typer(
    cls=BenchGroup,
    rich_markup_mode=None,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help=f"Measure how fast the app is here. Without a command: {DEFAULT}.",
)
bench_app.add_typer(training_app, name="training", cls=PlainGroup)


@bench_app.command("pipeline", cls=PlainCommand)
def pipeline_command(
    model: Model = None,
    seconds: Seconds = 5.0,
    json_out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures to this file too, as JSON.")
    ] = None,
    mode: ModeName = None,
    people: OldModeName = None,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
    precision: Precision = None,
) -> None:
    """The whole app on the demo clip at 1280×720: pictures a second, time by stage, memory."""
    from poseapp.bench.pipeline import run_benchmark

    where = device or "auto"
    folder = find_model(engines_dir, model, where).folder
    with sharing(plain_console(stderr=True)) as show:
        report = run_benchmark(
            folder,
            mode=cast(PoseMode, mode or people or "one"),
            device=where,
            precision=precision or "auto",
            seconds=seconds,
            clip=DEMO,
            progress=show,
        )
    print(report.table())
    if json_out is not None:
        _write(json_out, report.to_json())


@bench_app.command("people", cls=PlainCommand)
def people_command(
    model: Model = None,
    seconds: Seconds = 5.0,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
) -> None:
    """Several people, top-down and bottom-up: 1, 2, 5 and 10 of them side by side."""
    from poseapp.bench.people import run_people

    where = device or "auto"
    folder = find_model(engines_dir, model, where).folder
    with sharing(plain_console(stderr=True)) as show:
        table = run_people(folder, DEMO, device=where, seconds=seconds, progress=show)
    print(table.table())


@bench_app.command("soak", cls=PlainCommand)
def soak_command(
    minutes: Annotated[int, typer.Option("--minutes", metavar="MINUTES", min=1, help="How long it runs.")] = 10,
    model: Model = None,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
) -> None:
    """A long run with a recording: does memory grow, are pictures dropped?"""
    from poseapp.bench.soak import run_soak

    where = device or "auto"
    folder = find_model(engines_dir, model, where).folder
    soak = run_soak(folder, minutes=minutes, device=where, clip=DEMO, on_row=lambda row: print(row, flush=True))
    print(f"\n{soak.verdict()}")


@bench_app.command("stages", cls=PlainCommand)
def stages_command() -> None:
    """The processor time that the app adds to the network in one frame. A busy machine hardly changes it."""
    from poseapp.bench.stages import report

    print(report(DEMO))


@bench_app.command("tracking", cls=PlainCommand)
def tracking_command() -> None:
    """How steady joints are, and how well people keep their numbers, on made-up people whose true joints are known."""
    from poseapp.bench.tracking import report

    print(report())


@bench_app.command("seek", cls=PlainCommand)
def seek_command(
    recording: Annotated[
        Path | None,
        typer.Argument(metavar="RECORDING", help="The folder of a recording.", show_default="one that is made for this"),
    ] = None,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="MINUTES", min=0.1, help="The length of the recording that is made.")
    ] = 10.0,
) -> None:
    """How fast a place in a long recording is on the screen: made of the demo clip at 1280×720."""
    import tempfile

    from poseapp.bench.seek import make_recording, run_seek

    with tempfile.TemporaryDirectory() as made, sharing(plain_console(stderr=True)) as show:
        folder = recording or Path(made) / f"{minutes:g} minutes"
        if recording is None:
            make_recording(folder, DEMO, minutes, show)
        report = run_seek(folder, show)
    print(report.table())


@bench_app.command("outputs", cls=PlainCommand)
def outputs_command(
    model: Model = None,
    seconds: Seconds = 5.0,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
) -> None:
    """How long poses take to another program on this machine: OSC, UDP, WebSocket and LSL, 30 and 120 fps, 1 and 10 people."""
    from poseapp.bench.outputs import run_outputs

    where = device or "auto"
    folder = find_model(engines_dir, model, where).folder
    with sharing(plain_console(stderr=True)) as show:
        table = run_outputs(folder, DEMO, device=where, seconds=seconds, progress=show)
    print(table)


@bench_app.command("mediapipe", cls=PlainCommand)
def mediapipe_command(
    python: Annotated[
        Path, typer.Argument(metavar="PYTHON", help="A Python program that has MediaPipe installed.", show_default=False)
    ],
    model: Model = None,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
    precision: Precision = None,
) -> None:
    """The app and MediaPipe's full model in turns, with one person."""
    from poseapp.bench.against_mediapipe import compare

    where = device or "auto"
    folder = find_model(engines_dir, model, where).folder
    with sharing(plain_console(stderr=True)) as show:
        compared = compare(folder, python, DEMO, device=where, precision=precision or "auto", progress=show)
    print(compared.text())


@bench_app.command(
    "gpu",
    cls=PlainCommand,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def gpu_command(context: typer.Context) -> None:
    """Networks alone on an NVIDIA GPU, with PyTorch and TensorRT, compared with the most that the GPU can do."""
    require("bench gpu needs", "torch", "onnx")
    from poseapp.bench.gpu.command import main

    raise typer.Exit(main(context.args))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PoseAppError(f"{path}: cannot be written ({error.strerror}). Choose another file.") from None


@bench_app.command("sound", cls=PlainCommand)
def sound_command(
    seconds: Seconds = 10.0,
    microphone: Annotated[
        str, typer.Option("--microphone", metavar="NAME", help="Listen to another microphone that gives the same tones.")
    ] = "synthetic",
) -> None:
    """How far sound and picture of a recording are apart: a made-up camera and a made-up microphone show the same clock."""
    import tempfile

    from poseapp.bench.sound import LIMIT_MS, is_in_sync, measure_sync
    from poseapp.live.sound import SyntheticMicrophone, parse_microphone

    chosen = SyntheticMicrophone(drift_ppm=100.0, jitter_s=0.01) if microphone == "synthetic" else parse_microphone(microphone)
    with tempfile.TemporaryDirectory(prefix="poseapp-") as folder:
        reports, sound, _ = measure_sync(Path(folder), seconds, chosen)
    for report in reports:
        late = f"{report.median_ms:+.1f} ms (median), {report.worst_ms:+.1f} ms (worst)"
        print(f"{report.video:<14} {report.tones} tones, late by {late}")
    print(f"{'sound':<14} {sound.sentence()}; clock {sound.drift_ppm:+.0f} ppm")
    if not is_in_sync(reports):
        raise PoseAppError(f"Sound and picture are more than {LIMIT_MS:g} ms apart.")
