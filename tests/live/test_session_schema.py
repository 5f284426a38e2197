"""docs/session.schema.json: recordings as the app makes them are what the document says, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
import shutil
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from clips import grey_clip
from fakes import FlakyCamera, Loader, MarkerSource, wait_until
from sessions import QUICK_S, A, B, next_result, the_recording
from test_recorder import manifest, model, recording

import poseapp
from poseapp.core.skeleton import SKELETONS
from poseapp.core.smoothing import SmoothRule
from poseapp.engine.detector import DetectorSpec
from poseapp.live.recording import Recorder, RecordOptions, description
from poseapp.live.recording.description import Settings, SourceEntry, to_json
from poseapp.live.session import Session
from poseapp.live.sources import FolderSource, VideoSource, parse_source
from poseapp.live.stats import Stats
from poseapp.live.status import ModelRequest
from poseapp.render import DrawOptions


@pytest.fixture(scope="module")
def schema(repo_root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((repo_root / "docs" / "session.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(content)
    return content


def fits(content: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    jsonschema.Draft202012Validator(schema).validate(content)
    return content


def test_a_recording_of_a_camera(tmp_path: Path, schema: dict[str, Any]) -> None:
    session = Session(FlakyCamera([]), ModelRequest(A), load=Loader(), smoothing=SmoothRule())
    session.start()
    try:
        next_result(session)
        before = datetime.now(timezone.utc)
        folder = session.start_recording(RecordOptions(folder=tmp_path, clean_video=True, name="Squats left", tags=("knee",)))
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > 3)
        fits(manifest(folder), schema)  # also before the end
        session.settings.smoothing = None
        session.set_draw(DrawOptions(threshold=0.7))
        at = session.status().recording
        assert at is not None
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > at.frames + 3)
        session.set_model(B)
        wait_until(lambda: session.status().model == "b")
        more = session.status().recording
        assert more is not None
        wait_until(lambda: (r := session.status().recording) is not None and r.frames > more.frames + 3)
    finally:
        session.stop()
    content = fits(manifest(folder), schema)
    assert (content["name"], content["tags"]) == ("Squats left", ["knee"])
    began = datetime.fromisoformat(content["started"].replace("Z", "+00:00"))
    assert timedelta(seconds=-1) < began - before < timedelta(seconds=QUICK_S)
    assert content["source"]["kind"] == "flakycamera"
    assert content["source"]["requested"]["codec"] == "MJPG"
    assert content["source"]["actual"]["codec"] == "YUYV"
    assert [one["model"]["name"] for one in content["models"]] == ["a", "b"]
    assert content["settings"][0]["smoothing"] == to_json(SmoothRule())
    assert content["settings"][-1]["smoothing"] is None
    assert content["settings"][-1]["draw"]["threshold"] == 0.7
    assert [one["from_frame"] for one in content["settings"]] == sorted(one["from_frame"] for one in content["settings"])
    after = lines_from(folder, content["settings"][-1]["from_frame"])
    smoothed = {"smoothed" in person for line in after for person in line["people"]}
    assert smoothed == {False}, "a change counts from its frame on"


def lines_from(folder: Path, frame: int) -> list[dict[str, Any]]:
    read = [json.loads(line) for line in (folder / "keypoints.jsonl").read_text().splitlines()]
    return [line for line in read if line["frame"] >= frame]


def test_the_wall_clock_is_that_of_the_first_frame(tmp_path: Path) -> None:
    """Which may have been captured a while before it is handed over."""
    with recording(tmp_path):
        pass
    (nothing,) = tmp_path.iterdir()
    shutil.rmtree(nothing)
    recorder = Recorder(RecordOptions(folder=tmp_path), SourceEntry(name="s"), Stats())
    frame = dataclasses.replace(_frame(), t=time.monotonic() - 30.0)
    recorder.capture(frame)
    handed_over = datetime.now(timezone.utc)
    recorder.close()
    assert recorder.join(20)
    started = datetime.fromisoformat(manifest(recorder.folder)["started"].replace("Z", "+00:00"))
    assert abs((handed_over - started).total_seconds() - 30.0) < 1.0


def _frame() -> Any:
    from poseapp.core.types import Frame

    return Frame(np.zeros((48, 64, 3), np.uint8), 0, 0.0)


def test_a_recording_of_a_file_names_its_path_and_hash(tmp_path: Path, schema: dict[str, Any]) -> None:
    clip = grey_clip(tmp_path / "clip.mkv", [0.0, 0.1, 0.2])
    session = Session(VideoSource(clip), ModelRequest(A), load=Loader(), realtime=False)
    session.start_recording(RecordOptions(folder=tmp_path / "out"))
    session.start()
    assert session.wait(30)
    session.stop()
    content = fits(manifest(the_recording(tmp_path / "out")), schema)
    assert content["source"]["path"] == str(clip)
    assert content["source"]["sha256"] == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert content["source"]["kind"] == "video"


def test_a_recording_of_a_folder_with_damaged_pictures(tmp_path: Path, sample_picture: Path, schema: dict[str, Any]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(sample_picture, folder / "1.jpg")
    (folder / "2.jpg").write_bytes(b"no picture")
    shutil.copy(sample_picture, folder / "3.jpg")
    session = Session(FolderSource(folder), ModelRequest(A), load=Loader(), realtime=False)
    session.start_recording(RecordOptions(folder=tmp_path / "out"))
    session.start()
    assert session.wait(30)
    session.stop()
    content = fits(manifest(the_recording(tmp_path / "out")), schema)
    assert content["source"] == {**content["source"], "path": str(folder), "sha256": None, "kind": "folder"}
    assert len(content["skipped"]) == content["counts"]["unreadable"] == 1


def test_an_empty_recording(tmp_path: Path, schema: dict[str, Any]) -> None:
    with recording(tmp_path) as recorder:
        pass
    assert fits(manifest(recorder.folder), schema)["segments"] == []


def test_the_detector_is_named_with_its_hash(tmp_path: Path, repo_root: Path, schema: dict[str, Any]) -> None:
    detector = DetectorSpec.read(repo_root / "engines" / "person-detector" / "detector.json")
    with recording(tmp_path) as recorder:
        recorder.model_changed(dataclasses.replace(model("top-down"), detector=detector))
    (entry,) = fits(manifest(recorder.folder), schema)["models"]
    assert entry["detector"]["weights_sha256"] == detector.weights_sha256


def test_versions_and_machine_are_those_here(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        pass
    content = manifest(recorder.folder)
    assert content["app"] == {"name": "poseapp", "version": poseapp.__version__}
    assert content["versions"]["python"] == platform.python_version()
    for name in ("numpy", "av", "onnxruntime", "opencv-python-headless", "openvino"):
        assert content["versions"][name] == importlib.metadata.version(name)
    assert "pytest" not in content["versions"], "the tools of the tests make no recordings"
    assert platform.system() in content["machine"]["system"]


def test_a_bundle_without_package_data_names_the_versions_that_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", missing)
    assert set(description.versions.__wrapped__()) == {"python", "av", "numpy", "opencv"}


@pytest.mark.parametrize("text", ["rtsp://admin:hunter2@camera.local/live", "http://camera.local/live?token=hunter2"])
def test_an_address_is_written_without_its_password(text: str) -> None:
    content = json.dumps(to_json(SourceEntry.of(parse_source(text), None)))
    assert "hunter2" not in content
    assert "camera.local" in content


def test_every_field_of_the_dataclasses_is_in_the_document(schema: dict[str, Any]) -> None:
    """A field that is added to one of them is written at once, and must be documented."""
    settings = fits_part("settings", {"from_frame": 0, **to_json(Settings(draw=DrawOptions(), smoothing=SmoothRule()))}, schema)
    assert set(settings["draw"]) == {field.name for field in dataclasses.fields(DrawOptions)}
    for skeleton in SKELETONS.values():
        fits_part("skeleton", to_json(skeleton), schema)
    with pytest.raises(jsonschema.ValidationError):
        fits_part("source", {**to_json(SourceEntry(name="s")), "password": "hunter2"}, schema)


def fits_part(name: str, content: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    return fits(content, {"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def test_a_number_that_is_not_finite_is_null() -> None:
    assert to_json({"a": float("nan"), "b": (float("inf"), 1.5)}) == {"a": None, "b": [None, 1.5]}
    json.dumps(to_json(MarkerSource().open()), allow_nan=False)
