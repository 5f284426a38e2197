"""The detector: its file, what it finds in a frame, and what it says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_detector import BOXES, write_detector

from poseapp.core.errors import EngineError, ModelError
from poseapp.engine.detector import Detector, DetectorSpec, find_detector


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_detector(tmp_path / "tiny-detector")


def test_finds_bright_blocks_in_frame_px(folder: Path) -> None:
    image = np.zeros((240, 480, 3), np.uint8)  # 7.5 frame px an input px; the picture fills rows 16 to 48 of the input
    image[120:240, 120:240] = 255  # the second cell of the lower row, exactly
    image[0:120, 360:480] = 200
    detector = Detector(folder)
    try:
        boxes, scores = detector.find(image)
        assert boxes.dtype == np.float32
        assert np.abs(boxes - [[119.5, 119.5, 120, 120], [359.5, -0.5, 120, 120]]).max() < 0.01
        assert scores == pytest.approx([1.0, 200 / 255], abs=0.02)
        assert len(detector.find(image, limit=1)[0]) == 1
        assert len(detector.find(image, threshold=0.9)[0]) == 1
        everything, _ = detector.find(image, limit=99, threshold=0.0)
        assert len(everything) == BOXES
        assert everything[:, 1].min() >= -0.5  # cut at the frame: the cells above lie in the black bar
        assert (everything[:, 1] + everything[:, 3]).max() <= 239.5
    finally:
        detector.close()


def test_an_empty_frame_has_nobody(folder: Path) -> None:
    detector = Detector(folder)
    boxes, scores = detector.find(np.zeros((100, 80, 3), np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    detector.close()


def test_closed_twice_and_used_after(folder: Path) -> None:
    detector = Detector(folder)
    detector.close()
    detector.close()
    with pytest.raises(EngineError, match="closed"):
        detector.find(np.zeros((100, 80, 3), np.uint8))


def test_the_spec_survives_its_file(folder: Path) -> None:
    spec = DetectorSpec.read(folder / "detector.json")
    (folder / "again.json").write_text(spec.to_json(), encoding="utf-8")
    assert DetectorSpec.read(folder / "again.json") == spec


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("threshold", 2.0, "threshold: expected a score"),
        ("boxes", 0, "boxes: expected a positive"),
        ("input_hw", [64], "wrong type"),
        ("source", "me", "wrong type"),
        ("weights_sha256", "abc", "64 lower-case"),
        ("colour", 1, r"wrong: \['colour'\]"),
        ("threshold", None, "wrong type"),
    ],
)
def test_a_wrong_spec_is_refused(folder: Path, key: str, value: object, says: str) -> None:
    content = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    (folder / "detector.json").write_text(json.dumps({**content, key: value}), encoding="utf-8")
    with pytest.raises(ModelError, match=says):
        Detector(folder)


def test_a_missing_key_and_a_broken_file_are_refused(folder: Path) -> None:
    content = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    del content["threshold"]
    (folder / "detector.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=r"wrong: \['threshold'\]"):
        Detector(folder)
    (folder / "detector.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="not valid JSON"):
        Detector(folder)


def test_weights_of_another_file_are_refused(folder: Path) -> None:
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="expected SHA-256"):
        Detector(folder)


def test_a_graph_of_another_shape_is_refused(folder: Path) -> None:
    content = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    (folder / "detector.json").write_text(json.dumps({**content, "boxes": 3}), encoding="utf-8")
    with pytest.raises(EngineError, match="output boxes N×3×5"):
        Detector(folder)


def test_the_store_is_searched(tmp_path: Path) -> None:
    assert find_detector(tmp_path / "nowhere") is None
    assert find_detector(tmp_path) is None
    assert find_detector(write_detector(tmp_path / "person-detector").parent) == tmp_path / "person-detector"
