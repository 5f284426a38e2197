"""OSC, received by python-osc."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fakes import wait_until
from made_up_poses import HW, give, made_up, on, only
from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_server import BlockingOSCUDPServer

from poseapp.core.angles import measure
from poseapp.core.repetitions import EXERCISES
from poseapp.core.skeleton import COCO_17
from poseapp.live.outputs.osc import MOST_BYTES, bundles_of
from poseapp.live.outputs.update import Update
from poseapp.live.recording import RecordingMark


class Receiver:
    """python-osc's server on a free port; ``messages`` are what came."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, tuple[Any, ...]]] = []
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(lambda address, *values: self.messages.append((address, values)))
        self.server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def last(self) -> dict[str, tuple[Any, ...]]:
        return dict(self.messages)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def test_a_client_of_another_maker_reads_joints_and_angles(receiver: Receiver) -> None:
    result = made_up(2, index=7)
    with on(f"osc://127.0.0.1:{receiver.port}") as outputs:
        give(outputs, result)
        wait_until(lambda: "/pose/2/angle/neck" in receiver.last())
        assert only(outputs).message == ""
    got = receiver.last()
    assert got["/pose/frame"] == (7, 2, HW[1], HW[0])
    assert got["/pose/ids"] == (1, 2)
    for row, identity in enumerate((1, 2)):
        for k, name in enumerate(COCO_17.keypoints):
            x, y = result.poses.xy[row, k]
            expected = ((x + 0.5) / HW[1], (y + 0.5) / HW[0], 0.5 + k / 100)
            assert got[f"/pose/{identity}/{name}"] == pytest.approx(expected, abs=1e-6)
    knee = measure(result.poses.xy, result.poses.score, COCO_17, 0.3)[1, 0]
    assert got["/pose/2/angle/left_knee"] == pytest.approx((float(knee),), abs=1e-4)


def test_px_and_a_missing_joint(receiver: Receiver) -> None:
    result = made_up()
    xy = result.poses.xy.copy()
    xy[0, 3] = np.nan
    with on(f"osc://127.0.0.1:{receiver.port}?unit=px") as outputs:
        give(outputs, replace(result, poses=replace(result.poses, xy=xy)))
        wait_until(lambda: "/pose/1/right_ankle" in receiver.last())
    got = receiver.last()
    assert got["/pose/1/nose"][:2] == pytest.approx(result.poses.xy[0, 0].tolist(), abs=1e-3)
    assert got["/pose/1/left_ear"] == (0.0, 0.0, 0.0)


def test_smoothed_joints_are_sent_where_smoothing_is_on(receiver: Receiver) -> None:
    result = made_up()
    smoothed = replace(result.poses, xy=result.poses.xy + 5)
    with on(f"osc://127.0.0.1:{receiver.port}?unit=px") as outputs:
        give(outputs, replace(result, smoothed=smoothed))
        wait_until(lambda: "/pose/1/nose" in receiver.last())
    assert receiver.last()["/pose/1/nose"][:2] == pytest.approx((result.poses.xy[0, 0] + 5).tolist(), abs=1e-3)


def test_repetitions_are_counted_for_the_exercise_that_was_chosen(receiver: Receiver) -> None:
    result = made_up(mode="one")
    with on(f"osc://127.0.0.1:{receiver.port}") as outputs:
        give(outputs, result)
        outputs.count(EXERCISES[0])
        give(outputs, made_up(mode="one", index=1))
        wait_until(lambda: "/pose/1/repetitions" in receiver.last())
        assert receiver.last()["/pose/1/repetitions"] == (0,)
        first = [address for address, _ in receiver.messages].index("/pose/1/repetitions")
        assert [address for address, _ in receiver.messages[:first]].count("/pose/frame") == 2


def test_marks_of_recordings(receiver: Receiver) -> None:
    with on(f"osc://127.0.0.1:{receiver.port}") as outputs:
        outputs.mark(RecordingMark(True, time.monotonic(), "2026 squats"))
        outputs.mark(RecordingMark(False, time.monotonic(), "2026 squats"))
        wait_until(lambda: len(receiver.messages) == 2)
    assert receiver.messages == [("/pose/recording", (1, "2026 squats")), ("/pose/recording", (0, "2026 squats"))]


def test_the_time_tag_is_the_capture_time() -> None:
    captured = time.monotonic() - 2.0
    (bundle,) = bundles_of(Update(result=made_up(), t=captured, seconds=0.0))
    assert OscBundle(bundle).timestamp == pytest.approx(time.time() - 2.0, abs=0.2)


@pytest.mark.parametrize(("people", "count"), [(0, 1), (1, 1), (5, 1), (6, 2), (60, 12)])
def test_a_frame_is_one_bundle_as_long_as_receivers_take_it(people: int, count: int) -> None:
    bundles = list(bundles_of(Update(result=made_up(people), t=1.0, seconds=0.0)))
    assert len(bundles) == count
    assert all(len(bundle) <= MOST_BYTES for bundle in bundles)
    read = [[(message.address, *message.params) for message in OscBundle(bundle)] for bundle in bundles]
    assert all(messages[0][:3] == ("/pose/frame", 0, people) for messages in read)
    noses = [message[0] for messages in read for message in messages if message[0].endswith("/nose")]
    assert noses == [f"/pose/{n}/nose" for n in range(1, people + 1)]
    assert len({bundle[8:16] for bundle in bundles}) == 1


def test_a_receiver_that_comes_later_gets_what_is_sent_then() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as kept:
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
    with on(f"osc://127.0.0.1:{port}") as outputs:

        def refused() -> bool:
            outputs.put(made_up(), time.monotonic())
            return only(outputs).light == "waiting" and "Nobody listens" in only(outputs).message

        wait_until(refused)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
            late.bind(("127.0.0.1", port))
            late.settimeout(10)
            give(outputs, made_up(index=99))
            got = late.recv(1 << 16)
        frames = [message.params[0] for message in OscBundle(got) if message.address == "/pose/frame"]
        assert frames == [99]


def test_a_host_that_does_not_exist_is_said_in_one_line() -> None:
    with on("osc://no-such-host.invalid:9000") as outputs:
        status = only(outputs)
        assert status.light == "failed"
        assert "no-such-host.invalid is not found" in status.message
