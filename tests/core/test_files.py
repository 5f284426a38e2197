"""Hashes, whole writes and locks; a run that fails leaves no empty folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from poseapp.core.files import atomic_folder, atomic_path, atomic_write, no_empty_folders, only_one, sha256, sha256_file


def fail_in(folder: Path, *files: str) -> None:
    with no_empty_folders(folder):
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).write_text("content")
        raise ZeroDivisionError


def write_half(path: Path) -> None:
    path.write_text("half")
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


def test_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / ".name.lock"
    other = (
        f"from pathlib import Path\nfrom poseapp.core.files import only_one\nwith only_one(Path({str(lock)!r})) as a: print(a)"
    )
    with only_one(lock) as first:
        with only_one(lock) as second:
            assert (first, second) == (True, False)
        told = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True)
        assert told.stdout.strip() == "False"
        assert lock.exists()  # who does not get it does not take it away
    assert not lock.exists()
    told = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True"


def test_the_hash_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "a") == sha256(b"abc")


def test_a_file_is_written_whole_and_a_failure_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    atomic_write(path, b"old")
    with atomic_path(path) as part:
        part.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with pytest.raises(ZeroDivisionError), atomic_path(path) as part:
        write_half(part)
    assert path.read_bytes() == b"new"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", ["model", "old"])
def test_a_folder_is_replaced_whole_and_a_failure_leaves_the_old_one(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    with atomic_folder(folder) as made:
        (made / "a").write_text("1")
        assert made.name == name
        assert not folder.exists()
        assert made not in tmp_path.glob("*/*")  # where a list of the store would look
    with atomic_folder(folder) as made:
        (made / "b").write_text("2")
        assert (folder / "a").read_text() == "1"
    assert [path.name for path in folder.iterdir()] == ["b"]
    with pytest.raises(ZeroDivisionError), atomic_folder(folder) as made:
        write_half(made / "c")
    assert [path.name for path in folder.iterdir()] == ["b"]
    assert [*tmp_path.iterdir()] == [folder]
