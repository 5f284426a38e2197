"""What is measured in recordings that the recorder made of made-up movement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from movers import recorded, squatter, walker

from poseapp.core.repetitions import EXERCISES
from poseapp.core.skeleton import COCO_17
from poseapp.review.measurements import Measurements, as_json, measure_recording, measured_frames
from poseapp.review.saved_recording import SavedRecording

SQUAT = EXERCISES[0]
FPS = 25
T = np.arange(12 * FPS) / FPS
KNEES = 50 - 45 * np.cos(2 * np.pi * T / 3)  # four squats from 5° to 95°


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Person 1 squats four times, person 2 walks at 100 steps a minute."""
    return recorded(tmp_path_factory.mktemp("recordings"), T, squatter(KNEES), walker(T, 100))


@pytest.fixture(scope="module")
def people(folder: Path) -> list[Measurements]:
    return measure_recording(SavedRecording.read(folder), 0.3, SQUAT)


def test_angles_and_repetitions(people: list[Measurements]) -> None:
    one = people[0]
    assert (one.id, one.frames, one.start_s) == (1, len(T), 0.0)
    assert one.end_s == pytest.approx(T[-1], abs=0.002)
    knee = one.angles["left_knee"]
    assert (knee.least, knee.most, knee.range) == pytest.approx((5, 95, 90), abs=0.5)
    assert knee.fastest == pytest.approx(45 * 2 * np.pi / 3, rel=0.03)
    assert knee.seen == 1
    assert one.angles["left_elbow"].seen == 0
    assert len(one.repetitions) == 4
    assert [r.turn_t for r in one.repetitions] == pytest.approx([1.5, 4.5, 7.5, 10.5], abs=0.05)
    assert one.gait.steps == ()


def test_gait(people: list[Measurements]) -> None:
    gait = people[1].gait
    assert gait.cadence_per_min == pytest.approx(100, rel=0.02)
    assert people[1].repetitions == ()


def test_json_has_all_and_null_for_what_was_not_seen(folder: Path, people: list[Measurements]) -> None:
    text = json.dumps(as_json(people, SavedRecording.read(folder), SQUAT), allow_nan=False)
    read = json.loads(text)
    assert (read["recording"], read["exercise"], read["view"]) == (folder.name, "Squat", "2D, from the camera's view")
    first, second = read["people"]
    assert first["angles"]["left_knee"]["most_deg"] == pytest.approx(95, abs=0.5)
    assert first["angles"]["left_elbow"]["most_deg"] is None
    assert [round(r["depth_deg"]) for r in first["repetitions"]] == [95] * 4
    assert first["gait"]["cadence_per_min"] is None
    assert second["gait"]["cadence_per_min"] == pytest.approx(100, rel=0.02)
    assert len(second["gait"]["curves"]["left_knee"]) == 101
    assert as_json(people, SavedRecording.read(folder), None)["exercise"] is None


def test_what_was_predicted_is_not_measured(tmp_path: Path) -> None:
    knees = np.full(50, 10.0)
    knees[20:25] = 170
    folder = recorded(tmp_path, np.arange(50) / FPS, squatter(knees), predicted=frozenset(range(20, 25)))
    (one,) = measure_recording(SavedRecording.read(folder), 0.3, SQUAT)
    assert one.angles["left_knee"].most == pytest.approx(10, abs=0.5)
    assert one.frames == 50


def test_a_threshold_leaves_joints_out(folder: Path) -> None:
    one = measure_recording(SavedRecording.read(folder), 1.1, SQUAT)[0]
    assert one.angles["left_knee"].seen == 0
    assert one.repetitions == ()


def test_joints_that_cannot_be_right_are_not_measured(tmp_path: Path) -> None:
    """An ankle far away is not drawn, and bends no knee."""
    xy, score = squatter(KNEES)
    xy[100:110, COCO_17.index("left_ankle")] += [0, -900]
    part = SavedRecording.read(recorded(tmp_path, T, (xy, score))).parts[0]
    left = measured_frames(part, part.people[1], 0.3).angles["left_knee"]
    assert np.isnan(left[100:110]).all()
    assert not np.isnan(left[:100]).any()
    assert not np.isnan(left[110:]).any()
