"""WebSocket, with the client of the library ``websockets`` and with raw connections: good clients and hostile ones."""

from __future__ import annotations

import http.client
import json
import os
import socket
import struct
import time
from concurrent.futures import Future
from typing import Any

import pytest
from fakes import wait_until
from made_up_poses import HW, TOKEN, give, made_up, on, only
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from poseapp.core.errors import OutputError
from poseapp.core.skeleton import COCO_17, MPII_16
from poseapp.live.outputs import Outputs, RemoteCommand, parse_output
from poseapp.live.outputs import websocket as websocket_output
from poseapp.live.outputs.web_access import WebAccess
from poseapp.live.recording import RecordingMark


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def clients(outputs: Outputs, count: int) -> bool:
    return only(outputs).message.startswith(f"{count} " if count else "No")


def until(client: ClientConnection, key: str) -> dict[str, Any]:
    """The next message with *key*."""
    while True:
        message: dict[str, Any] = json.loads(client.recv(timeout=10))
        if key in message:
            return message


class Recorder:
    """Notes what is asked for, and answers *answer*."""

    def __init__(self, answer: str = "") -> None:
        self.commands: list[RemoteCommand] = []
        self._answer = answer

    def __call__(self, command: RemoteCommand) -> Future[str]:
        self.commands.append(command)
        done: Future[str] = Future()
        done.set_result(self._answer)
        return done


def test_a_client_gets_the_skeleton_and_then_each_frame() -> None:
    port, result = free_port(), made_up(2, index=3)
    with on(f"ws://127.0.0.1:{port}") as outputs:
        assert only(outputs).light == "waiting"
        outputs.put(result, result.frame.t)
        with connect(f"ws://127.0.0.1:{port}/ws") as client:
            assert until(client, "recording") == {"recording": False}
            wait_until(lambda: clients(outputs, 1))
            give(outputs, result)
            skeleton = until(client, "joints")
            line = until(client, "people")
            assert only(outputs).light == "live"
        wait_until(lambda: clients(outputs, 0))
    assert skeleton["joints"] == list(COCO_17.keypoints)
    assert [tuple(limb) for limb in skeleton["limbs"]] == list(COCO_17.limbs)
    assert (line["frame"], line["size"], line["skeleton"]) == (3, [HW[1], HW[0]], "coco-17")
    assert [person["id"] for person in line["people"]] == [1, 2]
    assert line["people"][1]["keypoints"][5] == pytest.approx([*result.poses.xy[1, 5].tolist(), 0.55], abs=0.01)
    assert line["time"] == pytest.approx(time.time(), abs=30)
    assert "left_knee" in line["people"][0]["angles"]


def test_another_skeleton_is_told_before_its_first_frame() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}") as outputs, connect(f"ws://127.0.0.1:{port}/ws") as client:
        wait_until(lambda: clients(outputs, 1))
        give(outputs, made_up())
        assert until(client, "joints")["skeleton"] == "coco-17"
        give(outputs, made_up(skeleton=MPII_16))
        assert until(client, "joints")["skeleton"] == "mpii-16"
        assert len(until(client, "people")["people"][0]["keypoints"]) == 16


def test_a_recording_is_told_to_all_and_to_those_who_come_later() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}") as outputs, connect(f"ws://127.0.0.1:{port}/ws") as client:
        until(client, "recording")
        outputs.mark(RecordingMark(True, time.monotonic(), "squats"))
        assert until(client, "recording")["name"] == "squats"
        with connect(f"ws://127.0.0.1:{port}/ws") as later:
            assert until(later, "recording")["recording"] is True


@pytest.mark.parametrize("do", ["start", "stop", "toggle"])
def test_a_command_is_obeyed_and_answered(do: str) -> None:
    port, recorder = free_port(), Recorder()
    with (
        on(f"ws://127.0.0.1:{port}", control=recorder),
        connect(f"ws://127.0.0.1:{port}/ws") as client,
    ):
        client.send(json.dumps({"command": do, "name": "Übung #knee"}))
        assert until(client, "ok") == {"command": do, "ok": True}
    assert [(command.do, command.name) for command in recorder.commands] == [(do, "Übung #knee")]


def test_why_a_command_was_not_obeyed_is_told() -> None:
    port = free_port()
    with (
        on(f"ws://127.0.0.1:{port}", control=Recorder("The disk is full.")),
        connect(f"ws://127.0.0.1:{port}/ws") as client,
    ):
        client.send('{"command": "start"}')
        assert until(client, "ok") == {"command": "start", "ok": False, "error": "The disk is full."}


def test_commands_can_be_switched_off() -> None:
    port, recorder = free_port(), Recorder()
    with (
        on(f"ws://127.0.0.1:{port}?control=no", control=recorder),
        connect(f"ws://127.0.0.1:{port}/ws") as client,
    ):
        client.send('{"command": "start"}')
        assert "switched off" in until(client, "error")["error"]
    assert recorder.commands == []


@pytest.mark.parametrize(
    "message",
    [
        *("", "[]", "{", '{"command": 3}', '{"command": "delete"}', '{"command":"start","name":3}', b"\xff\xfe", "[" * 3000),
        *(json.dumps({"command": "start", "name": "x" * 121}), '{"command":"start","name":"\\u001b[2J"}'),
    ],
)
def test_a_message_that_is_no_command_does_nothing(message: str | bytes) -> None:
    port, recorder = free_port(), Recorder()
    with (
        on(f"ws://127.0.0.1:{port}", control=recorder),
        connect(f"ws://127.0.0.1:{port}/ws") as client,
    ):
        client.send(message)
        assert until(client, "error")["error"].startswith("command: ")
        client.send('{"command": "start"}')
        assert until(client, "ok")["ok"]
    assert len(recorder.commands) == 1


def test_an_oversized_message_ends_its_connection_alone() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}") as outputs, connect(f"ws://127.0.0.1:{port}/ws") as good:
        with connect(f"ws://127.0.0.1:{port}/ws") as hostile:
            wait_until(lambda: clients(outputs, 2))
            hostile.send("x" * (websocket_output.LONGEST_MESSAGE + 1))
            with pytest.raises(ConnectionClosed) as closed:
                until(hostile, "never")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009
        wait_until(lambda: clients(outputs, 1))
        give(outputs, made_up(index=5))
        assert until(good, "people")["frame"] == 5


def test_a_frame_that_promises_the_world_is_refused_before_it_comes() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}") as outputs:
        with raw_websocket(port) as hostile:
            wait_until(lambda: clients(outputs, 1))
            hostile.sendall(b"\x81\xff" + struct.pack(">Q", 1 << 62) + b"abcd")

            def gone() -> bool:
                outputs.put(made_up(), time.monotonic())
                return clients(outputs, 0)

            wait_until(gone)
        with connect(f"ws://127.0.0.1:{port}/ws") as good:
            until(good, "recording")


def test_a_flood_of_messages_ends_its_connection() -> None:
    port, recorder = free_port(), Recorder()
    with (
        on(f"ws://127.0.0.1:{port}", control=recorder),
        connect(f"ws://127.0.0.1:{port}/ws", close_timeout=1) as client,
    ):

        def flood() -> None:
            for _ in range(1000):
                client.send('{"command": "toggle"}')
            until(client, "never")

        with pytest.raises(ConnectionClosed) as closed:
            flood()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert len(recorder.commands) == 20


def raw_websocket(port: int, receive_bytes: int = 0) -> socket.socket:
    """A connection that has become a WebSocket, and that nobody reads."""
    opened = socket.socket()
    if receive_bytes:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    opened.settimeout(10)
    opened.connect(("127.0.0.1", port))
    opened.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert opened.recv(12) == b"HTTP/1.1 101"
    return opened


def test_a_slow_reader_loses_frames_and_delays_nobody() -> None:
    port = free_port()
    with (
        on(f"ws://127.0.0.1:{port}") as outputs,
        raw_websocket(port, receive_bytes=4096),
        connect(f"ws://127.0.0.1:{port}/ws") as good,
    ):
        wait_until(lambda: clients(outputs, 2))
        count, longest = 0, 0.0
        while only(outputs).dropped < 10:
            result = made_up(10, index=count)
            started = time.perf_counter()
            outputs.put(result, result.frame.t)
            longest = max(longest, time.perf_counter() - started)
            while until(good, "people")["frame"] != count:
                pass
            count += 1
            assert count < 5000, "nothing is dropped for a client that never reads"
        assert longest < 1.0  # the model's thread goes on; it would stand still until the client reads


def test_there_are_only_so_many_connections() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}") as outputs:
        opened = [socket.create_connection(("127.0.0.1", port)) for _ in range(websocket_output.MOST_CONNECTIONS)]
        try:
            with pytest.raises((OSError, InvalidHandshake)):  # the server closes it before it answers
                connect(f"ws://127.0.0.1:{port}/ws", open_timeout=10).close()
        finally:
            for one in opened:
                one.close()

        def welcome() -> bool:
            try:
                with connect(f"ws://127.0.0.1:{port}/ws", open_timeout=10) as good:
                    return bool(until(good, "recording"))
            except (OSError, InvalidHandshake):
                return False

        wait_until(welcome)
        assert only(outputs).light == "waiting"


def test_whoever_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_output, "HELLO_S", 0.2)
    port = free_port()
    with on(f"ws://127.0.0.1:{port}"), socket.create_connection(("127.0.0.1", port)) as silent:
        silent.settimeout(10)
        silent.sendall(b"GET / HTTP/1.1\r\n")
        with silent.makefile("rb") as answer:
            answer.read()  # returns when the server closes


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", "file://"])
def test_a_page_of_somebody_else_may_not_connect(origin: str) -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{port}/ws", additional_headers={"Origin": origin})
        assert refused.value.response.status_code == 403
        with connect(f"ws://127.0.0.1:{port}/ws", additional_headers={"Origin": f"http://127.0.0.1:{port}"}):
            pass


def test_a_name_of_somebody_else_that_points_here_is_refused() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}"):
        assert status_of(port, "/", {"Host": f"evil.example:{port}"}) == 403
        assert status_of(port, "/", {"Host": f"localhost:{port}"}) == 200


def status_of(port: int, path: str, headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_page_and_nothing_else_is_served() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/?clear=1")
        answer = connection.getresponse()
        assert answer.status == 200
        assert b"<canvas" in answer.read()
        assert answer.getheader("Content-Security-Policy", "").startswith("default-src 'none'")
        connection.close()
        for path in ("/etc/passwd", "/../pyproject.toml", "/%2e%2e/pyproject.toml", "/favicon.ico", "//"):
            assert status_of(port, path) == 404, path


# The address of all interfaces, on a machine that nobody else reaches.
@pytest.mark.parametrize("given", ["", "?token=", "?token=wrong", f"?token={TOKEN[:-1]}", f"?token={TOKEN}x", "?token=%FF"])
def test_other_machines_need_the_token(given: str) -> None:
    port = free_port()
    with on(f"ws://0.0.0.0:{port}") as outputs:
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{port}/ws{given}")
        assert refused.value.response.status_code == 401
        assert TOKEN not in repr(refused.value.response)
        with connect(f"ws://127.0.0.1:{port}/ws?token={TOKEN}") as client:
            until(client, "recording")
        with connect(f"ws://127.0.0.1:{port}/ws", additional_headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            until(client, "recording")
        assert TOKEN not in str(outputs.status())


def test_the_token_is_made_anew_or_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSEAPP_TOKEN", raising=False)
    assert Outputs().token != Outputs().token
    assert len(Outputs().token) >= 16
    monkeypatch.setenv("POSEAPP_TOKEN", "0123456789abcdef")
    assert Outputs().token == "0123456789abcdef"
    monkeypatch.setenv("POSEAPP_TOKEN", "short-one")
    with pytest.raises(OutputError, match="at least 16") as refused:
        Outputs()
    assert "short-one" not in str(refused.value)


def test_the_address_of_the_page_has_the_token_where_only_the_browser_sees_it() -> None:
    assert WebAccess("127.0.0.1", 8765, TOKEN).page_address() == "http://127.0.0.1:8765/"
    assert WebAccess("0.0.0.0", 8765, TOKEN).page_address() == f"http://127.0.0.1:8765/#token={TOKEN}"
    assert WebAccess("::1", 8765, TOKEN).page_address() == "http://[::1]:8765/"


def test_a_port_in_use_is_said_and_taken_when_it_is_free() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with on(f"ws://127.0.0.1:{port}") as outputs:
            assert only(outputs).light == "failed"
            assert only(outputs).message == f"ws://127.0.0.1:{port}: port {port} is in use. Choose another one."
            other.close()
            wait_until(lambda: only(outputs).light == "waiting")
            with connect(f"ws://127.0.0.1:{port}/ws") as client:
                until(client, "recording")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may use every port")
def test_a_port_that_only_root_may_use_is_said() -> None:
    with on("ws://127.0.0.1:80") as outputs:
        assert "port 80 may not be used" in only(outputs).message


def test_an_address_that_is_not_of_this_machine_is_said() -> None:
    with on("ws://203.0.113.7:8765") as outputs:
        assert only(outputs).light == "failed"
        assert "the address 203.0.113.7 cannot be used" in only(outputs).message


def test_another_address_on_the_same_port_follows_without_a_fault() -> None:
    port = free_port()
    with on(f"ws://127.0.0.1:{port}") as outputs, connect(f"ws://127.0.0.1:{port}/ws") as client:
        until(client, "recording")
        outputs.choose([parse_output(f"ws://127.0.0.1:{port}?control=no")])
        seen = set()

        def open_again() -> bool:
            seen.add(only(outputs).light)
            return only(outputs).light == "waiting"

        wait_until(open_again)
        assert seen <= {"starting", "waiting"}
