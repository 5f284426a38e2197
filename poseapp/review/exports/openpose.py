"""OpenPose's folder: a JSON file for each frame, with the joints of a body model in OpenPose's order.

Layout: github.com/CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md. A joint that is not there is 0, 0, 0.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from poseapp.core.skeleton import OPENPOSE_18, joints_in
from poseapp.review.exports.base import Take
from poseapp.review.recorded_part import Floats

BODY_25 = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist", "mid_hip"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
    *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
)
COCO_18 = OPENPOSE_18.keypoints
# OpenPose's own training data have these in the middle of two joints, where both are there.
_MIDDLES = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}
_VERSION = 1.3  # of the layout


def write_body_25(take: Take, path: Path) -> None:
    """See ExportFormat. BODY_25, which OpenPose writes by default."""
    _write(take, path, BODY_25)


def write_coco_18(take: Take, path: Path) -> None:
    """See ExportFormat. COCO_18, the older model without feet and mid hip."""
    _write(take, path, COCO_18)


def _write(take: Take, folder: Path, layout: tuple[str, ...]) -> None:
    # OpenPose names files by 12 digits, so that names in their order are frames in their order.
    stems = _stems(take)
    in_layout = {track.id: _in_layout(take, take.xy(track), track.score, layout) for track in take.people}
    for row, people in take.in_order():
        content = {"version": _VERSION, "people": [_person(track.id, in_layout[track.id][place]) for track, place in people]}
        file = folder / f"{stems[row]}_keypoints.json"
        file.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def _stems(take: Take) -> list[str]:
    """How the file of each row is called: OpenPose takes the names of pictures where it is given a folder of them."""
    part = take.part
    if not part.is_stills:
        return [f"{take.name}_{number:012d}" for number in part.frames.tolist()]
    names = [re.sub(r'[<>:"/\\|?*]', "_", file) for file in part.files]
    stems = [name.rpartition(".")[0] or name for name in names]
    if len(set(stems)) == len(stems):
        return stems
    return [f"{number:06d}_{name}" for number, name in zip(part.frames.tolist(), names, strict=True)]


def _person(number: int, joints: Floats) -> dict[str, object]:
    empty: list[float] = []
    return {
        "person_id": [number],
        "pose_keypoints_2d": joints.ravel().tolist(),
        **{f"{part}_keypoints_2d": empty for part in ("face", "hand_left", "hand_right")},
        **{f"{part}_keypoints_3d": empty for part in ("pose", "face", "hand_left", "hand_right")},
    }


def _in_layout(take: Take, xy: Floats, score: Floats, layout: tuple[str, ...]) -> Floats:
    """x, y and score (n, L, 3) of the joints of *layout*; a joint that is missing is 0."""
    given = take.part.skeleton.keypoints
    out = np.zeros((len(xy), len(layout), 3))
    for i, (name, k) in enumerate(zip(layout, joints_in(layout, given), strict=True)):
        if k is not None:
            out[:, i, :2], out[:, i, 2] = xy[:, k], score[:, k]
        elif name in _MIDDLES and set(_MIDDLES[name]) <= set(given):
            pair = [given.index(joint) for joint in _MIDDLES[name]]
            out[:, i, :2], out[:, i, 2] = xy[:, pair].mean(axis=1).round(3), score[:, pair].min(axis=1)
    out[np.isnan(out[..., :2]).any(axis=-1)] = 0
    return out
