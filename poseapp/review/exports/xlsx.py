"""An Excel workbook: a sheet about the recording, and a sheet for each person with a row for each frame."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from poseapp.core.errors import ExportError
from poseapp.review.exports.base import Take
from poseapp.review.recorded_part import PersonTrack

_MOST_ROWS = 1_048_576  # of a sheet, as Excel has it
_MOST_SHEETS = 200  # a workbook with more opens slowly, and its tabs cannot be read


def write(take: Take, path: Path) -> None:
    """See ExportFormat. Raises ExportError where the recording is larger than a workbook."""
    import xlsxwriter

    if len(take.part.frames) >= _MOST_ROWS:
        raise ExportError(f"{take.name}: expected fewer than {_MOST_ROWS:,} frames, got more. Choose another format: csv.")
    if len(take.people) > _MOST_SHEETS:
        raise ExportError(
            f"{take.name}: expected at most {_MOST_SHEETS} people, got {len(take.people)}. Choose one with --person, or csv."
        )
    content = io.BytesIO()  # so that a full disk is met below, where it is reported as such
    with xlsxwriter.Workbook(content, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        bold = book.add_format({"bold": True})
        about = book.add_worksheet("About")
        about.set_column(0, 1, 28)
        for row, (title, value) in enumerate(_about(take)):
            about.write(row, 0, title, bold)
            about.write(row, 1, value)
        for track in take.people:
            _write_person(take, track, book.add_worksheet(f"Person {track.id}"), bold)
    path.write_bytes(content.getvalue())


def _about(take: Take) -> list[tuple[str, Any]]:
    manifest, part = take.recording.manifest, take.part
    source = manifest.get("source")
    name = source.get("name") if isinstance(source, dict) else ""
    return [
        ("Recording", take.recording.name),
        ("Started", str(manifest.get("started", ""))),
        ("Source", str(name or "")),
        ("Joints", part.skeleton.name),
        ("Frames", len(part.frames)),
        ("Seconds", float(part.times[-1])),
        ("Frames a second", part.fps),
        ("People", len(take.people)),
        ("Coordinates", f"{_unit(take)} in the picture, from the top left{', smoothed' if take.options.smoothed else ''}"),
        ("Scale", take.recording.scale.sentence if take.recording.scale is not None else "not known"),
    ]


def _unit(take: Take) -> str:
    return "m" if take.recording.scale is not None else "px"


def _write_person(take: Take, track: PersonTrack, sheet: Any, bold: Any) -> None:
    """A row for each frame in which the person is."""
    part = take.part
    titles = ["frame", "file" if part.is_stills else "t"]
    for joint in part.skeleton.keypoints:
        titles += [f"{joint} x", f"{joint} y", f"{joint} score"]
    sheet.write_row(0, 0, titles, bold)
    sheet.freeze_panes(1, 2)
    scale = take.recording.scale
    xy = take.xy(track) / (scale.px_per_m if scale is not None else 1.0)
    table = np.concatenate([xy, track.score[..., None]], axis=-1).reshape(len(track.rows), -1)
    for row, (at, values) in enumerate(zip(track.rows.tolist(), table.tolist(), strict=True), 1):
        sheet.write_number(row, 0, int(part.frames[at]))
        if part.is_stills:
            sheet.write_string(row, 1, part.files[at])
        else:
            sheet.write_number(row, 1, float(part.times[at]))
        for column, value in enumerate(values, 2):
            if value == value:  # not NaN, for which Excel has no cell
                sheet.write_number(row, column, value)
