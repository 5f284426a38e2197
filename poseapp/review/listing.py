"""The recordings in a folder: what is known of each without its joints, and what takes longer: a picture, and how many people."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.core.types import ImageArray
from poseapp.live.recording import read_manifest, read_segments
from poseapp.live.recording.keypoints import ANNOTATED, KEYPOINTS
from poseapp.live.recording.manifest import MANIFEST
from poseapp.live.recording.picture_files import pictures_folder, written_pictures
from poseapp.live.recording.writers import CLEAN
from poseapp.live.sources import VideoSource
from poseapp.live.sources.base import shown
from poseapp.live.sources.pictures import read_picture

_PERSON = re.compile(rb'"id": ?(\d{1,9})\D')  # with what follows: a number that is cut off is none
_CHUNK = 1 << 20
_LONGEST = 16  # of such a match


@dataclass(frozen=True, kw_only=True)
class RecordingEntry:
    """A recording in a list. ``seconds`` is None while it is not finished; ``problem`` says why it cannot be read, or ""."""

    folder: Path
    name: str
    started: datetime | None
    seconds: float | None
    source: str
    tags: tuple[str, ...]
    problem: str

    def matches(self, text: str) -> bool:
        """Whether each word of *text* is in its name, tags, date or source, in any case."""
        when = f"{self.started:%Y-%m-%d %H:%M}" if self.started else ""
        where = " ".join((self.name, self.source, *(f"#{tag}" for tag in self.tags), when))
        return all(word in where.casefold() for word in text.casefold().split())


@dataclass(frozen=True, kw_only=True, eq=False)
class Preview:
    """What is read later: a small picture, (h, w, 3) uint8 BGR, None without a video, and the number of people."""

    picture: ImageArray | None
    person_count: int


def list_recordings(parent: Path) -> list[RecordingEntry]:
    """The recordings in *parent*, the newest first. One whose description is damaged is in the list, too.

    Raises RecordError where *parent* cannot be read; a folder that is not there has no recordings.
    """
    try:
        with os.scandir(parent) as found:
            folders = [Path(one.path) for one in found if one.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(f"{parent}: cannot be read ({error.strerror}). Choose another folder for recordings.") from None
    entries = [_entry(folder) for folder in folders if os.path.lexists(folder / MANIFEST)]
    return sorted(entries, key=lambda entry: (_moment(entry), entry.name), reverse=True)


def _entry(folder: Path) -> RecordingEntry:
    problem, content = "", {}  # type: str, dict[str, Any]
    try:
        content = read_manifest(folder)
    except PoseAppError as error:
        problem = str(error)
    source, seconds, tags = content.get("source"), content.get("seconds"), content.get("tags")
    return RecordingEntry(
        folder=folder,
        name=shown(folder.name),
        started=local_time(content.get("started")),
        seconds=float(seconds) if isinstance(seconds, (int, float)) and 0 <= seconds < 1e9 else None,
        source=shown(source.get("name", "")) if isinstance(source, dict) else "",
        tags=tuple(shown(tag) for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        problem=problem,
    )


def local_time(text: Any) -> datetime | None:
    """The local time in *text*, ISO 8601 from outside; None where it is something else."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _moment(entry: RecordingEntry) -> float:
    return entry.started.timestamp() if entry.started is not None else 0.0


def read_preview(folder: Path, hw: tuple[int, int]) -> Preview:
    """The first picture of the recording in *folder*, not larger than *hw*, and how many people are in it. Never raises."""
    picture: ImageArray | None = None
    for name in (ANNOTATED, CLEAN):
        try:
            picture = _first_picture(folder / name, hw)
            break
        except PoseAppError:
            continue
    else:
        pictures = [one for name in (ANNOTATED, CLEAN) for one in written_pictures(pictures_folder(folder / name))]
        with contextlib.suppress(PoseAppError):
            picture = _smaller(read_picture(pictures[0]), hw) if pictures else None
    return Preview(picture=picture, person_count=count_people(_joints(folder)))


def _joints(folder: Path) -> set[Path]:
    """The files with the joints of the recording in *folder*."""
    try:
        return {segment.keypoints for segment in read_segments(folder)}
    except PoseAppError:
        return {folder / KEYPOINTS}


def _first_picture(path: Path, hw: tuple[int, int]) -> ImageArray:
    source = VideoSource(path)
    try:
        source.open()
        item = source.read()
    finally:
        source.close()
    if item is None:
        raise RecordError(f"{path}: holds no picture. Record it again.")
    return _smaller(item[0], hw)


def _smaller(image: ImageArray, hw: tuple[int, int]) -> ImageArray:
    """*image* scaled to fit into *hw*."""
    h, w = image.shape[:2]
    scale = min(hw[0] / h, hw[1] / w)
    size = max(1, round(w * scale)), max(1, round(h * scale))
    return np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def count_people(paths: Iterable[Path]) -> int:
    """How many people have a number in the files *paths* of joints: by text, which reads 100 MB a second.

    What cannot be read counts as empty.
    """
    found: set[bytes] = set()
    for path in paths:
        with contextlib.suppress(OSError):
            found |= _ids_in(path)
    return len(found)


def _ids_in(path: Path) -> set[bytes]:
    found: set[bytes] = set()
    rest = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            text = rest + chunk
            found.update(_PERSON.findall(text))
            rest = text[-_LONGEST:]
    return found
