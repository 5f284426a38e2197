"""keypoints.jsonl and session.json read back: what this version writes, and what the one before it has written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_recorder import feed, recording, result

from poseapp.core.errors import RecordError
from poseapp.live.recording import read_keypoints, read_manifest
from poseapp.live.recording.keypoints import keypoints_of

OLD_MANIFEST = """{
  "app": {"name": "poseapp", "version": "0.9.0"},
  "started": "2026-09-01T12:00:00.000+02:00",
  "source": {"name": "Camera 0", "asked": {"width": 1280, "height": 720, "fps": 30.0, "codec": "MJPG"},
             "granted": {"width": 640, "height": 480, "fps": 30.0, "codec": "YUYV"}},
  "draw": {"mirror": false},
  "models": [{"from_frame": 0, "name": "hourglass-s", "sha256": "0", "backend": "ONNX Runtime 1.31 · CPU · FP32", "fallback": "",
              "people": "top-down", "skeleton": {"name": "two", "keypoints": ["nose", "neck"]}}],
  "finished": true, "frames": 2, "seconds": 0.033, "dropped": 0, "missed": 0, "unreadable": 0, "skipped": [], "error": ""
}
"""
OLD_LINES = """\
{"frame":0,"t":0.0,"size":[640,480],"locked":2,"people":[{"id":1,"score":0.9,"keypoints":[[1.5,2.0,0.9],[null,null,0.1]]},\
{"id":2,"score":0.8,"keypoints":[[5.0,6.0,0.9],[7.0,8.0,0.8]],"smoothed":[[5.1,6.0],[7.0,8.1]],"carried":true}]}
{"frame":1,"t":0.033333,"size":[640,480],"people":[]}
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A recording of schema 1."""
    (tmp_path / "session.json").write_text(OLD_MANIFEST, encoding="utf-8")
    (tmp_path / "keypoints.jsonl").write_text(OLD_LINES, encoding="utf-8")
    return tmp_path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    given = [replace(result(i, i / 30, people=2), predicted=frozenset({2}) if i == 1 else frozenset()) for i in range(3)]
    with recording(tmp_path) as recorder:
        for one in given:
            feed(recorder, one)
    first_t = given[0].frame.t
    assert list(read_keypoints(recorder.folder)) == [keypoints_of(one, i, one.frame.t - first_t) for i, one in enumerate(given)]
    assert [person.get("predicted") for line in read_keypoints(recorder.folder) for person in line["people"]] == [
        *(None, None),
        *(None, True),
        *(None, None),
    ]
    assert read_manifest(recorder.folder)["counts"]["written"] == 3


def test_an_old_recording_is_read_with_the_new_names(old: Path) -> None:
    first, second = read_keypoints(old)
    assert first == {
        "frame": 0,
        "t": 0.0,
        "size": [640, 480],
        "locked": 2,
        "people": [
            {"id": 1, "score": 0.9, "keypoints": [[1.5, 2.0, 0.9], [None, None, 0.1]]},
            {
                "id": 2,
                "score": 0.8,
                "keypoints": [[5.0, 6.0, 0.9], [7.0, 8.0, 0.8]],
                "smoothed": [[5.1, 6.0], [7.0, 8.1]],
                "predicted": True,
            },
        ],
    }
    assert second == {"frame": 1, "t": 0.033333, "size": [640, 480], "people": []}


def test_an_old_manifest_is_read_with_the_new_names(old: Path) -> None:
    manifest = read_manifest(old)
    assert manifest["schema"] == 3
    assert manifest["source"]["requested"]["width"] == 1280
    assert manifest["source"]["actual"]["width"] == 640
    assert set(manifest["source"]) == {"name", "requested", "actual"}
    assert manifest["models"][0]["mode"] == "top-down"
    assert "people" not in manifest["models"][0]
    assert manifest["models"][0]["backend"] == {
        "runtime": "ONNX Runtime 1.31",
        "device": "CPU",
        "precision": "FP32",
        "fallback": "",
    }
    assert manifest["settings"] == [{"from_frame": 0, "draw": {"mirror": False}}]
    assert (manifest["counts"]["captured"], manifest["counts"]["written"]) == (2, 2)


def test_a_newer_schema_is_refused(old: Path) -> None:
    (old / "session.json").write_text(json.dumps({"schema": 4}))
    with pytest.raises(RecordError, match=r"session\.json: expected schema 1 to 3, got 4\. Read it with a newer version"):
        list(read_keypoints(old))


@pytest.mark.parametrize("line", ["[]", '{"frame": 1}', '{"people": [3]}', '{"people": [', "\x00"])
def test_a_damaged_line_is_named(old: Path, line: str) -> None:
    (old / "keypoints.jsonl").write_text(OLD_LINES + line + "\n")
    with pytest.raises(RecordError, match=r"keypoints\.jsonl, line 3: .*Copy the recording again\.$"):
        list(read_keypoints(old))


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"session\.json: cannot be read .*Choose the folder of a recording\.$"):
        list(read_keypoints(tmp_path))
    (tmp_path / "session.json").write_text("[]")
    with pytest.raises(RecordError, match="expected a JSON object"):
        read_manifest(tmp_path)
    (tmp_path / "session.json").write_text(OLD_MANIFEST)
    with pytest.raises(RecordError, match=r"keypoints\.jsonl: cannot be read"):
        list(read_keypoints(tmp_path))
