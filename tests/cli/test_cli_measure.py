"""``poseapp measure`` on recordings that the recorder made of made-up movement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from movers import recorded, squatter, walker

from poseapp.cli.main import main

FPS = 25
T = np.arange(8 * FPS) / FPS


@pytest.fixture(scope="module")
def squats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two squats of three seconds, and the beginning of a third."""
    return recorded(tmp_path_factory.mktemp("squats"), T, squatter(50 - 45 * np.cos(2 * np.pi * T / 3)))


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A usual and a stiff gait."""
    folder = tmp_path_factory.mktemp("walks")
    return recorded(folder / "a", T, walker(T, 100)), recorded(folder / "b", T, walker(T, 100, swing_deg=16))


def test_it_prints_angles_and_counts(squats: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", str(squats), "--count", "squat"]) == 0
    out = capsys.readouterr().out
    assert "in 2D" in out
    assert any("left knee" in line and " 95 " in line for line in out.splitlines())
    assert "left elbow" not in out, "what was never seen has no line"
    assert "Squat: 2, usually down 1." in out
    assert "Steps" not in out


def test_it_prints_gait_and_compares_two(walks: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    usual, stiff = walks
    assert main(["measure", str(usual), "--compare", str(stiff)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "100." in out.partition("Steps: ")[2] or "99." in out.partition("Steps: ")[2]
    assert f"Gait of person 1 and person 1 of {stiff.name}:" in out
    assert main(["measure", str(usual), "--compare", str(usual)]) == 0
    assert "0.0° apart" in " ".join(capsys.readouterr().out.split())


def test_it_writes_json(squats: Path, tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    assert main(["measure", str(squats), "--count", "squat", "--person", "1", "--json", str(path)]) == 0
    (person,) = json.loads(path.read_text(encoding="utf-8"))["people"]
    assert len(person["repetitions"]) == 2


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--person", "9"], 1, "expected person 9, got 1. Choose another."),
        (["--count", "juggling"], 2, "expected one of squat, sit-to-stand, curl, arm-raise, got 'juggling'"),
        (["--json", "{missing}/x.json"], 1, "cannot be written"),
        (["--compare", "{missing}"], 1, "Choose the folder of a recording."),
        (["--compare", "{squats}"], 1, "expected two people who walk, seen from the side"),
    ],
)
def test_mistakes_are_one_line(
    squats: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], status: int, says: str
) -> None:
    filled = [option.format(missing=tmp_path / "missing", squats=squats) for option in options]
    assert main(["measure", str(squats), *filled]) == status
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert says in errors[0]
