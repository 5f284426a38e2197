"""Angles over a recording, and their figures over a span of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from movers import recorded, squatter
from saved import frame_with, record

from poseapp.core.repetitions import EXERCISES
from poseapp.core.skeleton import COCO_17, MPII_16
from poseapp.review.curves import curves_of
from poseapp.review.saved_recording import SavedRecording

FPS = 25
T = np.arange(9 * FPS) / FPS
KNEE = 45 - 45 * np.cos(2 * np.pi * T / 3)  # 0 to 90°, a squat in three seconds
SQUAT = EXERCISES[0]
ALL = (0.0, T[-1])


@pytest.fixture(scope="module")
def squats(tmp_path_factory: pytest.TempPathFactory) -> SavedRecording:
    return SavedRecording.read(recorded(tmp_path_factory.mktemp("squats"), T, squatter(KNEE)))


def test_the_curves_are_the_movement(squats: SavedRecording) -> None:
    (person,) = curves_of(squats, 0.3)
    np.testing.assert_allclose(person.t, T, atol=1e-3)
    np.testing.assert_allclose(person.angles["left_knee"], KNEE, atol=2)


def test_a_span_has_its_own_figures(squats: SavedRecording) -> None:
    (person,) = curves_of(squats, 0.3)
    whole = person.summary("left_knee", ALL)
    assert whole.least == pytest.approx(0, abs=2)
    assert whole.most == pytest.approx(90, abs=2)
    assert whole.mean == pytest.approx(45, abs=2)
    assert whole.fastest == pytest.approx(45 * 2 * np.pi / 3, rel=0.05)
    # The quarter of a second around the deepest point.
    part = person.summary("left_knee", (1.38, 1.62))
    assert part.least > 85
    assert part.range == pytest.approx(45 * (1 - np.cos(2 * np.pi * 0.12 / 3)), abs=1.5)
    assert part.fastest < 30
    assert np.isnan(person.summary("left_knee", (20.0, 30.0)).mean)


def test_repetitions_are_those_within_the_span(squats: SavedRecording) -> None:
    (person,) = curves_of(squats, 0.3)
    assert len(person.repetitions(SQUAT, ALL)) == 3
    (second,) = person.repetitions(SQUAT, (3.0, 6.0))
    assert second.turn_t == pytest.approx(4.5, abs=0.1)
    assert person.repetitions(SQUAT, (4.5, 6.0)) == [], "half a squat is none"


def test_joints_below_the_threshold_are_not_seen(squats: SavedRecording) -> None:
    (person,) = curves_of(squats, 1.01)
    assert np.isnan(person.angles["left_knee"]).all()


def test_who_is_seen_longest_comes_first_and_goes_on_with_other_joints(tmp_path: Path) -> None:
    results = [
        frame_with(i, {7: 30.0} | ({2: 200.0} if i < 3 else {}), skeleton=MPII_16 if i >= 6 else COCO_17) for i in range(12)
    ]
    first, second = curves_of(SavedRecording.read(record(tmp_path, results)), 0.0)
    assert (first.id, second.id) == (7, 2)
    np.testing.assert_allclose(first.t, np.arange(12) / 25, atol=1e-3)
    assert len(second.t) == 3
    assert not np.isnan(first.angles["left_knee"][6:]).all(), "both skeletons have knees"
    assert all(len(values) == 12 for values in first.angles.values())
