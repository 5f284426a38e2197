"""The command models list: what the store holds and what can be fetched, in as many columns as the terminal has room for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from poseapp import resources
from poseapp.cli.options import EnginesDir
from poseapp.console import plain_console
from poseapp.convert.catalogue import CATALOGUE, Entry
from poseapp.core.errors import ModelError
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.store import StoredModel, default_engines_dir, list_models, store_folders

WIDE = 260  # columns for the list where nothing says how many there are
_READABLE = 50  # columns that sentences need beside figures


def list_command(engines_dir: EnginesDir = default_engines_dir()) -> None:
    """List the models that the app can run, and published ones that can be fetched."""
    rows = [_stored_row(model) for model in list_models(engines_dir)]
    have = {row.model for row in rows}
    rows += [_catalogue_row(name, one) for name, one in CATALOGUE.items() if name not in have]
    console = plain_console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = plain_console(width=WIDE)  # a pipe has no width: rich would fold everything into 80 columns
    _print_models(console, rows)
    if resources.installed():
        console.print(f"Your own models: {store_folders(engines_dir)[0]}. One of a bundled name is used in its place.")


@dataclass(frozen=True)
class _Row:
    """What the list says of one model; "" is unknown. ``broken`` says why a model of the store cannot be used."""

    model: str
    family: str = ""
    input: str = ""
    joints: str = ""
    params: str = ""
    macs: str = ""
    size: str = ""
    state: str = ""
    source: str = ""
    licence: str = ""
    broken: str = ""


def _stored_row(model: StoredModel) -> _Row:
    size = f"{sum(f.stat().st_size for f in model.folder.glob('*.onnx')) / 1e6:.1f} MB"
    if model.spec is None:
        return _Row(model.name, size=size, state="broken", broken=model.error)
    spec = model.spec
    try:
        ModelFolder(model.folder).graph(spec)
        broken = ""
    except ModelError as error:
        broken = str(error)
    h, w = spec.input_hw
    data, licence = (re.split(r"[:;.] ", text)[0] for text in (spec.source.data, spec.source.licence))  # the card says the rest
    return _Row(
        model.name, spec.family, f"{h}×{w}", spec.skeleton.name, short_count(spec.parameters), short_count(spec.macs), size,
        "broken" if broken else "ready" if model.hides is None else "yours", data, licence, broken,
    )  # fmt: skip


def _catalogue_row(name: str, one: Entry) -> _Row:
    h, w = one.input_hw
    source = f"{one.data}{f', {one.figure}' if one.figure else ''}"
    return _Row(
        name, one.family, f"{h}×{w}", one.skeleton.name, short_count(one.parameters),
        short_count(one.macs) if one.macs is not None else "", "", "to fetch",
        source, one.licence,
    )  # fmt: skip


def _print_models(console: Console, rows: Sequence[_Row]) -> None:
    """One table where the console is wide enough for it, else two, else a paragraph for each model: nothing is cut, no name
    and no figure is broken over lines.
    """
    numbers = ("input", "joints", "params", "MACs", "size")
    fixed, texts = ("model", "family", *numbers, "state"), ("source", "licence")
    if _width(console, rows, fixed, 2) + _READABLE <= console.width:
        console.print(_table(rows, (*fixed, *texts), 2))
    elif _width(console, rows, ("model", *numbers, "state"), 1) <= console.width:
        console.print(_table(rows, ("model", *numbers, "state"), 1), "")
        console.print(_table([row for row in rows if row.source], ("model", "family", *texts), 2))
    else:
        for row in rows:
            values = (getattr(row, column.lower()) for column in (*fixed[1:], *texts))
            console.print(f"{row.model}: {', '.join(value for value in values if value)}")
    for row in rows:
        if row.broken:
            console.print(f"{row.model} is broken: {row.broken}", soft_wrap=True)


def _table(rows: Sequence[_Row], columns: Sequence[str], gap: int) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, gap, 0, 0))
    for title in columns:
        right, text = title in ("params", "MACs", "size"), title in ("source", "licence")
        table.add_column(title, justify="right" if right else "left", no_wrap=not text, overflow="fold")
    for row in rows:
        table.add_row(*(Text(getattr(row, title.lower())) for title in columns))
    return table


def _width(console: Console, rows: Sequence[_Row], columns: Sequence[str], gap: int) -> int:
    """How wide the table of *columns* is when nothing in it is folded."""
    anywhere = console.options.update(width=10_000)
    return Measurement.get(console, anywhere, _table(rows, columns, gap)).maximum


def short_count(n: int) -> str:
    """*n* in millions, or in thousands of millions."""
    return f"{n / 1e9:.1f} G" if n >= 1e9 else f"{n / 1e6:.1f} M"
