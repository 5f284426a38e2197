"""``poseapp analyse``: a clip and a recording, each frame of them, and one line where that cannot be."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_model
from clips import grey_clip

from poseapp.cli.main import main
from poseapp.review.saved_recording import SavedRecording


@pytest.fixture
def store(tmp_path: Path) -> Path:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    return tmp_path / "store"


def analyse(what: Path, store: Path, *more: str) -> int:
    return main(["analyse", str(what), "--engines-dir", str(store), "-o", str(store.parent / "out"), "--device", "cpu", *more])


def test_a_clip_becomes_a_recording_with_a_line_for_each_frame(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = grey_clip(tmp_path / "clip.mkv", [n / 30 for n in range(12)])
    assert analyse(clip, store) == 0
    (folder,) = (tmp_path / "out").iterdir()
    assert capsys.readouterr().out.strip() == f"All 12 frames are analysed: {folder}"
    assert SavedRecording.read(folder).frame_count == 12
    assert analyse(folder, store) == 0, "it is done already"
    assert analyse(folder, store, "--smoothing", "0") == 0
    analysis = json.loads((folder / "session.json").read_text())["analysis"]
    assert analysis["smoothing"] is None
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_what_is_neither_is_said_in_one_line(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in (tmp_path / "missing.mp4", tmp_path):
        assert analyse(what, store) == 1
        error = capsys.readouterr().err
        assert error.startswith("poseapp: ")
        assert error.count("\n") == 1
    assert "poseapp run FOLDER --headless" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent in another way there")
def test_ctrl_c_stops_and_the_same_command_goes_on(store: Path, tmp_path: Path, repo_root: Path) -> None:
    clip = grey_clip(tmp_path / "clip.mkv", [n / 30 for n in range(3000)])
    out = tmp_path / "out"
    command = [sys.executable, str(repo_root / "main.py"), "analyse", str(clip), "--engines-dir", str(store), "-o", str(out)]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not any(file.stat().st_size for file in out.glob("*/analysis.part.jsonl")):
        pass
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("it was done before it could be stopped")
    assert process.returncode == 130
    assert "The same command goes on from there." in error
    assert analyse(clip, store) == 0
    (folder,) = out.iterdir()
    assert SavedRecording.read(folder).frame_count == 3000
