"""The commands models import and fetch: trained weights become a model that the app runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeVar, get_args

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from poseapp import resources
from poseapp.cli import import_options
from poseapp.cli.models_list import short_count
from poseapp.cli.options import EnginesDir, Half, Replace
from poseapp.console import description, plain_console
from poseapp.convert.catalogue import entry
from poseapp.core.errors import CheckpointError, ModelError
from poseapp.core.heatmap import Decode, Mapping
from poseapp.core.skeleton import SKELETONS
from poseapp.core.spec import ModelSpec
from poseapp.engine.store import default_engines_dir, place_for, store_folders

T = TypeVar("T", bound=str)


def import_command(  # noqa: PLR0913 - the command's options
    file: import_options.File,
    arch: import_options.Arch = None,
    name: import_options.Name = None,
    engines_dir: EnginesDir = default_engines_dir(),
    input_size: import_options.InputSize = None,
    skeleton: import_options.Skeleton = None,
    mapping: import_options.Mapping = None,
    decode: import_options.Decode = None,
    sigma: import_options.Sigma = None,
    flip: import_options.Flip = False,
    data: import_options.Data = "not told by the file",
    licence: import_options.Licence = None,
    fp16: Half = False,
    replace: Replace = False,
) -> None:
    """Convert trained weights of a known network, or the ONNX archive of an RTMPose or RTMO, into a model that the app runs."""
    from poseapp.convert.importing import ImportOptions, import_file

    wanted = ImportOptions(
        input_hw=_size(input_size),
        skeleton=_choice("--skeleton", skeleton, tuple(SKELETONS)),
        mapping=_choice("--mapping", mapping, get_args(Mapping)),
        decode=_choice("--decode", decode, get_args(Decode)),
        sigma_px=sigma,
        flip=flip,
        fp16=fp16,
        replace=replace,
        data=data,
        licence=licence,
    )
    made = import_file(file, arch, model_name(name or re.sub(r"\W+", "-", file.name.split(".")[0])), engines_dir, wanted)
    console = plain_console(stderr=True)
    if made.extra:
        console.print(
            f"{file}: {len(made.extra)} names are not part of {made.arch} and were left out ({', '.join(made.extra[:3])} …)"
        )
    report_model(console, made.spec, engines_dir)


def fetch_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model that `poseapp models` lists as to fetch.", show_default=False)
    ],
    engines_dir: EnginesDir = default_engines_dir(),
    fp16: Half = False,
    replace: Replace = False,
) -> None:
    """Download published weights, check them and convert them into a model that the app runs."""
    one = entry(name)
    place = place_for(engines_dir, name, replace)
    if place.exists() and not replace:
        raise ModelError(f"{place}: exists already. Add --replace to fetch it again.")
    from poseapp.convert.importing import fetch

    console = plain_console(stderr=True)
    console.print(f"{one.url}\nlicence of the weights: {one.licence}")
    if not one.sha256 and not one.graph_sha256:
        console.print("nobody has published its hash: the file cannot be checked; only numbers and the network are read")
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
        told = lambda done, total: bar.update(task, completed=done, total=total)  # noqa: E731
        spec = fetch(one, engines_dir, cache, told, fp16, replace, console.print)
    report_model(console, spec, engines_dir)


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


def report_model(console: Console, spec: ModelSpec, engines_dir: Path) -> None:
    """Say what has become of the weights, and where it is."""
    folder, (h, w) = store_folders(engines_dir)[0] / spec.name, spec.input_hw
    console.print(
        f"{folder}: {spec.family}, {h}×{w}, {spec.skeleton.name}, {short_count(spec.parameters)} parameters, "
        f"{short_count(spec.macs)} multiply-accumulates. It is in the model list now."
    )
