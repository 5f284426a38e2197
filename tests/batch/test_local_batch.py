"""A batch in one process: what is done stays, what is left is done, and one bad file does not stop the rest."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from batches import Notes, batch_of, dot_clip, files_below, lines, tiny_method, tiny_store

from poseapp.batch.finished import FINISHED, read_finished
from poseapp.batch.run import run_batch
from poseapp.core.errors import RecordError
from poseapp.core.files import only_one
from poseapp.live.recording import read_manifest
from poseapp.review.saved_recording import SavedRecording


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file)}


def test_each_video_gets_a_recording_in_its_place_and_a_row(tmp_path: Path) -> None:
    method, out = tiny_method(tiny_store(tmp_path)), tmp_path / "out"
    dot_clip(tmp_path / "in" / "a b" / "Übung é.mkv", frames=12)
    dot_clip(tmp_path / "in" / "clip.mp4", frames=20)
    (tmp_path / "in" / "bad.mp4").write_bytes(b"no video")
    notes = Notes()
    ended = run_batch(batch_of([tmp_path / "in"], out, method, formats=("csv", "coco")), notes)
    (failed,) = ended.failed
    assert failed[0].source.path.name == "bad.mp4"
    assert "not a video that can be read" in failed[1]
    assert "\n" not in failed[1]
    assert len(lines(out / "clip.mp4")) == 20
    assert files_below(out) == {
        "summary.csv",
        *(f"clip.mp4/{name}" for name in ("keypoints.jsonl", "session.json", FINISHED)),
        *(f"clip.mp4/exports/{name}" for name in ("clip.mp4.csv", "clip.mp4-coco.json")),
        *(f"a b/Übung é.mkv/{name}" for name in ("keypoints.jsonl", "session.json", FINISHED)),
        *(f"a b/Übung é.mkv/exports/{name}" for name in ("Übung é.mkv.csv", "Übung é.mkv-coco.json")),
    }
    assert read_manifest(out / "clip.mp4")["finished"] is True
    assert SavedRecording.read(out / "clip.mp4").remarks == (), "there was no video, so none is missing"
    table = rows(out)
    assert {name: row["state"] for name, row in table.items()} == {"Übung é.mkv": "done", "clip.mp4": "done", "bad.mp4": "failed"}
    people = {person["id"] for line in lines(out / "clip.mp4") for person in line["people"]}
    assert (table["clip.mp4"]["frames"], table["clip.mp4"]["people"], table["clip.mp4"]["model"]) == (
        "20",
        str(len(people)),
        "tiny",
    )
    assert table["bad.mp4"]["remark"] == failed[1]
    assert max(notes.shares["clip.mp4"]) == (20, 20)


def test_a_second_run_does_what_is_left_and_nothing_else(tmp_path: Path) -> None:
    store, out, clips = tiny_store(tmp_path), tmp_path / "out", tmp_path / "in"
    method = tiny_method(store)
    for name in ("one.mp4", "two.mp4", "three.mp4"):
        dot_clip(clips / name, frames=8)
    run_batch(batch_of([clips], out, method), Notes())
    before = {name: (out / name / "keypoints.jsonl").stat().st_mtime_ns for name in ("one.mp4", "two.mp4", "three.mp4")}
    dot_clip(clips / "two.mp4", frames=9)  # another video of that name
    (out / "three.mp4" / FINISHED).write_text("{}")  # half done
    batch = batch_of([clips], out, method)
    assert {path.name for path in batch.before} == {"one.mp4"}
    notes = Notes()
    run_batch(batch, notes)
    after = {name: (out / name / "keypoints.jsonl").stat().st_mtime_ns for name in before}
    assert {name: notes.outcomes[name].skipped for name in before} == {"one.mp4": True, "two.mp4": False, "three.mp4": False}
    assert {name for name in before if before[name] != after[name]} == {"two.mp4", "three.mp4"}
    assert len(lines(out / "two.mp4")) == 9
    assert rows(out)["one.mp4"]["state"] == "skipped"
    assert rows(out)["one.mp4"]["frames"] == "8"


def test_another_setting_or_model_is_another_result(tmp_path: Path) -> None:
    store, out = tiny_store(tmp_path), tmp_path / "out"
    clip = dot_clip(tmp_path / "clip.mp4", frames=8)
    method = tiny_method(store)
    run_batch(batch_of([clip], out, method), Notes())
    assert batch_of([clip], out, replace(method, threads=2)).before, "how many threads worked is no setting"
    assert not batch_of([clip], out, tiny_method(store, smoothing=0.0)).before
    assert not batch_of([clip], out, replace(method, hashes=(("model", "0" * 64),))).before
    assert not batch_of([clip], out, method, video=True).before


def test_a_format_that_is_wanted_later_is_added_to_what_is_there(tmp_path: Path) -> None:
    method, out = tiny_method(tiny_store(tmp_path)), tmp_path / "out"
    clip = dot_clip(tmp_path / "clip.mp4", frames=8)
    run_batch(batch_of([clip], out, method), Notes())
    before = (out / "clip.mp4" / "keypoints.jsonl").stat().st_mtime_ns
    notes = Notes()
    run_batch(batch_of([clip], out, method, formats=("csv",)), notes)
    assert (out / "clip.mp4" / "exports" / "clip.mp4.csv").is_file()
    assert (out / "clip.mp4" / "keypoints.jsonl").stat().st_mtime_ns == before
    finished = read_finished(out / "clip.mp4")
    assert finished is not None
    assert finished.formats == ("csv",)
    run_batch(batch_of([clip], out, method, formats=("csv",)), notes)
    assert notes.outcomes["clip.mp4"].skipped


def test_nobody_in_a_video_is_no_failure(tmp_path: Path) -> None:
    method, out = tiny_method(tiny_store(tmp_path)), tmp_path / "out"
    clip = tmp_path / "dark.png"
    import cv2
    import numpy as np

    cv2.imwrite(str(clip), np.zeros((60, 80, 3), np.uint8))
    ended = run_batch(batch_of([clip], out, method, formats=("trc", "csv")), Notes())
    assert ended.failed == []
    assert rows(out)["dark.png"]["remark"] == "nobody is in it, so there is no trc"


def test_a_file_of_the_user_is_never_replaced(tmp_path: Path) -> None:
    method, clips = tiny_method(tiny_store(tmp_path)), tmp_path / "in"
    clip = dot_clip(clips / "clip.mp4", frames=8)
    content = clip.read_bytes()
    batch = batch_of([clips / "clip.mp4"], clips, method)  # its place is the video itself
    ended = run_batch(batch, Notes())
    assert "is there already" in ended.failed[0][1]
    assert clip.read_bytes() == content
    assert files_below(clips) == {"clip.mp4", "summary.csv"}


def test_what_a_killed_process_left_is_cleared_and_a_second_batch_waits(tmp_path: Path) -> None:
    method, out = tiny_method(tiny_store(tmp_path)), tmp_path / "out"
    clip = dot_clip(tmp_path / "clip.mp4", frames=8)
    (out / ".clip.mp4-abc.tmp" / "new").mkdir(parents=True)
    batch = batch_of([clip], out, method)
    with only_one(out / ".poseapp-batch.lock"), pytest.raises(RecordError, match="another batch"):
        run_batch(batch, Notes())
    run_batch(batch, Notes())
    assert not (out / ".clip.mp4-abc.tmp").exists()
    assert not list(out.rglob(".*")), "nothing hidden is left"


def test_interrupted_it_leaves_whole_results_and_a_table_of_what_waits(tmp_path: Path) -> None:
    method, out, clips = tiny_method(tiny_store(tmp_path)), tmp_path / "out", tmp_path / "in"
    for name in ("1.mp4", "2.mp4", "3.mp4"):
        dot_clip(clips / name, frames=8)

    class Interrupting(Notes):
        def went(self, job: object, done: int, total: int) -> None:
            if "2.mp4" in self.begun:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(batch_of([clips], out, method), Interrupting())
    assert {name: row["state"] for name, row in rows(out).items()} == {"1.mp4": "done", "2.mp4": "waiting", "3.mp4": "waiting"}
    assert not (out / "2.mp4").exists()
    notes = Notes()
    run_batch(batch_of([clips], out, method), notes)
    assert [notes.outcomes[name].skipped for name in ("1.mp4", "2.mp4", "3.mp4")] == [True, False, False]


def test_a_name_that_is_a_formula_is_text_in_the_table(tmp_path: Path) -> None:
    method, out = tiny_method(tiny_store(tmp_path)), tmp_path / "out"
    run_batch(batch_of([dot_clip(tmp_path / "in" / "=1+1.mp4", frames=3)], out, method), Notes())
    assert json.loads((out / "=1+1.mp4" / FINISHED).read_text())["figures"]["frames"] == 3
    assert rows(out)["=1+1.mp4"]["result"] == "'=1+1.mp4"


def test_a_result_that_was_moved_away_is_made_again(tmp_path: Path) -> None:
    method, out = tiny_method(tiny_store(tmp_path)), tmp_path / "out"
    clip = dot_clip(tmp_path / "clip.mp4", frames=8)
    run_batch(batch_of([clip], out, method), Notes())
    shutil.rmtree(out / "clip.mp4")
    assert not batch_of([clip], out, method).before
