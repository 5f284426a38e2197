"""A folder of pictures is not a film: each picture stands alone, in the session and in a recording."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import SPEC, Loader, MarkerSource, wait_until
from painted import PaintedDetector, PaintedEngine, PaintedSource, crowd
from sessions import A, lines, next_result, seen, the_recording

from poseapp.core.errors import RecordError
from poseapp.core.smoothing import SMOOTH
from poseapp.core.types import Frame, Poses, Result
from poseapp.live.capture import CaptureEvents, capture
from poseapp.live.recording import RecordOptions, read_manifest
from poseapp.live.recording.keypoints import keypoints_of
from poseapp.live.recording.picture_files import picture_path, write_picture, written_pictures
from poseapp.live.session import Session
from poseapp.live.sources import FolderSource, PictureSource
from poseapp.live.status import ModelRequest
from poseapp.pipeline.top_down import TopDown
from poseapp.review.played_pictures import PlayedPictures

SIZES = [(360, 640), (360, 640), (400, 300), (360, 640)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures with a person each, who stands a little further on: as in a film, but for the size of one."""
    place = tmp_path / "pictures"
    place.mkdir()
    for n, hw in enumerate(SIZES):
        cv2.imwrite(str(place / f"{n}.png"), MarkerSource(hw).picture(n / 30))
    return place


def analysed(source: FolderSource | PictureSource, out: Path) -> Path:
    """The recording of *source* without a window."""
    session = Session(source, ModelRequest(A), smoothing=SMOOTH, realtime=False, load=Loader())
    session.start_recording(RecordOptions(folder=out, clean_video=True))
    session.start()
    assert session.wait(30)
    session.stop()
    return the_recording(out)


def test_nobody_is_the_same_person_in_two_pictures_and_nothing_is_smoothed(folder: Path, tmp_path: Path) -> None:
    found = lines(analysed(FolderSource(folder), tmp_path / "out"))
    people = [line["people"] for line in found]
    assert [person["id"] for one in people for person in one] == [1, 2, 3, 4]
    assert not any("smoothed" in person or "predicted" in person for one in people for person in one)


def test_a_picture_among_others_has_the_joints_that_it_has_alone(folder: Path, tmp_path: Path) -> None:
    together = lines(analysed(FolderSource(folder), tmp_path / "out"))
    for n, line in enumerate(together):
        (alone,) = lines(analysed(PictureSource(folder / f"{n}.png"), tmp_path / f"out{n}"))
        assert line["file"] == alone["file"] == f"{n}.png"
        assert line["people"][0]["keypoints"] == alone["people"][0]["keypoints"]


def test_each_picture_is_kept_with_its_name_and_size(folder: Path, tmp_path: Path) -> None:
    recording = analysed(FolderSource(folder), tmp_path / "out")
    for n, hw in enumerate(SIZES):
        clean, drawn = (cv2.imread(str(recording / name / f"{n}.png")) for name in ("clean", "annotated"))
        assert clean is not None
        assert drawn is not None
        np.testing.assert_array_equal(clean, MarkerSource(hw).picture(n / 30))
        assert drawn.shape == clean.shape
        assert (drawn != clean).any()


def test_what_stays_on_the_screen_is_one_frame_and_is_recorded_once(folder: Path, tmp_path: Path) -> None:
    source = PlayedPictures(folder)
    session = Session(source, ModelRequest(A), smoothing=SMOOTH, load=Loader())
    session.start()
    try:
        assert next_result(session).frame.file == "0.png"
        recording = session.start_recording(RecordOptions(folder=tmp_path / "out"))
        for n, file in enumerate(("0.png", "1.png", "2.png")):
            source.playback.seek(n)
            while next_result(session).frame.file != file:
                pass
            first = next_result(session)  # the same picture, looked at again
            second = next_result(session)
            assert first.frame.file == second.frame.file == file
            assert first.frame.index == second.frame.index
            assert first.poses.ids.tolist() == second.poses.ids.tolist() == [n + 1]
            assert first.smoothed is None
            seen(session, lambda status, n=n: status.recording is not None and status.recording.counts.written == n + 1)  # type: ignore[misc]
    finally:
        session.stop()
    found = lines(recording)
    assert [(line["frame"], line["file"], line["people"][0]["id"]) for line in found] == [
        (0, "0.png", 1),
        (1, "1.png", 2),
        (2, "2.png", 3),
    ]
    counts = read_manifest(recording)["counts"]
    assert (counts["captured"], counts["analysed"], counts["written"]) == (3, 3, 3)


def test_a_person_who_is_held_stays_held_while_the_picture_does(folder: Path) -> None:
    source = PlayedPictures(folder)
    session = Session(source, ModelRequest(A), load=Loader())
    session.start()
    try:
        first = next_result(session)
        x, y = first.poses.xy[0].mean(axis=0).tolist()
        session.lock_person((x, y))
        wait_until(lambda: next_result(session).locked == 1)
        assert next_result(session).locked == 1
        source.playback.seek(1)
        wait_until(lambda: (one := next_result(session)).frame.file == "1.png" and one.locked is None)
    finally:
        session.stop()


def test_all_people_of_a_picture_are_looked_at_however_small_the_latency_budget_is() -> None:
    source = PaintedSource(crowd(8, (300, 640)), hw=(300, 640))
    for file, people in (("", 1), ("a.png", 8)):
        looker = TopDown(PaintedEngine(), PaintedDetector(), latency_budget_ms=0.001)
        result = looker.estimate(Frame(source.picture(0.0), 0, 0.0, file))
        assert len(result.poses) == people
        assert not result.predicted


def test_paging_leaves_out_what_cannot_be_read(folder: Path) -> None:
    (folder / "1.png").write_bytes(b"no picture")
    source = PlayedPictures(folder)
    source.open()
    assert source.read() is not None
    assert source.file == "0.png"
    source.playback.step(1)
    assert source.read() is not None
    state = source.playback.state()
    assert (source.file, state.name, state.number, state.count) == ("2.png", "2.png", 1, 3)
    assert source.unreadable == len(source.skipped) == 1
    source.playback.step(-1)
    assert source.read() is not None
    assert source.file == "0.png"


def test_a_still_that_is_given_again_keeps_its_number(folder: Path) -> None:
    frames: list[Frame] = []
    stop = threading.Event()

    def take(frame: Frame) -> None:
        frames.append(frame)
        if len(frames) == 4:
            stop.set()

    events = CaptureEvents(frame=take, opened=lambda _: None, lost=lambda _: None, ended=lambda: None)
    capture(PictureSource(folder / "0.png", repeat_fps=100.0), False, 5, events, stop)
    assert [(frame.index, frame.file) for frame in frames] == [(5, "0.png")] * 4


@pytest.mark.parametrize("file", ["../a.png", "/a.png", "a/../../b.png", "", "C:\\a.png", "a\\b.png", "a\0.png", "C:/a.png"])
def test_a_name_from_a_recording_never_leads_out_of_it(file: str, tmp_path: Path) -> None:
    assert picture_path(tmp_path, file) is None
    with pytest.raises(RecordError):
        write_picture(tmp_path, file, np.zeros((4, 4, 3), np.uint8))
    assert written_pictures(tmp_path) == []


def test_kinds_that_are_not_written_become_png_beside_one_of_the_same_stem(tmp_path: Path) -> None:
    image = np.full((4, 6, 3), 77, np.uint8)
    for name in ("a.heic", "a.png", "sub/a.JPG"):
        write_picture(tmp_path, name, image)
    assert [path.relative_to(tmp_path).as_posix() for path in written_pictures(tmp_path)] == ["a.heic.png", "a.png", "sub/a.JPG"]


def test_a_name_that_cannot_be_shown_is_made_showable(folder: Path, tmp_path: Path) -> None:
    (folder / "0.png").rename(folder / "0\n.png")
    assert lines(analysed(FolderSource(folder), tmp_path / "out"))[0]["file"] == "0_.png"


def test_the_place_in_a_video_is_said_of_a_film_alone() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    film, still = (Result(frame=Frame(image, 0, 0.0, file), poses=Poses.none(SPEC.skeleton)) for file in ("", "a.png"))
    assert keypoints_of(film, 0, 0.0, (20, 30))["fitted"] == [0.5, -0.25, -0.25]
    assert keypoints_of(still, 0, 0.0)["file"] == "a.png"
