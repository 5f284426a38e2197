"""The benchmark measures the real pipeline, can be cancelled, and leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tiny_model

from poseapp.bench import pipeline as bench
from poseapp.bench.clip import ClipSource
from poseapp.bench.pipeline import Scenario, run_benchmark
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
