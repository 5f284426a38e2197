"""Which frame of the source each picture of a recording's clean video is, and when it was captured."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from poseapp.review.recorded_part import Floats
from poseapp.review.saved_poses import SAME_S
from poseapp.review.saved_recording import SavedRecording


@dataclass(frozen=True, eq=False)
class Placing:
    """``numbers`` (N,) of the pictures in the source, growing, and ``times`` (N,) s, as ``keypoints.jsonl`` has them."""

    numbers: NDArray[np.int64]
    times: Floats


def place_pictures(times_s: Floats, recording: SavedRecording) -> Placing:
    """Where the pictures that the clean video shows at *times_s* (N,) s are in *recording*.

    A picture that was analysed live has its number and time there. The others are counted from one of these to the next; where
    the camera or the disk lost some of those between, their times say which.
    """
    frames = np.array([number for part in recording.parts for number in part.frames], np.int64)
    exact = np.array([t for part in recording.parts for t in part.times], np.float64)
    times, known = times_s.copy(), np.full(len(times_s), -1, np.int64)
    if len(exact):
        after = np.searchsorted(exact, times_s).clip(0, len(exact) - 1)
        before = (after - 1).clip(0)
        nearest = np.where(np.abs(exact[before] - times_s) <= np.abs(exact[after] - times_s), before, after)
        same = np.abs(exact[nearest] - times_s) <= SAME_S
        known[same], times[same] = frames[nearest[same]], exact[nearest[same]]
    return Placing(numbers=_counted(known, times), times=np.maximum.accumulate(times))


def _counted(known: NDArray[np.int64], times: Floats) -> NDArray[np.int64]:
    """*known* (N,) with a number for each -1: growing from each known one to the next, as evenly in time as can be."""
    anchors: list[int] = []
    for i in np.flatnonzero(known >= 0).tolist():
        # One that leaves no number for the pictures before it, as a time that two pictures share, is none to go by.
        if known[i] - i >= (known[anchors[-1]] - anchors[-1] if anchors else 0):
            anchors.append(i)
    if not anchors:
        return np.arange(len(known), dtype=np.int64)
    numbers = known.copy()
    first, last = anchors[0], anchors[-1]
    numbers[:first] = known[first] - np.arange(first, 0, -1)
    numbers[last:] = known[last] + np.arange(len(known) - last)
    for a, b in pairwise(anchors):
        inner = np.arange(a + 1, b)
        even = np.rint(np.interp(times[inner], times[[a, b]], known[[a, b]])).astype(np.int64)
        room = even.clip(known[a] + (inner - a), known[b] - (b - inner))  # for those before, and for those after
        numbers[inner] = (np.maximum.accumulate(room - inner) + inner).clip(max=known[b] - (b - inner))
    return numbers
