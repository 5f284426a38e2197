"""A run that fails leaves no empty folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from poseapp.core.files import no_empty_folders


def fail_in(folder: Path, *files: str) -> None:
    with no_empty_folders(folder):
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).write_text("content")
        raise ZeroDivisionError


def test_what_was_made_for_nothing_goes_and_all_else_stays(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    with pytest.raises(ZeroDivisionError):
        fail_in(tmp_path / "before" / "a" / "b")
    assert [*tmp_path.rglob("*")] == [tmp_path / "before"]


def test_a_folder_with_something_in_it_stays_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_in(tmp_path / "a" / "b", "file")
    assert (tmp_path / "a" / "b" / "file").read_text() == "content"


def test_an_empty_folder_that_was_there_before_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with no_empty_folders(tmp_path / "a"):
        pass
    assert (tmp_path / "a").is_dir()
