"""What ``session.json`` says about the making of a recording, as JSON made from the app's own dataclasses."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import math
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from poseapp.core.framing import WHOLE, Framing
from poseapp.core.smoothing import SmoothRule
from poseapp.core.spec import ModelSpec
from poseapp.core.types import PoseMode
from poseapp.engine.base import Backend
from poseapp.engine.detector import DetectorSpec
from poseapp.live.sources.base import Mode, Source
from poseapp.live.sources.camera_controls import Control
from poseapp.render import DrawOptions


@dataclass(frozen=True, kw_only=True)
class SourceEntry:
    """Where the pictures come from.

    ``kind`` is "camera", "video", "stream" and so on; ``name`` has no secrets. ``path`` and ``sha256`` are those of a file: a
    folder has no hash, and a file has none before it is read through. ``requested`` and ``actual`` are picture modes, before
    pictures are turned and cropped; None where the source has none or has not answered yet. ``controls`` are those of a camera.
    """

    name: str
    kind: str = ""
    path: str | None = None
    sha256: str | None = None
    requested: Mode | None = None
    actual: Mode | None = None
    controls: tuple[Control, ...] = ()

    @classmethod
    def of(cls, source: Source, actual: Mode | None, controls: Sequence[Control] = ()) -> SourceEntry:
        """What is known of *source* before its file is read through."""
        path = getattr(source, "path", None)
        return cls(
            name=source.name,
            kind=type(source).__name__.removesuffix("Source").lower(),
            path=str(path.absolute()) if isinstance(path, Path) else None,
            requested=source.requested,
            actual=actual,
            controls=tuple(controls),
        )


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """What frames come from: the model with its hashes, where it really runs, the mode, and the detector if the mode uses one."""

    mode: PoseMode
    model: ModelSpec
    backend: Backend
    detector: DetectorSpec | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the user may change while frames are recorded.

    How poses are drawn on the video, how joints are steadied, and how the pictures of the source are turned and cropped.
    """

    draw: DrawOptions
    smoothing: SmoothRule | None = None
    framing: Framing = WHOLE


def to_json(value: Any) -> Any:
    """*value* as JSON has it: a dataclass as an object with all its fields, a number that is not finite as null."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


@functools.cache
def versions() -> Mapping[str, str]:
    """The versions of Python and of every package that the app may use and that is installed, by its name."""
    found = {"python": platform.python_version()}
    try:
        required = importlib.metadata.requires("poseapp") or []
    except importlib.metadata.PackageNotFoundError:  # in a bundle: what reads, computes and writes
        return found | {"av": av.__version__, "numpy": np.__version__, "opencv": cv2.__version__}
    for requirement in required:
        name = re.match(r"[\w.-]+", requirement)
        if name is None or "extra == 'test'" in requirement:  # tools, which make no recordings
            continue
        try:
            found[name[0]] = importlib.metadata.version(name[0])
        except importlib.metadata.PackageNotFoundError:
            continue
    return dict(sorted(found.items()))
