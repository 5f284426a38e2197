"""What every format of an export gets and is: Take, ExportOptions, ExportFormat."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from poseapp.core.errors import ExportError, RecordError
from poseapp.render import DrawOptions

if TYPE_CHECKING:
    from poseapp.review.recorded_part import Floats, PersonTrack, RecordedPart
    from poseapp.review.saved_recording import SavedRecording

DEFAULT_FOLDER = "exports"  # in the folder of the recording
UNKNOWN_FPS = 30.0  # of a recording of one frame, for formats that must say something
_MOST_FRAMES = 5_000_000  # 46 h at 30 fps; a damaged frame number must not fill the disk with empty rows


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """``smoothed``: the steadied joints stand where a format has place for one kind. ``person``: only the one of that id.

    Joints of a lower score than ``least_score`` are left out. None keeps all where the format has the score beside each joint;
    where it has not, it leaves out what the window does not show. ``draw`` is how a video looks.
    """

    smoothed: bool = False
    person: int | None = None
    least_score: float | None = None
    draw: DrawOptions = field(default_factory=DrawOptions)


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """What goes into one file: ``people`` of a ``part`` of a ``recording``. ``name`` is that of the file without its ending."""

    recording: SavedRecording
    part: RecordedPart
    people: tuple[PersonTrack, ...]
    options: ExportOptions
    name: str

    def xy(self, track: PersonTrack) -> Floats:
        """The joints (n, K, 2) that the user wants: as found, or smoothed."""
        return track.smoothed if self.options.smoothed else track.xy

    @property
    def px_per_mm(self) -> float:
        """How many px of the frame a mm has; 1 where nobody has said."""
        scale = self.recording.scale
        return scale.px_per_m / 1000 if scale is not None else 1.0

    @property
    def fps(self) -> float:
        """Frames of the source a second."""
        return self.part.fps or UNKNOWN_FPS

    def in_order(self) -> Iterator[tuple[int, list[tuple[PersonTrack, int]]]]:
        """Each row of the part, with the people in it: a track, and the place of the row in the track's lists."""
        by_row: dict[int, list[tuple[PersonTrack, int]]] = {}
        for track in self.people:
            for place, row in enumerate(track.rows.tolist()):
                by_row.setdefault(row, []).append((track, place))
        for row in range(len(self.part.frames)):
            yield row, by_row.get(row, [])


@dataclass(frozen=True, kw_only=True, eq=False)
class EveryFrame:
    """One person on every frame of the source, for formats that count frames instead of naming them.

    ``first`` is the number of the first one; ``t`` (F,) s, between recorded frames in proportion; ``xy`` (F, K, 2) and ``score``
    (F, K) are NaN where the person or the frame is missing; ``height_px`` (F,) of the picture.
    """

    first: int
    t: Floats
    xy: Floats
    score: Floats
    height_px: Floats

    @classmethod
    def of(cls, take: Take, first: int | None = None) -> EveryFrame:
        """The only person of *take*, from frame *first* of the source on; by default the first one of the part.

        Raises ExportError where there are far too many frames.
        """
        part, (track,) = take.part, take.people
        first = int(part.frames[0]) if first is None else first
        count = int(part.frames[-1]) - first + 1
        if count > _MOST_FRAMES:
            raise ExportError(
                f"{take.name}: expected at most {_MOST_FRAMES:,} frames, got {count:,}. "
                "Choose a format that has only the recorded ones: csv."
            )
        numbers = np.arange(first, first + count)
        at = part.frames[track.rows] - first
        k = part.skeleton.k
        xy, score = np.full((count, k, 2), np.nan), np.full((count, k), np.nan)
        xy[at], score[at] = take.xy(track), track.score
        t = np.interp(numbers, part.frames, part.times)
        before = numbers < part.frames[0]
        t[before] = part.times[0] - (part.frames[0] - numbers[before]) / take.fps
        held = np.clip(np.searchsorted(part.frames, numbers, side="right") - 1, 0, None)
        return cls(first=first, t=t, xy=xy, score=score, height_px=part.sizes[held, 1].astype(np.float64))


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """A format: its ``label`` for users, the ``ending`` of its file or folder, and how a file is written.

    ``write`` gets a take with at least one frame and the path of a file that is not there yet, or of an empty folder
    where ``is_folder``; it raises OSError, or ExportError where the take does not fit. The file gets its final name when it
    is whole. With ``one_person`` each person gets a file, and the take has that person only. ``packages`` are the modules that
    must be installed, ``extra`` the name under which pip installs them. A format that is not
    ``of_stills`` is about what moves, one that is not ``of_film`` about pictures that stand alone. ``has_scores`` says whether a
    reader of the file can tell a joint that is a guess.
    """

    label: str
    ending: str
    write: Callable[[Take, Path], None]
    is_folder: bool = False
    one_person: bool = False
    has_scores: bool = True
    of_film: bool = True
    of_stills: bool = True
    packages: tuple[str, ...] = ()
    extra: str = ""

    def unavailable(self) -> str:
        """Why the format cannot be written here and what to do, as one sentence and one command; "" where it can."""
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if not missing:
            return ""
        verb = "is" if len(missing) == 1 else "are"
        return f'{" and ".join(missing)} {verb} not installed. Install with: pip install "poseapp[{self.extra}]"'


def takes_of(recording: SavedRecording, options: ExportOptions, chosen: ExportFormat) -> list[Take]:
    """What becomes a file of the *chosen* format each. Raises RecordError where *recording* has not what *options* ask for."""
    if not recording.parts:
        raise RecordError(f"{recording.folder}: has no frames, so there is nothing to export. Record again.")
    stills = any(part.is_stills for part in recording.parts)
    if stills and not chosen.of_stills:
        raise RecordError(
            f"{recording.folder}: has pictures that stand alone, and nobody in them moves. "
            "Choose csv, angles, xlsx, coco, openpose or pictures."
        )
    if not stills and not chosen.of_film:
        raise RecordError(f"{recording.folder}: is a film, no folder of pictures. Choose another format: video.")
    if options.person is not None and options.person not in recording.person_ids:
        there = ", ".join(map(str, recording.person_ids)) or "nobody"
        raise RecordError(f"{recording.folder}: expected a person who is in it ({there}), got {options.person}.")
    everybody = [track for part in recording.parts for track in part.people.values()]
    if options.smoothed and everybody and all(np.isnan(track.smoothed).all() for track in everybody):
        raise RecordError(
            f"{recording.folder}: was recorded without smoothing. Choose the joints as they were found, without --smoothed."
        )
    if chosen.one_person and not everybody:
        raise RecordError(f"{recording.folder}: has nobody in it. Choose a format that takes frames without people: csv.")
    least_score = options.least_score
    if least_score is None:
        least_score = 0.0 if chosen.has_scores else DrawOptions.threshold
    found = []
    for number, part in enumerate(recording.parts, 1):
        name = recording.name if len(recording.parts) == 1 else f"{recording.name}-part{number}"
        tracks = tuple(_above(track, least_score) for track in part.people.values() if options.person in (None, track.id))
        groups = [(track,) for track in tracks] if chosen.one_person else [tracks]
        for group in groups:
            full = f"{name}-person{group[0].id}" if chosen.one_person else name
            found.append(Take(recording=recording, part=part, people=group, options=options, name=full))
    return found


def _above(track: PersonTrack, least_score: float) -> PersonTrack:
    """*track* without the joints of a lower score."""
    if least_score <= 0:
        return track
    low: NDArray[np.bool_] = track.score < least_score
    gone = low[..., None]
    return replace(track, xy=np.where(gone, np.nan, track.xy), smoothed=np.where(gone, np.nan, track.smoothed))


def shown(value: float, decimals: int) -> str:
    """*value* with *decimals*; nothing where it is missing."""
    return "" if np.isnan(value) else f"{value:.{decimals}f}"
