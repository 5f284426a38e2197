"""The command models and its sub-commands."""

from __future__ import annotations

import typer

from poseapp.cli.help import PlainCommand, PlainGroup
from poseapp.cli.models_build import build_command, prune_command, time_command
from poseapp.cli.models_convert import convert_command, halve_command, quantise_command
from poseapp.cli.models_import import fetch_command, import_command
from poseapp.cli.models_list import list_command
from poseapp.cli.options import EnginesDir
from poseapp.engine.store import default_engines_dir

models_app = typer.Typer(
    cls=PlainGroup, rich_markup_mode=None, help="List, fetch, import, convert and compile models.", pretty_exceptions_enable=False
)


@models_app.callback(invoke_without_command=True)
def _default(context: typer.Context, engines_dir: EnginesDir = default_engines_dir()) -> None:
    if context.invoked_subcommand is None:
        list_command(engines_dir)


for _name, _command in (
    ("list", list_command),
    ("time", time_command),
    ("import", import_command),
    ("convert", convert_command),
    ("fetch", fetch_command),
    ("build", build_command),
    ("prune", prune_command),
):
    models_app.command(_name, cls=PlainCommand)(_command)

# Former names of convert, for one release.
models_app.command("quantise", cls=PlainCommand, hidden=True)(quantise_command)
models_app.command("halve", cls=PlainCommand, hidden=True)(halve_command)
