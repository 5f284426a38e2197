"""The one-page report as a PDF: who and when, three stills, curves, ranges, repetitions, and what 2D can not tell."""

from __future__ import annotations

import math
from datetime import datetime

from poseapp.core.angles import AngleSummary
from poseapp.core.repetitions import Exercise, tempo
from poseapp.review.report import PARTS, PersonReport, Report, Still
from poseapp.review.stills import ASPECT
from poseapp.ui.angle_list import angle_title
from poseapp.ui.colours import LIGHT
from poseapp.ui.record_bar import clock
from poseapp.ui.report_chart import Chart
from poseapp.ui.report_sheet import HEIGHT, WIDTH, Sheet
from poseapp.ui.seek_bar import time_code

EDGE, GAP = 40.0, 10.0  # points
COLUMN = (WIDTH - 2 * EDGE - 2 * GAP) / 3
FOOT = 62.0
TABLE_HEIGHT = 116.0
ROW = 11.0
GROUND = "#f0f1f6"  # of a still that is narrower than its place
MOST_REPETITIONS = 7  # lines of the table
TALLEST_CHART = 130.0
CAVEAT = (
    "2D, from this camera’s view: the angles are those in the picture. A joint that bends towards the camera or away from it "
    "bends less here than in space. 0° is somebody who stands upright with hanging arms; a straight knee, hip or elbow has 0°. "
    "Left and right are those of the person. A short peak may be a mistake of the model: look at the curve and the video. "
    "Joints with a score below {threshold:.2f} are left out."
)
NOBODY = "Nobody was found in this recording, so there is nothing to measure."


def report_pdf(report: Report) -> bytes:
    """*report* as a PDF of one page. Any thread may call it while a QGuiApplication lives. Raises ExportError without fonts."""
    with Sheet(report.title) as sheet:
        y = _head(sheet, report)
        y = _stills(sheet, report, y + 8)
        bottom = HEIGHT - FOOT - 8
        if report.person is None:
            sheet.text(EDGE, y + 26, NOBODY, 10)
        else:
            _charts(sheet, report.person, y + 10, bottom - TABLE_HEIGHT)
            _tables(sheet, report, report.person, bottom - TABLE_HEIGHT + 8)
        _foot(sheet, report)
    return sheet.content


def _head(sheet: Sheet, report: Report) -> float:
    """Name, date and note; returns where they end."""
    width = WIDTH - 2 * EDGE
    y = EDGE + 14
    for line in sheet.lines(report.title, 18, width, 2, bold=True):
        sheet.text(EDGE, y, line, 18, bold=True)
        y += 22
    facts = [f"{report.started:%d %b %Y, %H:%M}"] if report.started is not None else []
    facts += [clock(report.seconds), *([report.source] if report.source else []), *(f"#{tag}" for tag in report.tags)]
    y -= 6
    lines = [(line, LIGHT.muted) for line in sheet.lines("  ·  ".join(facts), 9, width, 1)]
    if report.person is not None and (report.person_count > 1 or report.part):
        who = f"Person {report.person.id}" + (f", of {report.person_count} people" if report.person_count > 1 else "")
        where = f", part {report.part} of the recording: the joints changed in it" if report.part else ""
        lines.append((who + where, LIGHT.text))
    lines += [(line, LIGHT.text) for line in sheet.lines(report.note, 9, width, 2)] if report.note else []
    for text, colour in lines:
        sheet.text(EDGE, y, text, 9, colour=colour)
        y += 12.5
    return y - 9


def _stills(sheet: Sheet, report: Report, y: float) -> float:
    """The pictures side by side, with their times and angles below; returns where they end."""
    height = COLUMN / ASPECT
    for i, still in enumerate(report.stills):
        x = EDGE + i * (COLUMN + GAP)
        sheet.box(x, y, COLUMN, height, GROUND)
        sheet.image(x, y, COLUMN, height, still.image)
        for line, text in enumerate(_caption(still)):
            sheet.text(x, y + height + 11 + 10.5 * line, text, 8, bold=line == 0)
    return y + height + 23


def _caption(still: Still) -> tuple[str, str]:
    moment = f"{still.moment.capitalize()}  ·  " if still.moment else ""
    parts = [f"{angle_title(name)} {_degrees(value)}" for name, value in still.degrees.items()]
    return f"{moment}{time_code(still.t)}", ", ".join([*parts[:1], *(part.lower() for part in parts[1:])])


def _charts(sheet: Sheet, person: PersonReport, y: float, bottom: float) -> None:
    """The curves one below the other, over the same times."""
    if not person.curves or person.frames.t.size < 2:
        sheet.text(EDGE, y + 16, "No angle was seen long enough for a curve.", 9, colour=LIGHT.muted)
        return
    height = min((bottom - y) / len(person.curves), TALLEST_CHART)
    for i, names in enumerate(person.curves):
        chart = Chart(
            t=person.frames.t,
            curves={name: person.frames.angles[name] for name in names},
            repetitions=person.measured.repetitions,
            numbered=i == 0,
        )
        chart.draw(sheet, EDGE, y + i * height, WIDTH - 2 * EDGE, height - 4)


def _tables(sheet: Sheet, report: Report, person: PersonReport, y: float) -> None:
    """The ranges of both sides, and the repetitions or the gait beside them."""
    angles = person.measured.angles
    for column, names in enumerate(
        ([f"left_{part}" for part in PARTS] + ["trunk"], [f"right_{part}" for part in PARTS] + ["neck"])
    ):
        there = [(name, angles[name]) for name in names if name in angles and angles[name].seen > 0]
        _ranges(sheet, EDGE + column * (COLUMN + GAP), y, there)
    x = EDGE + 2 * (COLUMN + GAP)
    if report.exercise is not None:
        _repetitions(sheet, x, y, person, report.exercise)
    elif len(person.measured.gait.steps) > 1:
        _gait(sheet, x, y, person)
    else:
        sheet.text(x, y + 8, "Repetitions", 8.5, bold=True)
        sheet.text(x, y + 8 + ROW, "No exercise was counted.", 7.5, colour=LIGHT.muted)


def _ranges(sheet: Sheet, x: float, y: float, rows: list[tuple[str, AngleSummary]]) -> None:
    ends = (x + 88, x + 111, x + 138, x + COLUMN)
    _row(sheet, y + 8, x, "Range", ends, ("from", "to", "range", "seen"), head=True)
    for i, (name, one) in enumerate(rows, 1):
        cells = (_degrees(one.least), _degrees(one.most), _degrees(one.range), f"{100 * one.seen:.0f} %")
        _row(sheet, y + 8 + i * ROW, x, angle_title(name), ends, cells)


def _repetitions(sheet: Sheet, x: float, y: float, person: PersonReport, exercise: Exercise) -> None:
    repetitions = person.measured.repetitions
    usual = tempo(list(repetitions))
    there, back = exercise.phases
    sheet.text(x, y + 8, f"{exercise.name}: {len(repetitions)}", 8.5, bold=True)
    if usual is None:
        sheet.text(x, y + 8 + ROW, "No whole repetition was seen.", 7.5, colour=LIGHT.muted)
        return
    text = f"usually {there} {usual.there_s:.1f} s, {back} {usual.back_s:.1f} s, to {_degrees(usual.depth_deg)}"
    sheet.text(x, y + 8 + ROW, text, 7.5, colour=LIGHT.muted)
    ends = (x + 58, x + 92, x + 126, x + COLUMN)
    _row(sheet, y + 8 + 2 * ROW, x, "No.", ends, ("at", there, back, "to"), head=True)
    shown = repetitions if len(repetitions) <= MOST_REPETITIONS else repetitions[: MOST_REPETITIONS - 1]
    for i, one in enumerate(shown, 1):
        cells = (time_code(one.start_t)[:-2], f"{one.there_s:.1f} s", f"{one.back_s:.1f} s", _degrees(one.depth_deg))
        _row(sheet, y + 8 + (2 + i) * ROW, x, str(i), ends, cells)
    if len(shown) < len(repetitions):
        more = f"and {len(repetitions) - len(shown)} more, in the curve"
        sheet.text(x, y + 8 + (3 + len(shown)) * ROW, more, 7.5, colour=LIGHT.muted)


def _gait(sheet: Sheet, x: float, y: float, person: PersonReport) -> None:
    gait = person.measured.gait
    sheet.text(x, y + 8, f"Gait: {len(gait.steps)} steps", 8.5, bold=True)
    rows = (
        ("Steps a minute", _number(gait.cadence_per_min, 1, "")),
        ("A step with the left", _number(gait.step_time_s("left"), 2, " s")),
        ("A step with the right", _number(gait.step_time_s("right"), 2, " s")),
        ("Left to right", _number(gait.asymmetry_percent, 1, " %")),
    )
    for i, (name, value) in enumerate(rows, 1):
        _row(sheet, y + 8 + i * ROW, x, name, (x + COLUMN,), (value,))


def _row(
    sheet: Sheet, y: float, x: float, name: str, ends: tuple[float, ...], cells: tuple[str, ...], *, head: bool = False
) -> None:
    """A line of a table: *name* begins at *x*, and each of *cells* ends at its place."""
    colour = LIGHT.muted if head else LIGHT.text
    sheet.text(x, y, name, 7.5, bold=head)
    for end, cell in zip(ends, cells, strict=True):
        sheet.text(end, y, cell, 7.5, colour=colour, align=1)
    sheet.line(x, y + 2.6, ends[-1], y + 2.6, colour="#d9dde6" if head else "#eef0f5", width=0.4)


def _foot(sheet: Sheet, report: Report) -> None:
    y = HEIGHT - FOOT
    sheet.line(EDGE, y, WIDTH - EDGE, y, colour="#d9dde6")
    for i, line in enumerate(sheet.lines(CAVEAT.format(threshold=report.threshold), 7, WIDTH - 2 * EDGE, 3)):
        sheet.text(EDGE, y + 10 + 9 * i, line, 7, colour=LIGHT.muted)
    made = f"Made on {datetime.now().astimezone():%d %b %Y} with poseapp"
    models = f"  ·  joints by {', '.join(report.models)}" if report.models else ""
    sheet.text(EDGE, y + 39, sheet.lines(made + models, 7, WIDTH - 2 * EDGE, 1)[0], 7, colour=LIGHT.muted)


def _degrees(value: float) -> str:
    return "–" if math.isnan(value) else f"{round(value)}°".replace("-", "−")


def _number(value: float, digits: int, unit: str) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}{unit}"
