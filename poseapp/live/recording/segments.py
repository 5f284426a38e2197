"""The segments of a recording: which frames have which joints, and in which files they are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poseapp.core.errors import RecordError
from poseapp.core.json_files import Fields, Wrong, shortened
from poseapp.core.skeleton import SKELETONS, Skeleton
from poseapp.core.spec import is_name
from poseapp.live.recording.keypoints import ANNOTATED, KEYPOINTS, read_line
from poseapp.live.recording.manifest import MANIFEST, read_manifest

# A name of a joint may stand in any file that is exported. In a spreadsheet, text that begins with another sign is a formula.
_JOINT_NAME = re.compile(r"\w[\w .()/-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """The analysed frames of a recording from ``from_frame`` to the next segment: all have the joints of ``skeleton``.

    ``skeleton`` is None where the recording names no model. One that is not known here has no limbs. ``keypoints`` and ``video``
    are files; those of a recording that was killed may be missing. ``span`` are the first frame, and the first one after this
    segment, where it shares its files with others, as in schema 1 and 2; None where the files are this segment's alone.
    """

    from_frame: int
    skeleton: Skeleton | None
    keypoints: Path
    video: Path
    span: tuple[int, float] | None = None

    def lines(self) -> Iterator[dict[str, Any]]:
        """The lines of this segment; see ``read_keypoints``."""
        try:
            with self.keypoints.open("rb") as file:
                for number, content in enumerate(file, 1):
                    line = read_line(content, f"{self.keypoints}, line {number}")
                    if self._has(line.get("frame")):
                        yield line
        except OSError as error:
            raise RecordError(f"{self.keypoints}: cannot be read ({error.strerror}). Choose the folder of a recording.") from None

    def _has(self, frame: Any) -> bool:
        """Whether *frame* belongs here; what is no number belongs to the first segment of the file, which refuses it."""
        number = frame if isinstance(frame, int) else 0
        return self.span is None or self.span[0] <= number < self.span[1]


def read_segments(folder: Path) -> tuple[Segment, ...]:
    """The segments of the recording in *folder*, in the order of their frames; at least one.

    Raises RecordError where *folder* is no recording, or its ``session.json`` is damaged.
    """
    content = read_manifest(folder)  # refuses what a newer version has written

    def wrong(what: str) -> RecordError:
        return RecordError(f"{folder / MANIFEST}: {what}. Copy the recording again.")

    fields = Fields(content, wrong)
    if content.get("segments"):
        found = [
            _segment(folder, one.integer("from_frame"), _skeleton(one.object("skeleton"), wrong), one.texts("files"), wrong)
            for one in fields.objects("segments")
        ]
        return tuple(sorted(found, key=lambda one: one.from_frame))
    # Nothing was analysed, or by a version that wrote one file for all joints: the models say where other joints begin.
    starts: list[tuple[int, Skeleton]] = []
    for one in sorted(fields.objects("models"), key=lambda one: one.integer("from_frame")):
        skeleton = _skeleton(one.object("skeleton"), wrong)
        if not starts or starts[-1][1] != skeleton:
            starts.append((one.integer("from_frame") if starts else 0, skeleton))
    if not starts:
        return (_segment(folder, 0, None, {}, wrong),)
    ends = [*(start for start, _ in starts[1:]), math.inf]
    return tuple(
        _segment(folder, start, skeleton, {}, wrong, (start, end) if len(starts) > 1 else None)
        for (start, skeleton), end in zip(starts, ends, strict=True)
    )


def read_keypoints(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of all segments of the recording in *folder*, with the keys of schema 3, also where schema 1 or 2 wrote them.

    ``read_segments`` tells which joints they have. Raises RecordError where *folder* is no recording, or a line is damaged.
    """
    for segment in read_segments(folder):
        yield from segment.lines()


def _segment(
    folder: Path,
    from_frame: int,
    skeleton: Skeleton | None,
    files: Mapping[str, str],
    wrong: Wrong,
    span: tuple[int, float] | None = None,
) -> Segment:
    names = [files.get(name, name) for name in (KEYPOINTS, ANNOTATED)]
    if any(not is_name(name) for name in names):
        raise wrong(f"expected names of files, got {shortened(names)}")
    keypoints, video = (folder / name for name in names)
    return Segment(from_frame=from_frame, skeleton=skeleton, keypoints=keypoints, video=video, span=span)


def _skeleton(described: Fields, wrong: Wrong) -> Skeleton:
    """The skeleton that is *described*; one of another app or version has no limbs, but its joints are used."""
    name: str = described.text("name")
    joints: Sequence[Any] = described.array("keypoints")
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
