"""What several people cost: both modes in one table, and why one is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_model
from tiny_detector import write_detector

from poseapp.bench import people as bench_people
from poseapp.bench.people import run_people


def test_several_people_in_one_table(repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_people, "PEOPLE_COUNTS", (1, 3))
    monkeypatch.setattr(bench_people, "WARM_UP_S", 0.2)
    folder = tiny_model.write_model(tmp_path / "tiny")
    write_detector(tmp_path / "person-detector", threshold=0.0)
    table = run_people(folder, repo_root / "assets" / "demo.mp4", seconds=0.3)
    assert [(row.mode, row.person_count, row.model) for row in table.rows] == [("top-down", 1, "tiny"), ("top-down", 3, "tiny")]
    assert all(row.fps > 0 and row.frame_ms > 0 for row in table.rows)
    assert table.growth == {"top-down": pytest.approx(table.rows[1].frame_ms / table.rows[0].frame_ms - 1)}
    (missing,) = table.missing
    assert missing.startswith("bottom-up: expected a model that finds all people at once")
    lines = table.table().splitlines()
    assert sum(line.startswith("| top-down | tiny |") for line in lines) == 2
    assert any(line.startswith("top-down: ") and line.endswith("% from 1 to 3 people") for line in lines)
