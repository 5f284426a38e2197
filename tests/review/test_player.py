"""RecordingPlayer on real recordings, whole and damaged: each picture has its own joints, and nothing is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from clips import decoded
from fakes import wait_until
from recordings import SOURCE, make_recording

from poseapp.core.errors import PoseAppError, RecordError
from poseapp.review.player import RecordingPlayer, is_recording


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of two seconds with a clean video."""
    return make_recording(tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    shutil.copytree(original, tmp_path / "copy")
    return tmp_path / "copy"


def opened(folder: Path) -> RecordingPlayer:
    player = RecordingPlayer(folder)
    player.playback.pause()
    return player


def edit_lines(folder: Path, change: object) -> None:
    path = folder / "keypoints.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert callable(change)
    path.write_bytes(b"".join(change(lines)))


def test_each_picture_has_the_joints_that_were_saved_for_it(folder: Path) -> None:
    player = opened(folder)
    clean = decoded(folder / "clean.mkv")
    assert player.playback.state().count == len(clean) == 60
    assert not player.is_drawn
    assert player.notes == []
    for number in (0, 31, 59, 30, 7):
        result = player.result(number)
        np.testing.assert_allclose(result.poses.xy[0], SOURCE.truth(number / 30), atol=0.006)
        assert result.poses.ids.tolist() == [1]
        assert result.model == "fake"
        assert not result.predicted
    player.close()


def test_it_plays_on_its_own_thread_and_a_seek_shows_that_picture(folder: Path) -> None:
    player = RecordingPlayer(folder)
    player.start()
    seen: list[int] = []

    def look() -> bool:
        result = player.take(0.1)
        if result is not None:
            seen.append(result.frame.index)
        return bool(seen) and seen[-1] >= 5

    wait_until(look)
    assert seen == sorted(seen)
    player.playback.pause()
    player.playback.seek(42)
    wait_until(lambda: (look(), seen[-1] == 42)[1])
    player.close()
    assert player.error == ""


def test_without_a_clean_video_the_annotated_one_is_shown_and_says_so(folder: Path) -> None:
    (folder / "clean.mkv").unlink()
    player = opened(folder)
    assert player.is_drawn
    assert len(player.notes) == 1
    assert len(player.result(3).poses) == 1
    player.close()


def test_a_clean_video_that_is_damaged_gives_way_to_the_annotated_one(folder: Path) -> None:
    (folder / "clean.mkv").write_bytes(b"damaged")
    player = opened(folder)
    assert player.is_drawn
    assert "clean.mkv" in player.notes[0]
    player.close()


def test_pictures_that_the_model_did_not_see_have_joints_on_the_way_that_count_as_predicted(folder: Path) -> None:
    edit_lines(folder, lambda lines: [line for n, line in enumerate(lines) if n % 2 == 0])
    player = opened(folder)
    seen, between = player.result(20), player.result(21)
    assert not seen.predicted
    assert between.predicted == {1}
    middle = (SOURCE.truth(20 / 30) + SOURCE.truth(22 / 30)) / 2
    np.testing.assert_allclose(between.poses.xy[0], middle, atol=0.5)
    player.close()


def test_in_a_long_gap_nobody_is_drawn(folder: Path) -> None:
    edit_lines(folder, lambda lines: lines[:20] + lines[40:])
    player = opened(folder)
    assert len(player.result(30).poses) == 0
    assert len(player.result(19).poses) == 1
    player.close()


def test_joints_cut_off_in_mid_line_are_shown_up_to_there(folder: Path) -> None:
    path = folder / "keypoints.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:25]) + lines[25][:40])
    before = path.read_bytes()
    player = opened(folder)
    assert "line 26" in player.notes[0]
    assert "25 frames" in player.notes[0]
    assert len(player.result(24).poses) == 1
    assert len(player.result(50).poses) == 0
    player.close()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "person", [{}, {"id": 1}, {"id": "x", "score": 1, "keypoints": []}, {"id": 1, "score": 1, "keypoints": [[1, 2, 3]]}]
)
def test_people_that_are_none_end_the_joints_in_one_line(folder: Path, person: dict[str, object]) -> None:
    line = json.dumps({"frame": 1, "t": 0.033, "size": [160, 120], "people": [person]}).encode() + b"\n"
    edit_lines(folder, lambda lines: [lines[0], line, *lines[2:]])
    player = opened(folder)
    assert len(player.notes) == 1
    assert "\n" not in player.notes[0]
    assert len(player.result(0).poses) == 1
    player.close()


def test_a_video_shorter_than_the_joints_says_so(folder: Path) -> None:
    for name in ("clean.mkv", "annotated.mkv"):
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    player = opened(folder)
    assert "shorter than the joints" in player.notes[0]
    count = player.playback.state().count
    assert 0 < count < 45
    assert len(player.result(count - 1).poses) == 1
    player.close()


def test_an_unknown_skeleton_is_shown_without_limbs(folder: Path) -> None:
    path = folder / "session.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for described in (manifest["models"][0], manifest["segments"][0]):
        described["skeleton"]["name"] = "robot-17"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    player = opened(folder)
    assert "robot-17" in player.notes[0]
    assert player.result(3).poses.skeleton.limbs == ()
    player.close()


def test_a_recording_without_joints_shows_its_video(folder: Path) -> None:
    (folder / "keypoints.jsonl").write_bytes(b"")
    player = opened(folder)
    assert len(player.result(3).poses) == 0
    player.close()


@pytest.mark.parametrize("missing", ["videos", "manifest", "folder"])
def test_what_cannot_be_played_is_refused_in_one_line(folder: Path, missing: str) -> None:
    for name in {"videos": ("clean.mkv", "annotated.mkv"), "manifest": ("session.json",), "folder": ()}[missing]:
        (folder / name).unlink()
    if missing == "folder":
        folder = folder / "nothing"
    with pytest.raises(PoseAppError) as error:
        RecordingPlayer(folder)
    assert "\n" not in str(error.value)


def test_an_empty_recording_says_that_nothing_is_in_it(tmp_path: Path) -> None:
    empty = make_recording(tmp_path, frames=0)
    assert is_recording(empty)
    with pytest.raises(RecordError, match="no video"):
        RecordingPlayer(empty)
