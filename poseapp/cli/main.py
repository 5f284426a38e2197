"""The command line: run | bench | models | train | eval | export. Logging is configured here and nowhere else."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn, cast

import cv2
import typer
from rich.progress import BarColumn, Progress

import poseapp
from poseapp import resources
from poseapp.cli import headless as cli_headless
from poseapp.cli.evaluate import evaluate_command
from poseapp.cli.export import export_command
from poseapp.cli.help import PlainCommand, PlainGroup
from poseapp.cli.models import models_app
from poseapp.cli.options import Budget, Device, EnginesDir, Model, PeopleWay, Precision, Smoothing
from poseapp.cli.train import train_command
from poseapp.console import description, plain_console, print_anything
from poseapp.core.addresses import CleanFormatter, without_secrets
from poseapp.core.errors import PoseAppError, printable
from poseapp.core.types import PoseMode
from poseapp.engine.load import default_engines_dir, find_model

app = typer.Typer(
    cls=PlainGroup,
    no_args_is_help=False,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Live human pose from a camera or a clip. Without a command the window opens. "
    "`poseapp COMMAND --help` tells more of each.",
)
console = plain_console(stderr=True)

DEMO = resources.asset("demo.mp4")
_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # the latter is not known on every system
# Debian's packages that Qt needs to open a window; .ci/system-packages has them with what is in each.
QT_PACKAGES = (
    "libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 libglib2.0-0 libx11-xcb1 libxcb-cursor0 libxcb-icccm4 libxcb-image0 "
    "libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libxkbcommon-x11-0"
)


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the details of a fault, to report it.")] = False,
    engines_dir: EnginesDir = default_engines_dir(),
    model: Model = None,
    device: Device = None,
    precision: Precision = None,
) -> None:
    if version:
        print(f"poseapp {poseapp.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        _open(None, model, engines_dir, device, precision, {}, out=None, headless=False, seconds=None)
        return
    for name in context.params:  # a value would be dropped without a word
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.replace("_", "-")
            raise PoseAppError(f"{option}: give it after the command: poseapp {context.invoked_subcommand} … {option} …")


@app.command(cls=PlainCommand)
def run(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="camera, camera:1 (the one of that number), a video, a picture, a folder of pictures, the address of a stream "
            "(rtsp://… or http://…), or synthetic (a drawn figure).",
            show_default="the demo clip; in the window the last choice, else the first camera",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where recordings go.",
            show_default="recordings/ where you are; in the window the last choice",
        ),
    ] = None,
    model: Model = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="No window: work through SOURCE, and write video and joints to --out.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            metavar="SECONDS",
            min=0.1,
            help="With --headless: stop so long after the model is loaded.",
            show_default="at the end of SOURCE",
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option("--wait", metavar="SECONDS", min=0.0, help="Headless: how long a camera or stream may give no picture."),
    ] = cli_headless.WAIT_S,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
    precision: Precision = None,
    people: PeopleWay = None,
    smoothing: Smoothing = None,
    latency_budget_ms: Budget = None,
) -> None:
    """Open the window on SOURCE, or work through it without a window (--headless)."""
    pose_settings = {"people": people, "smoothing": smoothing, "latency_budget_ms": latency_budget_ms}
    given = {key: value for key, value in pose_settings.items() if value is not None}
    _open(source, model, engines_dir, device, precision, given, out=out, headless=headless, seconds=seconds, wait_s=wait)


BenchSeconds = Annotated[float, typer.Option("--seconds", metavar="SECONDS", min=1.0, help="How long each line is measured.")]
JsonOut = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures to this file too, as JSON.")]
Soak = Annotated[
    int | None,
    typer.Option("--soak", metavar="MINUTES", min=1, help="Instead, run and record so long, and watch the memory."),
]
PeopleTable = Annotated[
    bool, typer.Option("--people-table", help="Instead, several people, top-down and bottom-up: 1, 2, 5 and 10 of them.")
]
MediaPipe = Annotated[
    Path | None,
    typer.Option(
        "--mediapipe",
        metavar="PYTHON",
        help="Instead, in turns with MediaPipe's full model, run by this Python, which must have it.",
    ),
]


@app.command(cls=PlainCommand)
def bench(
    model: Model = None,
    seconds: BenchSeconds = 5.0,
    json_out: JsonOut = None,
    soak: Soak = None,
    people: PeopleWay = None,
    people_table: PeopleTable = False,
    mediapipe: MediaPipe = None,
    engines_dir: EnginesDir = default_engines_dir(),
    device: Device = None,
    precision: Precision = None,
) -> None:
    """Measure how fast the app is here, on the demo clip at 1280×720: pictures a second, time by stage, memory."""
    from poseapp.bench.pipeline import run_benchmark, run_people, run_soak

    if (soak is not None) + people_table + (mediapipe is not None) > 1:
        raise PoseAppError("bench: --soak, --people-table and --mediapipe measure different things. Give one of them.")
    if (soak or people_table) and (json_out or precision or people):
        raise PoseAppError("bench: --soak and --people-table take no --json, --precision or --people. Leave them out.")
    if mediapipe is not None and (json_out or people):
        raise PoseAppError("bench: --mediapipe takes no --json and no --people. Leave them out.")
    where, how = device or "auto", precision or "auto"
    folder = find_model(engines_dir, model, where).folder
    clip = DEMO if DEMO.is_file() else None
    if soak:
        result = run_soak(folder, minutes=soak, device=where, clip=clip)
        print(f"{soak} min at {result.fps:.1f} fps, {result.recorded_frames} frames recorded, drops {result.drops}")
        first, last = result.memory_mb[0], result.memory_mb[-1]
        print(f"memory {first:.0f} MB after the first minute, {last:.0f} MB at the end: {result.growth_mb:+.1f} MB")
        return
    as_json = ""
    with _bench_progress() as progress:
        if mediapipe is not None:
            from poseapp.bench.against_mediapipe import compare

            text = compare(folder, mediapipe, clip, device=where, precision=how, progress=progress).text()
        elif people_table:
            text = run_people(folder, DEMO, device=where, seconds=seconds, progress=progress).table()
        else:
            way = cast(PoseMode, people or "one")
            report = run_benchmark(folder, people=way, device=where, precision=how, seconds=seconds, clip=clip, progress=progress)
            text, as_json = report.table(), report.to_json()
    print(text)
    if json_out is not None:
        _write(json_out, as_json)


@contextlib.contextmanager
def _bench_progress() -> Iterator[Callable[[float, str], None]]:
    """A bar on standard error. What it gives is called with how far the benchmark is, from 0 to 1, and what it does."""
    with Progress(description(), BarColumn(), console=console, transient=True) as bar:
        task = bar.add_task("benchmark", total=1.0)
        yield lambda share, what: bar.update(task, completed=share, description=what)


app.command("train", cls=PlainCommand)(train_command)
app.command("eval", cls=PlainCommand)(evaluate_command)
app.command("export", cls=PlainCommand)(export_command)
app.add_typer(models_app, name="models", cls=PlainGroup)


def _open(
    source_text: str | None,
    model: str | None,
    engines_dir: Path,
    device: str | None,
    precision: str | None,
    pose_settings: dict[str, Any],
    *,
    out: Path | None,
    headless: bool,
    seconds: float | None,
    wait_s: float = cli_headless.WAIT_S,
) -> None:
    """The window where there is a screen, the same pipeline without one where there is none."""
    from poseapp.live.session import ModelRequest
    from poseapp.live.sources import parse_source
    from poseapp.pipeline.modes import PoseSettings, check_way

    if not headless:
        reason = _no_window_because()
        if not reason:
            from poseapp.ui.app import run_app

            chosen = parse_source(source_text, loop=True) if source_text is not None else None
            raise typer.Exit(run_app(chosen, model, engines_dir, device, precision, out, pose_settings))
        console.print(f"{reason} Running without a window.")
    if source_text is None:
        console.print(f"No source given: using the demo clip {DEMO.name}.")
        source_text = str(DEMO)
    wanted = PoseSettings(**pose_settings)
    wish = ModelRequest(
        find_model(engines_dir, model, device or "auto").folder, device or "auto", precision or "auto", wanted.people
    )
    check_way(wish.folder, wish.people)
    cli_headless.run_headless(source_text, wish, wanted, out or Path("recordings"), seconds, wait_s, console)


def _no_window_because() -> str:
    """Why no window can open here; "" when one can."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "There is no screen (DISPLAY is not set)."
    if sys.platform.startswith("linux") and not (os.environ.get("WAYLAND_DISPLAY") or os.environ.get("QT_QPA_PLATFORM")):
        reason = _no_x11_because()
        if reason:
            return reason
    try:
        import PySide6.QtWidgets  # noqa: F401
    except ImportError as error:
        return f"Qt cannot start ({error}). {_install_what_qt_needs()}"
    return ""


def _install_what_qt_needs() -> str:
    if not resources.installed():
        return "On Debian or Ubuntu `make run` installs what is missing."
    return f"On Debian or Ubuntu run: sudo apt-get install {QT_PACKAGES}"


def _no_x11_because() -> str:
    """Why the X server that DISPLAY names gives no window; "" when it does. Qt itself would abort the whole process."""
    import ctypes

    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return f"Qt cannot start (libxcb.so.1 is missing). {_install_what_qt_needs()}"
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(None, None))
    failed = xcb.xcb_connection_has_error(connection)
    xcb.xcb_disconnect(connection)
    return f"The screen {os.environ['DISPLAY']} (DISPLAY) cannot be reached." if failed else ""


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PoseAppError(f"{path}: cannot be written ({error.strerror}). Choose another file.") from None


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status. Every error is one line; --debug adds the traceback."""
    print_anything()
    argv = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in argv  # wherever it stands
    argv = [argument for argument in argv if argument != "--debug"]
    # Errors are logged with their traceback, and what a user should know of them is said in one line besides.
    level = logging.DEBUG if debug else logging.CRITICAL
    logging.basicConfig(level=level, force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_INFO if debug else cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return int(app(argv, prog_name="poseapp", standalone_mode=False) or 0)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        complaint = getattr(error, "format_message", None)  # typer's about the command line; the class depends on its version
        if complaint is not None:
            command = getattr(getattr(error, "ctx", None), "command_path", "poseapp")
            print(f"poseapp: {without_secrets(complaint()).rstrip('.')}. See {command} --help.", file=sys.stderr)
            return 2
        if debug:
            logging.getLogger(__name__).exception("poseapp failed")
        if isinstance(error, OSError) and error.errno in _DISK_FULL:  # the output may go to a file, and such errors name none
            print(f"poseapp: the disk is full ({error.strerror}). Make room, or write somewhere else.", file=sys.stderr)
            return 1
        known = isinstance(error, PoseAppError)
        said = f"unexpected {type(error).__name__}: {without_secrets(str(error))} (run again with --debug for the details)"
        text = str(error) if known else said
        print(f"poseapp: {printable(text)}", file=sys.stderr)
        return 1


def entry() -> NoReturn:
    """The process: ``main``, and an end that waits for nobody.

    A thread that is still inside a driver or a compiler (they cannot be interrupted) would crash the interpreter as it shuts
    down; everything is on disk by then, so the process just ends.
    """
    status = main()
    if any(thread.name.startswith("poseapp") for thread in threading.enumerate()):
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # as in a program without a console on Windows
                stream.flush()
        os._exit(status)
    sys.exit(status)
