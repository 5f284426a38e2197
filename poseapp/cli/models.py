"""The command models: list the store and the catalogue, import, fetch, make other precisions, compile for a GPU, prune."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import re
import shlex
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from poseapp import resources
from poseapp.cli import import_options as options
from poseapp.cli.help import PlainCommand, PlainGroup
from poseapp.cli.options import EnginesDir, Half, Replace
from poseapp.console import description, plain_console
from poseapp.convert.catalogue import CATALOGUE, Entry, entry
from poseapp.core.errors import CheckpointError, EngineError, ModelError
from poseapp.core.heatmap import Decode, Mapping
from poseapp.core.skeleton import SKELETONS
from poseapp.core.spec import ModelSpec
from poseapp.engine import choice
from poseapp.engine.base import Progress as BuildProgress
from poseapp.engine.driver import find_gpu
from poseapp.engine.load import StoredModel, default_engines_dir, find_model, list_models
from poseapp.engine.model_folder import model_file
from poseapp.engine.store import place_for, store_folders, to_change
from poseapp.engine.tensorrt.builder import MAX_BATCH, PRECISIONS, precision_for, prune

WIDE = 260  # columns for the list where nothing says how many there are
_READABLE = 50  # columns that sentences need beside figures
NO_TORCH = 'models import and fetch need PyTorch, which is not installed. Install it with: pip install "poseapp[train]"'

Stored = Annotated[str, typer.Argument(metavar="NAME", help="A model that `poseapp models` lists.", show_default=False)]

T = TypeVar("T", bound=str)


def _known_precision(value: str | None) -> str | None:
    if value is not None and value not in PRECISIONS:
        raise typer.BadParameter(f"expected one of {', '.join(PRECISIONS)}, got {value!r}")
    return value


models_app = typer.Typer(
    cls=PlainGroup, rich_markup_mode=None, help="List, import, fetch and compile models.", pretty_exceptions_enable=False
)


@models_app.callback(invoke_without_command=True)
def _default(context: typer.Context, engines_dir: EnginesDir = default_engines_dir()) -> None:
    if context.invoked_subcommand is None:
        list_command(engines_dir)


@models_app.command("list", cls=PlainCommand)
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


@models_app.command("time", cls=PlainCommand)
def time_command(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A model that `poseapp models` lists.", show_default="all of them")
    ] = None,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Time each way to run a model on this CPU; the fastest that agrees is what `--device cpu` takes."""
    models = [find_model(engines_dir, name)] if name is not None else [m for m in list_models(engines_dir) if m.spec is not None]
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("model", "runtime"):
        table.add_column(title, no_wrap=True)
    for title in ("ms a crop", "moves joints by"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    with building(plain_console(stderr=True)) as progress:
        for model in models:
            assert model.spec is not None, "others were refused or left out"
            among = choice.options(model.spec)
            timings = choice.measure(model.folder, model.spec, among, 0, progress)
            best = choice.fastest(among, timings)
            for timing in timings:
                figures = (f"{timing.ms:.1f}", f"{timing.px:.2f} px") if math.isfinite(timing.ms) else ("cannot run", "")
                table.add_row(model.name, str(timing.option), *figures, "taken" if timing.option == best else "")
    plain_console().print(table)


@models_app.command("import", cls=PlainCommand)
def import_command(
    file: options.File,
    arch: options.Arch,
    name: options.Name = None,
    engines_dir: EnginesDir = default_engines_dir(),
    input_size: options.InputSize = None,
    skeleton: options.Skeleton = None,
    mapping: options.Mapping = None,
    decode: options.Decode = None,
    sigma: options.Sigma = None,
    flip: options.Flip = False,
    data: options.Data = "not told by the file",
    licence: options.Licence = None,
    fp16: Half = False,
    replace: Replace = False,
) -> None:
    """Convert trained weights of a known network into a model that the app runs."""
    require_torch()
    from poseapp.convert.importing import Wanted, import_file

    wanted = Wanted(
        _size(input_size), _choice("--skeleton", skeleton, tuple(SKELETONS)), _choice("--mapping", mapping, get_args(Mapping)),
        _choice("--decode", decode, get_args(Decode)), sigma, flip, fp16, replace, data, licence,
    )  # fmt: skip
    spec, loaded = import_file(file, arch, model_name(name or re.sub(r"\W+", "-", file.name.split(".")[0])), engines_dir, wanted)
    console = plain_console(stderr=True)
    if loaded.extra:
        console.print(
            f"{file}: {len(loaded.extra)} names are not part of {arch} and were left out ({', '.join(loaded.extra[:3])} …)"
        )
    _tell(console, spec, engines_dir)


@models_app.command("quantise", cls=PlainCommand)
def quantise_command(
    name: Stored,
    images: Annotated[Path, typer.Option(metavar="FOLDER", help="Typical pictures of people.", show_default=False)],
    annotations: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Joints of people in some of them, in COCO's format: INT8 is scored there. May be given several times.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="PEOPLE", help="Score on so many; 0 is all.", min=0)] = 0,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Make a model's INT8 files, one for CPUs and one for GPUs, and keep them when they are accurate enough."""
    _require_onnx("quantise")
    from poseapp.train.eval.int8 import quantise_model

    scored = annotations or []
    command = shlex.join(
        ["poseapp", "models", "quantise", name, "--images", str(images)]
        + [word for path in scored for word in ("--annotations", str(path))]
        + (["--limit", str(limit)] if limit else [])
        + (["--engines-dir", str(engines_dir)] if engines_dir != default_engines_dir() else [])
    )
    console = plain_console(stderr=True, soft_wrap=True)
    columns = (description(), BarColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=1.0)
        with to_change(find_model(engines_dir, name).folder) as folder:
            report = quantise_model(
                folder, images, scored, command, limit,
                tell=lambda text, share: bar.update(task, description=text, completed=share),
            )  # fmt: skip
    for made in report.files:
        q = made.quantised
        console.print(f"{folder / made.file}: {q.convolutions} convolutions in INT8, ranges by {q.ranges}")
        for kept in made.kept:
            console.print(f"  joints move by {kept.px:.2f} px on the stored crops ({kept.runtime})")
            for loss in kept.losses:
                console.print(f"  {loss.annotations}: {loss}")


@models_app.command("halve", cls=PlainCommand)
def halve_command(
    name: Stored,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Make a model's FP16 form, which TensorRT runs faster than FP32, and check that its joints stay in place."""
    _require_onnx("halve")
    from poseapp.convert.half import halve

    with to_change(find_model(engines_dir, name).folder) as folder:
        px = halve(folder)
    console = plain_console(stderr=True, soft_wrap=True)
    console.print(f"{folder / 'model.fp16.onnx'}: joints move by {px:.3f} px on the stored crops")


@models_app.command("fetch", cls=PlainCommand)
def fetch_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One that `poseapp models` lists as to fetch.", show_default=False)],
    engines_dir: EnginesDir = default_engines_dir(),
    fp16: Half = False,
    replace: Replace = False,
) -> None:
    """Download published weights, check them and convert them into a model that the app runs."""
    one = entry(name)
    require_torch()
    place = place_for(engines_dir, name, replace)
    if place.exists() and not replace:
        raise ModelError(f"{place}: is there already. Add --replace to fetch it again.")
    from poseapp.convert.importing import fetch

    console = plain_console(stderr=True)
    console.print(f"{one.url}\nlicence of the weights: {one.licence}")
    if not one.sha256:
        console.print("its authors published no hash: the file cannot be checked, and only plain weights are read from it")
    bar = Progress(
        description(),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task("download", total=None)
        cache = resources.cache_dir("weights")
        spec = fetch(one, engines_dir, cache, lambda done, total: bar.update(task, completed=done, total=total), fp16, replace)
    _tell(console, spec, engines_dir)


@models_app.command("build", cls=PlainCommand)
def build_command(
    name: Stored,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"How exactly it shall compute: {', '.join(PRECISIONS)}.",
            show_default="fp16 where the model has it",
            callback=_known_precision,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(metavar="PEOPLE", help="The most at once.", min=1, max=MAX_BATCH)] = MAX_BATCH,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Compile a model for this machine's NVIDIA GPU with TensorRT, and check the result. Ctrl-C cancels."""
    from poseapp.engine.tensorrt import engine as trt

    model = find_model(engines_dir, name)
    assert model.spec is not None, "find_model gives usable ones"
    chosen = precision_for(model.spec, precision or "auto")
    model_file(model.folder, model.spec, chosen, "gpu")
    reason = trt.unavailable()
    if reason:
        raise EngineError(reason)
    console = plain_console(stderr=True, soft_wrap=True)
    with building(console) as progress:
        engine = trt.TrtEngine(model.folder, model.spec, chosen, batch, progress, rebuild=True)
    plan, difference = engine.plan, engine.difference_px
    engine.close()
    console.print(
        f"{plan.path}: {plan.info.plan_bytes / 1e6:.1f} MB, built in {plan.info.built_s:.1f} s by {plan.info.key.runtime} for "
        f"the {plan.info.key.gpu}; its joints are {difference:.3f} px from ONNX Runtime's."
    )


@models_app.command("prune", cls=PlainCommand)
def prune_command(
    everything: Annotated[bool, typer.Option("--all", help="Remove all of them, good ones too.")] = False,
    engines_dir: EnginesDir = default_engines_dir(),
) -> None:
    """Remove compiled models (plans) that are of no use any more: the model, GPU, driver or TensorRT changed."""
    gpu = find_gpu()
    folders = [(model.folder, model.spec) for model in list_models(engines_dir)]
    removed = prune(folders, None if isinstance(gpu, str) else gpu, everything)
    console = plain_console(stderr=True, soft_wrap=True)
    for one in removed:
        console.print(f"{one.path}: {one.because}")
    console.print(f"{len(removed)} files removed, {sum(one.nbytes for one in removed) / 1e6:.1f} MB.")


@contextlib.contextmanager
def building(console: Console) -> Iterator[BuildProgress]:
    """A bar for what takes long, as a progress callback; Ctrl-C makes it ask for an end.

    TensorRT calls back from its own code, and an exception must not go through that.
    """
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    columns = (description(), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("", total=1.0)

            def progress(text: str, share: float) -> bool:
                bar.update(task, completed=share, description=text)
                return not stopped

            try:
                yield progress
            except EngineError as error:
                if not stopped:
                    raise
                console.print(str(error))
                raise typer.Abort from None
    finally:
        signal.signal(signal.SIGINT, before)


def require_torch() -> None:
    """Raise ModelError, with what to install, where torch is missing."""
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ModuleNotFoundError:
        raise ModelError(NO_TORCH) from None


def _require_onnx(command: str) -> None:
    if importlib.util.find_spec("onnx") is None:
        raise ModelError(f'models {command} needs onnx, which is not installed. Install it with: pip install "poseapp[train]"')


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
        model_file(model.folder, spec)
        broken = ""
    except ModelError as error:
        broken = str(error)
    h, w = spec.input_hw
    data, licence = (re.split(r"[:;.] ", text)[0] for text in (spec.source.data, spec.source.licence))  # the card says the rest
    return _Row(
        model.name, spec.family, f"{h}×{w}", spec.skeleton.name, _count(spec.parameters), _count(spec.macs), size,
        "broken" if broken else "ready" if model.hides is None else "yours", data, licence, broken,
    )  # fmt: skip


def _catalogue_row(name: str, one: Entry) -> _Row:
    h, w = one.input_hw
    source = f"{one.data}{f', {one.figure}' if one.figure else ''}"
    return _Row(
        name, one.family, f"{h}×{w}", one.skeleton.name, _count(one.parameters), _count(one.macs), "", "to fetch",
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


def _count(n: int) -> str:
    return f"{n / 1e9:.1f} G" if n >= 1e9 else f"{n / 1e6:.1f} M"


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)\s*[x×X]\s*(\d+)", text.strip())
    if match is None:
        raise CheckpointError(f"--input: expected height x width such as 256x192, got {text!r}.")
    return int(match.group(1)), int(match.group(2))


def _choice(option: str, value: str | None, known: tuple[T, ...]) -> T | None:
    if value is None:
        return None
    for one in known:
        if value == one:
            return one
    raise CheckpointError(f"{option}: expected one of {', '.join(known)}, got {value!r}.")


def model_name(name: str) -> str:
    """*name*, which may be a model's in the store; ModelError where it is no name but a path, say."""
    if not re.fullmatch(r"[\w][\w.+-]*", name):
        raise ModelError(f"--name: expected letters, digits, . + - and _, got {name!r}.")
    return name


def _tell(console: Console, spec: ModelSpec, engines_dir: Path) -> None:
    folder, (h, w) = store_folders(engines_dir)[0] / spec.name, spec.input_hw
    console.print(
        f"{folder}: {spec.family}, {h}×{w}, {spec.skeleton.name}, {_count(spec.parameters)} parameters, "
        f"{_count(spec.macs)} multiply-accumulates. It is in the model list now."
    )
