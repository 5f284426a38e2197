"""What a batch finds: each video once, in any folder and of any name, and a place of its own for each."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from poseapp.batch.inputs import Found, find_inputs
from poseapp.core.errors import SourceError


def touched(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x" * len(name))
    return folder


def places(found: Found) -> list[str]:
    return [one.place.as_posix() for one in found.inputs]


def test_the_results_mirror_the_tree_in_natural_order(tmp_path: Path) -> None:
    videos = touched(
        tmp_path / "in", "clip10.mp4", "clip2.mp4", "a b/Übung é.MKV", "a b/深/клип.webm", "notes.txt", ".hidden.mp4"
    )
    found = find_inputs([str(videos)], tmp_path / "out")
    assert places(found) == ["a b/Übung é.MKV", "a b/深/клип.webm", "clip2.mp4", "clip10.mp4"]
    assert [one.size for one in found.inputs[2:]] == [len("clip2.mp4"), len("clip10.mp4")]
    assert found.remarks == []


def test_two_folders_keep_their_names_and_one_file_needs_none(tmp_path: Path) -> None:
    touched(tmp_path, "monday/cam1.mp4", "tuesday/cam1.mp4")
    both = find_inputs([str(tmp_path / "monday"), str(tmp_path / "tuesday")], tmp_path / "out")
    assert places(both) == ["monday/cam1.mp4", "tuesday/cam1.mp4"]
    assert places(find_inputs([str(tmp_path / "monday" / "cam1.mp4")], tmp_path / "out")) == ["cam1.mp4"]


def test_patterns_are_expanded_where_no_shell_does_it(tmp_path: Path) -> None:
    touched(tmp_path, "monday/cam1.mp4", "tuesday/cam1.mp4", "tuesday/cam2.mov", "tuesday/deep/cam1.mp4")
    assert places(find_inputs([str(tmp_path / "*" / "cam1.mp4")], tmp_path / "out")) == ["monday/cam1.mp4", "tuesday/cam1.mp4"]
    assert len(find_inputs([str(tmp_path / "**" / "*.mp4")], tmp_path / "out").inputs) == 3
    with pytest.raises(SourceError, match="no file matches"):
        find_inputs([str(tmp_path / "*.mkv")], tmp_path / "out")


def test_a_name_with_signs_of_a_pattern_is_a_name_first(tmp_path: Path) -> None:
    touched(tmp_path, "take [1].mp4", "take 1.mp4")
    assert places(find_inputs([str(tmp_path / "take [1].mp4")], tmp_path / "out")) == ["take [1].mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_links_in_a_circle_end_and_each_video_is_found_once(tmp_path: Path) -> None:
    videos = touched(tmp_path / "in", "a/clip.mp4", "b/other.mp4")
    (videos / "a" / "back").symlink_to(videos)
    (videos / "b" / "self").symlink_to(videos / "b")
    (videos / "again.mp4").symlink_to(videos / "a" / "clip.mp4")
    (videos / "gone.mp4").symlink_to(videos / "nothing.mp4")
    found = find_inputs([str(videos), str(videos / "a")], tmp_path / "out")
    assert sorted(one.path.resolve().name for one in found.inputs) == ["clip.mp4", "other.mp4"]


@pytest.mark.parametrize("empty", ["empty", "with only/text.txt"])
def test_a_folder_without_videos_is_an_error(tmp_path: Path, empty: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    if "/" in empty:
        touched(folder, empty)
    with pytest.raises(SourceError, match="holds no video and no picture"):
        find_inputs([str(folder)], tmp_path / "out")
    with pytest.raises(SourceError, match="no such file or folder"):
        find_inputs([str(tmp_path / "missing")], tmp_path / "out")


def test_an_empty_folder_among_others_is_nothing(tmp_path: Path) -> None:
    videos = touched(tmp_path / "in", "clip.mp4")
    (videos / "empty").mkdir()
    assert places(find_inputs([str(videos)], tmp_path / "out")) == ["clip.mp4"]


def test_a_folder_of_pictures_is_one_input_with_those_below_it(tmp_path: Path) -> None:
    videos = touched(
        tmp_path / "in", "shots/1.jpg", "shots/2.png", "shots/more/3.jpg", "shots/film/f.mp4", "clips/c.mp4", "clips/c.jpg"
    )
    found = find_inputs([str(videos)], tmp_path / "out")
    assert places(found) == ["clips/c.mp4", "shots", "shots/film/f.mp4"]
    assert found.inputs[1].size == sum(len(name) for name in ("shots/1.jpg", "shots/2.png", "shots/more/3.jpg"))
    (remark,) = found.remarks
    assert "1 picture beside videos" in remark


def test_a_picture_or_another_name_given_itself_is_taken(tmp_path: Path) -> None:
    touched(tmp_path, "face.jpg", "clip.bin")
    assert places(find_inputs([str(tmp_path / "face.jpg"), str(tmp_path / "clip.bin")], tmp_path / "out")) == [
        "clip.bin",
        "face.jpg",
    ]


def test_results_and_recordings_are_no_inputs(tmp_path: Path) -> None:
    videos = touched(tmp_path / "in", "clip.mp4", "out/clip.mp4/annotated.mkv", "session/session.json", "session/annotated.mkv")
    found = find_inputs([str(videos)], videos / "out")
    assert places(found) == ["clip.mp4"]
    (remark,) = found.remarks
    assert "is a recording" in remark
