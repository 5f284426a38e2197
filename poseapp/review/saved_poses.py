"""The joints of a recording, as Poses for each time of its video."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poseapp.core.skeleton import SKELETONS
from poseapp.core.types import POSE_MODES, FloatArray, PoseMode, Poses
from poseapp.live.recording.picture_files import any_pictures
from poseapp.review.recorded_part import RecordedPart
from poseapp.review.saved_recording import SavedRecording

SAME_S = 0.0025  # times of a video are whole ms, and up to 2 ms late
LONGEST_GAP_S = 0.25  # between two frames with joints: in a longer one nobody can say where they were


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedFrame:
    """A frame of a recording, in px of the video. ``smoothed`` is None where smoothing was off."""

    t: float
    poses: Poses
    smoothed: Poses | None
    predicted: frozenset[int]
    locked: int | None
    mode: PoseMode
    model: str


class SavedPoses:
    """All joints of *recording*, in the order of their times; of None nothing is known.

    ``files`` are the pictures of a recording of stills, one for each frame; it is empty where the recording is a film.
    """

    def __init__(self, recording: SavedRecording | None) -> None:
        self._parts = recording.parts if recording is not None else ()
        self._models = _models(recording.manifest if recording is not None else {})
        self._places = [(part, row) for part in self._parts for row in range(len(part.frames))]
        # Before stills had pictures of their own, a folder was recorded as a video, with places in it.
        stills = recording is not None and any_pictures(recording.folder) and all(all(part.files) for part in self._parts)
        self.files: list[str] = [file for part in self._parts for file in part.files] if stills else []
        self.times_s: list[float] = [t for part in self._parts for t in part.times.tolist()]

    @property
    def unknown_skeletons(self) -> list[str]:
        """The names of skeletons that are not known here, so that nobody can say which joints a limb joins."""
        return sorted({part.skeleton.name for part in self._parts if part.skeleton.name not in SKELETONS})

    def at(self, t: float) -> SavedFrame | None:
        """The joints of the picture at *t* s.

        Where the model did not see that picture, since it came too fast, they lie on the way between its neighbours and count
        as predicted. None where nothing is known.
        """
        nearest = min(self._neighbours(t), key=lambda i: abs(self.times_s[i] - t), default=None)
        if nearest is None:
            return None
        if abs(self.times_s[nearest] - t) <= SAME_S:
            return self.frame(nearest)
        after = bisect_right(self.times_s, t)
        if 0 < after < len(self.times_s) and self.times_s[after] - self.times_s[after - 1] <= LONGEST_GAP_S:
            return between(self.frame(after - 1), self.frame(after), t)
        return None

    def frame(self, at: int) -> SavedFrame:
        """Frame *at* of those that have joints, 0 ≤ at < len(times_s)."""
        part, row = self._places[at]
        here = [(track, int(place)) for track in part.people.values() if (place := _place(track.rows, row)) is not None]
        ids = np.array([track.id for track, _ in here], np.int64)
        score = _stacked([track.score[i] for track, i in here], part, ())
        person_score = np.array([track.person_score[i] for track, i in here], np.float32)

        def poses(xy: FloatArray) -> Poses:
            scale, shift = part.fitted[row, 0], part.fitted[row, 1:]
            xy = (xy * np.float32(scale) + shift.astype(np.float32)).astype(np.float32)
            return Poses(xy=xy, score=score, person_score=person_score, ids=ids, skeleton=part.skeleton)

        xy = _stacked([track.xy[i] for track, i in here], part, (2,))
        smoothed = _stacked([track.smoothed[i] for track, i in here], part, (2,))
        _, model, mode = next(one for one in reversed(self._models) if one[0] <= part.frames[row])
        return SavedFrame(
            t=self.times_s[at],
            poses=poses(xy),
            smoothed=poses(np.where(np.isnan(smoothed), xy, smoothed)) if not np.isnan(smoothed).all() else None,
            predicted=frozenset(track.id for track, i in here if track.predicted[i]),
            locked=int(part.locked[row]) or None,
            mode=mode,
            model=model,
        )

    def _neighbours(self, t: float) -> list[int]:
        at = bisect_left(self.times_s, t)
        return [i for i in (at - 1, at) if 0 <= i < len(self.times_s)]


def _place(rows: Any, row: int) -> int | None:
    """Where *row* is in the growing *rows*, or None."""
    at = int(np.searchsorted(rows, row))
    return at if at < len(rows) and rows[at] == row else None


def _stacked(values: list[Any], part: RecordedPart, ends: tuple[int, ...]) -> FloatArray:
    """The *values* of some people (N, K, ...) float32; with nobody, too."""
    return np.array(values, np.float32).reshape(len(values), part.skeleton.k, *ends)


def _models(manifest: Mapping[str, Any]) -> list[tuple[int, str, PoseMode]]:
    """From which frame on which model and mode count, as far as the manifest says so."""
    found: list[tuple[int, str, PoseMode]] = [(0, "", "one")]
    listed = manifest.get("models")
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict):
            continue
        start, model = entry.get("from_frame"), entry.get("model")
        mode: PoseMode = next((mode for mode in POSE_MODES if mode == entry.get("mode")), "one")
        name = str(model.get("name", "")) if isinstance(model, dict) else ""
        found.append((start if isinstance(start, int) else 0, name, mode))
    return sorted(found, key=lambda one: one[0])


def between(before: SavedFrame, after: SavedFrame, t: float) -> SavedFrame | None:
    """The people who are in both frames, where they are on the way at *t* s; None where the skeletons differ."""
    if before.poses.skeleton.keypoints != after.poses.skeleton.keypoints:
        return None
    weight = np.float32((t - before.t) / (after.t - before.t))
    both = [(i, j) for i, n in enumerate(before.poses.ids) for j, m in enumerate(after.poses.ids) if n == m]
    first, second = [i for i, _ in both], [j for _, j in both]

    def way(a: Poses, b: Poses) -> Poses:
        return Poses(
            xy=(a.xy[first] * (1 - weight) + b.xy[second] * weight).astype(np.float32),
            score=np.minimum(a.score[first], b.score[second]),
            person_score=np.minimum(a.person_score[first], b.person_score[second]),
            ids=a.ids[first],
            skeleton=a.skeleton,
        )

    smoothed = way(before.smoothed, after.smoothed) if before.smoothed is not None and after.smoothed is not None else None
    poses = way(before.poses, after.poses)
    return SavedFrame(
        t=t,
        poses=poses,
        smoothed=smoothed,
        predicted=frozenset(int(n) for n in poses.ids),
        locked=before.locked,
        mode=before.mode,
        model=before.model,
    )
