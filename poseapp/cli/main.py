"""The command line: run | review | analyse | batch | bench | models | train | eval | export | measure | … (``app`` has all).

Logging is configured here alone.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from typing import Annotated, NoReturn

import cv2
import typer

import poseapp
from poseapp.cli.analyse import analyse_command
from poseapp.cli.batch import batch_command
from poseapp.cli.bench import bench_app
from poseapp.cli.evaluate import evaluate_command
from poseapp.cli.export import export_command
from poseapp.cli.export_data import export_data_command
from poseapp.cli.help import PlainCommand, PlainGroup
from poseapp.cli.measure import measure_command
from poseapp.cli.models import models_app
from poseapp.cli.options import Device, EnginesDir, Model, Precision
from poseapp.cli.preset_options import presets_command
from poseapp.cli.report import report_command
from poseapp.cli.review import review_command
from poseapp.cli.run import RunOptions, open_source, run_command
from poseapp.cli.scale import scale_command
from poseapp.cli.train import train_command
from poseapp.console import print_anything
from poseapp.core.addresses import CleanFormatter, without_secrets
from poseapp.core.errors import PoseAppError, printable
from poseapp.engine.store import default_engines_dir

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # the latter is not known on every system

app = typer.Typer(
    cls=PlainGroup,
    no_args_is_help=False,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Live human pose from a camera or a clip. Without a command the window opens. "
    "`poseapp COMMAND --help` says more about each command.",
)


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the details of an error, for a report.")] = False,
    engines_dir: EnginesDir = default_engines_dir(),
    model: Model = None,
    device: Device = None,
    precision: Precision = None,
) -> None:
    if version:
        print(f"poseapp {poseapp.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        open_source(RunOptions(engines_dir=engines_dir, model=model, device=device, precision=precision))
        return
    for name in context.params:  # a value would be dropped without a word
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.replace("_", "-")
            raise PoseAppError(f"{option}: give it after the command: poseapp {context.invoked_subcommand} … {option} …")


app.command("run", cls=PlainCommand)(run_command)
app.command("review", cls=PlainCommand)(review_command)
app.command("presets", cls=PlainCommand)(presets_command)
app.command("analyse", cls=PlainCommand)(analyse_command)
app.command("batch", cls=PlainCommand)(batch_command)
app.add_typer(bench_app, name="bench")
app.add_typer(models_app, name="models", cls=PlainGroup)
app.command("train", cls=PlainCommand)(train_command)
app.command("eval", cls=PlainCommand)(evaluate_command)
app.command("export", cls=PlainCommand)(export_command)
app.command("export-data", cls=PlainCommand)(export_data_command)
app.command("measure", cls=PlainCommand)(measure_command)
app.command("report", cls=PlainCommand)(report_command)
app.command("scale", cls=PlainCommand)(scale_command)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status. Every error is one line; --debug adds the traceback."""
    print_anything()
    argv = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in argv  # wherever it stands
    argv = [argument for argument in argv if argument != "--debug"]
    _configure_logging(debug)
    try:
        return int(app(argv, prog_name="poseapp", standalone_mode=False) or 0)
    except SystemExit as exit_:
        return int(exit_.code or 0)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:
        if debug:
            logging.getLogger(__name__).exception("poseapp failed")
        return _report(error)


def _configure_logging(debug: bool) -> None:
    """Log errors with their traceback under --debug alone: a user gets one line of each anyway."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.CRITICAL, force=True)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_INFO if debug else cv2.utils.logging.LOG_LEVEL_SILENT)


def _report(error: Exception) -> int:
    """Print *error* in one line; returns the exit status."""
    complaint = getattr(error, "format_message", None)  # typer's about the command line; the class depends on its version
    if complaint is not None:
        command = getattr(getattr(error, "ctx", None), "command_path", "poseapp")
        print(f"poseapp: {without_secrets(complaint()).rstrip('.')}. See {command} --help.", file=sys.stderr)
        return 2
    if isinstance(error, OSError) and error.errno in _DISK_FULL:  # the output may go to a file, and such errors name none
        text = f"the disk is full ({error.strerror}). Make room, or write somewhere else."
    elif isinstance(error, PoseAppError):
        text = str(error)
    else:
        details = "run again with --debug for the details"
        text = f"unexpected {type(error).__name__}: {without_secrets(str(error))} ({details})"
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
