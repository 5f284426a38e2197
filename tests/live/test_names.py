"""Names of recordings: before and after, on any file system, without losing anything."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import datetime
from pathlib import Path

import pytest
from test_recorder import feed, lines, manifest, recording, result

from poseapp.core.errors import RecordError
from poseapp.live.recording import RecordOptions, delete_recording, name_of, read_keypoints, rename_recording, split_name
from poseapp.live.recording.folder import folder_name
from poseapp.live.recording.names import joined_name

WHEN = datetime(2026, 12, 1, 9, 5, 7)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A finished recording without a name."""
    with recording(tmp_path) as recorder:
        feed(recorder, result(0, 0.0))
    return recorder.folder


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Squats left", "2026-12-01 Squats left"),
        ("", "2026-12-01_09-05-07"),
        ("  two   spaces ", "2026-12-01 two spaces"),
        ("Überkopf 30° – großer Raum", "2026-12-01 Überkopf 30° – großer Raum"),
        ("../../etc/passwd", "2026-12-01 etc passwd"),
        ('a:b*c?d<e>f|g\\h"i', "2026-12-01 a b c d e f g h i"),
        ("dots at the end...", "2026-12-01 dots at the end"),
        ("line\nfeed\0", "2026-12-01 line feed"),
        ("...", "2026-12-01_09-05-07"),
    ],
)
def test_the_folder_is_called_by_day_and_name(name: str, folder: str) -> None:
    assert folder_name(name, WHEN) == folder


def test_a_long_name_is_cut_between_letters() -> None:
    made = folder_name("ä" * 500, WHEN)
    assert made.startswith("2026-12-01 ää")
    assert len(made.encode()) <= 140


@pytest.mark.parametrize(
    ("typed", "name", "tags"),
    [
        ("Squats left", "Squats left", ()),
        ("Squats #knee left #week-2 #knee", "Squats left", ("knee", "week-2")),
        ("#only", "", ("only",)),
        ("C # minor", "C minor", ()),
        ("", "", ()),
    ],
)
def test_words_with_a_number_sign_are_tags(typed: str, name: str, tags: tuple[str, ...]) -> None:
    assert split_name(typed) == (name, tags)
    assert split_name(joined_name(name, tags)) == (name, tags)


def test_several_recordings_of_one_name_get_numbers(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        with recording(tmp_path, RecordOptions(folder=tmp_path, name="Squats", tags=("knee",))) as recorder:
            pass
        names.append(recorder.folder.name[len("2026-12-01") :])
        assert (manifest(recorder.folder)["name"], manifest(recorder.folder)["tags"]) == ("Squats", ["knee"])
    assert names == [" Squats", " Squats_2", " Squats_3"]


def test_a_recording_gets_another_name_and_stays_what_it_is(made: Path) -> None:
    before, content = lines(made), manifest(made)
    to = rename_recording(made, "Squats left", ("knee",))
    assert to.name == f"{made.name[:10]} Squats left"
    assert not made.exists()
    assert manifest(to) == {**content, "name": "Squats left", "tags": ["knee"]}
    assert name_of(to) == "Squats left #knee"
    assert list(read_keypoints(to)) == before
    again = rename_recording(to, "Squats left", ("knee", "week2"))
    assert again == to, "the same name stays where it is"
    assert manifest(to)["tags"] == ["knee", "week2"]
    nameless = rename_recording(to, "", ())
    assert nameless.name.startswith(f"{made.name[:10]}_")


def test_a_name_that_is_taken_gets_a_number(made: Path) -> None:
    (made.parent / f"{made.name[:10]} Squats").mkdir()
    assert rename_recording(made, "Squats", ()).name == f"{made.name[:10]} Squats_2"


def test_a_folder_that_the_user_has_renamed_takes_the_day_of_the_recording(made: Path) -> None:
    day = made.name[:10]
    other = made.rename(made.with_name("mine"))
    renamed = rename_recording(other, "Squats", ())
    assert renamed.name.endswith(" Squats")
    assert abs((datetime.fromisoformat(renamed.name[:10]) - datetime.fromisoformat(day)).days) <= 1  # the clock's zone


def test_what_cannot_be_written_keeps_its_name(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from poseapp.live.recording import names

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    content = manifest(made)
    monkeypatch.setattr(names, "replace_manifest", full)
    with pytest.raises(RecordError, match=r"cannot be renamed \(No space left on device\)\. Close what uses its files"):
        rename_recording(made, "Squats", ())
    assert manifest(made) == content
    assert [one.name for one in made.parent.iterdir()] == [made.name]


def test_a_recording_that_goes_on_is_not_renamed(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        with pytest.raises(RecordError, match="is not finished"):
            rename_recording(recorder.folder, "Squats", ())
        assert recorder.folder.exists()


def test_only_a_recording_is_deleted(made: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    with pytest.raises(RecordError, match="Choose the folder of a recording"):
        delete_recording(photos)
    assert photos.exists()
    delete_recording(made)
    assert not made.exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may delete anything")
def test_a_recording_that_cannot_be_deleted_says_so(made: Path) -> None:
    made.parent.chmod(0o500)
    try:
        with pytest.raises(RecordError, match="cannot be deleted"):
            delete_recording(made)
    finally:
        made.parent.chmod(0o700)
    shutil.rmtree(made, ignore_errors=True)
