"""The number of processes: what is tried, what wins, and what a measurement is."""

from __future__ import annotations

from pathlib import Path

import pytest
from batches import dot_clip, tiny_method, tiny_store

from poseapp.batch import sizing


def test_the_cores_are_shared_out_among_the_processes() -> None:
    assert sizing.candidates(1, True) == ((1, 1),)
    assert sizing.candidates(2, True) == ((1, 2), (2, 1))
    assert sizing.candidates(6, True) == ((1, 6), (2, 3), (4, 1), (6, 1))
    assert sizing.candidates(16, False) == ((1, 0), (2, 0), (4, 0))
    assert sizing.candidates(1, False) == ((1, 0),)


def test_more_processes_must_be_worth_it() -> None:
    assert sizing.fastest({(1, 2): 30.0, (2, 1): 31.0}) == (1, 2)
    assert sizing.fastest({(1, 2): 30.0, (2, 1): 40.0}) == (2, 1)
    assert sizing.fastest({(1, 4): 30.0, (2, 2): 40.0, (4, 1): 0.0}) == (2, 2), "four could not run"


@pytest.mark.slow
def test_processes_are_measured_together_and_one_that_cannot_run_counts_as_nothing(tmp_path: Path) -> None:
    method, clip = tiny_method(tiny_store(tmp_path)), dot_clip(tmp_path / "clip.mp4")
    assert sizing.measure(method, 2, clip, seconds=0.5) > 10
    assert sizing.measure(method, 1, tmp_path / "missing.mp4", seconds=0.5) == 0.0
