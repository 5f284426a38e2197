"""The comparison with MediaPipe: what it runs in the other Python, and what it says when it cannot."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tiny_model import write_model

from poseapp.bench.against_mediapipe import TURNS, Comparison, Figures, compare
from poseapp.bench.clip import to_and_fro
from poseapp.core.errors import PoseAppError

# As much of MediaPipe as is called, in its place: it notes what it was given.
STAND_IN = """
import types
__version__ = "0.0.1"
class Pose:
    def __init__(self, model_complexity):
        assert model_complexity == 1
        self.n = 0
        print("noise on standard output")
    def process(self, picture):
        assert picture.shape == (720, 1280, 3) and picture.dtype == "uint8" and picture.flags.writeable
        self.n += 1
        x = 0
        for i in range(20000):
            x += i
        return types.SimpleNamespace(pose_landmarks="somebody" if self.n % 3 else None)
solutions = types.SimpleNamespace(pose=types.SimpleNamespace(Pose=Pose))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny")


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "mediapipe.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))


def test_both_are_timed_in_turns_on_the_same_pictures(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, monkeypatch, STAND_IN)
    shares: list[float] = []
    comparison = compare(
        folder, Path(sys.executable), None, device="cpu", precision="fp32", progress=lambda s, _: shares.append(s)
    )
    assert shares[-TURNS:] == [turn / TURNS for turn in range(TURNS)]
    assert comparison.version == "0.0.1"
    assert comparison.model.startswith("tiny on ONNX Runtime")
    assert comparison.mediapipe.found == pytest.approx(2 / 3)
    for figures in (comparison.ours, comparison.mediapipe):
        assert 0 < figures.ms < 10_000
        assert 0 < figures.cpu_ms < 10_000
        assert 0 <= figures.found <= 1


def test_pictures_are_played_to_and_fro() -> None:
    assert [to_and_fro(n, 4) for n in range(13)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0]


def test_the_text_says_how_many_times_as_fast() -> None:
    text = Comparison("ours", Figures(8.0, 12.0, 1.0), "1.2", Figures(20.0, 24.0, 0.5)).text()
    assert text.splitlines() == [
        "ours: 8.0 ms a frame (12.0 ms of processor time), somebody in 100%",
        "MediaPipe 1.2, full model: 20.0 ms a frame (24.0 ms of processor time), somebody in 50%",
        "2.5 times as fast, 2.0 times by processor time",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise ImportError('no such thing')", "ImportError: no such thing"),
        ("__version__ = '9'", "AttributeError: .*solutions.*"),
        ("import os; os._exit(3)", "it ended without a word"),
        (STAND_IN.replace("self.n += 1", "raise SystemExit"), "it ended without a word"),
    ],
)
def test_where_it_cannot_run_one_line_says_why(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    stand_in(tmp_path, monkeypatch, text)
    with pytest.raises(
        PoseAppError, match=rf"^MediaPipe: .* cannot run it \({reason}\)\. Install it there: pip install mediapipe=="
    ):
        compare(folder, Path(sys.executable), None, device="cpu", precision="fp32")


@pytest.mark.skipif(shutil.which("echo") is None, reason="the system has no program that says what it is given")
def test_a_program_that_is_no_python_is_told(folder: Path) -> None:
    with pytest.raises(PoseAppError, match=r"^MediaPipe: .*echo.* cannot run it \(not valid JSON"):
        compare(folder, Path(shutil.which("echo") or ""), None, device="cpu", precision="fp32")


def test_a_python_that_is_none_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PoseAppError, match=r"no-python: cannot be run \(No such file or directory\)\."):
        compare(folder, tmp_path / "no-python", None, device="cpu", precision="fp32")
