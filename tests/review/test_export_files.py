"""Exports as files: whole or not at all, never over another one, and one that fails does not keep the others away."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from saved import frame_with, record, stills, two_people

from poseapp.core.errors import PoseAppError
from poseapp.core.skeleton import COCO_17, Skeleton
from poseapp.review.exports import EXPORTS, ExportFormat, ExportOptions, Take
from poseapp.review.exports.write import Exported, export_recording
from poseapp.review.saved_recording import SavedRecording


@pytest.fixture
def recording(tmp_path: Path) -> SavedRecording:
    return SavedRecording.read(two_people(tmp_path / "recordings", clean_video=True))


def export(recording: SavedRecording, names: list[str], out: Path, replace: bool = False, **options: Any) -> list[Exported]:
    return list(export_recording(recording, names, out, ExportOptions(**options), replace))


def test_a_further_format_joins_by_one_line(recording: SavedRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(take: Take, path: Path) -> None:
        path.write_text(f"{take.name} {len(take.part.frames)} {[track.id for track in take.people]}")

    monkeypatch.setitem(EXPORTS, "counts", ExportFormat(label="Counts", ending=".txt", write=write))
    (done,) = export(recording, ["counts"], tmp_path / "out")
    assert done == Exported(tmp_path / "out" / f"{recording.name}.txt")
    assert done.path.read_text() == f"{recording.name} 10 [1, 2]"


def test_a_file_that_is_there_stays_unless_it_is_to_be_replaced(recording: SavedRecording, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("csv", "openpose"):
        (first,) = export(recording, [name], out)
        place = first.path if name == "csv" else next(first.path.iterdir())
        place.write_text("mine")
        (again,) = export(recording, [name], out)
        assert again.error.startswith(f"{first.path}: is there already. Allow it to be replaced (--replace), or")
        assert place.read_text() == "mine"
        (again,) = export(recording, [name], out, replace=True)
        assert again.error == ""
        assert place.read_text() != "mine"
    assert len(list(out.iterdir())) == 2


def test_a_folder_is_not_replaced_by_a_file_nor_the_other_way(recording: SavedRecording, tmp_path: Path) -> None:
    (tmp_path / f"{recording.name}.csv").mkdir()
    (tmp_path / f"{recording.name}-openpose").write_text("mine")
    csv, openpose = export(recording, ["csv", "openpose"], tmp_path, replace=True)
    assert "expected a file to replace, got something else. Choose another folder (--out)." in csv.error
    assert "expected a folder to replace" in openpose.error
    assert (tmp_path / f"{recording.name}-openpose").read_text() == "mine"


def test_one_that_fails_leaves_nothing_and_the_others_are_written(
    recording: SavedRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(take: Take, path: Path) -> None:
        path.write_text("half")
        raise KeyError("lost\nall")

    def in_use(take: Take, path: Path) -> None:
        path.write_text("half")
        raise PermissionError(13, "Permission denied")  # Windows' answer where a spreadsheet has the file open

    monkeypatch.setitem(EXPORTS, "bad", ExportFormat(label="Bad", ending=".bad", write=fail))
    monkeypatch.setitem(EXPORTS, "open", ExportFormat(label="Open", ending=".open", write=in_use))
    (tmp_path / f"{recording.name}.open").write_text("mine")
    bad, opened, good = export(recording, ["bad", "open", "csv"], tmp_path, replace=True)
    assert bad.error == f"{bad.path}: cannot be written (KeyError: 'lost\\nall'). Choose another format."
    assert opened.error == (
        f"{opened.path}: cannot be written (Permission denied). Close it where it is open in another program, "
        "or choose another folder (--out)."
    )
    assert opened.path.read_text() == "mine"
    assert good.error == ""
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {f"{recording.name}.csv", f"{recording.name}.open"}


def test_a_folder_that_cannot_be_made_is_one_line_each(recording: SavedRecording, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = export(recording, ["csv", "openpose"], tmp_path / "file" / "below")
    assert all("cannot be written (Not a directory). Choose another folder (--out)." in one.error for one in done)


def test_a_package_that_is_missing_is_named_with_the_line_to_install_it(
    recording: SavedRecording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = ExportFormat(
        label="L", ending=".l", write=lambda take, path: None, packages=("no_such_a", "no_such_b"), extra="nwb"
    )
    monkeypatch.setitem(EXPORTS, "lacking", lacking)
    first, second = export(recording, ["lacking", "csv"], tmp_path / "out")
    assert first.error == ('lacking: no_such_a and no_such_b are not installed. Install with: pip install "poseapp[nwb]"')
    assert second.error == ""


def test_every_package_is_in_an_extra_of_the_project(repo_root: Path) -> None:
    text = (repo_root / "pyproject.toml").read_text(encoding="utf-8")
    for one in EXPORTS.values():
        extra = next((line for line in text.splitlines() if line.startswith(f"{one.extra} = [")), "") if one.extra else ""
        assert all(package.replace("_", "-") in extra for package in one.packages)
        assert bool(one.packages) == bool(one.extra)


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("name", EXPORTS)
def test_a_full_disk_leaves_what_was_there(recording: SavedRecording, tmp_path: Path, name: str) -> None:
    """The limit makes the system refuse what is beyond it, as a full disk does; really, since libraries do as they like."""
    if EXPORTS[name].unavailable():
        pytest.skip(EXPORTS[name].unavailable())
    code = """
        import resource, signal, sys
        from pathlib import Path
        from poseapp.review.exports import ExportOptions
        from poseapp.review.exports.write import export_recording
        from poseapp.review.saved_recording import SavedRecording
        recording = SavedRecording.read(Path(sys.argv[1]))
        list(export_recording(recording, [sys.argv[2]], Path("/nowhere/at/all"), ExportOptions()))  # imports
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))
        for done in export_recording(recording, [sys.argv[2]], Path(sys.argv[3]), ExportOptions(), replace=True):
            print(done.error)
    """
    if not EXPORTS[name].of_film:
        recording = SavedRecording.read(stills(tmp_path / "stills"))
    out = tmp_path / "out"
    before = export(recording, [name], out)
    contents = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    command = [sys.executable, "-c", textwrap.dedent(code), str(recording.folder), name, str(out)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == [
        f"{one.path}: the disk is full. Make room, or choose another folder (--out)." for one in before
    ]
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == contents


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"person": 3}, r"expected a person who is in it \(1, 2\), got 3\."),
        ({"smoothed": True}, r"was recorded without smoothing\. Choose the joints as they were found, without --smoothed\."),
    ],
)
def test_what_is_not_in_the_recording_is_said(tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    results = [frame_with(i, {1: 30.0, 2: 200.0}, smoothed=False) for i in range(3)]
    recording = SavedRecording.read(record(tmp_path, results))
    (done,) = export(recording, ["csv"], tmp_path / "out", **options)
    with pytest.raises(PoseAppError, match=complaint):
        raise PoseAppError(done.error)
    assert not (tmp_path / "out").exists()


def test_a_recording_of_nobody(tmp_path: Path) -> None:
    recording = SavedRecording.read(record(tmp_path, [frame_with(i, {}) for i in range(3)]))
    csv, openpose, trc = export(recording, ["csv", "openpose", "trc"], tmp_path / "out")
    assert csv.path.read_text().count("\n") == 1
    assert len(list(openpose.path.iterdir())) == 3
    assert "has nobody in it. Choose a format that takes frames without people: csv." in trc.error


def test_a_recording_of_nothing(tmp_path: Path) -> None:
    recording = SavedRecording.read(record(tmp_path, []))
    (done,) = export(recording, ["csv"], tmp_path / "out")
    assert done.error.endswith("has no frames, so there is nothing to export. Record again.")


def test_a_frame_number_of_millions_does_not_fill_the_disk(tmp_path: Path) -> None:
    recording = SavedRecording.read(record(tmp_path, [frame_with(i, {1: 30.0}) for i in (0, 6_000_000)]))
    trc, csv = export(recording, ["trc", "csv"], tmp_path / "out")
    assert trc.error.endswith("got 6,000,001. Choose a format that has only the recorded ones: csv.")
    assert csv.error == ""


def test_c3d_counts_more_frames_than_its_header_can(tmp_path: Path) -> None:
    ezc3d = pytest.importorskip("ezc3d")
    recording = SavedRecording.read(record(tmp_path, [frame_with(i, {1: 30.0}) for i in (0, 70_000)]))
    (done,) = export(recording, ["c3d"], tmp_path / "out")
    assert done.error == ""
    content = ezc3d.c3d(str(done.path))
    assert content["data"]["points"].shape == (4, 17, 70_001)
    end = content["parameters"]["TRIAL"]["ACTUAL_END_FIELD"]["value"]
    assert int(end[0]) % 65_536 + 65_536 * int(end[1]) == 70_001


def test_c3d_refuses_more_joints_than_it_can_name(tmp_path: Path) -> None:
    k = 256
    many = Skeleton(name="many", keypoints=tuple(f"j{i}" for i in range(k)), limbs=(), flip=tuple(range(k)), sigmas=(0.0,) * k)
    recording = SavedRecording.read(record(tmp_path, [frame_with(0, {1: 30.0}, skeleton=many)]))
    c3d, angles = export(recording, ["c3d", "angles"], tmp_path / "out")
    assert "expected at most 255 joints, got 256." in c3d.error
    assert "many has no joints that angles are made of." in angles.error
    assert COCO_17.k == 17
