"""The command measure: angles, repetitions and gait of the people in a recording."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poseapp.cli.options import one_of
from poseapp.console import plain_console
from poseapp.core.errors import RecordError, printable
from poseapp.core.files import atomic_write
from poseapp.core.gait import compare
from poseapp.core.repetitions import EXERCISES, Exercise, tempo
from poseapp.review.own_exercises import OwnExercises, exercises_by_option, option_name

if TYPE_CHECKING:
    from rich.table import Table

    from poseapp.review.measurements import Measurements
    from poseapp.review.saved_recording import SavedRecording


def _known(value: str | None) -> str | None:
    return value if value is None else one_of(*exercises_by_option(OwnExercises.of_user()))(value)


def exercise_called(name: str | None) -> Exercise | None:
    """The exercise that --count calls *name*: one of the app, or one of the user's own."""
    return exercises_by_option(OwnExercises.of_user())[name] if name is not None else None


Recording = Annotated[Path, typer.Argument(metavar="RECORDING", help="The folder of a recording.")]
Count = Annotated[
    str | None,
    typer.Option(
        "--count", metavar="EXERCISE", callback=_known, show_default="none",
        help=f"Count repetitions: {', '.join(map(option_name, EXERCISES))}, or an exercise that you made in the window.",
    ),
]  # fmt: skip
Person = Annotated[int | None, typer.Option("--person", metavar="ID", min=0, help="This person only.", show_default="everybody")]
With = Annotated[
    Path | None,
    typer.Option(
        "--compare", metavar="RECORDING", help="Another recording to compare the gait with, of whoever is seen longest in each.",
        show_default="none",
    ),
]  # fmt: skip
Threshold = Annotated[
    float, typer.Option("--threshold", metavar="SCORE", min=0.0, max=1.0, help="Joints of a lower score do not count.")
]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write all figures into this file, too.", show_default="none")
]


def measure_command(
    recording: Recording,
    count: Count = None,
    person: Person = None,
    other: With = None,
    threshold: Threshold = 0.3,
    json_file: Json = None,
) -> None:
    """Measure the people in a recording, in 2D, from the camera's view. docs/measuring.md tells what the figures mean."""
    from poseapp.review.measurements import as_json

    exercise = exercise_called(count)
    saved, found = _measured(recording, threshold, exercise, person)
    for one in found:
        _print(one, exercise)
    if other is not None:
        _print_comparison(found, _measured(other, threshold, None, None)[1], other)
    if json_file is not None:
        text = json.dumps(as_json(found, saved, exercise), indent=1, allow_nan=False) + "\n"
        try:
            atomic_write(json_file, text.encode())
        except OSError as error:
            raise RecordError(f"{json_file}: cannot be written ({error.strerror}). Choose another file.") from None


def _measured(
    folder: Path, threshold: float, exercise: Exercise | None, person: int | None
) -> tuple[SavedRecording, list[Measurements]]:
    """The recording in *folder*, and what is measured of *person*, or of everybody."""
    from poseapp.review.measurements import measure_recording
    from poseapp.review.saved_recording import SavedRecording

    saved = SavedRecording.read(folder)
    for remark in saved.remarks:
        typer.echo(f"poseapp: {remark}", err=True)
    try:
        found = measure_recording(saved, threshold, exercise)
    except ValueError as error:
        raise RecordError(f"{folder}: {error}") from None
    chosen = [one for one in found if person in (None, one.id)]
    if not chosen:
        ids = ", ".join(map(str, saved.person_ids)) or "nobody"
        raise RecordError(
            f"{folder}: expected {'somebody' if person is None else f'person {person}'}, got {ids}. Choose another."
        )
    return saved, chosen


def _print(one: Measurements, exercise: Exercise | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    where = printable(one.file) if one.file else f"{one.start_s:.1f} to {one.end_s:.1f} s"
    table = Table(title=f"Person {one.id}, {escape(where)}: angles in degrees, in 2D")
    for name in ("angle", "least", "most", "range", "mean", "fastest, °/s", "seen"):
        table.add_column(name, justify="left" if name == "angle" else "right")
    for name, s in one.angles.items():
        if s.seen:
            figures = (s.least, s.most, s.range, s.mean, s.fastest)
            table.add_row(name.replace("_", " "), *(_shown(value) for value in figures), f"{100 * s.seen:.0f} %")
    console = plain_console()
    console.print(table)
    if exercise is not None:
        console.print(f"{exercise.name}: {len(one.repetitions)}{_usual(one, exercise)}")
    gait = one.gait
    if len(gait.steps) > 1:
        steps = ", ".join(f"{side} {_shown(gait.step_time_s(side), 2)} s" for side in ("left", "right"))
        figures_of = f"{_shown(gait.cadence_per_min, 1)} a minute; a step takes {steps}"
        console.print(f"Steps: {len(gait.steps)}, {figures_of}; left to right {_shown(gait.asymmetry_percent, 1)} %")
        if one.scale is not None:
            speed = f"{_shown(one.walking_speed_m_s, 2)} m/s"
            console.print(f"A step is {_shown(one.step_length_m, 2)} m long, from ankle to ankle; walking speed {speed}")
    if one.scale is not None:
        console.print(_motion_table(one))


def _motion_table(one: Measurements) -> Table:
    """How far and how fast points of the body move."""
    from rich.table import Table

    assert one.scale is not None
    table = Table(title=f"Distances in m ({one.scale.sentence})")
    for name in ("point", "path", "across", "up and down", "fastest, m/s"):
        table.add_column(name, justify="left" if name == "point" else "right")
    for name, motion in one.motions.items():
        if not math.isnan(motion.path):
            figures = (motion.path, motion.across, motion.up, motion.fastest)
            table.add_row(name.replace("_", " "), *(_shown(value, 2) for value in figures))
    return table


def _usual(one: Measurements, exercise: Exercise) -> str:
    """The usual tempo and depth of the repetitions."""
    usual = tempo(list(one.repetitions))
    if usual is None:
        return ""
    there, back = exercise.phases
    return f", usually {there} {usual.there_s:.1f} s, {back} {usual.back_s:.1f} s, to {usual.depth_deg:.0f}°"


def _print_comparison(found: list[Measurements], others: list[Measurements], other: Path) -> None:
    """How far the gaits of those who are seen longest are apart."""
    a, b = (max(people, key=lambda one: one.frames) for people in (found, others))
    difference = compare(a.gait, b.gait)
    if math.isnan(difference.overall):
        raise RecordError(f"{other}: expected two people who walk, seen from the side; got none. Choose other recordings.")
    curves = ", ".join(f"{name.replace('_', ' ')} {value:.1f}°" for name, value in difference.by_curve.items())
    plain_console().print(f"Gait of person {a.id} and person {b.id} of {other.name}: {difference.overall:.1f}° apart ({curves})")


def _shown(value: float, digits: int = 0) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
