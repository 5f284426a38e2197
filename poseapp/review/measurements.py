"""What is measured of each person of a recording: angles over time and their ranges, repetitions, and gait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from poseapp.core.anatomy import implausible
from poseapp.core.angles import AngleSummary, angles_of, measure, summarise, turned_on
from poseapp.core.gait import Gait, gait_of
from poseapp.core.motion import Motion, motions_of
from poseapp.core.repetitions import Exercise, Repetition, count_repetitions
from poseapp.core.scale import Scale
from poseapp.review.recorded_part import PersonTrack, RecordedPart
from poseapp.review.saved_recording import SavedRecording

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """Of the person ``id`` from ``start_s`` to ``end_s`` of the recording, in ``frames`` frames.

    ``file`` is the picture of somebody in a folder of pictures, else "". ``angles`` are by name, ``repetitions`` those of the
    exercise that was asked for. All angles are those in the picture.
    ``motions`` are those of points of the body, in m by the ``scale`` of the recording; in px where it has none.
    """

    id: int
    start_s: float
    end_s: float
    frames: int
    angles: dict[str, AngleSummary]
    repetitions: tuple[Repetition, ...]
    gait: Gait
    file: str = ""
    motions: Mapping[str, Motion] = field(default_factory=dict)
    scale: Scale | None = None

    @property
    def unit(self) -> str:
        """The unit of distances in ``motions``."""
        return "m" if self.scale is not None else "px"

    @property
    def step_length_m(self) -> float:
        """How far apart the ankles are at a step; NaN without a scale."""
        return self.gait.step_length * self.gait.leg_px / self.scale.px_per_m if self.scale is not None else math.nan

    @property
    def walking_speed_m_s(self) -> float:
        """By length and cadence of the steps, so also on a treadmill; NaN without a scale."""
        return self.step_length_m * self.gait.cadence_per_min / 60


@dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredFrames:
    """The n frames in which the network looked at a person.

    ``rows`` (n,) are their places in the part's lists, ``t`` (n,) s, which grow. ``xy`` (n, K, 2) px are the smoothed joints
    where there are any, as in the window, and ``score`` (n, K) 0..1, or below 0 where the joint cannot be right. ``angles`` (n,)
    in degrees are by name, NaN where not seen.
    """

    rows: NDArray[np.intp]
    t: Floats
    xy: Floats
    score: Floats
    angles: dict[str, Floats]


def measured_frames(part: RecordedPart, track: PersonTrack, threshold: float) -> MeasuredFrames:
    """What is measured of *track* in *part*; joints below *threshold* do not count, nor those that cannot be right.

    Nobody looked at a predicted person; and of frames with one time, as of pictures, the first counts.
    """
    times = part.times[track.rows]
    used = ~track.predicted & (np.diff(times, prepend=-np.inf) > 0)
    xy, score = np.where(np.isnan(track.smoothed), track.xy, track.smoothed)[used], track.score[used]
    score = np.where(_impossible(part, track.rows[used], xy, score, threshold), -1.0, score)  # below any threshold
    angles = angles_of(part.skeleton)
    values = measure(xy, score, part.skeleton, threshold, angles)
    t = times[used]
    by_name = {angle.name: turned_on(values[:, i], angle) for i, angle in enumerate(angles)}
    return MeasuredFrames(rows=track.rows[used], t=t, xy=xy, score=score, angles=by_name)


def _impossible(part: RecordedPart, rows: NDArray[np.intp], xy: Floats, score: Floats, threshold: float) -> NDArray[np.bool_]:
    """Which joints (n, K) the window would not draw, since they cannot be right."""
    found = np.zeros(score.shape, np.bool_)
    visible = (score >= threshold) & np.isfinite(xy).all(axis=2)
    for i, (width, height) in enumerate(part.sizes[rows].tolist()):
        found[i] = implausible(part.skeleton, xy[i].astype(np.float32), visible[i], (height, width))
    return found


def measure_recording(recording: SavedRecording, threshold: float, exercise: Exercise | None = None) -> list[Measurements]:
    """Everybody in *recording*, in the order in which they appear; joints below *threshold* do not count.

    The smoothed joints are measured where there are any, as in the window. Raises ValueError as ``gait_of`` does.
    """
    scale = recording.scale
    everybody = [(part, track) for part in recording.parts for track in part.people.values()]
    found = [measure_track(part, track, threshold, exercise, scale) for part, track in everybody]
    return sorted(found, key=lambda one: (one.start_s, one.id))


def measure_track(
    part: RecordedPart, track: PersonTrack, threshold: float, exercise: Exercise | None = None, scale: Scale | None = None
) -> Measurements:
    """The person *track* in *part*, as ``measure_recording`` measures everybody."""
    times, seen = part.times[track.rows], measured_frames(part, track, threshold)
    px_per_unit = scale.px_per_m if scale is not None else 1.0
    repetitions: list[Repetition] = []
    if exercise is not None:
        curve = exercise.curve(seen.xy, seen.score, part.skeleton, threshold)
        repetitions = count_repetitions(seen.t, curve, exercise)
    return Measurements(
        id=track.id,
        start_s=float(times[0]),
        end_s=float(times[-1]),
        frames=len(times),
        angles={name: summarise(seen.t, values) for name, values in seen.angles.items()},
        repetitions=tuple(repetitions),
        gait=gait_of(seen.t, seen.xy, seen.score, part.skeleton, threshold),
        file=part.files[track.rows[0]],
        motions=motions_of(seen.t, seen.xy / px_per_unit, seen.score, part.skeleton, threshold),
        scale=scale,
    )


def as_json(found: list[Measurements], recording: SavedRecording, exercise: Exercise | None) -> dict[str, Any]:
    """*found* as plain values for a JSON file; what was not seen is null. docs/measuring.md describes the keys."""
    return {
        "recording": recording.name,
        "view": "2D, from the camera's view",
        "exercise": exercise.name if exercise is not None else None,
        "scale": recording.scale.to_json() if recording.scale is not None else None,
        "people": [_person(one) for one in found],
    }


def _person(one: Measurements) -> dict[str, Any]:
    return {
        "id": one.id,
        **({"file": one.file} if one.file else {}),
        "start_s": _plain(one.start_s, 3),
        "end_s": _plain(one.end_s, 3),
        "frames": one.frames,
        "angles": {name: _summary(summary) for name, summary in one.angles.items()},
        "motions": {
            name: {
                f"path_{one.unit}": _plain(motion.path, 3),
                f"across_{one.unit}": _plain(motion.across, 3),
                f"up_{one.unit}": _plain(motion.up, 3),
                f"fastest_{one.unit}_s": _plain(motion.fastest, 3),
            }
            for name, motion in one.motions.items()
        },
        "repetitions": [
            {
                "start_s": _plain(r.start_t, 3),
                "turn_s": _plain(r.turn_t, 3),
                "end_s": _plain(r.end_t, 3),
                "depth_deg": _plain(r.depth_deg, 1),
            }
            for r in one.repetitions
        ],
        "gait": {
            "cadence_per_min": _plain(one.gait.cadence_per_min, 2),
            "left_step_s": _plain(one.gait.step_time_s("left"), 4),
            "right_step_s": _plain(one.gait.step_time_s("right"), 4),
            "asymmetry_percent": _plain(one.gait.asymmetry_percent, 2),
            "step_length_m": _plain(one.step_length_m, 3),
            "walking_speed_m_s": _plain(one.walking_speed_m_s, 3),
            "steps": [{"t": _plain(step.t, 3), "side": step.side, "length": _plain(step.length, 3)} for step in one.gait.steps],
            "strides": one.gait.strides,
            "curves": {name: [_plain(value, 2) for value in curve.tolist()] for name, curve in one.gait.curves.items()},
        },
    }


def _summary(summary: AngleSummary) -> dict[str, float | None]:
    return {
        "least_deg": _plain(summary.least, 1),
        "most_deg": _plain(summary.most, 1),
        "range_deg": _plain(summary.range, 1),
        "mean_deg": _plain(summary.mean, 1),
        "fastest_deg_s": _plain(summary.fastest, 1),
        "seen": _plain(summary.seen, 3),
    }


def _plain(value: float, digits: int) -> float | None:
    """*value* rounded; None for what JSON has no number for."""
    return round(value, digits) if math.isfinite(value) else None
