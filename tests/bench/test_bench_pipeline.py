"""The benchmark measures the real pipeline, can be cancelled, and leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tiny_model
from tiny_detector import write_detector

from poseapp.bench import pipeline as bench
from poseapp.bench.pipeline import ClipSource, Scenario, run_benchmark, run_people, run_soak
from poseapp.core.errors import ModelError, PoseAppError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model.write_model(tmp_path / "tiny")


def test_the_clip_is_played_to_and_fro_without_an_end() -> None:
    source = ClipSource([np.full((2, 2, 3), i, np.uint8) for i in range(4)], fps=10)
    assert source.open().fps == 10
    items = [source.read() for _ in range(13)]
    assert [int(item[0][0, 0, 0]) for item in items if item] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert [item[1] for item in items if item] == pytest.approx(np.arange(13) / 10)


def test_one_scenario(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SCENARIOS", (Scenario("only", 60.0, record=True),))
    monkeypatch.setattr(bench, "WARM_UP_S", 0.2)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    shares: list[float] = []
    report = run_benchmark(folder, seconds=1.0, progress=lambda share, _: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0
    (measurement,) = report.measurements
    assert measurement.scenario == "only"
    assert 1 < measurement.fps < 90
    assert measurement.overhead_ms == pytest.approx(sum(measurement.ms[s][0] for s in bench.OVERHEAD_STAGES))
    assert measurement.ms["encode"][0] > 0
    assert json.loads(report.to_json())["measurements"][0]["drops"] == measurement.drops
    assert 1 < measurement.recorded_fps < 90
    head, row = (report.table().splitlines()[i].split(" | ") for i in (2, 4))
    assert len(head) == len(row)
    assert row[0] == "| only"
    assert row[2] == f"{measurement.recorded_fps:.1f}"
    assert row[-1] == f"{measurement.drops['capture']}, {measurement.drops['recording']} |"
    assert list((tmp_path / "temporary").iterdir()) == []


def test_it_can_be_cancelled(folder: Path) -> None:
    with pytest.raises(PoseAppError, match=r"^benchmark: cancelled\.$"):
        run_benchmark(folder, seconds=100.0, cancelled=lambda: True)


def test_a_model_that_fails_ends_it_with_its_reason(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(PoseAppError, match="expected SHA-256"):
        run_benchmark(folder, seconds=1.0)
    with pytest.raises(ModelError, match="cannot be read"):
        run_benchmark(folder / "nowhere", seconds=1.0)


def test_a_soak_whose_model_fails_ends_soon(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"")
    with pytest.raises(PoseAppError, match="expected SHA-256"):
        run_soak(folder, minutes=10)


def test_several_people_in_one_table(repo_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PEOPLE_COUNTS", (1, 3))
    monkeypatch.setattr(bench, "WARM_UP_S", 0.2)
    folder = tiny_model.write_model(tmp_path / "tiny")
    write_detector(tmp_path / "person-detector", threshold=0.0)
    table = run_people(folder, repo_root / "assets" / "demo.mp4", seconds=0.3)
    assert [(row.way, row.people, row.model) for row in table.rows] == [("top-down", 1, "tiny"), ("top-down", 3, "tiny")]
    assert all(row.fps > 0 and row.frame_ms > 0 for row in table.rows)
    assert table.growth == {"top-down": pytest.approx(table.rows[1].frame_ms / table.rows[0].frame_ms - 1)}
    (missing,) = table.missing
    assert missing.startswith("bottom-up: expected a model with part affinity fields")
    lines = table.table().splitlines()
    assert sum(line.startswith("| top-down | tiny |") for line in lines) == 2
    assert any(line.startswith("top-down: ") and line.endswith("% from 1 to 3 people") for line in lines)
