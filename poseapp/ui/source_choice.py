"""SourceChoice: a source as the user chooses it and the settings keep it, and the Source that it stands for."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from poseapp import resources
from poseapp.core.errors import SourceError
from poseapp.live.sources import Camera, CameraSource, FolderSource, Mode, Source, VideoSource, parse_source
from poseapp.review.played_clip import PlayedClip
from poseapp.review.played_pictures import PlayedPictures

SourceKind = Literal["camera", "video", "picture", "folder", "address", "synthetic", "demo", "given"]


@dataclass(frozen=True)
class SourceChoice:
    """A source as the user names it.

    ``value`` is the path of a file or folder, the address, or for a camera its device path (its name
    where there is none); ``label`` is shown. ``given`` stands for a source from the command line.
    """

    kind: SourceKind
    value: str = ""
    label: str = ""

    @classmethod
    def camera(cls, camera: Camera) -> SourceChoice:
        """The choice of *camera*."""
        return cls("camera", camera.path or camera.name, camera.name)

    @classmethod
    def file(cls, kind: SourceKind, path: Path) -> SourceChoice:
        """The choice of a video, a picture or a folder."""
        return cls(kind, str(path), path.name or str(path))

    def to_text(self) -> str:
        """One line for the settings."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, content: Any) -> SourceChoice:
        """The choice in *content*, which comes from a file. Raises ValueError."""
        try:
            choice = cls(content["kind"], str(content["value"]), str(content["label"]))
        except (TypeError, KeyError):
            raise ValueError("source: expected kind, value and label") from None
        if choice.kind not in get_args(SourceKind) or choice.kind == "given":
            raise ValueError("source: expected a known kind")
        return choice

    @classmethod
    def from_text(cls, text: str) -> SourceChoice | None:
        """The choice in *text*; None where it is none or can no longer be opened."""
        try:
            choice = cls.from_json(json.loads(text))
        except (ValueError, RecursionError):
            return None
        if choice.kind in ("video", "picture", "folder") and not os.path.exists(choice.value):  # noqa: PTH110 - never raises
            return None
        return choice


SYNTHETIC = SourceChoice("synthetic", label="Synthetic figure")
DEMO = SourceChoice("demo", label="Demo clip")


def make_source(choice: SourceChoice, cameras: list[Camera], requested: Mode) -> Source:
    """The Source for *choice*, not yet open; files and pictures repeat. Raises SourceError where it is gone."""
    if choice.kind == "camera":
        camera = find_camera(choice, cameras)
        if camera is None:
            raise SourceError(f"{choice.label}: not plugged in. Plug it in, or choose another source.")
        return CameraSource(camera.index, camera.name, requested, camera.backend)
    if choice.kind == "demo":
        return PlayedClip(resources.asset("demo.mp4"))
    source = parse_source("synthetic" if choice.kind == "synthetic" else choice.value, loop=True)
    return playable(source) or source


def playable(source: Source | None) -> Source | None:
    """*source*, where it is a video file or a folder of pictures as one that the user can move in."""
    if isinstance(source, FolderSource):
        return PlayedPictures(source.path)
    return PlayedClip(source.path) if isinstance(source, VideoSource) else source


def find_camera(choice: SourceChoice, cameras: list[Camera]) -> Camera | None:
    """The camera that *choice* means: one of that make at the same place, or else one of the same name.

    A place alone says nothing: /dev/video2 is another camera when they were plugged in in another order.
    """
    there = next((c for c in cameras if c.path and c.path == choice.value and _make(c.name) == _make(choice.label)), None)
    return there or next((c for c in cameras if c.name == choice.label), None)


def _make(name: str) -> str:
    """A camera's name without the number that tells it from others of its make."""
    return re.sub(r" \(\d+\)$", "", name)


def first_choice(remembered: SourceChoice | None, cameras: list[Camera]) -> tuple[SourceChoice, str]:
    """What to start with, and a line that says why where it is not what the user would expect.

    The remembered source, else the first camera, else the demo clip.
    """
    if remembered is not None and remembered.kind == "address" and not remembered.value:
        return (
            first_choice(None, cameras)[0],
            f"{remembered.label}: this address holds a password, which is not kept. Enter it again (Ctrl+U).",
        )
    if remembered is not None and remembered.kind != "camera":
        return remembered, ""
    if remembered is not None and find_camera(remembered, cameras) is not None:
        return remembered, ""
    if cameras:
        note = f"{remembered.label} is not plugged in: showing {cameras[0].name}." if remembered is not None else ""
        return SourceChoice.camera(cameras[0]), note
    return DEMO, "No camera found: this is the demo clip."


def unique_labels(cameras: list[Camera]) -> list[Camera]:
    """The cameras with a number behind names that several of them share."""
    names = [camera.name for camera in cameras]
    return [
        replace(camera, name=f"{camera.name} ({names[: i + 1].count(camera.name)})") if names.count(camera.name) > 1 else camera
        for i, camera in enumerate(cameras)
    ]
