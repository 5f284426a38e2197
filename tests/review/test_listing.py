"""The list of recordings: real ones, damaged ones, and a thousand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recordings import make_recording

from poseapp.core.errors import RecordError
from poseapp.review.listing import count_people, list_recordings, read_preview


def made_up(parent: Path, count: int) -> None:
    """*count* folders with a description each."""
    for n in range(count):
        folder = parent / f"Take {n:04d}"
        folder.mkdir()
        content = {
            "schema": 2,
            "started": f"2026-11-{1 + n % 28:02d}T10:00:00.000+00:00",
            "source": {"name": "camera"},
            "seconds": n,
        }
        (folder / "session.json").write_text(json.dumps(content), encoding="utf-8")


def test_real_recordings_the_newest_first(tmp_path: Path) -> None:
    make_recording(tmp_path, name="Squats left")
    make_recording(tmp_path, frames=5, name="Walk")
    (tmp_path / "no recording").mkdir()
    (tmp_path / "file.txt").touch()
    entries = list_recordings(tmp_path)
    assert [entry.name for entry in entries] == ["Walk", "Squats left"]
    assert entries[1].seconds == pytest.approx(59 / 30, abs=0.01)
    assert entries[1].started is not None
    assert entries[1].source == "figure"
    assert [entry.problem for entry in entries] == ["", ""]


def test_a_thousand_recordings_are_listed_in_order(tmp_path: Path) -> None:
    made_up(tmp_path, 1000)
    entries = list_recordings(tmp_path)
    assert len(entries) == 1000
    moments = [entry.started for entry in entries]
    assert moments == sorted(moments, key=lambda moment: moment.timestamp() if moment else 0, reverse=True)


def test_words_are_looked_for_in_name_date_and_source(tmp_path: Path) -> None:
    make_recording(tmp_path, frames=3, name="Squats left", tags=("knee",))
    entry = list_recordings(tmp_path)[0]
    assert entry.started is not None
    assert all(
        entry.matches(text) for text in ("", "squats", "LEFT sq", "figure", "#knee", f"{entry.started:%Y-%m-%d}", "left figure")
    )
    assert not entry.matches("squats right")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema": 99}', b'{"schema": 2, "seconds": "x", "started": 3, "source": 1}']
)
def test_a_damaged_description_stays_in_the_list(tmp_path: Path, content: bytes) -> None:
    folder = make_recording(tmp_path, frames=3)
    (folder / "session.json").write_bytes(content)
    (entry,) = list_recordings(tmp_path)
    assert entry.folder == folder
    assert "\n" not in entry.problem


def test_where_there_is_no_folder_there_are_no_recordings(tmp_path: Path) -> None:
    assert list_recordings(tmp_path / "nothing") == []
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot be read"):
        list_recordings(tmp_path / "file")


def test_a_preview_has_a_small_picture_and_counts_people(tmp_path: Path) -> None:
    preview = read_preview(make_recording(tmp_path, people=3), (81, 144))
    assert preview.picture is not None
    assert preview.picture.shape == (81, 108, 3)
    assert preview.person_count == 3
    empty = read_preview(make_recording(tmp_path, frames=0), (81, 144))
    assert (empty.picture, empty.person_count) == (None, 0)


def test_people_are_counted_across_the_pieces_that_the_file_is_read_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keypoints.jsonl"
    path.write_text("".join(f'{{"people":[{{"id":{n},"score":1}}]}}\n' for n in range(100, 400)), encoding="utf-8")
    for size in (7, 64, 1 << 20):
        monkeypatch.setattr("poseapp.review.listing._CHUNK", size)
        assert count_people([path]) == 300
