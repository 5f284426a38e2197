"""The quick reader of joints gives what the exact one gives, and leaves to that one whatever is not as the app writes it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from saved import frame_with, lines, record, two_people

from poseapp.core.errors import RecordError
from poseapp.core.skeleton import COCO_17, MPII_16
from poseapp.live.recording import Segment, read_segments
from poseapp.live.recording.keypoints import KeypointsWriter
from poseapp.review.part_builder import PartBuilder
from poseapp.review.quick_reader import read_quickly
from poseapp.review.recorded_part import RecordedPart, built_part
from poseapp.review.saved_recording import SavedRecording

FIRST = (-1, 0.0)


def exactly(segment: Segment) -> RecordedPart:
    assert segment.skeleton is not None
    builder = PartBuilder(segment.skeleton, "here")
    for line in segment.lines():
        builder.add(line)
    return built_part(builder)


def assert_same(a: RecordedPart, b: RecordedPart) -> None:
    assert a.skeleton == b.skeleton
    assert a.files == b.files
    for name in ("frames", "times", "sizes", "fitted", "locked"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name, strict=True)
    assert list(a.people) == list(b.people)
    for one, other in zip(a.people.values(), b.people.values(), strict=True):
        for name in ("id", "rows", "xy", "score", "person_score", "smoothed", "predicted"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)


def written(folder: Path, skeleton_name: str = "coco-17") -> Segment:
    """A segment of a hundred frames with 0 to 3 people who come and go, locked at times, and fitted into another video."""
    chance = random.Random(3)
    path = folder / "keypoints.jsonl"
    writer = KeypointsWriter(path)
    for number in range(0, 200, 2):
        people = {1 + person: 40.0 * person for person in range(3) if chance.random() < 0.6}
        result = frame_with(number, people, smoothed=number > 20)
        size = (240, 320) if number < 100 else (480, 300)
        frame = replace(result.frame, image=np.zeros((*size, 3), np.uint8))
        locked = 1 if number % 6 == 0 else None
        writer.write(replace(result, frame=frame, locked=locked, predicted=frozenset({2})), number, number / 25)
    writer.close()
    return Segment(from_frame=0, skeleton=COCO_17, keypoints=path, video=folder / "annotated.mkv")


def test_the_quick_reader_gives_what_the_exact_one_gives(tmp_path: Path) -> None:
    segment = written(tmp_path)
    quick, exact = read_quickly(segment, FIRST), exactly(segment)
    assert quick is not None
    assert_same(quick, exact)
    assert len(exact.people) == 3
    assert (exact.fitted[:, 0] != 1).any()
    assert exact.locked.any()
    assert any(track.predicted.any() and np.isnan(track.xy).any() for track in exact.people.values())


def test_blocks_of_lines_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = written(tmp_path)
    monkeypatch.setattr("poseapp.review.quick_reader._BLOCK", 5000)
    quick = read_quickly(segment, FIRST)
    assert quick is not None
    assert_same(quick, exactly(segment))


def test_a_recording_of_the_recorder_is_read_quickly(tmp_path: Path) -> None:
    for segment in read_segments(two_people(tmp_path)):
        quick = read_quickly(segment, FIRST)
        assert quick is not None
        assert_same(quick, exactly(segment))


def _line(change: Callable[[dict[str, Any]], None]) -> Callable[[list[bytes]], None]:
    def damaged(all_lines: list[bytes]) -> None:
        content = json.loads(all_lines[50])
        change(content)
        all_lines[50] = json.dumps(content, separators=(",", ":")).encode() + b"\n"

    return damaged


def _text(old: bytes, new: bytes) -> Callable[[list[bytes]], None]:
    def damaged(all_lines: list[bytes]) -> None:
        at = next(i for i, line in enumerate(all_lines) if i > 30 and old in line)
        all_lines[at] = all_lines[at].replace(old, new, 1)

    return damaged


def _cut(all_lines: list[bytes]) -> None:
    all_lines[-1] = all_lines[-1][:-30]


def _twice(all_lines: list[bytes]) -> None:
    all_lines.insert(51, all_lines[50])


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _twice,
        _line(lambda line: line.update(frame=5.5)),
        _line(lambda line: line.update(frame=-3)),
        _line(lambda line: line.update(t=0.0)),
        _line(lambda line: line.update(t=None)),
        _line(lambda line: line.update(size=[320])),
        _line(lambda line: line.update(size=[0, 240])),
        _line(lambda line: line.update(fitted=[0, 1, 1])),
        _line(lambda line: line.update(file="a.png")),
        _line(lambda line: line.update(people=None)),
        _line(lambda line: line["people"].extend(line["people"])),
        _line(lambda line: line["people"].append({"id": 9, "score": 1.0, "keypoints": [[1.0, 2.0, 0.5]] * 16})),
        _line(lambda line: line["people"].append({"id": 9, "score": None, "keypoints": [[1.0, 2.0, 0.5]] * 17})),
        _line(lambda line: line["people"].append({"id": 9, "score": 1.0, "keypoints": [[1.0, 2.0, None]] * 17})),
        _line(lambda line: line["people"].append({"id": 9, "keypoints": [[1.0, 2.0, 0.5]] * 17})),
        _text(b'"id":1,', b'"id":1,"id":2,'),
        _text(b'"id":1,', b'"id":--1,'),
        _text(b'"id":1,', b'"id":,'),
        _text(b'"id":1,', b'"id":1.2.3,'),
        _text(b'"id":1,', b'"id":1e999,'),
        _text(b'"id":1,', b'"id":-77777777777,'),
        _text(b'"score"', b'"sc\xc3\xb6re"'),
        _text(b"[", b"[["),
    ],
)
def test_what_is_unusual_is_left_to_the_exact_reader(tmp_path: Path, damage: Callable[[list[bytes]], None]) -> None:
    segment = written(tmp_path)
    all_lines = segment.keypoints.read_bytes().splitlines(keepends=True)
    assert read_quickly(segment, FIRST) is not None
    damage(all_lines)
    segment.keypoints.write_bytes(b"".join(all_lines))
    assert read_quickly(segment, FIRST) is None


def test_a_damaged_byte_is_never_read_as_something_else(tmp_path: Path) -> None:
    segment = written(tmp_path)
    original = segment.keypoints.read_bytes()
    chance = random.Random(5)
    read = 0
    for _ in range(300):
        content = bytearray(original)
        content[chance.randrange(len(content))] = chance.choice(b'0123456789.,-[]{}":nule \n')
        segment.keypoints.write_bytes(content)
        quick = read_quickly(segment, FIRST)
        if quick is not None:
            read += 1
            with suppress(RecordError):  # 007 and 5. are numbers here, and none in JSON
                assert_same(quick, exactly(segment))
    assert read > 50


def test_an_old_recording_with_other_joints_in_mid_file_has_a_segment_for_each(tmp_path: Path) -> None:
    results = [frame_with(i, {1: 30.0}, skeleton=MPII_16 if i >= 4 else COCO_17) for i in range(7)]
    folder = record(tmp_path, results)
    before = SavedRecording.read(folder)
    (folder / "keypoints.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(folder)))
    (folder / "keypoints-2.jsonl").unlink()
    manifest = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps(manifest | {"segments": []}))
    first, second = read_segments(folder)
    assert first.keypoints == second.keypoints
    assert [line["frame"] for line in second.lines()] == [4, 5, 6]
    for a, b in zip(SavedRecording.read(folder).parts, before.parts, strict=True):
        assert_same(a, b)
    with (folder / "keypoints.jsonl").open("a") as file:
        file.write('{"frame":"x","people":[]}\n')
    assert "frame: expected a whole number" in SavedRecording.read(folder).damage
