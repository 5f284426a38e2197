"""A recording opened as data: who was where in which frame.

``quick_reader.py`` reads lines as this app writes them, ten times as fast; ``part_builder.py`` reads any line, and says what is
wrong with it. When a line is damaged, the frames before it are used, and ``SavedRecording.remarks`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseapp.core.errors import RecordError
from poseapp.core.scale import Scale, read_scale
from poseapp.live.recording import Segment, read_manifest, read_segments
from poseapp.live.recording.keypoints import ANNOTATED
from poseapp.live.recording.manifest import MANIFEST
from poseapp.live.recording.picture_files import any_pictures
from poseapp.review.part_builder import PartBuilder
from poseapp.review.quick_reader import read_quickly
from poseapp.review.recorded_part import RecordedPart, built_part


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedRecording:
    """The recording in ``folder``.

    ``manifest`` is ``session.json``, of which everything but the models is unchecked. ``parts`` are runs of frames with the same
    joints: mostly one, more where another model with other joints took over. ``damage`` is a line about the first frame that
    cannot be read, or "".
    """

    folder: Path
    manifest: Mapping[str, Any]
    parts: tuple[RecordedPart, ...]
    damage: str = ""

    @property
    def remarks(self) -> tuple[str, ...]:
        """A line for each thing that is not as it should be."""
        there = any(self.folder.glob("*.mkv")) or any_pictures(self.folder) or not self._had_a_video
        video = "" if there else f"{self.folder}: has no video any more. Its joints are used."
        return tuple(line for line in (self.damage, video) if line)

    @property
    def _had_a_video(self) -> bool:
        """Whether it was made with a video; those of schema 1 and 2, which do not say, were."""
        segments = self.manifest.get("segments")
        files = [one.get("files") for one in segments if isinstance(one, dict)] if isinstance(segments, list) else []
        return not files or any(not isinstance(names, dict) or ANNOTATED in names for names in files)

    @property
    def name(self) -> str:
        """What the user calls it: the name of its folder."""
        return self.folder.name

    @property
    def scale(self) -> Scale | None:
        """How many px a metre has, where the user has set it."""
        return read_scale(self.manifest)

    @property
    def frame_count(self) -> int:
        """How many frames have a line."""
        return sum(len(part.frames) for part in self.parts)

    @property
    def person_ids(self) -> tuple[int, ...]:
        """Everybody's number, in order."""
        return tuple(sorted({number for part in self.parts for number in part.people}))

    @classmethod
    def read(cls, folder: Path) -> SavedRecording:
        """Read the recording in *folder*. Raises RecordError where it is none, or no frame of it can be read."""
        folder = folder.resolve()
        manifest = read_manifest(folder)
        parts: list[RecordedPart] = []
        damage = ""
        for segment in read_segments(folder):
            part, problem = _read_part(segment, folder, _end(parts))
            # A part whose first line was damaged is empty.
            parts += [part] if part is not None and part.frames.size else []
            if problem:
                count = sum(len(part.frames) for part in parts)
                if not count:
                    raise RecordError(problem)
                damage = f"{problem} The {count} frames before it are used."
                break
        return cls(folder=folder, manifest=manifest, parts=tuple(parts), damage=damage)


def recordings_in(path: Path) -> list[Path]:
    """The recording *path* itself, or the recordings in the folder *path*, by name. Raises RecordError where there is none."""
    if (path / MANIFEST).is_file():
        return [path]
    try:
        found = sorted(folder for folder in path.iterdir() if (folder / MANIFEST).is_file())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}). Choose the folder of a recording.") from None
    if not found:
        raise RecordError(f"{path}: expected a recording, or a folder of recordings; found no {MANIFEST}. Choose another folder.")
    return found


def _read_part(segment: Segment, folder: Path, before: tuple[int, float]) -> tuple[RecordedPart | None, str]:
    """The frames of *segment* after the frame *before*, up to the first one that is damaged; and what is wrong with it."""
    if segment.skeleton is None:
        if next(segment.lines(), None) is None:
            return None, ""
        return None, f"{folder / MANIFEST}: names no model, so nobody knows the joints. Copy the recording again."
    part = read_quickly(segment, before)
    if part is not None:
        return part, ""
    builder = PartBuilder(segment.skeleton, str(folder), before)
    problem = ""
    try:
        for line in segment.lines():
            builder.add(line)
    except RecordError as error:
        problem = str(error)
    return built_part(builder), problem


def _end(parts: list[RecordedPart]) -> tuple[int, float]:
    """Number and time of the last frame so far."""
    return (int(parts[-1].frames[-1]), float(parts[-1].times[-1])) if parts else (-1, 0.0)
