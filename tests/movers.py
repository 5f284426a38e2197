"""Made-up movement for the tests of angles, repetitions and gait: a person of segments with known angles, seen from the side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fakes import SPEC
from numpy.typing import NDArray

from poseapp.core.skeleton import COCO_17
from poseapp.core.types import Frame, Poses, Result
from poseapp.engine.base import Backend
from poseapp.live.recording import ModelEntry, Recorder, RecordOptions, SourceEntry
from poseapp.live.stats import Stats

Array = NDArray[np.float64]
THIGH_PX, SHANK_PX, TRUNK_PX = 110.0, 105.0, 140.0


def below(upper: Array, length: float, forwards_deg: Array | float) -> Array:
    """The lower end (..., 2) of a segment that hangs from *upper*, swung forwards (to the right) by *forwards_deg*."""
    angle = np.radians(np.asarray(forwards_deg, np.float64))
    return upper + length * np.stack([np.sin(angle), np.cos(angle)], axis=-1)


def walker(
    t: Array, cadence_per_min: float, *, swing_deg: float = 24.0, late: float = 0.0, speed_px_s: float = 0.0
) -> tuple[Array, Array]:
    """COCO joints (T, 17, 2) px of somebody who walks to the right, and the times when a foot is farthest in front.

    Thighs swing like a sine; knees bend while the leg swings forwards. *late* is the share of a stride by which the right leg
    comes later than half a stride after the left one.
    """
    stride_hz = cadence_per_min / 120
    hips = np.stack([400 + speed_px_s * t, np.full_like(t, 300.0)], axis=-1)
    xy = np.full((len(t), 17, 2), np.nan)
    for side, share in (("left", 0.0), ("right", 0.5 + late)):
        phase = 2 * np.pi * (stride_hz * t - share)
        thigh = swing_deg * np.cos(phase)
        knee = 5 + 50 * np.exp(-(((phase / (2 * np.pi) - 0.78 + 0.5) % 1 - 0.5) ** 2) / 0.006)
        xy[:, COCO_17.index(f"{side}_hip")] = hips
        xy[:, COCO_17.index(f"{side}_knee")] = at_knee = below(hips, THIGH_PX, thigh)
        xy[:, COCO_17.index(f"{side}_ankle")] = below(at_knee, SHANK_PX, thigh - knee)
        xy[:, COCO_17.index(f"{side}_shoulder")] = hips - [0, TRUNK_PX]
    return xy, np.ones((len(t), 17))


def squatter(knee_deg: Array) -> tuple[Array, Array]:
    """COCO joints (T, 17, 2) px of somebody seen from the side whose knees have the flexion *knee_deg* (T,), and scores."""
    ankle = np.tile([400.0, 600.0], (len(knee_deg), 1))
    knee = ankle - (below(np.zeros_like(ankle), SHANK_PX, -0.4 * knee_deg))
    hip = knee - below(np.zeros_like(ankle), THIGH_PX, 0.6 * knee_deg)
    xy = np.full((len(knee_deg), 17, 2), np.nan)
    for side in ("left", "right"):
        for part, place in (("ankle", ankle), ("knee", knee), ("hip", hip), ("shoulder", hip - [0, TRUNK_PX])):
            xy[:, COCO_17.index(f"{side}_{part}")] = place
    return xy, np.ones((len(knee_deg), 17))


def recorded(parent: Path, t: Array, *people: tuple[Array, Array], predicted: frozenset[int] = frozenset()) -> Path:
    """The folder of a recording of *people*, joints (T, 17, 2) and scores (T, 17), numbered from 1, made by the recorder.

    In the frames *predicted* nobody was looked at.
    """
    recorder = Recorder(RecordOptions(folder=parent), SourceEntry(name="made up"), Stats(), lossless=True)
    recorder.model_changed(ModelEntry(mode="top-down", model=SPEC, backend=Backend("Fake 1", "CPU", "FP32")))
    ids = np.arange(1, len(people) + 1)
    for i, at in enumerate(t.tolist()):
        poses = Poses(
            xy=np.stack([xy[i] for xy, _ in people]).astype(np.float32),
            score=np.stack([score[i] for _, score in people]).astype(np.float32),
            person_score=np.ones(len(people), np.float32),
            ids=ids,
            skeleton=COCO_17,
        )
        unseen = frozenset(ids.tolist()) if i in predicted else frozenset[int]()
        frame = Frame(np.zeros((48, 64, 3), np.uint8), i, at)
        recorder.capture(frame)
        recorder.put(Result(frame=frame, poses=poses, predicted=unseen))
    recorder.close()
    assert recorder.join(60)
    assert recorder.status().error == ""
    return recorder.folder
