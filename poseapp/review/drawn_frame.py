"""A frame of a recording as the recorder had it: its joints on a picture of its video, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from poseapp.core.types import Frame, ImageArray, Poses, Result
from poseapp.live.recording.video_writer import placement
from poseapp.review.recorded_part import Floats, PersonTrack, RecordedPart

Present = Sequence[tuple[PersonTrack, int]]
"""The people in a frame: a track each, and the place of the frame in the track's lists."""


def drawn_frame(part: RecordedPart, row: int, people: Present, joints: Floats, image: ImageArray, several: bool) -> Result:
    """Row *row* of *part* on *image*, which has the size of the video: *people* with *joints* (n, K, 2) px of the frame.

    Where there are *several* people in the recording, each is drawn in a colour of their own.
    """
    width, height = part.sizes[row].tolist()
    fitted = placement((height, width), image.shape[:2])
    k = part.skeleton.k
    places = joints.reshape(-1, k, 2)
    if fitted is not None:
        places = fitted[0] * places + np.array(fitted[1:])
    poses = Poses(
        xy=places.astype(np.float32),
        score=np.array([track.score[at] for track, at in people], np.float32).reshape(-1, k),
        person_score=np.array([track.person_score[at] for track, at in people], np.float32),
        ids=np.array([track.id for track, _ in people], np.int64),
        skeleton=part.skeleton,
    )
    return Result(
        frame=Frame(image, int(part.frames[row]), float(part.times[row])),
        poses=poses,
        mode="top-down" if several else "one",
        predicted=frozenset(track.id for track, at in people if track.predicted[at]),
    )
