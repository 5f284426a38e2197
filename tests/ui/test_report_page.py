"""The report as a PDF, read back by PDFium: one page, real text, any name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from movers import recorded, squatter
from PySide6.QtWidgets import QApplication
from saved import frame_with, record

from poseapp.core.repetitions import EXERCISES
from poseapp.review.report import Report, ReportOptions, make_report
from poseapp.review.saved_recording import SavedRecording
from poseapp.ui.report_chart import pieces, scale, thinned
from poseapp.ui.report_page import NOBODY, report_pdf

T = np.arange(12 * 25) / 25
SQUAT = EXERCISES[0]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Four squats of three seconds to 90°."""
    folder = recorded(tmp_path_factory.mktemp("squats"), T, squatter(45 - 45 * np.cos(2 * np.pi * T / 3)))
    return make_report(SavedRecording.read(folder), ReportOptions(exercise=SQUAT, title="Anna", note="Week 3"))


def text_of(pdf: bytes) -> str:
    """The text that a reader can select; there must be one page."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        assert len(document) == 1
        assert document[0].get_size() == pytest.approx((595, 842), abs=1)
        return str(document[0].get_textpage().get_text_range())
    finally:
        document.close()


def rendered(pdf: bytes) -> np.ndarray:
    """The page (H, W, 3) at 72 dpi."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return np.asarray(document[0].render(scale=1).to_numpy()[..., :3]).copy()
    finally:
        document.close()


def test_the_page_has_all_that_a_file_needs_as_text(qapp: QApplication, report: Report) -> None:
    text = text_of(report_pdf(report))
    for part in (
        "Anna",
        "Week 3",
        "made up",
        "Squat: 4",
        "usually down",
        "Left knee",
        "Right hip",
        "2D, from this camera’s view",
    ):
        assert part in text
    assert "Repetition 1, turning point" in text or "Repetition 2, turning point" in text
    assert report.started is not None
    assert f"{report.started:%d %b %Y}" in text
    assert "nan" not in text.lower()


def test_stills_and_curves_are_on_the_page(qapp: QApplication, report: Report) -> None:
    page = rendered(report_pdf(report)).astype(int)
    ink = np.abs(page - 255).sum(axis=2) > 60
    assert ink[90:270, 40:205].mean() > 0.5, "the first still"
    blue = (page[..., 0] - page[..., 2] > 60) | (page[..., 2] - page[..., 0] > 60)
    assert blue[310:600].sum() > 300, "the curves have the colours of the sides"
    assert ink[:, :36].sum() == ink[:, 560:].sum() == 0, "nothing beyond the margins"


@pytest.mark.parametrize("name", ["Łukasz Żółć – Δρ. Νίκος", "Пётр", "山田太郎", "שלום", "محمد", "a/b\\c:<i>&amp;</i>"])
def test_any_name_makes_a_page(qapp: QApplication, report: Report, name: str) -> None:
    text = text_of(report_pdf(replace(report, title=name, note=name, tags=(name,))))
    if name.isascii() or name[0] in "ŁП":  # scripts that every font has
        assert text.count(name) == 3


def test_long_names_stay_on_the_page(qapp: QApplication, report: Report) -> None:
    for long in ("W" * 400, "Squats with the left leg in front " * 20):
        page = rendered(report_pdf(replace(report, title=long, note=long, source=long, tags=(long,), models=(long,))))
        assert (page[:, 560:] == 255).all()
        text = text_of(report_pdf(replace(report, title=long)))
        assert "…" in text
        assert "Squat: 4" in text


def test_many_repetitions_end_with_how_many_more(qapp: QApplication, report: Report) -> None:
    assert report.person is not None
    measured = report.person.measured
    many = replace(measured, repetitions=measured.repetitions * 30)
    text = text_of(report_pdf(replace(report, person=replace(report.person, measured=many))))
    assert "Squat: 120" in text
    assert "and 114 more, in the curve" in text


def test_nobody_is_said_plainly(qapp: QApplication, tmp_path: Path) -> None:
    empty = make_report(SavedRecording.read(record(tmp_path, (frame_with(i, {}) for i in range(5)))), ReportOptions())
    text = text_of(report_pdf(empty))
    assert NOBODY in text
    assert "Range" not in text


def test_whom_it_is_about_is_said_where_there_are_several(qapp: QApplication, report: Report) -> None:
    assert "Person 1" not in text_of(report_pdf(report))
    assert "Person 1, of 10 people" in text_of(report_pdf(replace(report, person_count=10)))


def test_a_curve_breaks_where_the_angle_is_not_seen() -> None:
    nan = np.nan
    t = np.array([0, 0.1, 0.2, 0.3, 0.4, 2.0, 2.1])
    found = pieces(t, np.array([1, 2, nan, 4, 5, 6, 7.0]))
    assert [[at for at, _ in piece] for piece in found] == [[0, 0.1], [0.3, 0.4], [2.0, 2.1]]


def test_a_thinned_curve_keeps_its_peaks_and_its_gaps() -> None:
    t = np.arange(60_000) / 30
    values = 20 * np.sin(t)
    values[31_415] = 170.0
    values[40_000:42_000] = np.nan
    fewer_t, fewer = thinned(t, values, 1200)
    assert len(fewer) <= 1200
    assert np.nanmax(fewer) == 170.0
    assert np.nanmin(fewer) == np.nanmin(values)
    assert (np.diff(fewer_t) > 0).all()
    assert np.isnan(fewer[(fewer_t > 40_000 / 30) & (fewer_t < 41_999 / 30)]).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 86.0], (0, 90, 30)), ([-28.0, 3.0], (-30, 10, 10)), ([np.nan], (0, 1, 1)), ([170.0], (0, 180, 45))],
)
def test_the_axis_has_zero_and_round_steps(values: list[float], expected: tuple[float, float, float]) -> None:
    assert scale([np.array(values)]) == expected
