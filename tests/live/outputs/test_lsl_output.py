"""LSL, received by pylsl's inlets."""

from __future__ import annotations

import importlib.util
import math
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import wait_until
from made_up_poses import give, made_up, on, only

from poseapp.core.skeleton import COCO_17, MPII_16
from poseapp.core.types import Poses
from poseapp.live.outputs.lsl import Places, channel_names
from poseapp.live.outputs.update import Update
from poseapp.live.recording import RecordingMark

needs_pylsl = pytest.mark.skipif(importlib.util.find_spec("pylsl") is None, reason="needs pylsl")


@pytest.fixture
def inlet(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Opens the inlet of the stream of a name."""
    import pylsl

    def open_one(name: str) -> Any:
        found = pylsl.resolve_byprop("name", name, timeout=30)
        assert found, f"no stream {name}"
        opened = pylsl.StreamInlet(found[0], recover=False)
        opened.open_stream(timeout=30)
        return opened

    return open_one


@needs_pylsl
def test_an_inlet_gets_joints_with_their_capture_time(inlet: Callable[[str], Any]) -> None:
    name, first, result = f"test {uuid.uuid4().hex}", made_up(2), made_up(2, index=9)
    with on(f"lsl://{name}?people=3") as outputs:
        give(outputs, first)  # the stream begins with the first frame, whose joints it has
        assert only(outputs).light == "waiting"
        joints = inlet(name)

        def live() -> bool:
            give(outputs, first)
            return only(outputs).light == "live"

        wait_until(live)
        give(outputs, result)
        sample, t = joints.pull_sample(timeout=30)
        while sample is not None and sample[0] != 9:
            sample, t = joints.pull_sample(timeout=30)
        info = joints.info()
        labels, channel = [], info.desc().child("channels").child("channel")
        while not channel.empty():
            labels.append((channel.child_value("label"), channel.child_value("type"), channel.child_value("unit")))
            channel = channel.next_sibling()
        joints.close_stream()
    assert t == pytest.approx(result.frame.t + _lsl_offset(), abs=0.01)
    assert (info.type(), info.nominal_srate(), info.desc().child_value("skeleton")) == ("MoCap", 0.0, "coco-17")
    assert labels == channel_names(COCO_17, 3)
    by_name = dict(zip((label for label, _, _ in labels), sample, strict=True))
    assert (by_name["person1_id"], by_name["person2_id"]) == (1, 2)
    assert math.isnan(by_name["person3_id"])
    x, y = result.poses.xy[1, COCO_17.index("left_knee")]
    assert (by_name["person2_left_knee_x"], by_name["person2_left_knee_y"]) == pytest.approx((x, y))
    assert by_name["person2_left_knee_score"] == pytest.approx(0.5 + COCO_17.index("left_knee") / 100)


def _lsl_offset() -> float:
    import pylsl

    return float(pylsl.local_clock() - time.monotonic())


@needs_pylsl
def test_marks_of_recordings_have_their_time(inlet: Callable[[str], Any]) -> None:
    name = f"test {uuid.uuid4().hex}"
    with on(f"lsl://{name}") as outputs:
        marks = inlet(f"{name} marks")
        begun = time.monotonic() - 1.0
        outputs.mark(RecordingMark(True, begun, "2026 squats"))
        outputs.mark(RecordingMark(False, begun + 0.5, "2026 squats"))
        first, second = marks.pull_sample(timeout=30), marks.pull_sample(timeout=30)
        marks.close_stream()
    assert [first[0], second[0]] == [["recording_start 2026 squats"], ["recording_stop 2026 squats"]]
    assert first[1] == pytest.approx(begun + _lsl_offset(), abs=0.01)
    assert second[1] - first[1] == pytest.approx(0.5, abs=1e-3)


@needs_pylsl
def test_another_skeleton_is_another_stream(inlet: Callable[[str], Any]) -> None:
    name = f"test {uuid.uuid4().hex}"
    with on(f"lsl://{name}") as outputs:
        give(outputs, made_up())
        give(outputs, made_up(skeleton=MPII_16))
        import pylsl

        wait_until(lambda: [one.channel_count() for one in pylsl.resolve_byprop("name", name, timeout=5)] == [2 + 3 * 16])


def sample(places: Places, ids: list[int]) -> list[float]:
    """The ids in the places when the people *ids* are in sight."""
    result = made_up(max(len(ids), 1))
    poses = result.poses.pick(np.arange(len(result.poses)) < len(ids))
    named: Poses = replace(poses, ids=np.array(ids, np.int64))
    values = places.sample(Update(result=replace(result, poses=named), t=0.0, seconds=0.0))
    assert len(values) == len(channel_names(COCO_17, places.count))
    return values[1 :: 1 + 3 * COCO_17.k]


def test_a_person_keeps_a_place_while_in_sight() -> None:
    places = Places(2)
    assert sample(places, [4, 7]) == [4, 7]
    assert sample(places, [7, 9, 4]) == [4, 7]
    assert places.without == 1
    left = sample(places, [7])
    assert math.isnan(left[0])
    assert left[1] == 7
    assert sample(places, [9, 7]) == [9, 7]
    assert places.without == 0
