"""The joints of a recording, as Poses for each time of its video."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import RecordError, is_plain
from poseapp.core.skeleton import SKELETONS, Skeleton
from poseapp.core.types import POSE_MODES, FloatArray, PoseMode, Poses
from poseapp.live.recording import read_keypoints, read_manifest
from poseapp.live.recording.picture_files import any_pictures

SAME_S = 0.0025  # times of a video are whole ms, and up to 2 ms late
LONGEST_GAP_S = 0.25  # between two frames with joints: in a longer one nobody can say where they were


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedFrame:
    """A line of ``keypoints.jsonl``, in px of the video. ``smoothed`` is None where smoothing was off."""

    t: float
    poses: Poses
    smoothed: Poses | None
    predicted: frozenset[int]
    locked: int | None
    mode: PoseMode
    model: str
    file: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class SavedPoses:
    """All joints of a recording, in the order of their times; ``problem`` is one line about what could not be read, or "".

    ``files`` are the pictures of a recording of stills, one for each frame; empty where it is a film.
    """

    frames: list[SavedFrame]
    problem: str = ""
    files: list[str] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    def at(self, t: float) -> SavedFrame | None:
        """The joints of the picture at *t* s.

        Where the model did not see that picture, since it came too fast, they lie on the way between its neighbours and count
        as predicted. None where nothing is known.
        """
        nearest = min(self._neighbours(t), key=lambda i: abs(self.times_s[i] - t), default=None)
        if nearest is None:
            return None
        if abs(self.times_s[nearest] - t) <= SAME_S:
            return self.frames[nearest]
        after = bisect_right(self.times_s, t)
        if 0 < after < len(self.frames) and self.times_s[after] - self.times_s[after - 1] <= LONGEST_GAP_S:
            return between(self.frames[after - 1], self.frames[after], t)
        return None

    def _neighbours(self, t: float) -> list[int]:
        at = bisect_left(self.times_s, t)
        return [i for i in (at - 1, at) if 0 <= i < len(self.times_s)]


def read_saved_poses(folder: Path) -> SavedPoses:
    """The joints of the recording in *folder*. Raises RecordError where *folder* is no recording.

    What is damaged is left out, and ``problem`` says so: the rest can be looked at.
    """
    models = _models(read_manifest(folder))
    frames: list[SavedFrame] = []
    problem = models.problem
    lines = read_keypoints(folder)
    try:
        for line in lines:
            model = models.of(line.get("frame"))
            if model is not None:
                frames.append(_frame(line, model, folder))
    except RecordError as error:
        problem = f"{error} The {len(frames)} frames before it are shown with their joints."
    frames.sort(key=lambda frame: frame.t)
    # Before there were pictures of stills, folders were recorded as a video, with places in it.
    files = [frame.file for frame in frames] if any_pictures(folder) and all(frame.file for frame in frames) else []
    return SavedPoses(frames=frames, problem=problem, files=files, times_s=[frame.t for frame in frames])


@dataclass(frozen=True)
class _Model:
    from_frame: int
    name: str
    mode: PoseMode
    skeleton: Skeleton


@dataclass(frozen=True)
class _Models:
    entries: list[_Model]
    problem: str

    def of(self, frame: Any) -> _Model | None:
        """The model that *frame* came from."""
        number = frame if isinstance(frame, int) else 0
        return next((model for model in reversed(self.entries) if model.from_frame <= number), None)


def _models(manifest: dict[str, Any]) -> _Models:
    entries: list[_Model] = []
    problem = ""
    listed = manifest.get("models") or manifest.get("segments")
    for entry in listed if isinstance(listed, list) else []:
        if not isinstance(entry, dict):
            continue
        skeleton = _skeleton(entry.get("skeleton"))
        if skeleton is None:
            problem = "session.json: expected the names of the joints, got something else. The video is shown without joints."
            continue
        if skeleton.name not in SKELETONS:
            problem = f"The skeleton {skeleton.name} is not known here: its joints are shown without limbs."
        mode: PoseMode = next((mode for mode in POSE_MODES if mode == entry.get("mode")), "one")
        start = entry.get("from_frame")
        model = entry.get("model")
        name = str(model.get("name", "")) if isinstance(model, dict) else ""
        entries.append(_Model(start if isinstance(start, int) else 0, name, mode, skeleton))
    return _Models(entries, problem)


def _skeleton(entry: Any) -> Skeleton | None:
    """The skeleton that *entry* names; one that is not known has no limbs. None where its joints have no names."""
    if not isinstance(entry, dict):
        return None
    names = entry.get("keypoints")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return None
    known = SKELETONS.get(str(entry.get("name")))
    if known is not None and list(known.keypoints) == names:
        return known
    k = len(names)
    try:
        name = f"{entry.get('name')} (unknown)"
        return Skeleton(name=name, keypoints=tuple(names), limbs=(), flip=tuple(range(k)), sigmas=(0.0,) * k)
    except ValueError:
        return None


def _frame(line: dict[str, Any], model: _Model, folder: Path) -> SavedFrame:
    def wrong(what: str) -> RecordError:
        return RecordError(f"{folder / 'keypoints.jsonl'}, frame {line.get('frame')}: expected {what}. Copy the recording again.")

    t, people, k = line.get("t"), line["people"], model.skeleton.k
    if not isinstance(t, (int, float)) or not math.isfinite(t):
        raise wrong("a time")
    fitted = line.get("fitted", (1.0, 0.0, 0.0))
    try:
        scale, x, y = (float(part) for part in fitted)
        joints = _array([person["keypoints"] for person in people], (len(people), k, 3))
        ids = np.array([person["id"] for person in people], np.int64).reshape(len(people))
        person_score = np.array([person["score"] for person in people], np.float32).reshape(len(people))
        steadied = all("smoothed" in person for person in people) and bool(people)
        smoothed = _array([person["smoothed"] for person in people], (len(people), k, 2)) if steadied else None
    except (KeyError, TypeError, ValueError, OverflowError):
        raise wrong(f"people with {k} joints of the skeleton {model.skeleton.name}") from None

    def placed(xy: FloatArray, score: FloatArray) -> Poses:
        xy = (xy * np.float32(scale) + np.array([x, y], np.float32)).astype(np.float32)
        return Poses(xy=xy, score=score, person_score=person_score, ids=ids, skeleton=model.skeleton)

    score = np.nan_to_num(joints[..., 2]).astype(np.float32)
    locked = line.get("locked")
    return SavedFrame(
        t=float(t),
        poses=placed(joints[..., :2], score),
        smoothed=placed(smoothed, score) if smoothed is not None else None,
        predicted=frozenset(int(n) for n, person in zip(ids, people, strict=True) if person.get("predicted") is True),
        locked=locked if isinstance(locked, int) else None,
        mode=model.mode,
        model=model.name,
        file=line["file"] if isinstance(line.get("file"), str) and is_plain(line["file"]) else "",
    )


def _array(rows: list[Any], shape: tuple[int, ...]) -> FloatArray:
    """*rows* as float32 of *shape*, null as NaN. Raises ValueError and TypeError where they have another one."""
    array = np.array(rows, np.float32).reshape(0, *shape[1:]) if not rows else np.array(rows, np.float32)
    if array.shape != shape or np.isinf(array).any():
        raise ValueError("another shape")
    return array


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
