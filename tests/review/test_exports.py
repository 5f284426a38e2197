"""Each format, read back by an independent reader, says what the lines of the recording say, to the printed precision."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import decoded, packets
from saved import FPS, HW, STILLS, frame_with, joints, lines, record, stills, two_people

from poseapp.core.angles import angles_of, measure
from poseapp.core.skeleton import COCO_17, LSP_14, MPII_16, OPENPOSE_18
from poseapp.core.types import Frame
from poseapp.render import Background, DrawOptions
from poseapp.review.exports import EXPORTS, ExportOptions
from poseapp.review.exports.openpose import BODY_25
from poseapp.review.exports.write import export_recording
from poseapp.review.saved_recording import SavedRecording

MARGIN = 0.00501  # of what is printed with two decimals


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_people(tmp_path_factory.mktemp("recordings"))


def exported(folder: Path, name: str, out: Path, **options: Any) -> list[Path]:
    """The files that the format *name* makes of the recording in *folder*."""
    done = list(export_recording(SavedRecording.read(folder), [name], out, ExportOptions(**options)))
    assert [one.error for one in done] == [""] * len(done)
    assert sorted(out.iterdir()) == sorted(one.path for one in done)
    return [one.path for one in done]


def test_every_format_is_read_back_here() -> None:
    """A new format gets a test of this name, so that none is written that nothing reads."""
    tests = [name for name in globals() if name.startswith("test_")]
    assert {name for name in EXPORTS if not any(test.startswith(f"test_{name}_") for test in tests)} == set()


def test_no_two_formats_have_the_same_ending() -> None:
    assert len({one.ending for one in EXPORTS.values()}) == len(EXPORTS)


# -- tables --------------------------------------------------------------------------------------------------------


def test_csv_has_a_row_for_each_joint(folder: Path, tmp_path: Path) -> None:
    (path,) = exported(folder, "csv", tmp_path)
    assert path.name == f"{folder.name}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["frame", "t", "person", "joint", "x", "y", "score", "x_smoothed", "y_smoothed"]
    expected = []
    for line in lines(folder):
        for one in line["people"]:
            smoothed = one.get("smoothed", [[None, None]] * 17)
            for name, (x, y, score), steady in zip(COCO_17.keypoints, one["keypoints"], smoothed, strict=True):
                expected.append([line["frame"], line["t"], one["id"], name, x, y, score, *steady])
    assert len(rows) == len(expected) == 14 * 17
    for row, given in zip(rows, expected, strict=True):
        assert [int(row["frame"]), float(row["t"]), int(row["person"]), row["joint"]] == given[:4]
        assert [float(cell) if cell else None for cell in list(row.values())[4:]] == given[4:]


def test_angles_are_those_of_the_joints(folder: Path, tmp_path: Path) -> None:
    (path,) = exported(folder, "angles", tmp_path, least_score=0.3)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [angle.name for angle in angles_of(COCO_17)]
    assert list(rows[0]) == ["frame", "t", "person", *names]
    assert [int(row["frame"]) for row in rows if row["person"] == "2"] == [5, 6, 7, 8, 9]
    for row in rows:
        given = joints(folder, int(row["person"]))[int(row["frame"])]
        degrees = measure(given[:, :2], given[:, 2], COCO_17, 0.3)
        shown = np.array([float(row[name] or "nan") for name in names])
        np.testing.assert_allclose(shown, degrees, atol=MARGIN)
    assert any(row["left_knee"] for row in rows)
    assert not all(row["left_knee"] for row in rows)


def test_angles_are_right_angles_where_they_should_be(tmp_path: Path) -> None:
    """By hand: the left knee of somebody whose thigh is level and whose shank is upright has 90° of flexion."""
    result = frame_with(0, {1: 30.0})
    result.poses.xy[0, [11, 13, 15]] = [[100, 100], [140, 100], [140, 150]]
    (path,) = exported(record(tmp_path / "r", [result]), "angles", tmp_path / "out", least_score=0.0)
    with path.open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["left_knee"]) == 90.0
    assert float(row["left_shank"]) == 0.0


def test_xlsx_has_a_sheet_for_each_person(folder: Path, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    (path,) = exported(folder, "xlsx", tmp_path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["About", "Person 1", "Person 2"]
    about = {row[0].value: row[1].value for row in book["About"]}
    assert about["Recording"] == folder.name
    assert about["Source"] == "made up"
    assert about["Frames"] == 10
    assert about["Frames a second"] == FPS
    for person in (1, 2):
        titles, *rows = book[f"Person {person}"].iter_rows(values_only=True)
        assert titles[:5] == ("frame", "t", "nose x", "nose y", "nose score")
        assert len(titles) == 2 + 17 * 3
        given = joints(folder, person)
        assert [row[0] for row in rows] == list(given)
        for row in rows:
            cells = np.array([np.nan if cell is None else cell for cell in row[2:]], np.float64).reshape(17, 3)
            np.testing.assert_array_equal(cells, given[row[0]])
    book.close()


def test_deeplabcut_is_read_by_pandas_as_deeplabcut_reads_it(folder: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    one, two = exported(folder, "deeplabcut", tmp_path)
    assert (one.name, two.name) == (f"{folder.name}-person1-dlc.csv", f"{folder.name}-person2-dlc.csv")
    for person, path in ((1, one), (2, two)):
        table = pandas.read_csv(path, header=[0, 1, 2], index_col=0)  # as deeplabcut.utils.auxiliaryfunctions does
        assert table.columns.names == ["scorer", "bodyparts", "coords"]
        assert list(dict.fromkeys(table.columns.get_level_values("bodyparts"))) == list(COCO_17.keypoints)
        assert list(dict.fromkeys(table.columns.get_level_values("coords"))) == ["x", "y", "likelihood"]
        assert table.index.tolist() == list(range(12))
        assert {str(kind) for kind in table.dtypes} == {"float64"}
        whole = np.full((12, 17, 3), np.nan)
        whole[..., 2] = 0  # nobody there
        for number, given in joints(folder, person).items():
            whole[number] = given
        np.testing.assert_array_equal(table.to_numpy().reshape(12, 17, 3), whole)


# -- poses ---------------------------------------------------------------------------------------------------------


def openpose_frames(folder: Path) -> dict[int, dict[str, Any]]:
    return {int(path.stem.split("_")[-2]): json.loads(path.read_text()) for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(("name", "layout"), [("openpose", BODY_25), ("openpose18", OPENPOSE_18.keypoints)])
def test_openpose_has_each_joint_in_its_place(folder: Path, tmp_path: Path, name: str, layout: Sequence[str]) -> None:
    (path,) = exported(folder, name, tmp_path)
    assert (path / f"{folder.name}_000000000005_keypoints.json").is_file()
    frames = openpose_frames(path)
    assert list(frames) == [line["frame"] for line in lines(folder)]
    for line in lines(folder):
        content = frames[line["frame"]]
        assert content["version"] == 1.3
        assert [one["person_id"] for one in content["people"]] == [[one["id"]] for one in line["people"]]
        for got, one in zip(content["people"], line["people"], strict=True):
            values = np.array(got["pose_keypoints_2d"]).reshape(-1, 3)
            assert len(values) == len(layout)
            given = np.array(one["keypoints"], np.float64)
            place = dict(zip(COCO_17.keypoints, given, strict=True))
            for joint, value in zip(layout, values, strict=True):
                pair = {"neck": ("left_shoulder", "right_shoulder"), "mid_hip": ("left_hip", "right_hip")}.get(joint)
                if joint in place:
                    expected = place[joint]
                elif pair:
                    a, b = (place[side] for side in pair)
                    expected = np.array([*(a[:2] + b[:2]) / 2, min(a[2], b[2])])
                else:  # feet
                    expected = np.zeros(3)
                expected = np.zeros(3) if np.isnan(expected[:2]).any() else expected
                np.testing.assert_allclose(value, expected, atol=6e-4)


def test_openpose18_of_openpose_s_own_joints_is_itself(tmp_path: Path) -> None:
    folder = record(tmp_path / "r", [frame_with(3, {1: 30.0}, skeleton=OPENPOSE_18)])
    (path,) = exported(folder, "openpose18", tmp_path / "out")
    got = np.array(openpose_frames(path)[0]["people"][0]["pose_keypoints_2d"]).reshape(18, 3)
    given = joints(folder, 1)[0]
    given[np.isnan(given[:, 0])] = 0
    np.testing.assert_array_equal(got, given)


def test_openpose_s_neck_is_not_mpii_s(tmp_path: Path) -> None:
    """MPII's neck is under the head, OpenPose's is between the shoulders."""
    folder = record(tmp_path / "r", [frame_with(0, {1: 30.0}, skeleton=MPII_16)])
    (path,) = exported(folder, "openpose", tmp_path / "out")
    got = np.array(openpose_frames(path)[0]["people"][0]["pose_keypoints_2d"]).reshape(25, 3)
    given = dict(zip(MPII_16.keypoints, joints(folder, 1)[0], strict=True))
    np.testing.assert_allclose(got[1, :2], (given["left_shoulder"] + given["right_shoulder"])[:2] / 2, atol=6e-4)


def test_coco_is_read_by_pycocotools(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    (path,) = exported(folder, "coco", tmp_path)
    coco = coco_module.COCO(str(path))
    capsys.readouterr()
    (category,) = coco.loadCats(coco.getCatIds())
    assert category["keypoints"] == list(COCO_17.keypoints)
    assert [[a - 1, b - 1] for a, b in category["skeleton"]] == [list(limb) for limb in COCO_17.limbs]
    assert coco.getImgIds() == [line["frame"] for line in lines(folder)]
    for line in lines(folder):
        (image,) = coco.loadImgs([line["frame"]])
        assert [image["width"], image["height"], image["t"]] == [*line["size"], line["t"]]
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[line["frame"]]))
        assert [one["track_id"] for one in annotations] == [one["id"] for one in line["people"]]
        for got, one in zip(annotations, line["people"], strict=True):
            given = np.array(one["keypoints"], np.float64)
            there = ~np.isnan(given[:, 0])
            values = np.array(got["keypoints"]).reshape(17, 3)
            np.testing.assert_array_equal(values[there, :2], given[there, :2])
            assert (values[there, 2] == 2).all()
            assert (values[~there] == 0).all()
            assert got["num_keypoints"] == there.sum() == 16
            assert got["keypoint_scores"] == given[:, 2].tolist()
            assert got["score"] == one["score"]
            x, y, width, height = got["bbox"]
            np.testing.assert_allclose((x, y), given[there, :2].min(axis=0), atol=MARGIN)
            np.testing.assert_allclose((x + width - 1, y + height - 1), given[there, :2].max(axis=0), atol=2 * MARGIN)


def test_coco_is_read_by_the_training(folder: Path, tmp_path: Path) -> None:
    """A recording can be corrected in an annotation tool and trained on."""
    from poseapp.train.data.coco import read_annotations

    (path,) = exported(folder, "coco", tmp_path)
    found = read_annotations(path, None)
    assert len(found.people) == 14


# -- markers -------------------------------------------------------------------------------------------------------


def on_every_frame(folder: Path, person: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(12, 17, 3): x, y up from the bottom of the picture, score; NaN where there is nothing."""
    whole = np.full((12, 17, 3), np.nan)
    for number, given in joints(folder, person).items():
        whole[number] = given
    whole[..., 1] = HW[0] - 1 - whole[..., 1]
    return whole


def test_trc_is_read_as_opensim_s_tools_read_it(folder: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    for person, path in zip((1, 2), exported(folder, "trc", tmp_path, least_score=0.0), strict=True):
        assert path.name == f"{folder.name}-person{person}.trc"
        text = path.read_text().split("\n")
        assert text[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", path.name]
        header = dict(zip(text[1].split("\t"), text[2].split("\t"), strict=True))
        assert header["NumFrames"] == "12"
        assert header["NumMarkers"] == "17"
        assert header["DataRate"] == header["CameraRate"] == "25"
        assert header["Units"] == "mm"
        assert text[3].split("\t")[2::3] == list(COCO_17.keypoints)
        table = pandas.read_csv(path, sep="\t", skiprows=5, header=None)  # Pose2Sim's and Sports2D's way
        assert table[0].tolist() == list(range(1, 13))
        np.testing.assert_allclose(table[1], np.arange(12) / FPS, atol=1e-6)
        markers = table.iloc[:, 2:].to_numpy().reshape(12, 17, 3)
        expected = on_every_frame(folder, person)
        np.testing.assert_allclose(markers[..., :2], expected[..., :2], atol=1e-9)
        np.testing.assert_array_equal(np.isnan(markers[..., 2]), np.isnan(expected[..., 0]))
        assert np.nanmax(np.abs(markers[..., 2])) == 0


def test_trc_is_read_by_trc_data_reader(folder: Path, tmp_path: Path) -> None:
    trc = pytest.importorskip("trc")
    path, _ = exported(folder, "trc", tmp_path / "out", least_score=0.0)
    data = trc.TRCData()
    data.load(str(path))
    assert data["Markers"] == list(COCO_17.keypoints)
    assert data["Time"] == pytest.approx([i / FPS for i in range(12)], abs=1e-6)
    for number, given in joints(folder, 1).items():
        expected = np.column_stack([given[:, 0], HW[0] - 1 - given[:, 1], 0 * given[:, 0]])
        np.testing.assert_allclose([data[joint][number] for joint in COCO_17.keypoints], expected, atol=1e-9)


def test_c3d_is_read_by_ezc3d(folder: Path, tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    for person, path in zip((1, 2), exported(folder, "c3d", tmp_path, least_score=0.0), strict=True):
        content = ezc3d.c3d(str(path))
        point = content["parameters"]["POINT"]
        assert point["LABELS"]["value"] == list(COCO_17.keypoints)
        assert point["UNITS"]["value"] == ["px"]
        assert point["RATE"]["value"].tolist() == [FPS]
        assert point["FRAMES"]["value"].tolist() == [12]
        expected = on_every_frame(folder, person)
        got = np.transpose(content["data"]["points"], (2, 1, 0))  # (12, 17, 4)
        np.testing.assert_allclose(got[..., :2], expected[..., :2], atol=1e-4)
        residuals = np.transpose(content["data"]["meta_points"]["residuals"], (2, 1, 0))[..., 0]
        np.testing.assert_array_equal(residuals, np.where(np.isnan(expected[..., 0]), -1, 0))


def test_c3d_is_read_by_the_c3d_package(folder: Path, tmp_path: Path) -> None:
    c3d = pytest.importorskip("c3d")
    path, _ = exported(folder, "c3d", tmp_path, least_score=0.0)
    with path.open("rb") as file:
        with pytest.warns(UserWarning, match="No analog data"):  # which is true
            reader = c3d.Reader(file)
        frames = [(number, points) for number, points, _ in reader.read_frames()]
        assert reader.point_rate == FPS
        assert [label.strip() for label in reader.point_labels] == list(COCO_17.keypoints)
    assert [number for number, _ in frames] == list(range(1, 13))
    expected = on_every_frame(folder, 1)
    for number, points in frames:
        there = ~np.isnan(expected[number - 1, :, 0])
        np.testing.assert_allclose(points[there, :2], expected[number - 1, there, :2], atol=1e-4)
        assert (points[~there, 3] == -1).all()


def test_nwb_is_read_by_pynwb(folder: Path, tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    pytest.importorskip("ndx_pose")
    (path,) = exported(folder, "nwb", tmp_path)
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        content = file.read()
        manifest = json.loads((folder / "session.json").read_text())
        assert content.session_start_time.isoformat(timespec="milliseconds") == manifest["started"].replace("Z", "+00:00")
        behavior = content.processing["behavior"]
        skeleton = behavior["Skeletons"]["coco-17"]
        assert list(skeleton.nodes[:]) == list(COCO_17.keypoints)
        assert skeleton.edges[:].tolist() == [list(limb) for limb in COCO_17.limbs]
        for person in (1, 2):
            given = joints(folder, person)
            times = {line["frame"]: line["t"] for line in lines(folder)}
            series = behavior[f"Person{person}"].pose_estimation_series
            for k, joint in enumerate(COCO_17.keypoints):
                np.testing.assert_array_equal(series[joint].data[:], np.stack(list(given.values()))[:, k, :2])
                np.testing.assert_array_equal(series[joint].confidence[:], np.stack(list(given.values()))[:, k, 2])
                timestamps = series[joint].timestamps
                assert timestamps[:].tolist() == [times[number] for number in given]
                assert series[joint].unit == "pixels"


# -- video ---------------------------------------------------------------------------------------------------------


def with_pictures(parent: Path) -> Path:
    """A recording with the clean video: a bright square at 10, 10 walks with the frames, of which some are missing."""
    results = []
    for number in (0, 1, 2, 5, 6):
        result = frame_with(number, {1: 30.0, 2: 200.0})
        image = np.full((*HW, 3), 60, np.uint8)
        image[10:26, 10 + 20 * number : 26 + 20 * number] = 220
        results.append(replace(result, frame=Frame(image, number, result.frame.t)))
    return record(parent, results, clean_video=True)


def test_video_has_the_pictures_of_its_own_frames_and_skeletons(tmp_path: Path) -> None:
    folder = with_pictures(tmp_path / "r")
    (path,) = exported(folder, "video", tmp_path / "out", draw=DrawOptions(skeleton=False))
    pictures = decoded(path)
    (drawn,) = exported(folder, "video", tmp_path / "drawn")
    np.testing.assert_allclose(packets(path)[0], [line["t"] for line in lines(folder)], atol=2e-3)
    assert len(pictures) == 5
    for line, picture, with_skeleton in zip(lines(folder), pictures, decoded(drawn), strict=True):
        x = 10 + 20 * line["frame"] + 8
        assert picture[18, x].min() > 180
        assert picture[18, x - 20].max() < 100
        assert (np.abs(picture.astype(int) - 60) < 20)[40:, 20:100].all()
        assert (np.abs(with_skeleton.astype(int) - 60).max(axis=2) > 60)[40:, 20:100].sum() > 500


def test_video_on_green_needs_no_pictures_and_shows_none(folder: Path, tmp_path: Path) -> None:
    (path,) = exported(folder, "video", tmp_path, draw=DrawOptions(background="green"))
    pictures = decoded(path)
    assert len(pictures) == 10
    for picture in pictures:
        assert np.abs(picture[0:8, 0:8].astype(int) - (64, 177, 0)).max() < 12
        green = np.abs(picture.astype(int) - (64, 177, 0)).max(axis=2) < 40
        assert 0.5 < green.mean() < 0.99  # all but the skeletons


def test_video_of_one_person_shows_nobody_else(folder: Path, tmp_path: Path) -> None:
    (path,) = exported(folder, "video", tmp_path, person=1, draw=DrawOptions(background="black"))
    assert all(picture[:, 180:].max() < 30 for picture in decoded(path))
    assert max(picture[:, :150].max() for picture in decoded(path)) > 150


def test_video_without_pictures_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    (done,) = export_recording(SavedRecording.read(folder), ["video"], tmp_path, ExportOptions())
    assert done.error.endswith("Choose a black background (--background black), or record with the clean video.")
    assert list(tmp_path.iterdir()) == []


def test_video_has_blurred_faces(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 2, (*HW, 1), np.uint8).repeat(3, axis=2) * 160
    result = frame_with(0, {1: 30.0})
    result.poses.xy[0, :5] = [[160, 60], [165, 55], [155, 55], [170, 58], [150, 58]]
    folder = record(tmp_path / "r", [replace(result, frame=Frame(image, 0, 1.0))], clean_video=True)
    draw = DrawOptions(skeleton=False, blur_faces=True)
    (path,) = exported(folder, "video", tmp_path / "out", draw=draw, least_score=1.0)  # a face of a low score is one, too
    (picture,) = decoded(path)
    assert picture[50:64, 152:168].std() < 15
    assert picture[150:230, 250:310].std() > 40


# -- options -------------------------------------------------------------------------------------------------------


def test_smoothed_joints_stand_where_there_is_room_for_one_kind(folder: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    path, _ = exported(folder, "deeplabcut", tmp_path, smoothed=True)
    table = pandas.read_csv(path, header=[0, 1, 2], index_col=0).to_numpy().reshape(12, 17, 3)
    given = joints(folder, 1, "smoothed")
    assert np.isnan(table[0, :, :2]).all()  # it was recorded before smoothing was on
    for number, xy in given.items():
        np.testing.assert_array_equal(table[number, :, :2], xy)


def test_joints_of_a_low_score_are_left_out(folder: Path, tmp_path: Path) -> None:
    path, _ = exported(folder, "trc", tmp_path, least_score=0.5)
    seen = [["" if cell == "NaN" else "x" for cell in line.split("\t")[2::3]] for line in path.read_text().split("\n")[6:-1]]
    expected = on_every_frame(folder, 1)
    np.testing.assert_array_equal(np.array(seen) == "x", (expected[..., 2] >= 0.5) & ~np.isnan(expected[..., 0]))


@pytest.mark.parametrize(("name", "least"), [("csv", 0.0), ("angles", 0.3), ("trc", 0.3)])
def test_a_format_without_scores_leaves_out_what_the_window_does_not_show(
    folder: Path, tmp_path: Path, name: str, least: float
) -> None:
    plain, given = exported(folder, name, tmp_path / "a")[0], exported(folder, name, tmp_path / "b", least_score=least)[0]
    other = exported(folder, name, tmp_path / "c", least_score=0.3 - least)[0]
    assert plain.read_bytes() == given.read_bytes() != other.read_bytes()


def test_one_person_alone(folder: Path, tmp_path: Path) -> None:
    (path,) = exported(folder, "csv", tmp_path, person=2)
    with path.open(newline="") as file:
        assert {row["person"] for row in csv.DictReader(file)} == {"2"}
    (path,) = exported(folder, "c3d", tmp_path / "c3d", person=2)
    assert path.name == f"{folder.name}-person2.c3d"


@pytest.mark.parametrize("name", [name for name, one in EXPORTS.items() if one.of_film])
def test_each_part_of_a_recording_is_a_file_of_its_own(tmp_path: Path, name: str) -> None:
    if EXPORTS[name].unavailable():
        pytest.skip(EXPORTS[name].unavailable())
    results = [frame_with(i, {1: 30.0}, skeleton=LSP_14 if i >= 4 else COCO_17) for i in range(7)]
    folder = record(tmp_path / "r", results, clean_video=True)
    names = [path.name for path in exported(folder, name, tmp_path / "out")]
    assert [f"-part{number}" in one for number, one in enumerate(names, 1)] == [True, True]


def test_c3d_and_trc_of_a_later_part_keep_the_numbers_of_the_frames(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    results = [frame_with(i, {1: 30.0}, skeleton=LSP_14 if i >= 4 else COCO_17) for i in range(7)]
    folder = record(tmp_path / "r", results)
    _, second = exported(folder, "c3d", tmp_path / "c3d")
    assert ezc3d.c3d(str(second))["header"]["points"]["first_frame"] == 4  # ezc3d counts from 0
    assert ezc3d.c3d(str(second))["data"]["points"].shape == (4, 14, 3)
    _, second = exported(folder, "trc", tmp_path / "trc")
    assert [line.split("\t")[:2] for line in second.read_text().split("\n")[6:-1]] == [
        ["5", "0.160000"],
        ["6", "0.200000"],
        ["7", "0.240000"],
    ]


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    import subprocess

    code = (
        "import sys, poseapp.review.exports.write; heavy = 'xlsxwriter', 'pynwb', 'h5py', 'pandas';"
        "print([name for name in heavy if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


# -- pictures that stand alone -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stills(tmp_path_factory.mktemp("recordings"))


@pytest.mark.parametrize("background", ["picture", "black"])
def test_pictures_keep_name_and_size_and_get_skeletons(pictures: Path, tmp_path: Path, background: Background) -> None:
    (path,) = exported(pictures, "pictures", tmp_path, draw=DrawOptions(background=background, threshold=0.0))
    for number, (file, hw) in enumerate(STILLS.items()):
        image = cv2.imread(str(path / file.replace(".heic", ".heic.png")))
        assert image is not None
        assert image.shape[:2] == hw
        ground = 40 * number if background == "picture" else 0
        assert (np.abs(image.astype(int) - ground) > 60).any()
        assert np.median(image) == ground


def test_pictures_without_their_clean_copies_are_offered_on_black(tmp_path: Path) -> None:
    folder = stills(tmp_path / "recordings", clean=False)
    (done,) = export_recording(SavedRecording.read(folder), ["pictures"], tmp_path / "out", ExportOptions())
    assert "has no folder clean" in done.error
    assert "--background black" in done.error
    assert not (tmp_path / "out").exists()


def test_tables_of_pictures_name_the_files(pictures: Path, tmp_path: Path) -> None:
    for name, key in (("csv", "person"), ("angles", "person")):
        (path,) = exported(pictures, name, tmp_path / name)
        with path.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        assert {(row["file"], row[key]) for row in rows} == {
            ("a 1.jpg", "1"),
            ("a 1.jpg", "2"),
            ("sub/b.png", "3"),
            ("c.heic", "4"),
        }
    (path,) = exported(pictures, "xlsx", tmp_path / "xlsx")
    from openpyxl import load_workbook

    sheet = load_workbook(path)["Person 3"]
    assert [sheet["B1"].value, sheet["B2"].value] == ["file", "sub/b.png"]


def test_openpose_and_coco_of_pictures_name_the_files(pictures: Path, tmp_path: Path) -> None:
    (path,) = exported(pictures, "openpose", tmp_path / "openpose")
    assert sorted(file.name for file in path.iterdir()) == [
        "a 1_keypoints.json",
        "c_keypoints.json",
        "sub_b_keypoints.json",
    ]
    assert len(json.loads((path / "a 1_keypoints.json").read_text(encoding="utf-8"))["people"]) == 2
    (path,) = exported(pictures, "coco", tmp_path / "coco")
    images = json.loads(path.read_text(encoding="utf-8"))["images"]
    assert {image["file_name"]: (image["height"], image["width"]) for image in images} == STILLS


def test_openpose_of_pictures_of_one_stem_loses_none(tmp_path: Path) -> None:
    results = [frame_with(n, {n + 1: 30.0}, smoothed=False) for n in range(2)]
    named = [replace(one, frame=replace(one.frame, file=file)) for one, file in zip(results, ("a.jpg", "a.png"), strict=True)]
    (path,) = exported(record(tmp_path / "in", named), "openpose", tmp_path / "out")
    assert sorted(file.name for file in path.iterdir()) == ["000000_a.jpg_keypoints.json", "000001_a.png_keypoints.json"]


@pytest.mark.parametrize("name", [name for name, one in EXPORTS.items() if not one.of_stills])
def test_a_format_of_what_moves_refuses_pictures_in_one_line(pictures: Path, tmp_path: Path, name: str) -> None:
    (done,) = export_recording(SavedRecording.read(pictures), [name], tmp_path / "out", ExportOptions())
    assert "nobody in them moves. Choose csv" in done.error or "not installed" in done.error


def test_a_film_is_no_folder_of_pictures(folder: Path, tmp_path: Path) -> None:
    (done,) = export_recording(SavedRecording.read(folder), ["pictures"], tmp_path / "out", ExportOptions())
    assert done.error.endswith("is a film, no folder of pictures. Choose another format: video.")
