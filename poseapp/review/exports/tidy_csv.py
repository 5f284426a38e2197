"""A tidy table: a row for each joint of each person in each frame, as R, pandas and SPSS like it."""

from __future__ import annotations

import csv
from pathlib import Path

from poseapp.review.exports.base import Take, shown

COLUMNS = ("frame", "t", "person", "joint", "x", "y", "score", "x_smoothed", "y_smoothed")


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Both kinds of joints are in it, whatever the options say; of stills also the file of each."""
    part = take.part
    stills = part.is_stills
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow((COLUMNS[0], *(["file"] if stills else []), *COLUMNS[1:]))
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
                for joint, xy, score, smoothed in joints:
                    places = [shown(value, 2) for value in (*xy, *smoothed)]
                    table.writerow((*where, track.id, joint, *places[:2], shown(score, 4), *places[2:]))
