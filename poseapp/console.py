"""Prints on any terminal, in any encoding: what cannot be shown becomes a "?", and names are text, never commands."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import TextColumn

from poseapp.core.errors import PoseAppError


def print_anything() -> None:
    """From now on print a "?" for each character that the encoding of a terminal, a file or a pipe lacks.

    On Windows, output that goes to a file has the encoding of the code page, which lacks "×". The work of an hour must not end in
    an error for that.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def plain_console(stderr: bool = False, **options: Any) -> Console:
    """A console for tables and progress, on which "[/red]" or ":smile:" in a file's name is just that."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, **options)


def description() -> TextColumn:
    """The column of a progress bar with the description of the work."""
    return TextColumn("{task.description}", markup=False)


def run_module(command: Callable[[], Any]) -> None:
    """Run *command*, the work of a module that is started with ``python -m``; errors are one line, as everywhere."""
    print_anything()
    try:
        command()
    except PoseAppError as error:
        raise SystemExit(str(error)) from None
