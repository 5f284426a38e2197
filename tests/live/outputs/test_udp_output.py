"""UDP with JSON, received by a plain socket."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import wait_until
from made_up_poses import give, made_up, on, only

from poseapp.core.skeleton import COCO_17, MPII_16
from poseapp.live.outputs.datagrams import Datagrams
from poseapp.live.recording import RecordingMark
from poseapp.live.recording.keypoints import keypoints_of


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        yield receiver


def address(receiver: socket.socket) -> str:
    return f"udp://127.0.0.1:{receiver.getsockname()[1]}"


def read(receiver: socket.socket) -> dict[str, Any]:
    return dict(json.loads(receiver.recv(1 << 16)))


def test_a_frame_is_the_line_of_a_recording_and_more(receiver: socket.socket) -> None:
    result = made_up(2, index=5)
    with on(address(receiver)) as outputs:
        give(outputs, result)
        skeleton, line = read(receiver), read(receiver)
        assert only(outputs).light == "live"
    assert skeleton == {"skeleton": "coco-17", "joints": list(COCO_17.keypoints), "limbs": [list(x) for x in COCO_17.limbs]}
    recorded = keypoints_of(result, 5, 0.0)
    assert {key: line[key] for key in recorded if key != "people"} == {key: recorded[key] for key in recorded if key != "people"}
    for person, wanted in zip(line["people"], recorded["people"], strict=True):
        assert {key: person[key] for key in wanted} == wanted
        assert person["angles"]["left_knee"] == pytest.approx(0.0, abs=180)


def test_the_skeleton_comes_again_for_those_who_come_later_and_for_another_model(receiver: socket.socket) -> None:
    with on(address(receiver)) as outputs:
        skeletons: list[str] = []
        result = made_up()
        while len(skeletons) < 2:
            outputs.put(result, result.frame.t)
            line = read(receiver)
            if "joints" in line:
                skeletons.append(line["skeleton"])
        give(outputs, made_up(skeleton=MPII_16))
        line = {}
        while "joints" not in line or line["skeleton"] != "mpii-16":
            line = read(receiver)
    assert skeletons == ["coco-17", "coco-17"]


def test_seconds_are_counted_from_the_first_frame(receiver: socket.socket) -> None:
    with on(address(receiver)) as outputs:
        for t in (100.0, 100.5):
            outputs.put(made_up(), t)
            line = read(receiver)
            while "people" not in line:
                line = read(receiver)
            assert line["t"] == pytest.approx(t - 100.0)


def test_marks_of_recordings(receiver: socket.socket) -> None:
    with on(address(receiver)) as outputs:
        outputs.mark(RecordingMark(True, time.monotonic(), "Übung"))
        line = read(receiver)
    assert (line["recording"], line["name"]) == (True, "Übung")
    assert line["time"] == pytest.approx(time.time(), abs=30)


def test_a_frame_too_large_for_a_datagram_is_dropped_and_said(receiver: socket.socket) -> None:
    with on(address(receiver)) as outputs:
        result = made_up(150)
        outputs.put(result, result.frame.t)
        wait_until(lambda: only(outputs).dropped == 1)
        assert "too many for a datagram. Use the WebSocket output." in only(outputs).message
        assert only(outputs).light == "waiting"
        give(outputs, made_up(1))


@pytest.mark.skipif(sys.platform != "linux", reason="a socket of Linux stands in for a full network")
def test_a_network_that_takes_nothing_costs_datagrams_and_no_time() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as full:  # of which the system holds some only
        full.bind("")
        sender = Datagrams("127.0.0.1", 9, "test")
        sender._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender._socket.connect(full.getsockname())
        sender._socket.setblocking(False)
        while sender.send(b"x" * 1000):
            pass
        assert sender.dropped == 1
        assert sender.trouble == ""
        sender.close()
