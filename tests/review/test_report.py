"""What stands in a report: whom it is about, which moments are shown, which curves, and what is left out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import SPEC
from movers import recorded, squatter
from saved import frame_with, record, stills, two_people

from poseapp.core.errors import RecordError
from poseapp.core.repetitions import EXERCISES
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.core.types import Poses
from poseapp.render import DrawOptions
from poseapp.review.report import Report, ReportOptions, make_report
from poseapp.review.saved_recording import SavedRecording

FPS = 25
T = np.arange(12 * FPS) / FPS
SQUAT = next(one for one in EXERCISES if one.name == "Squat")
DEPTHS = (70.0, 100.0, 80.0)  # degrees, of squats of four seconds


def knees() -> np.ndarray:
    """The flexion over time of three squats."""
    depth = np.array(DEPTHS)[np.minimum((T / 4).astype(int), 2)]
    return np.asarray(depth * (1 - np.cos(2 * np.pi * T / 4)) / 2)


@pytest.fixture(scope="module")
def squats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("squats"), T, squatter(knees()))


def just(poses: Poses, row: int) -> Poses:
    """The person in *row* alone."""
    return poses.pick(np.arange(len(poses)) == row)


def report_of(folder: Path, **options: object) -> Report:
    return make_report(SavedRecording.read(folder), ReportOptions(**options))  # type: ignore[arg-type]


def test_the_stills_are_the_deepest_repetition(squats: Path) -> None:
    report = report_of(squats, exercise=SQUAT)
    assert report.person is not None
    assert len(report.person.measured.repetitions) == 3
    assert [still.moment for still in report.stills] == [f"repetition 2, {what}" for what in ("start", "turning point", "end")]
    start, turn, end = (still.t for still in report.stills)
    assert turn == pytest.approx(6.0, abs=1.5 / FPS)
    assert 4 < start < turn < end < 8
    assert report.stills[1].degrees["left_knee"] == pytest.approx(100, abs=1)
    assert report.stills[0].degrees["left_knee"] == pytest.approx(SQUAT.rest_deg, abs=5)


def test_an_exercise_that_straightens_is_deepest_where_the_angle_is_least(tmp_path: Path) -> None:
    stand = next(one for one in EXERCISES if one.name == "Sit to stand")
    folder = recorded(tmp_path, T, squatter(90 - knees() * 0.85))
    report = report_of(folder, exercise=stand)
    assert report.stills[1].moment == "repetition 1, turning point", "the first squat does not straighten far enough"
    assert report.stills[1].degrees["left_knee"] == pytest.approx(5, abs=1)


def test_without_an_exercise_the_stills_are_extremes_of_what_moves_most(squats: Path) -> None:
    report = report_of(squats)
    assert report.person is not None
    assert report.person.curves[0] == ("left_knee", "right_knee")
    degrees = sorted(still.degrees["left_knee"] for still in report.stills)
    assert degrees[0] < 5
    assert 90 < degrees[2] <= 100
    assert [still.t for still in report.stills] == sorted(still.t for still in report.stills)


def test_the_exercise_comes_first_and_what_moves_more_after_it(tmp_path: Path) -> None:
    xy, score = squatter(knees())
    swing = np.radians(170 * np.sin(2 * np.pi * T / 3))
    for side in ("left", "right"):
        shoulder, elbow, wrist = (COCO_17.index(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist"))
        xy[:, elbow] = xy[:, shoulder] + [0, 80]
        xy[:, wrist] = xy[:, elbow] + 70 * np.stack([np.sin(swing), np.cos(swing)], axis=-1)
    folder = recorded(tmp_path, T, (xy, score))
    person = report_of(folder, exercise=SQUAT).person
    assert person is not None
    assert [names[0] for names in person.curves] == ["left_knee", "left_elbow", "left_hip"]


def test_it_is_about_whoever_is_seen_longest_or_whom_the_user_wants(tmp_path: Path) -> None:
    folder = two_people(tmp_path)
    report = report_of(folder)
    assert report.person is not None
    assert (report.person.id, report.person_count) == (1, 2)
    other = report_of(folder, person=2)
    assert other.person is not None
    assert other.person.id == 2
    with pytest.raises(RecordError, match=r"expected a person who is in it \(1, 2\), got 9\. Choose another\."):
        report_of(folder, person=9)


def test_of_ten_people_only_the_one_is_drawn(tmp_path: Path) -> None:
    people = {number: 10.0 * number for number in range(1, 11)}
    crowd = [frame_with(i, people, smoothed=False) for i in range(12)]
    alone = [replace(one, poses=just(one.poses, 3)) for one in crowd]
    black = DrawOptions(background="black")
    report = report_of(record(tmp_path / "crowd", crowd), person=4, draw=black)
    expected = report_of(record(tmp_path / "alone", alone), draw=black)
    assert report.person_count == 10
    for still, other in zip(report.stills, expected.stills, strict=True):
        assert still.image.max() > 100
        np.testing.assert_array_equal(still.image, other.image)


def test_nobody_is_a_report_too(tmp_path: Path) -> None:
    report = report_of(record(tmp_path, (frame_with(i, {}) for i in range(9)), clean_video=True))
    assert report.person is None
    assert report.person_count == 0
    assert [still.image.shape for still in report.stills] == [(240, 320, 3)] * 3
    assert abs(float(report.stills[0].image.mean()) - 90) < 8, "the pictures of the video"


def test_a_skeleton_without_angles_has_stills_and_no_curves(tmp_path: Path) -> None:
    fish = Skeleton(name="fish", keypoints=("head", "middle", "tail"), limbs=(), flip=(0, 1, 2), sigmas=(0.1,) * 3)
    report = report_of(record(tmp_path, (frame_with(i, {1: 50.0}, skeleton=fish) for i in range(9))))
    assert report.person is not None
    assert report.person.curves == ()
    assert len(report.stills) == 3


def test_joints_that_change_in_mid_file_are_told(tmp_path: Path) -> None:
    other = replace(SPEC.skeleton, name="coco-17b")
    frames = [frame_with(i, {1: 50.0}) for i in range(4)] + [frame_with(i, {1: 50.0}, skeleton=other) for i in range(4, 14)]
    report = report_of(record(tmp_path, frames))
    assert report.part == "2 of 2"
    assert report.stills[0].t >= 4 / FPS


def test_without_a_video_the_joints_are_drawn_on_black(squats: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(squats, bare)
    for video in bare.glob("*.mkv"):
        video.unlink()
    report = report_of(bare, exercise=SQUAT)
    assert all(still.image.shape == report.stills[0].image.shape for still in report.stills), "cut out in the same place"
    assert report.person is not None


def test_a_drawn_skeleton_is_not_drawn_twice(tmp_path: Path) -> None:
    """annotated.mkv has it already, so nothing is drawn on its pictures; here they are without it, so that one can see that."""
    folder = two_people(tmp_path, clean_video=True)
    assert all(int(still.image.max()) - int(still.image.min()) > 100 for still in report_of(folder).stills)
    (folder / "clean.mkv").replace(folder / "annotated.mkv")
    assert all(int(still.image.max()) - int(still.image.min()) < 20 for still in report_of(folder).stills)


def test_faces_of_everybody_are_blurred(tmp_path: Path) -> None:
    """Also of the person whom the report is not about."""
    people = {1: 100.0, 2: 110.0}
    frames = [frame_with(i, people, smoothed=False) for i in range(12)]
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    frames = [replace(one, frame=replace(one.frame, image=noise)) for one in frames]
    crowd = record(tmp_path / "crowd", frames, clean_video=True)
    alone = record(tmp_path / "alone", [replace(one, poses=just(one.poses, 0)) for one in frames], clean_video=True)
    both, one = (report_of(where, person=1, draw=DrawOptions(blur_faces=True)) for where in (crowd, alone))
    assert any((a.image != b.image).any() for a, b in zip(both.stills, one.stills, strict=True))


def test_what_comes_from_outside_is_one_line(squats: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(squats, copy)
    manifest = copy / "session.json"
    text = manifest.read_text(encoding="utf-8").replace('"made up"', '"a\\nb\\u202ec"').replace('"started": "', '"started": "x')
    manifest.write_text(text, encoding="utf-8")
    report = report_of(copy, title=" Ann\nLee ", note="x" * 1000)
    assert report.title == "Ann?Lee"
    assert report.source == "a?b?c"
    assert report.started is None
    assert len(report.note) < 500


def test_pictures_that_stand_alone_are_no_movement(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="stand alone, and a report is about a movement"):
        make_report(SavedRecording.read(stills(tmp_path)), ReportOptions())
