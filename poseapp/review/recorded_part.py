"""The frames of a recording that have the same joints, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.core.skeleton import Skeleton
from poseapp.review.part_builder import PartBuilder

Floats = NDArray[np.float64]
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
    height in px; ``files`` the picture of each frame, "" where the source is no folder of pictures. ``fitted`` (T, 3) are scale,
    x and y of the frame in the video; ``locked`` (T,) is the person that the user held on to, 0 for nobody. ``people`` by id.
    """

    skeleton: Skeleton
    frames: NDArray[np.int64]
    times: Floats
    sizes: NDArray[np.int64]
    files: tuple[str, ...]
    fitted: Floats
    locked: NDArray[np.int64]
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


def built_part(builder: PartBuilder) -> RecordedPart:
    """What *builder* has gathered."""
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
        fitted=np.array(builder.fitted, np.float64).reshape(-1, 3),
        locked=np.array(builder.locked, np.int64),
        people=people,
    )
