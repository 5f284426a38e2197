"""A recording opened as data is what the recorder wrote, and what is whole of a damaged one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import Loader, MarkerSource
from saved import FPS, HW, frame_with, joints, lines, record, two_people

from poseapp.core.errors import RecordError
from poseapp.core.skeleton import MPII_16
from poseapp.core.smoothing import SmoothRule
from poseapp.live.recording import RecordOptions
from poseapp.live.session import Session
from poseapp.live.status import ModelRequest
from poseapp.review.saved_recording import SavedRecording, recordings_in


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return two_people(tmp_path)


def damage(folder: Path, row: int, **changes: Any) -> None:
    """Write the line *row* again with *changes*; those whose name begins with "person_" go to its first person."""
    content = lines(folder)
    of_person = {key.removeprefix("person_"): value for key, value in changes.items() if key.startswith("person_")}
    content[row] |= {key: value for key, value in changes.items() if not key.startswith("person_")}
    if of_person:
        content[row]["people"][0] |= of_person
    (folder / "keypoints.jsonl").write_text("".join(json.dumps(line) + "\n" for line in content))


def test_the_arrays_are_the_lines(folder: Path) -> None:
    recording = SavedRecording.read(folder)
    (part,) = recording.parts
    written = lines(folder)
    assert recording.remarks == ()
    assert recording.person_ids == (1, 2)
    assert part.skeleton.name == "coco-17"
    assert part.frames.tolist() == [line["frame"] for line in written] == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]
    assert part.times.tolist() == [line["t"] for line in written]
    assert (part.sizes == (HW[1], HW[0])).all()
    for track in part.people.values():
        given = joints(folder, track.id)
        assert part.frames[track.rows].tolist() == list(given)
        np.testing.assert_array_equal(np.dstack([track.xy, track.score]), list(given.values()))
        smoothed = joints(folder, track.id, "smoothed")
        for number, xy in zip(part.frames[track.rows].tolist(), track.smoothed, strict=True):
            np.testing.assert_array_equal(xy, smoothed.get(number, np.full((17, 2), np.nan)))
    scores = [one["score"] for line in written for one in line["people"] if one["id"] == 2]
    assert part.people[2].person_score.tolist() == scores
    assert part.people[2].predicted.tolist() == [False, False, True, False, False]
    assert np.isnan(part.people[1].xy).any()


def test_on_all_frames_a_person_is_nan_where_nobody_was(folder: Path) -> None:
    (part,) = SavedRecording.read(folder).parts
    track = part.people[1]
    whole = part.on_all_frames(track, track.xy)
    assert whole.shape == (10, 17, 2)
    assert np.isnan(whole[4]).all()  # frame 6
    np.testing.assert_array_equal(np.delete(whole, 4, axis=0), track.xy)


def test_a_session_s_own_recording_is_read(tmp_path: Path) -> None:
    source = MarkerSource(seconds=1.0)
    session = Session(source, ModelRequest(Path("a")), load=Loader(), realtime=False, smoothing=SmoothRule())
    folder = session.start_recording(RecordOptions(folder=tmp_path))
    session.start()
    assert session.wait(30)
    session.stop()
    (part,) = SavedRecording.read(folder).parts
    assert len(part.frames) == 30
    assert part.fps == pytest.approx(30, abs=0.01)
    (track,) = part.people.values()
    truth = np.stack([source.truth(number / 30) for number in part.frames[track.rows]])
    np.testing.assert_allclose(track.xy, truth, atol=0.5)
    assert not np.isnan(track.smoothed).any()


def test_the_rate_is_that_of_the_source_with_gaps_and_without_a_stall(tmp_path: Path) -> None:
    assert SavedRecording.read(two_people(tmp_path)).parts[0].fps == FPS
    results = [frame_with(i, {1: 30.0}) for i in range(12)]
    late = [result if i < 6 else _later(result, 20.0) for i, result in enumerate(results)]
    assert SavedRecording.read(record(tmp_path, late)).parts[0].fps == FPS
    assert SavedRecording.read(record(tmp_path, results[:1])).parts[0].fps == 0


def _later(result: Any, seconds: float) -> Any:
    from dataclasses import replace

    return replace(result, frame=replace(result.frame, t=result.frame.t + seconds))


def test_other_joints_in_mid_recording_are_another_part(tmp_path: Path) -> None:
    results = [frame_with(i, {1: 30.0}, skeleton=MPII_16 if i >= 4 else SKELETON) for i in range(7)]
    first, second = SavedRecording.read(record(tmp_path, results)).parts
    assert (first.skeleton.name, first.frames.tolist()) == ("coco-17", [0, 1, 2, 3])
    assert (second.skeleton.name, second.frames.tolist()) == ("mpii-16", [4, 5, 6])
    assert first.people[1].xy.shape == (4, 17, 2)
    assert second.people[1].xy.shape == (3, 16, 2)


SKELETON = frame_with(0, {}).poses.skeleton


def test_a_file_cut_in_mid_line_is_used_up_to_there(folder: Path) -> None:
    file = folder / "keypoints.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    recording = SavedRecording.read(folder)
    assert recording.parts[0].frames.tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 10]
    (remark,) = recording.remarks
    assert "line 10: not valid JSON" in remark
    assert remark.endswith("Copy the recording again. The 9 frames before it are used.")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"frame": 2}, "frame: expected a whole number above 2, got 2"),
        ({"frame": 5.5}, "frame: expected a whole number above 2, got 5.5"),
        ({"frame": True}, "frame: expected a whole number above 2, got True"),
        ({"frame": 1 << 60}, "frame: expected a whole number"),
        ({"t": 0.01}, "t: expected a time from 0.08 s on, got 0.01"),
        ({"t": float("nan")}, "t: expected a time from 0.08 s on, got nan"),
        ({"size": [320]}, r"size: expected width and height, got \[320\]"),
        ({"size": [320, 0]}, "size: expected width and height"),
        ({"file": "a\nb"}, "file: expected a line of plain text"),
        ({"person_id": -1}, "id: expected a whole number from 0 on, got -1"),
        ({"person_id": 2}, r"people: expected each id once, got \[2, 2\]"),
        ({"person_score": "high"}, "score: expected a number, got 'high'"),
        ({"person_keypoints": [[1.0, 2.0, 0.5]] * 18}, r"keypoints: expected 17 × \[x, y, score\], got 18 entries"),
        ({"person_keypoints": [[1.0, 2.0]] * 17}, "keypoints: expected 17"),
        ({"person_keypoints": [[1.0, 2.0, None]] * 17}, "keypoints: expected 17"),
        ({"person_keypoints": [["1", 2.0, 0.5]] * 17}, "keypoints: expected 17"),
        ({"person_keypoints": [[float("inf"), 2.0, 0.5]] * 17}, "keypoints: expected 17"),
        ({"person_keypoints": None}, "keypoints: expected 17 .*, got None"),
        ({"person_smoothed": [[1.0, 2.0]] * 16}, "smoothed: expected 17"),
    ],
)
def test_a_line_that_is_wrong_ends_what_is_used(folder: Path, changes: dict[str, Any], complaint: str) -> None:
    damage(folder, 3, **changes)
    recording = SavedRecording.read(folder)
    assert recording.parts[0].frames.tolist() == [0, 1, 2]
    assert len(recording.parts[0].people[1].rows) == 3
    assert 2 not in recording.parts[0].people
    with pytest.raises(RecordError, match=f"^.*frame .*{complaint}.*Copy the recording again. The 3 frames before it are used.$"):
        raise RecordError(recording.remarks[0])
    damage(folder, 0, frame="x")
    with pytest.raises(RecordError, match="frame: expected a whole number above -1, got 'x'"):
        SavedRecording.read(folder)


def test_half_a_place_is_a_missing_joint(folder: Path) -> None:
    damage(folder, 3, person_keypoints=[[1.0, None, 0.5]] * 17)
    (part,) = SavedRecording.read(folder).parts
    assert np.isnan(part.people[1].xy[3]).all()


def test_a_missing_video_is_said_and_the_joints_are_there(folder: Path) -> None:
    (folder / "annotated.mkv").unlink()
    recording = SavedRecording.read(folder)
    assert recording.remarks == (f"{folder}: has no video any more. Its joints are used.",)
    assert len(recording.parts[0].frames) == 10


def test_unknown_joints_are_used_and_names_that_are_formulas_are_not(folder: Path) -> None:
    manifest = json.loads((folder / "session.json").read_text())
    for named in [*manifest.get("segments", ()), *manifest["models"]]:
        named["skeleton"] = {"name": "mine", "keypoints": [f"joint {i}" for i in range(17)]}
    (folder / "session.json").write_text(json.dumps(manifest))
    (part,) = SavedRecording.read(folder).parts
    assert part.skeleton.keypoints[16] == "joint 16"
    assert part.skeleton.limbs == ()
    for bad in ("=1+1", "a\tb", "", "-x", 3, "nose"):
        for named in [*manifest.get("segments", ()), *manifest["models"]]:
            named["skeleton"]["keypoints"][:2] = [bad, "nose"]
        (folder / "session.json").write_text(json.dumps(manifest))
        with pytest.raises(RecordError, match=r"session\.json: skeleton: expected .*Copy the recording again\.$"):
            SavedRecording.read(folder)


def test_a_recording_that_names_no_model_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps(manifest | {"models": [], "segments": []}))
    with pytest.raises(RecordError, match=r"names no model.* Copy the recording again\.$"):
        SavedRecording.read(folder)
    (folder / "session.json").write_text(json.dumps(manifest | {"models": 3, "segments": []}))
    with pytest.raises(RecordError, match="models: expected a list, got 3"):
        SavedRecording.read(folder)


def test_recordings_are_found_in_a_folder(tmp_path: Path) -> None:
    first, second = (two_people(tmp_path / "all") for _ in range(2))
    (tmp_path / "all" / "notes").mkdir()
    assert recordings_in(first) == [first]
    assert recordings_in(tmp_path / "all") == sorted([first, second])
    shutil.rmtree(first)
    shutil.rmtree(second)
    with pytest.raises(RecordError, match=r"expected a recording, or a folder of recordings; found no session\.json"):
        recordings_in(tmp_path / "all")
    with pytest.raises(RecordError, match=r"nowhere: cannot be read \(No such file or directory\)"):
        recordings_in(tmp_path / "nowhere")
