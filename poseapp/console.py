"""Printing on any terminal, in any encoding: what cannot be shown there becomes a "?", and names are text, never commands."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import TextColumn

from poseapp.core.errors import PoseAppError


def print_anything() -> None:
    """From now on, what the encoding of a terminal, a file or a pipe cannot express is printed as "?".

    A file that output is redirected into has the code page's encoding on Windows, which lacks "×", and the work of an hour must
    not end in an error for that.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def plain_console(stderr: bool = False, **options: Any) -> Console:
    """A console for tables and progress, on which "[/red]" or ":smile:" in a file's name is just that."""
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, **options)


def description() -> TextColumn:
    """The column of a progress bar that says what is being done."""
    return TextColumn("{task.description}", markup=False)


def run_module(command: Callable[[], Any]) -> None:
    """Run *command*, the work of ``python -m`` of a module; an error is one line, as everywhere."""
    print_anything()
    try:
        command()
    except PoseAppError as error:
        raise SystemExit(str(error)) from None
