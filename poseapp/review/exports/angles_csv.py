"""Angles of joints and segments as a table: a row for each person in each frame, a column for each angle, in degrees."""

from __future__ import annotations

import csv
from pathlib import Path

from poseapp.core.angles import angles_of, measure
from poseapp.core.errors import ExportError
from poseapp.review.exports.base import Take, shown


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Raises ExportError for a skeleton that has no angle."""
    part, angles = take.part, angles_of(take.part.skeleton)
    if not angles:
        raise ExportError(f"{take.name}: {part.skeleton.name} has no joints that angles are made of. Choose another format: csv.")
    degrees = {track.id: measure(take.xy(track), track.score, part.skeleton, 0.0) for track in take.people}
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("frame", *(["file"] if part.is_stills else []), "t", "person", *(angle.name for angle in angles)))
        for row, people in take.in_order():
            for track, place in people:
                values = degrees[track.id][place].tolist()
                where = (int(part.frames[row]), *([part.files[row]] if part.is_stills else []), shown(part.times[row], 6))
                table.writerow((*where, track.id, *(shown(value, 2) for value in values)))
