"""``poseapp report`` on recordings that the recorder made: a PDF, or one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from movers import recorded, squatter
from PySide6.QtWidgets import QApplication

from poseapp.cli.main import main

T = np.arange(9 * 25) / 25


@pytest.fixture
def squats(tmp_path: Path) -> Path:
    """Three squats."""
    return recorded(tmp_path / "recordings", T, squatter(45 - 45 * np.cos(2 * np.pi * T / 3)))


def text_of(path: Path) -> str:
    document = pypdfium2.PdfDocument(path.read_bytes())
    try:
        assert len(document) == 1
        return str(document[0].get_textpage().get_text_range())
    finally:
        document.close()


def test_it_writes_the_page_into_the_recording(qapp: QApplication, squats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(squats), "--count", "squat", "--title", "Anna Łącka", "--note", "Week 3"]) == 0
    path = squats / "exports" / f"{squats.name}-report.pdf"
    assert capsys.readouterr().out.strip() == str(path)
    text = text_of(path)
    for part in ("Anna Łącka", "Week 3", "Squat: 3"):
        assert part in text
    assert [file.name for file in path.parent.iterdir()] == [path.name], "no half-written file is left"


def test_a_file_that_is_there_stays_unless_replaced(qapp: QApplication, squats: Path, tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.pdf"
    assert main(["report", str(squats), "--out", str(path)]) == 0
    before = path.read_bytes()
    assert main(["report", str(squats), "--out", str(path), "--title", "Other"]) == 1
    assert path.read_bytes() == before
    assert main(["report", str(squats), "--out", str(path), "--title", "Other", "--replace"]) == 0
    assert "Other" in text_of(path)


def test_keypoints_cut_in_mid_line_are_told_and_the_rest_is_used(
    qapp: QApplication, squats: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keypoints = squats / "keypoints.jsonl"
    keypoints.write_bytes(keypoints.read_bytes()[:-400])
    assert main(["report", str(squats), "--count", "squat"]) == 0
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1
    assert "frames before it are used" in said.err


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["{missing}"], 1, "cannot be read (No such file or directory). Choose the folder of a recording."),
        (["{squats}", "--person", "9"], 1, "expected a person who is in it (1), got 9. Choose another."),
        (["{squats}", "--count", "juggling"], 2, "expected one of squat, sit-to-stand, curl, arm-raise, got 'juggling'"),
        (["{squats}", "--background", "pink"], 2, "expected one of picture, black, green, got 'pink'"),
        (["{squats}", "--out", "{file}/page.pdf"], 1, "Give another file with --out."),
        (["{squats}", "--out", "{file}"], 1, "is there already. Give --replace, or give another file with --out."),
    ],
)
def test_mistakes_are_one_line(
    qapp: QApplication,
    squats: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    status: int,
    says: str,
) -> None:
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    filled = [option.format(missing=tmp_path / "missing", squats=squats, file=file) for option in options]
    assert main(["report", *filled]) == status
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert says in errors[0]
    assert file.read_text(encoding="utf-8") == "mine"
    assert not (squats / "exports").exists()


def test_it_needs_no_screen(squats: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a server: no display, and Qt has not been started before."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run(
        [sys.executable, "-c", "from poseapp.cli.main import entry; entry()", "report", str(squats), "--blur-faces"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.returncode == 0
    assert Path(done.stdout.strip()).is_file()
