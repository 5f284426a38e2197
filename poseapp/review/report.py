"""What a one-page report says about a person in a recording. ui/report_page.py makes the page of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from poseapp.core.errors import RecordError
from poseapp.core.repetitions import Exercise
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import shown
from poseapp.render import DrawOptions
from poseapp.review.listing import local_time
from poseapp.review.measurements import Floats, MeasuredFrames, Measurements, measure_track, measured_frames
from poseapp.review.recorded_part import PersonTrack, RecordedPart
from poseapp.review.saved_recording import SavedRecording
from poseapp.review.stills import take_stills

MOST_CURVES = 3  # parts of the body
PARTS = ("knee", "hip", "shoulder", "elbow", "ankle", "trunk", "neck")  # angles by their names without the side
_USUAL = (5, 95)  # percent: the range of an angle without the moments in which a joint jumped
_EXTREMES = (3, 50, 97)  # percent
_RARE = 0.3  # an angle that is seen in a smaller share of the frames is not worth a curve


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What the user wants: ``person`` by number, by default the one who is seen longest; whose ``exercise`` is counted.

    ``title`` and ``note`` stand on the page; "" for the name of the recording, and no note. ``draw`` is how stills look, and
    joints below its threshold do not count.
    """

    person: int | None = None
    exercise: Exercise | None = None
    title: str = ""
    note: str = ""
    draw: DrawOptions = field(default_factory=DrawOptions)


@dataclass(frozen=True, kw_only=True, eq=False)
class Still:
    """A picture (H, W, 3) uint8 BGR at ``t`` s. ``moment`` says which one it is, or ""; ``degrees`` are angles by name."""

    image: ImageArray
    t: float
    moment: str = ""
    degrees: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class PersonReport:
    """What was measured of one person: ``curves`` are the names of the angles that are worth one, by part of the body."""

    id: int
    frames: MeasuredFrames
    measured: Measurements
    curves: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """All that stands on the page.

    ``started`` is in local time, None where it is not known; ``person`` is None where nobody was found; ``part`` is "2 of 3"
    where the joints changed during the recording, else "".
    """

    title: str
    tags: tuple[str, ...]
    note: str
    started: datetime | None
    seconds: float
    source: str
    models: tuple[str, ...]
    app_version: str
    person_count: int
    person: PersonReport | None
    part: str
    exercise: Exercise | None
    threshold: float
    stills: tuple[Still, ...]


def make_report(recording: SavedRecording, options: ReportOptions) -> Report:
    """The report on *recording*. Raises RecordError where it has no frames, or not the person who was asked for."""
    if not recording.parts:
        raise RecordError(f"{recording.folder}: has no frames, so there is nothing to report. Record again.")
    if any(part.is_stills for part in recording.parts):
        raise RecordError(
            f"{recording.folder}: has pictures that stand alone, and a report is about a movement. "
            "Export the angles of each picture."
        )
    part, track = _whom(recording, options.person)
    person = _person(recording, part, track, options) if track is not None else None
    stills = _stills(recording, part, track, person, options)
    manifest = recording.manifest
    number = next(i for i, one in enumerate(recording.parts, 1) if one is part)
    return Report(
        title=shown(options.title.strip() or manifest.get("name") or recording.name),
        tags=tuple(shown(tag) for tag in _list(manifest.get("tags"))),
        note=shown(options.note.strip()),
        started=local_time(manifest.get("started")),
        seconds=float(recording.parts[-1].times[-1]),
        source=shown(_get(manifest, "source", "name")),
        models=tuple(dict.fromkeys(shown(_get(one, "model", "name")) for one in _list(manifest.get("models")))),
        app_version=shown(_get(manifest, "app", "version")),
        person_count=len(recording.person_ids),
        person=person,
        part=f"{number} of {len(recording.parts)}" if len(recording.parts) > 1 else "",
        exercise=options.exercise,
        threshold=options.draw.threshold,
        stills=stills,
    )


def _whom(recording: SavedRecording, wanted: int | None) -> tuple[RecordedPart, PersonTrack | None]:
    """The part and the person of the report: *wanted*, or whoever is seen longest, where they are seen longest."""
    tracks = [(part, track) for part in recording.parts for track in part.people.values() if wanted in (None, track.id)]
    if tracks:
        return max(tracks, key=lambda one: (int((~one[1].predicted).sum()), len(one[1].rows)))
    if wanted is not None:
        there = ", ".join(map(str, recording.person_ids)) or "nobody"
        raise RecordError(f"{recording.folder}: expected a person who is in it ({there}), got {wanted}. Choose another.")
    return max(recording.parts, key=lambda part: len(part.frames)), None


def _person(recording: SavedRecording, part: RecordedPart, track: PersonTrack, options: ReportOptions) -> PersonReport:
    threshold = options.draw.threshold
    try:
        measured = measure_track(part, track, threshold, options.exercise, recording.scale)
    except ValueError as error:
        raise RecordError(f"{recording.folder}: {error}") from None
    frames = measured_frames(part, track, threshold)
    return PersonReport(id=track.id, frames=frames, measured=measured, curves=_worth_a_curve(frames, options.exercise))


def _worth_a_curve(frames: MeasuredFrames, exercise: Exercise | None) -> tuple[tuple[str, ...], ...]:
    """The parts of the body that move most, those of *exercise* first: for each the names of its angles, left before right."""
    found = []
    for part in PARTS:
        names = tuple(name for name in (f"left_{part}", f"right_{part}", part) if name in frames.angles)
        ranges = [_usual_range(frames.angles[name]) for name in names]
        if any(ranges):
            asked = exercise is not None and any(name in exercise.angles for name in names)
            found.append((asked, max(ranges), names))
    found.sort(key=lambda one: one[:2], reverse=True)
    return tuple(names for *_, names in found[:MOST_CURVES])


def _usual_range(values: Floats) -> float:
    """How far an angle moves, in degrees, but for the moments in which a joint jumped; less where it is not always seen.

    0 where it is rarely seen.
    """
    there = values[~np.isnan(values)]
    if not there.size or there.size < _RARE * values.size:
        return 0.0
    low, high = np.percentile(there, _USUAL)
    return float(high - low) * there.size / values.size


def _stills(
    recording: SavedRecording, part: RecordedPart, track: PersonTrack | None, person: PersonReport | None, options: ReportOptions
) -> tuple[Still, ...]:
    """Three moments, in the order of their times."""
    names: tuple[str, ...] = ()
    if person is None or not person.frames.rows.size:
        count = len(part.frames)
        track = None
        moments = [(row, "") for row in dict.fromkeys(int(count * share) for share in (1 / 6, 1 / 2, 5 / 6))]
    else:
        names = person.curves[0] if person.curves else ()
        moments = _moments(person, options.exercise)
    draw = replace(options.draw, angles=bool(names), angle_names=names, labels=False)
    pictures = take_stills(recording, part, track, [row for row, _ in moments], draw)
    stills = []
    for (row, moment), image in zip(moments, pictures, strict=True):
        degrees = {}
        if person is not None and names:
            place = int(np.searchsorted(person.frames.rows, row))
            degrees = {name: float(person.frames.angles[name][place]) for name in names}
        stills.append(Still(image=image, t=float(part.times[row]), moment=moment, degrees=degrees))
    return tuple(stills)


def _moments(person: PersonReport, exercise: Exercise | None) -> list[tuple[int, str]]:
    """The rows of the part worth a picture, and what they are: the deepest repetition, else the extremes of the first curve."""
    frames, repetitions = person.frames, person.measured.repetitions
    if repetitions and exercise is not None:
        upwards = 1 if exercise.turn_deg > exercise.rest_deg else -1
        number, deepest = max(enumerate(repetitions, 1), key=lambda one: upwards * one[1].depth_deg)
        times = ((deepest.start_t, "start"), (deepest.turn_t, "turning point"), (deepest.end_t, "end"))
        return [(_nearest(frames, t), f"repetition {number}, {what}") for t, what in times]
    if not person.curves:
        shares = (0, len(frames.rows) // 2, len(frames.rows) - 1)
        return [(int(frames.rows[place]), "") for place in dict.fromkeys(shares)]
    values = max((frames.angles[name] for name in person.curves[0]), key=_usual_range)
    seen = np.flatnonzero(~np.isnan(values))
    levels = np.percentile(values[seen], _EXTREMES)
    places = sorted({int(seen[np.abs(values[seen] - level).argmin()]) for level in levels})
    return [(int(frames.rows[place]), "") for place in places]


def _nearest(frames: MeasuredFrames, t: float) -> int:
    return int(frames.rows[np.abs(frames.t - t).argmin()])


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _get(value: Any, *keys: str) -> Any:
    """What *keys* lead to in JSON from outside; "" where something else is there."""
    for key in keys:
        value = value.get(key, "") if isinstance(value, dict) else ""
    return value if isinstance(value, (str, int, float)) else ""
