"""The graphs of a model's folder: which file holds which precision, whether it is the one that model.json speaks of, and which
operators may run in FP16.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from poseapp.core.errors import ModelError
from poseapp.core.files import only_one, sha256_file
from poseapp.core.spec import ModelSpec, Processor

NETWORK = re.compile(r"^/net(_\d+)?/")  # the exporter names a node of the network after the module that made it
# The network's operators that run in FP16 on every backend. All else in it (shapes, a centre map) stays in FP32.
HALF_OPERATORS = frozenset(
    [
        *("Conv", "BatchNormalization", "Relu", "Clip", "LeakyRelu", "PRelu"),
        *("MaxPool", "AveragePool", "Resize", "Add", "Concat", "Slice"),
    ]
)


def model_file(folder: Path, spec: ModelSpec, precision: str = "fp32", processor: Processor = "cpu") -> Path:
    """The graph of *spec* in *precision* ("fp32", "fp16" or "int8"), as *processor* takes it.

    Raises ModelError when the model has none, or when the file is not the one that *spec* was written for.
    """
    sha256 = graph_sha256(spec, precision, processor)
    path = folder / ("model.onnx" if precision == "fp32" else f"model.{spec.variant(precision, processor)}.onnx")
    _check_hash(path, sha256)
    return path


def graph_sha256(spec: ModelSpec, precision: str, processor: Processor) -> str:
    """The hash that ``model_file`` must have; ModelError when the model has none in *precision*."""
    if precision == "fp32":
        return spec.weights_sha256
    variant = spec.variant(precision, processor)
    if variant is None:
        raise ModelError(missing(spec, precision))
    return spec.variants[variant]


def _check_hash(path: Path, expected: str) -> None:
    """Raise ModelError unless the file at *path* has the SHA-256 *expected*."""
    try:
        found = sha256_file(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}). Export or fetch the model again.") from None
    if found != expected:
        raise ModelError(
            f"{path}: expected SHA-256 {expected[:12]}…, got {found[:12]}…. "
            "The file is damaged or belongs to another model.json: export or fetch the model again."
        )


def missing(spec: ModelSpec, precision: str) -> str:
    """That *spec* has no file in *precision* ("fp16" or "int8"), and how to make one."""
    how = f"quantise {spec.name} --images DIR" if precision == "int8" else f"halve {spec.name}"
    return f"{spec.name} has no {precision.upper()} file. Make one with: poseapp models {how}"


def writable(folder: Path, make: bool = False) -> bool:
    """Whether a file can be made in *folder*, which is made too if *make* says so.

    Asked by making one: permissions do not tell of read-only and full disks.
    """
    try:
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".tmp")
    except OSError:
        return False
    os.close(handle)
    Path(name).unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """A folder to make new files of the model in *folder* in: at the end they take their places, model.json last.

    When something fails the model stays as it was. ModelError when nothing can be written there, and when somebody else
    is doing the same: of two at once, files of one and model.json of the other would stay.
    """
    try:
        with only_one(folder / ".making.lock") as alone:
            if not alone:
                raise ModelError(f"{folder}: another command is changing this model. Wait until it is done, and try again.")
            with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as made:
                yield Path(made)
                for path in sorted(Path(made).iterdir(), key=lambda path: path.name == "model.json"):
                    os.replace(path, folder / path.name)
    except OSError as error:
        why = f"{error.filename or folder}: {error.strerror or error}"
        raise ModelError(f"{folder}: nothing is changed ({why}). Free some space, or mend the folder.") from None
