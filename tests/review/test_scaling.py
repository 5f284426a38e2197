"""A recording with a scale: kept with it, and then in measurements and exports."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from movers import SHANK_PX, THIGH_PX, TRUNK_PX, recorded, walker
from saved import stills

from poseapp.cli.main import main
from poseapp.core.errors import RecordError
from poseapp.core.scale import Scale, scale_by_points
from poseapp.live.recording.scales import save_scale
from poseapp.review.exports import ExportOptions
from poseapp.review.exports.write import export_recording
from poseapp.review.measurements import as_json, measure_recording
from poseapp.review.saved_recording import SavedRecording
from poseapp.review.scaling import recording_scale_by_height, recording_scale_by_points

T = np.arange(181) / 30
TALL_PX = (THIGH_PX + SHANK_PX + TRUNK_PX) / 0.779
SPEED_PX_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Somebody who walks by, and far behind somebody half as tall, for a shorter time."""
    xy, score = walker(T, 110, speed_px_s=SPEED_PX_S)
    return recorded(tmp_path / "recordings", T, (xy, score), (xy / 2, score))


def exported(folder: Path, name: str, out: Path) -> list[Path]:
    done = [*export_recording(SavedRecording.read(folder), [name], out, ExportOptions(least_score=0.0))]
    assert not any(one.error for one in done)
    return [one.path for one in done]


def test_a_scale_is_kept_and_taken_away_and_nothing_else_changes(folder: Path, repo_root: Path) -> None:
    before = json.loads((folder / "session.json").read_text())
    scale = recording_scale_by_height(SavedRecording.read(folder), 1.8, person=1)
    assert scale.px_per_m == pytest.approx(TALL_PX / 1.8, rel=1e-3)
    save_scale(folder, scale)
    after = json.loads((folder / "session.json").read_text())
    jsonschema.validate(after, json.loads((repo_root / "docs" / "session.schema.json").read_text()))
    assert {key: value for key, value in after.items() if key != "scale"} == before
    kept = SavedRecording.read(folder).scale
    assert kept is not None
    assert kept.px_per_m == pytest.approx(scale.px_per_m, rel=1e-6)
    save_scale(folder, None)
    assert json.loads((folder / "session.json").read_text()) == before


def test_the_person_meant_has_the_height(folder: Path) -> None:
    recording = SavedRecording.read(folder)
    assert recording_scale_by_height(recording, 1.8, person=2).px_per_m == pytest.approx(TALL_PX / 3.6, rel=1e-3)
    with pytest.raises(RecordError, match=r"expected a person who is in it \(1, 2\), got 7"):
        recording_scale_by_height(recording, 1.8, person=7)


def test_what_is_unfinished_or_cannot_be_written_stays_as_it_was(folder: Path) -> None:
    content = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps({**content, "finished": False}))
    with pytest.raises(RecordError, match=r"is not finished\. Set its scale when it is"):
        save_scale(folder, Scale(px_per_m=100, by="height", metres=1.8))
    assert "scale" not in json.loads((folder / "session.json").read_text())


def test_pictures_that_stand_alone_have_no_common_scale(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="Set the scale of a video"):
        recording_scale_by_points(SavedRecording.read(stills(tmp_path)), (0, 0), (100, 0), 1.0)


def test_gait_and_movement_have_metres(folder: Path) -> None:
    px = measure_recording(SavedRecording.read(folder), 0.3)[0]
    assert np.isnan(px.step_length_m)
    assert px.unit == "px"
    save_scale(folder, scale_by_points((0, 0), (200, 0), 1.0))
    recording = SavedRecording.read(folder)
    found = measure_recording(recording, 0.3)[0]
    assert found.motions["hips"].path == pytest.approx(px.motions["hips"].path / 200)
    assert found.motions["hips"].fastest == pytest.approx(SPEED_PX_S / 200, rel=0.02)
    reach = np.abs(np.diff(walker(T, 110)[0][:, [15, 16], 0], axis=1)).max() / 200  # the feet are farthest apart at a step
    assert found.step_length_m == pytest.approx(reach, rel=0.04)  # the smoothing over 0.04 s takes 3 % off the top
    assert found.walking_speed_m_s == pytest.approx(found.step_length_m * found.gait.cadence_per_min / 60)
    content = as_json([found], recording, None)
    assert content["scale"]["px_per_m"] == 200
    (person,) = content["people"]
    assert person["motions"]["hips"]["path_m"] == pytest.approx(found.motions["hips"].path, abs=1e-3)
    assert person["gait"]["step_length_m"] == pytest.approx(found.step_length_m, abs=1e-3)


def test_tables_and_markers_have_metres(folder: Path, tmp_path: Path) -> None:
    (before,) = exported(folder, "csv", tmp_path / "before")
    assert "x_m" not in before.read_text().splitlines()[0]
    save_scale(folder, scale_by_points((0, 0), (200, 0), 1.0))
    (path,) = exported(folder, "csv", tmp_path / "after")
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["joint"] == "left_hip" and row["person"] == "1"]
    assert len(rows) == len(T)
    for row in rows:
        assert float(row["x_m"]) == pytest.approx(float(row["x"]) / 200, abs=1e-4)
        assert float(row["y_m"]) == pytest.approx(float(row["y"]) / 200, abs=1e-4)
    assert [float(row["speed_m_s"]) for row in rows] == pytest.approx([SPEED_PX_S / 200] * len(T), abs=2e-3)
    trc = exported(folder, "trc", tmp_path / "trc")[0].read_text().splitlines()
    hip = next(i for i, cell in enumerate(trc[3].split("\t")) if cell == "left_hip")
    x_mm = [float(line.split("\t")[hip]) for line in trc[6:]]
    assert x_mm == pytest.approx([1000 * float(row["x_m"]) for row in rows], abs=0.06)


def test_c3d_says_mm(folder: Path, tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    save_scale(folder, scale_by_points((0, 0), (200, 0), 1.0))
    content = ezc3d.c3d(str(exported(folder, "c3d", tmp_path)[0]))
    assert content["parameters"]["POINT"]["UNITS"]["value"] == ["mm"]
    hip = content["parameters"]["POINT"]["LABELS"]["value"].index("left_hip")
    expected = (400 + SPEED_PX_S * T) / 200 * 1000
    np.testing.assert_allclose(content["data"]["points"][0, hip], expected, atol=0.06)


def test_the_workbook_says_its_unit(folder: Path, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    save_scale(folder, scale_by_points((0, 0), (200, 0), 1.0))
    book = openpyxl.load_workbook(exported(folder, "xlsx", tmp_path)[0])
    about = {row[0].value: row[1].value for row in book["About"].iter_rows()}
    assert about["Scale"] == "1 m is 200 px, by two points at 1 m"
    assert about["Coordinates"].startswith("m in the picture")
    header = [cell.value for cell in book["Person 1"][1]]
    assert book["Person 1"].cell(2, header.index("left_hip x") + 1).value == pytest.approx(2.0, abs=1e-3)


def test_the_command_sets_shows_and_forgets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", str(folder)]) == 0
    assert "no scale" in capsys.readouterr().out
    assert main(["scale", str(folder), "--points", "100,50,300,50", "--metres", "1"]) == 0
    assert capsys.readouterr().out == "1 m is 200 px, by two points at 1 m.\n"
    assert main(["measure", str(folder), "--person", "1"]) == 0
    out = capsys.readouterr().out
    assert "m/s" in out
    assert "A step is" in out
    assert main(["scale", str(folder), "--height", "1.8", "--person", "1"]) == 0
    assert "by a person of 1.8 m" in capsys.readouterr().out
    assert main(["scale", str(folder), "--off"]) == 0
    assert SavedRecording.read(folder).scale is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--points", "1,2,3", "--metres", "1"], "expected four numbers"),
        (["--points", "1,2,3,400"], "--points and --metres go together"),
        (["--height", "1.8", "--off"], "expected one of"),
        (["--height", "180"], "0.3 to 3 m, got 180 m"),
        (["--person", "1"], "--person goes with --height"),
    ],
)
def test_a_wrong_option_is_one_line_and_changes_nothing(
    folder: Path, options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scale", str(folder), *options]) != 0
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert SavedRecording.read(folder).scale is None
