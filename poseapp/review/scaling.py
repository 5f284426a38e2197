"""Finds the scale of a recording by the height of a person in it."""

from __future__ import annotations

from poseapp.core.errors import RecordError
from poseapp.core.scale import Scale, scale_by_height, scale_by_points
from poseapp.review.measurements import measured_frames
from poseapp.review.saved_recording import SavedRecording


def recording_scale_by_height(
    recording: SavedRecording, metres: float, person: int | None = None, threshold: float = 0.3
) -> Scale:
    """The scale by which *person*, or whoever is seen longest, is *metres* tall. Raises RecordError where it cannot be found."""
    _check(recording)
    tracks = [(part, track) for part in recording.parts for track in part.people.values() if person in (None, track.id)]
    if not tracks:
        there = ", ".join(map(str, recording.person_ids)) or "nobody"
        raise RecordError(f"{recording.folder}: expected a person who is in it ({there}), got {person}. Choose another.")
    part, track = max(tracks, key=lambda one: len(one[1].rows))
    seen = measured_frames(part, track, threshold)
    try:
        return scale_by_height(seen.xy, seen.score, part.skeleton, metres, threshold)
    except ValueError as error:
        raise RecordError(f"{recording.folder}: {error}") from None


def recording_scale_by_points(recording: SavedRecording, a: tuple[float, float], b: tuple[float, float], metres: float) -> Scale:
    """The scale by which *a* and *b*, px of the frame, are *metres* apart. Raises RecordError where that cannot be."""
    _check(recording)
    try:
        return scale_by_points(a, b, metres)
    except ValueError as error:
        raise RecordError(f"{recording.folder}: {error}") from None


def _check(recording: SavedRecording) -> None:
    if any(part.is_stills for part in recording.parts):
        raise RecordError(
            f"{recording.folder}: has pictures that stand alone, so a metre is as long in none as in another. "
            "Set the scale of a video."
        )
