"""``poseapp export-data`` on recordings that ``poseapp run`` has made of the demo clip."""

from __future__ import annotations

import csv
import json
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from poseapp.cli.main import main


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, demo_clip: Path) -> Path:
    """A folder with one recording: of the first twelve frames of the demo clip, by the bundled model."""
    parent = tmp_path_factory.mktemp("made")
    clip = parent / "squats.mp4"
    with av.open(str(demo_clip)) as given, av.open(str(clip), "w") as short:
        stream = short.add_stream("libx264", rate=30, width=1280, height=720, pix_fmt="yuv420p")
        for number, frame in enumerate(given.decode(video=0)):
            if number == 12:
                break
            frame.pts, frame.time_base = number, Fraction(1, 30)
            short.mux(stream.encode(frame))
        short.mux(stream.encode(None))
    command = ["run", str(clip), "--headless", "-o", str(parent / "recordings"), "--device", "cpu", "--model", "hourglass-s"]
    assert main(command) == 0
    return parent / "recordings"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The recording, to be damaged."""
    (one,) = made.iterdir()
    return Path(shutil.copytree(one, tmp_path / "recordings" / "2026-12-01 Squats left"))


def test_the_demo_becomes_a_table_beside_the_recording(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-data", str(folder), "--to", "csv,openpose,csv"]) == 0
    said = capsys.readouterr()
    table = folder / "exports" / "2026-12-01 Squats left.csv"
    assert said.out.splitlines() == [str(table), str(folder / "exports" / "2026-12-01 Squats left-openpose")]
    assert said.err == ""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [json.loads(line) for line in (folder / "keypoints.jsonl").read_text().splitlines()]
    assert len(lines) == 12
    assert len(rows) == sum(len(one["keypoints"]) for line in lines for one in line["people"]) > 100
    noses = [[float(row["x"]), float(row["y"])] for row in rows if row["joint"] == "left_knee"]
    k = json.loads((folder / "session.json").read_text())["models"][0]["skeleton"]["keypoints"].index("left_knee")
    np.testing.assert_array_equal(noses, [one["keypoints"][k][:2] for line in lines for one in line["people"]])


def test_all_recordings_of_a_folder_go_into_one(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(folder, folder.parent / "other")
    out = tmp_path / "out"
    assert main(["export-data", str(folder.parent), str(folder), "--to", "csv", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["2026-12-01 Squats left.csv", "other.csv"]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_two_recordings_of_a_name_are_not_mixed_up(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twin = Path(shutil.copytree(folder, tmp_path / "elsewhere" / folder.name))
    out = tmp_path / "out"
    assert main(["export-data", str(folder), str(twin), "--to", "csv", "--out", str(out), "--replace"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(out / f"{folder.name}.csv")]
    assert said.err == (
        f"poseapp: {twin}: has the same name as {folder}, so its files would be the same. "
        "Leave --out out, or export it by itself.\n"
    )
    assert main(["export-data", str(folder), str(twin), "--to", "csv"]) == 0


def test_one_that_fails_is_told_and_the_rest_goes_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["export-data", str(tmp_path / "empty"), str(folder), "--to", "csv"]) == 1
    said = capsys.readouterr()
    assert said.err == (
        f"poseapp: {tmp_path / 'empty'}: expected a recording, or a folder of recordings; found no session.json. "
        "Choose another folder.\n"
    )
    assert len(said.out.splitlines()) == 1


def test_a_damaged_recording_is_used_as_far_as_it_is_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "keypoints.jsonl"
    file.write_bytes(file.read_bytes()[:-30])
    for video in folder.glob("*.mkv"):
        video.unlink()
    assert main(["export-data", str(folder), "--to", "csv"]) == 0
    said = capsys.readouterr()
    cut, no_video = said.err.splitlines()
    assert cut.startswith(f"poseapp: {file}, line 12: not valid JSON")
    assert cut.endswith("The 11 frames before it are used.")
    assert no_video == f"poseapp: {folder}: has no video any more. Its joints are used."
    assert len(said.out.splitlines()) == 1


def test_a_second_export_asks_for_replace(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-data", str(folder), "--to", "csv"]) == 0
    assert main(["export-data", str(folder), "--to", "csv,trc"]) == 1
    assert "is there already. Allow it to be replaced" in capsys.readouterr().err
    assert main(["export-data", str(folder), "--to", "csv", "--replace"]) == 0
    assert len(list((folder / "exports").iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--to", "bvh"], "expected some of csv, angles, xlsx, "),
        (["--to", "csv,"], "got ''"),
        ([], "Missing option '--to'"),
        (["--to", "csv", "--least-score", "2"], "Invalid value for '--least-score'"),
    ],
)
def test_a_wrong_option_is_one_line(folder: Path, options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export-data", str(folder), *options]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not (folder / "exports").exists()
