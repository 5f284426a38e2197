"""The benchmark of outputs, on all that are installed here, with a short time each."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import tiny_model

from poseapp.bench.outputs import HEAD, measure_app, measure_output


@pytest.mark.parametrize("kind", ["osc", "udp", "ws", "lsl"])
def test_each_output_is_received_in_another_process(kind: str) -> None:
    if kind == "lsl" and importlib.util.find_spec("pylsl") is None:
        pytest.skip("needs pylsl")
    figures = measure_output(kind, 30, 2, 1.0)
    assert (figures.what, figures.sent) == (kind, 30)
    assert 0 < figures.received <= 30
    assert 0 < figures.p50_ms <= figures.p95_ms
    assert figures.row().count("|") == HEAD.splitlines()[0].count("|")


def test_the_whole_app_is_measured_from_the_capture(tmp_path: Path, demo_clip: Path) -> None:
    tiny_model.write_model(tmp_path / "tiny")
    figures = measure_app(tmp_path / "tiny", demo_clip, "cpu", 1.0)
    assert figures.what == "whole app, udp"
    assert figures.received > 0
    assert figures.p50_ms > 0
