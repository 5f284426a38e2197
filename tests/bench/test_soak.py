"""A long run: its table grows minute by minute, and the verdict says what grew too much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_model

from poseapp.bench import soak as bench_soak
from poseapp.bench.soak import HEAD, MOST_GROWTH_HANDLES, MOST_GROWTH_MB, Minute, Soak, run_soak
from poseapp.core.errors import PoseAppError

FIRST = Minute(
    number=1,
    fps=30.0,
    recorded_fps=29.5,
    memory_mb=200.0,
    handles=40,
    threads=12,
    dropped_by_camera=2,
    dropped_by_recorder=1,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model.write_model(tmp_path / "tiny")


def test_a_soak_whose_model_fails_ends_soon(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(PoseAppError, match="expected SHA-256"):
        run_soak(folder, minutes=10)


def test_each_minute_is_a_line_of_the_table_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_soak, "MINUTE_S", 1.0)
    rows: list[str] = []
    soak = run_soak(folder, minutes=3, on_row=rows.append)
    assert rows == [*HEAD, *(minute.row() for minute in soak.minutes)]
    assert len({row.count("|") for row in rows}) == 1
    assert [minute.number for minute in soak.minutes] == [1, 2, 3]
    last = soak.minutes[-1]
    assert last.recorded_fps > 0
    assert last.fps > 0
    assert last.memory_mb > 20
    assert last.handles > 3
    assert last.threads > 3  # capture, inference, recorder and this one


def test_a_row_has_the_figures_under_their_names() -> None:
    assert FIRST.row() == "| 1 | 30.0 | 29.5 | 200.0 | 40 | 12 | 2 | 1 |"


@pytest.mark.parametrize(
    ("memory_mb", "handles", "verdict"),
    [
        (200 + MOST_GROWTH_MB, 40 + MOST_GROWTH_HANDLES, "+10.0 MB, +8 handles after the first minute: steady."),
        (190.0, 40, "-10.0 MB, +0 handles after the first minute: steady."),
        (200.1 + MOST_GROWTH_MB, 40, "+10.1 MB, +0 handles after the first minute: memory grew too much."),
        (200.0, 41 + MOST_GROWTH_HANDLES, "+0.0 MB, +9 handles after the first minute: the number of handles grew too much."),
        (300.0, 99, "+100.0 MB, +59 handles after the first minute: memory and the number of handles grew too much."),
    ],
)
def test_the_verdict_is_about_the_growth_after_the_first_minute(memory_mb: float, handles: int, verdict: str) -> None:
    last = replace(FIRST, number=2, fps=20.0, memory_mb=memory_mb, handles=handles)
    assert Soak((FIRST, last)).verdict() == f"2 min at 25.0 fps, 2 poses dropped by the recorder; {verdict}"


def test_one_minute_gives_no_verdict() -> None:
    verdict = Soak((FIRST,)).verdict()
    assert verdict == "1 min at 30.0 fps, 1 poses dropped by the recorder. One minute shows no growth: give --minutes 2 or more."
