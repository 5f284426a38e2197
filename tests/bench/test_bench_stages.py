"""A frame's overhead in processor time: every stage is there, and an engine's time is in none of them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tiny_model import write_model

from poseapp.bench import stages as bench_stages
from poseapp.bench.stages import STAGES, stage_ms
from poseapp.core.types import ImageArray
from poseapp.engine.base import Output
from poseapp.engine.load import load_engine
from poseapp.engine.onnxruntime import OrtEngine

BUSY_S = 0.05


class Busy(OrtEngine):
    """Takes long, by processor time."""

    def infer(self, crops: ImageArray, heatmaps: bool = False) -> Output:
        end = time.thread_time() + BUSY_S
        while time.thread_time() < end:
            pass
        return super().infer(crops, heatmaps)


def test_stages_are_timed_without_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_stages, "FIRST", 2)
    folder = write_model(tmp_path / "tiny")
    with_spec = load_engine(folder, "cpu", 1)
    with_spec.close()
    engine = Busy(folder / "model.onnx", with_spec.spec, 1)
    ms = stage_ms(engine, None, frames=5)
    engine.close()
    assert set(ms) == set(STAGES)
    assert all(one >= 0 for one in ms.values())
    assert ms["draw"] > 0
    assert ms["crop"] + ms["decode"] < BUSY_S * 1e3
