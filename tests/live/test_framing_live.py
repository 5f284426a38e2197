"""A turned and cropped source: the same joints, in the places of the picture that is used, wherever they are written."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_model
from clips import grey_clip
from fake_camera import FakeDevice, plug_in
from fakes import FlakyCamera, MarkerSource, wait_until
from sessions import lines, next_result, running, seen, the_recording

from poseapp.cli.main import main
from poseapp.core.framing import Framing
from poseapp.core.types import FloatArray
from poseapp.live.recording import RecordOptions
from poseapp.live.sources import VideoSource

HW = (360, 640)
QUARTER = Framing(90, (0.0, 0.1, 1.0, 0.95))  # of 360 × 640: 0..360 × 64..608


def framed(xy: FloatArray, framing: Framing = QUARTER) -> FloatArray:
    """Joints of a picture of HW in the picture that QUARTER makes of it: pixel (x, y) goes to (h - 1 - y, x)."""
    assert framing == QUARTER
    return np.column_stack([HW[0] - 1 - xy[:, 1], xy[:, 0] - 64]).astype(np.float32)


def size_of(video: Path) -> tuple[int, int]:
    reader = cv2.VideoCapture(str(video))
    try:
        ok, image = reader.read()
        assert ok
        return image.shape[1], image.shape[0]
    finally:
        reader.release()


def test_joints_lie_where_they_are_in_the_framed_picture() -> None:
    source = MarkerSource(HW, seconds=2.0, still=True)
    with running(source, realtime=False, framing=QUARTER) as session:
        result = next_result(session)
    assert result is not None
    assert result.frame.hw == (544, 360)
    assert np.abs(result.poses.xy[0] - framed(source.truth(0.0))).max() < 1.5


def test_a_recording_has_the_framed_picture_its_joints_and_how_it_was_framed(tmp_path: Path) -> None:
    source = MarkerSource(HW, seconds=1.0, still=True)
    with running(source, realtime=False, framing=QUARTER, record=tmp_path, clean_video=True) as session:
        assert session.wait(30)
    folder = the_recording(tmp_path)
    rows = [line for line in lines(folder) if line["people"]]
    assert len(rows) > 10
    joints = np.array(rows[-1]["people"][0]["keypoints"])[:, :2]
    assert np.abs(joints - framed(source.truth(0.0))).max() < 1.5
    assert size_of(folder / "annotated.mkv") == size_of(folder / "clean.mkv") == (360, 544)
    content = json.loads((folder / "session.json").read_text())
    assert content["settings"][0]["framing"] == {"turn": 90, "crop": [0.0, 0.1, 1.0, 0.95]}
    assert (content["source"]["actual"]["width"], content["source"]["actual"]["height"]) == (640, 360)


def test_the_framing_changes_between_two_pictures_and_the_recording_says_from_which_one_on(tmp_path: Path) -> None:
    with running(FlakyCamera([])) as session:
        next_result(session)
        session.start_recording(RecordOptions(folder=tmp_path))
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 3)
        session.set_framing(Framing(180))
        wait_until(lambda: next_result(session).frame.framing == Framing(180))
        written = session.status().recording
        assert written is not None
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > written.frames + 3)
        assert session.status().framing == Framing(180)
    content = json.loads((the_recording(tmp_path) / "session.json").read_text())
    turns = [(one["from_frame"], one["framing"]["turn"]) for one in content["settings"]]
    assert [turn for _, turn in turns] == [0, 180]
    assert turns[1][0] > turns[0][0]  # the number of the first analysed frame, which is not the first captured one under load


def test_people_are_looked_for_anew_where_the_picture_is_turned() -> None:
    """They are not where they were: a pose of the old picture would be carried on."""
    with running(FlakyCamera([])) as session:
        seen(session, lambda status: status.person_count == 1)
        before = session._shared.new_scene_from
        session.set_framing(Framing(180))
        wait_until(lambda: next_result(session).frame.framing.turn == 180)
        assert session._shared.new_scene_from > before


def test_another_source_comes_with_its_own_framing() -> None:
    with running(FlakyCamera([])) as session:
        session.set_framing(Framing(90))
        wait_until(lambda: next_result(session).frame.hw == (640, 360))
        session.set_source(FlakyCamera([]))
        wait_until(lambda: next_result(session).frame.hw == (360, 640))
        session.set_source(FlakyCamera([]), Framing(0, (0.0, 0.0, 0.5, 1.0)))
        wait_until(lambda: next_result(session).frame.hw == (360, 320))


def test_the_mode_of_the_camera_stays_what_the_camera_says() -> None:
    with running(FlakyCamera([])) as session:
        session.set_framing(Framing(90))
        wait_until(lambda: next_result(session).frame.hw == (640, 360))
        actual = session.status().actual
        assert actual is not None
        assert (actual.width, actual.height) == (640, 360)


def test_a_clip_is_turned_and_cropped_without_a_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(12)])
    source = VideoSource(clip)
    mode = source.open()
    source.close()
    tiny_model.write_model(tmp_path / "store" / "tiny")
    out = tmp_path / "out"
    common = ["--headless", "--engines-dir", str(tmp_path / "store"), "-o", str(out)]
    assert main(["run", str(clip), *common, "--rotate", "270", "--crop", "0,0,50,100"]) == 0
    folder = the_recording(out)
    assert size_of(folder / "annotated.mkv") == (mode.height // 2, mode.width)
    assert json.loads((folder / "session.json").read_text())["settings"][0]["framing"] == {"turn": 270, "crop": [0, 0, 0.5, 1]}


def test_a_camera_is_set_without_a_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plug_in(monkeypatch, FakeDevice(fps=30))
    tiny_model.write_model(tmp_path / "store" / "tiny")
    common = ["--headless", "--engines-dir", str(tmp_path / "store"), "-o", str(tmp_path / "out"), "--seconds", "0.5"]
    assert main(["run", "camera:0", *common, "--control", "exposure=80", "--control", "gain=400", "--rotate", "90"]) == 0
    said = capsys.readouterr().out
    assert "exposure   asked 80, given 80" in said
    assert "gain       asked 400, given 100" in said
    controls = json.loads((the_recording(tmp_path / "out") / "session.json").read_text())["source"]["controls"]
    assert [(one["name"], one["requested"], one["actual"]) for one in controls[:2]] == [("exposure", 80, 80), ("gain", 400, 100)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rotate", "45"], "--rotate: expected 0, 90, 180 or 270, got 45."),
        (["--crop", "1,2,3"], "crop: expected left,top,right,bottom in per cent"),
        (["--control", "exposure"], "--control: expected NAME=VALUE"),
        (["--control", "iris=3"], "camera control: expected one of exposure, gain, focus, zoom"),
        (["--control", "gain=3"], "synthetic figure: has no exposure, gain, focus or zoom."),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(
    options: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    assert main(["run", "synthetic", "--headless", "--engines-dir", str(tmp_path / "store"), "-o", str(tmp_path), *options]) == 1
    error = capsys.readouterr().err
    assert says.lower() in error.lower()
    assert error.count("\n") == 1
