"""Reads what MMDeploy publishes: an archive of end2end.onnx, deploy.json, pipeline.json and detail.json, or the graph alone."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from poseapp.core.errors import CheckpointError, PoseAppError
from poseapp.core.json_files import SMALL_FILE, Fields, parse_json
from poseapp.core.pixels import Pixels

GRAPH = "end2end.onnx"
MOST_BYTES = 1 << 29  # of a graph: the largest published one has 200 MB
MOST_RECORDS = 10_000
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A network that is ready to run, as it was published.

    ``graph`` is the ONNX file. The rest is None or "" where no file tells it: ``pixels`` is how the network wants its
    pictures, ``input_hw`` its input in px, ``bins_per_px`` how many values of SimCC there are for a px, ``sigma_bins`` the
    spread of SimCC's targets along x and y, ``maker`` the program that wrote the graph, ``config`` the name of the network's
    configuration, ``checkpoint`` the file of weights that the graph was made of.
    """

    graph: bytes
    pixels: Pixels | None = None
    input_hw: tuple[int, int] | None = None
    bins_per_px: float | None = None
    sigma_bins: tuple[float, float] | None = None
    maker: str = ""
    config: str = ""
    checkpoint: str = ""


def is_package(path: Path) -> bool:
    """Whether the file at *path* holds a graph that is ready to run. PyTorch's files of weights are archives without one."""
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                return path.suffix.lower() == ".onnx"
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
    except (OSError, *_DAMAGE):
        return path.suffix.lower() in (".onnx", ".zip")
    return any(name.endswith(".onnx") for name in names) or path.suffix.lower() == ".zip"


def read_package(path: Path) -> Package:
    """The package at *path*; CheckpointError where it cannot be read, or is none."""
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    return _read_archive(archive, path)
            file.seek(0)
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}). Give the path of a .zip or .onnx file.") from None
    except _DAMAGE:
        raise CheckpointError(f"{path}: damaged. Download it again.") from None
    if len(content) > MOST_BYTES:
        raise CheckpointError(f"{path}: expected a graph of at most {MOST_BYTES >> 20} MiB. Get the one that was published.")
    return Package(graph=content)


def _read_archive(archive: zipfile.ZipFile, path: Path) -> Package:
    graphs = [name for name in archive.namelist()[:MOST_RECORDS] if name.endswith(".onnx")]
    wanted = [name for name in graphs if PurePosixPath(name).name == GRAPH] or graphs
    if len(wanted) != 1:
        found = ", ".join(wanted[:3]) or "none"
        raise CheckpointError(f"{path}: expected an archive with one {GRAPH}, got {found}. Give the archive that was published.")
    (graph,) = wanted
    known: dict[str, Any] = {}
    for name, read in (("deploy.json", _deploy), ("pipeline.json", _pipeline), ("detail.json", _detail)):
        content = _content(archive, str(PurePosixPath(graph).with_name(name)), SMALL_FILE, path)
        if content is not None:

            def wrong(what: str, name: str = name) -> PoseAppError:
                return CheckpointError(f"{path}, {name}: {what}. Download the archive again.")

            known |= read(Fields(parse_json(content, wrong), wrong))
    content = _content(archive, graph, MOST_BYTES, path)
    assert content is not None, "it is one of the archive's"
    return Package(graph=content, **known)


def _content(archive: zipfile.ZipFile, name: str, most_bytes: int, path: Path) -> bytes | None:
    """The record *name*, None where there is none. No more is unpacked than *most_bytes*, whatever the archive says."""
    try:
        record = archive.getinfo(name)
    except KeyError:
        return None
    with archive.open(record) as source:
        content = source.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise CheckpointError(f"{path}, {name}: larger than {most_bytes >> 20} MiB. Give the archive that was published.")
    return content


def _deploy(fields: Fields) -> dict[str, Any]:
    """What deploy.json says."""
    return {"maker": f"MMDeploy {fields.text('version')}"} if "version" in fields.content else {}


def _detail(fields: Fields) -> dict[str, Any]:
    """What detail.json says: where the network comes from."""
    if "codebase" not in fields.content:
        return {}
    codebase = fields.object("codebase")
    config, checkpoint = (codebase.text(key) if key in codebase.content else "" for key in ("config", "pth"))
    return {
        "config": PurePosixPath(config).stem[:100],
        "checkpoint": checkpoint if checkpoint.startswith("https://") else "",
    }


def _pipeline(fields: Fields) -> dict[str, Any]:
    """What pipeline.json says: how pictures become the network's input, and its output joints."""
    known: dict[str, Any] = {}
    for task in fields.object("pipeline").objects("tasks"):
        for transform in task.objects("transforms") if "transforms" in task.content else ():
            if transform.content.get("type") == "Normalize":
                known["pixels"] = _pixels(transform)
        if task.content.get("component") == "SimCCLabelDecode":
            known |= _simcc(task.object("params"))
    return known


def _pixels(transform: Fields) -> Pixels:
    mean, std = (_scaled(transform.floats(key, 3)) for key in ("mean", "std"))
    if min(std) <= 0:
        raise transform.expected("std", "three positive numbers", std)
    return Pixels(mean, std, bgr=transform.content.get("to_rgb", True) is False)


def _scaled(values: Sequence[float]) -> tuple[float, float, float]:
    one, two, three = (value / 255 for value in values)
    return one, two, three


def _simcc(params: Fields) -> dict[str, Any]:
    width, height = params.hw("input_size")
    known: dict[str, Any] = {"input_hw": (height, width)}
    if "simcc_split_ratio" in params.content:
        known["bins_per_px"] = params.number("simcc_split_ratio")
    if isinstance(params.content.get("sigma"), list):
        known["sigma_bins"] = params.floats("sigma", 2)
    return known
