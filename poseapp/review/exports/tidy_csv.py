"""A tidy table: a row for each joint of each person in each frame, as R, pandas and SPSS like it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from poseapp.core.motion import speeds_of
from poseapp.core.scale import Scale
from poseapp.review.exports.base import Take, shown
from poseapp.review.recorded_part import Floats, PersonTrack, RecordedPart

IN_METRES = ("x_m", "y_m", "speed_m_s")
COLUMNS = ("frame", "t", "person", "joint", "x", "y", "score", "x_smoothed", "y_smoothed")


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Both kinds of joints are in it, whatever the options say.

    Of stills the file of each is in it, and where the recording has a scale, places in m and speeds.
    """
    part = take.part
    stills, scale = part.is_stills, take.recording.scale
    metres = {track.id: _in_metres(part, track, scale) for track in take.people} if scale is not None else {}
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow((COLUMNS[0], *(["file"] if stills else []), *COLUMNS[1:], *(IN_METRES if scale is not None else ())))
        for row, people in take.in_order():
            where = (int(part.frames[row]), *([part.files[row]] if stills else []), shown(part.times[row], 6))
            for track, place in people:
                joints = zip(
                    part.skeleton.keypoints,
                    track.xy[place].tolist(),
                    track.score[place].tolist(),
                    track.smoothed[place].tolist(),
                    strict=True,
                )
                more = metres[track.id][place].tolist() if metres else [[]] * part.skeleton.k
                for (joint, xy, score, smoothed), values in zip(joints, more, strict=True):
                    metres_of = [shown(value, 4) for value in values]
                    places = [shown(value, 2) for value in (*xy, *smoothed)]
                    table.writerow((*where, track.id, joint, *places[:2], shown(score, 4), *places[2:], *metres_of))


def _in_metres(part: RecordedPart, track: PersonTrack, scale: Scale) -> Floats:
    """x, y and speed (n, K, 3) in m and m/s: the places as found, the speed of the smoothed joints where there are any."""
    steady = np.where(np.isnan(track.smoothed), track.xy, track.smoothed) / scale.px_per_m
    speeds = [speeds_of(part.times[track.rows], steady[:, k]) for k in range(part.skeleton.k)]
    return np.concatenate([track.xy / scale.px_per_m, np.stack(speeds, axis=1)[..., None]], axis=-1)
