"""``poseapp batch`` from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_model
from clips import grey_clip

from poseapp.batch import run as batch_run
from poseapp.cli.main import main


@pytest.fixture
def store(tmp_path: Path) -> Path:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    return tmp_path / "store"


def batch(store: Path, *arguments: str) -> int:
    options = ("--engines-dir", str(store), "--device", "cpu", "--precision", "fp32")
    return main(["batch", *arguments, "--out", str(store.parent / "out"), *options])


def test_good_and_bad_files_and_again(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = tmp_path / "in"
    clips.mkdir()
    grey_clip(clips / "a ü.mp4", [n / 30 for n in range(10)])
    (clips / "bad.mp4").write_bytes(b"no video")
    assert batch(store, str(clips), "--processes", "1", "--formats", "csv") == 1
    out, err = capsys.readouterr()
    assert "2/2 failed" in err
    assert [line.split()[:2] for line in out.splitlines()[:3]] == [["done", "1,"], ["skipped", "0,"], ["failed", "1"]]
    assert "bad.mp4: not a video that can be read" in out.splitlines()[3]
    (clips / "bad.mp4").unlink()
    assert batch(store, str(clips), "--processes", "1", "--formats", "csv") == 0
    out, err = capsys.readouterr()
    assert "1 input, 1 of them finished before" in err
    assert "skipped    1" in out
    assert str(tmp_path / "out" / "summary.csv") in out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--formats", "abc"], "expected some of csv"),
        (["--formats", "video"], "give --video"),
        (["--scheduler", "tcp://127.0.0.1:1"], "no scheduler answers"),
        (["--processes", "0"], "--processes"),
    ],
)
def test_wrong_options_are_one_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    clip = grey_clip(tmp_path / "clip.mp4", [0.0, 0.1])
    assert batch(store, str(clip), *arguments) != 0
    assert expected in capsys.readouterr().err.splitlines()[-1]


def test_without_dask_one_process_works_and_more_say_what_to_install(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_run, "has_dask", lambda: False)
    clip = grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(5)])
    assert batch(store, str(clip), "--processes", "2") == 1
    assert 'pip install "poseapp[batch]"' in capsys.readouterr().err.splitlines()[-1]
    assert batch(store, str(clip)) == 0
    assert "One process, because distributed is not installed" in capsys.readouterr().err


def test_a_video_is_written_where_it_is_wanted(store: Path, tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "clip.mp4", [n / 30 for n in range(5)])
    assert batch(store, str(clip), "--processes", "1", "--video") == 0
    assert (tmp_path / "out" / "clip.mp4" / "annotated.mkv").stat().st_size > 0
