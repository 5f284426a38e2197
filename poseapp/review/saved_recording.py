"""A recording opened as data: who was where in which frame.

``read_keypoints`` and ``read_manifest`` are the only readers of its files. When a line is damaged, the frames before it are
used, and ``SavedRecording.remarks`` says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import RecordError
from poseapp.core.json_files import Fields, shortened
from poseapp.core.skeleton import SKELETONS, Skeleton
from poseapp.live.recording import read_keypoints, read_manifest
from poseapp.live.recording.manifest import MANIFEST
from poseapp.live.recording.picture_files import any_pictures
from poseapp.review.part_builder import PartBuilder

Floats = NDArray[np.float64]
# A name of a joint may stand in any file that is exported. In a spreadsheet, text that begins with another sign is a formula.
_JOINT_NAME = re.compile(r"\w[\w .()/-]{0,99}")
_LONG_STEP = 3.0  # times the usual time from frame to frame: a camera that was gone, which tells nothing of its rate


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonTrack:
    """One person in the n frames in which the person is.

    ``rows`` (n,) are the places of those frames in the part's lists. ``xy`` and ``smoothed`` (n, K, 2) px of the frame, NaN where
    a joint is missing; ``smoothed`` is NaN too in frames that were not smoothed. ``score`` (n, K) and ``person_score`` (n,) are
    0..1. ``predicted`` (n,): the network did not look at the person, the joints are where they are expected.
    """

    id: int
    rows: NDArray[np.intp]
    xy: Floats
    score: Floats
    person_score: Floats
    smoothed: Floats
    predicted: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedPart:
    """The T frames of a recording that have the same joints, in order.

    ``frames`` (T,) are their numbers in the source, which grow; ``times`` (T,) s, which do not fall; ``sizes`` (T, 2) width and
    height in px; ``files`` the picture of each frame, "" where the source is no folder of pictures. ``people`` by id.
    """

    skeleton: Skeleton
    frames: NDArray[np.int64]
    times: Floats
    sizes: NDArray[np.int64]
    files: tuple[str, ...]
    people: Mapping[int, PersonTrack]

    def on_all_frames(self, track: PersonTrack, values: NDArray[Any]) -> Floats:
        """*values* (n, ...) of *track* on all frames (T, ...); NaN where the person is not there."""
        out = np.full((len(self.frames), *values.shape[1:]), np.nan)
        out[track.rows] = values
        return out

    @property
    def is_stills(self) -> bool:
        """Whether its frames are pictures that stand alone: nobody is the same person in two of them, and times say nothing."""
        return any(self.files)

    @property
    def fps(self) -> float:
        """Frames of the source a second, from their numbers and times; 0 where fewer than two frames tell it.

        Steps that took far longer than usual are left out: a camera that was unplugged says nothing about its rate.
        """
        numbers, seconds = np.diff(self.frames), np.diff(self.times)
        if not numbers.size:
            return 0.0
        each = seconds / numbers
        usual = each <= _LONG_STEP * np.median(each)
        total = float(seconds[usual].sum())
        return round(float(numbers[usual].sum()) / total, 3) if total > 0 else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedRecording:
    """The recording in ``folder``.

    ``manifest`` is ``session.json``, of which everything but the models is unchecked. ``parts`` are runs of frames with the same
    joints: mostly one, more where another model with other joints took over. ``remarks`` has a line for each thing that is not
    as it should be.
    """

    folder: Path
    manifest: Mapping[str, Any]
    parts: tuple[RecordedPart, ...]
    remarks: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the user calls it: the name of its folder."""
        return self.folder.name

    @property
    def person_ids(self) -> tuple[int, ...]:
        """Everybody's number, in order."""
        return tuple(sorted({number for part in self.parts for number in part.people}))

    @classmethod
    def read(cls, folder: Path) -> SavedRecording:
        """Read the recording in *folder*. Raises RecordError where it is none, or no frame of it can be read."""
        folder = folder.resolve()
        manifest = read_manifest(folder)
        skeletons = _skeletons(manifest, folder / MANIFEST)
        builders: list[PartBuilder] = []
        remarks = []
        count = 0
        try:
            for line in read_keypoints(folder):
                skeleton = _skeleton_at(skeletons, line, folder)
                if not builders or builders[-1].skeleton != skeleton:
                    builders.append(PartBuilder(skeleton, str(folder), builders[-1] if builders else None))
                builders[-1].add(line)
                count += 1
        except RecordError as error:
            if not count:
                raise
            remarks.append(f"{error} The {count} frames before it are used.")
        if not any(folder.glob("*.mkv")) and not any_pictures(folder):
            remarks.append(f"{folder}: has no video any more. Its joints are used.")
        # A part whose first line was damaged is empty.
        parts = tuple(_part(builder) for builder in builders if builder.frames)
        return cls(folder=folder, manifest=manifest, parts=parts, remarks=tuple(remarks))


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


def _part(builder: PartBuilder) -> RecordedPart:
    people = {
        number: PersonTrack(
            id=number,
            rows=np.array(person.rows, np.intp),
            xy=np.stack(person.xy),
            score=np.stack(person.score),
            person_score=np.array(person.person_score, np.float64),
            smoothed=np.stack(person.smoothed),
            predicted=np.array(person.predicted, np.bool_),
        )
        for number, person in sorted(builder.people.items())
    }
    return RecordedPart(
        skeleton=builder.skeleton,
        frames=np.array(builder.frames, np.int64),
        times=np.array(builder.times, np.float64),
        sizes=np.array(builder.sizes, np.int64).reshape(-1, 2),
        files=tuple(builder.files),
        people=people,
    )


def _skeletons(manifest: dict[str, Any], path: Path) -> list[tuple[int, Skeleton]]:
    """From which frame on which skeleton counts, in order."""

    def wrong(what: str) -> RecordError:
        return RecordError(f"{path}: {what}. Copy the recording again.")

    found = []
    # Segments and models say it alike; a recording without segments may have models of other joints in mid-file.
    for entry in Fields(manifest, wrong).objects("segments" if manifest.get("segments") else "models"):
        described = entry.object("skeleton")
        found.append((entry.integer("from_frame"), _known(described.text("name"), described.array("keypoints"), wrong)))
    return sorted(found, key=lambda one: one[0])


def _known(name: str, joints: Sequence[Any], wrong: Any) -> Skeleton:
    """The skeleton *name* with *joints*; one of another app or version has no limbs, but its joints are used."""
    known = SKELETONS.get(name)
    if known is not None and list(known.keypoints) == list(joints):
        return known
    bad = next((joint for joint in joints if not isinstance(joint, str) or not _JOINT_NAME.fullmatch(joint)), None)
    if bad is not None:
        raise wrong(f"skeleton: expected names of joints, got {shortened(bad)}")
    if not joints or len(set(joints)) != len(joints):
        raise wrong("skeleton: expected at least one joint, and each once")
    k = len(joints)
    return Skeleton(name=name, keypoints=tuple(joints), limbs=(), flip=tuple(range(k)), sigmas=(0.0,) * k)


def _skeleton_at(skeletons: Sequence[tuple[int, Skeleton]], line: Mapping[str, Any], folder: Path) -> Skeleton:
    """The skeleton of the frame of *line*."""
    if not skeletons:
        raise RecordError(f"{folder / MANIFEST}: names no model, so nobody knows the joints. Copy the recording again.")
    number = line.get("frame")
    earlier = [skeleton for first, skeleton in skeletons if isinstance(number, int) and first <= number]
    return earlier[-1] if earlier else skeletons[0][1]
