"""``poseapp run --headless --output``: what receivers get, and what they may ask for."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_model
from clips import grey_clip
from fakes import FlakyCamera
from websockets.sync.client import ClientConnection, connect

from poseapp.cli.main import main


@pytest.fixture
def store(tmp_path: Path) -> Path:
    tiny_model.write_model(tmp_path / "store" / "tiny")
    return tmp_path / "store"


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0)
        yield receiver


def lines(receiver: socket.socket) -> list[dict[str, Any]]:
    """All that has come."""
    found = []
    while True:
        try:
            found.append(json.loads(receiver.recv(1 << 16)))
        except BlockingIOError:
            return found


def clip_of_20(store: Path) -> Path:
    return grey_clip(store.parent / "clip.mp4", [n / 30 for n in range(20)])


def run(store: Path, source: str, *options: str) -> int:
    out = store.parent / "out"
    return main(["run", source, "--headless", "--engines-dir", str(store), "-o", str(out), *options])


def test_a_clip_is_recorded_and_sent(store: Path, receiver: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clip_of_20(store)
    address = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
    assert run(store, str(clip), "--output", address, "--count", "squat") == 0
    frames = [line["frame"] for line in lines(receiver) if "people" in line]
    assert frames
    assert frames == sorted(set(frames))
    (recording,) = (store.parent / "out").iterdir()
    assert len((recording / "keypoints.jsonl").read_text().splitlines()) == 20
    out, err = capsys.readouterr()
    assert f"Sending to {address}." in err
    assert re.search(rf"^output     {address}: \d+ frames sent, \d+ dropped$", out, re.MULTILINE)


def test_without_a_recording_nothing_is_written(store: Path, receiver: socket.socket, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clip_of_20(store)
    address = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
    assert run(store, str(clip), "--output", address, "--no-recording") == 0
    assert [line for line in lines(receiver) if "people" in line]
    assert not (store.parent / "out").exists()
    assert "frames     " not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--output", "ndi://x"], "output: expected an address"),
        (["--output", "osc://x:0"], "osc: expected a host and a port"),
        (["--count", "dancing"], "expected one of Squat"),
    ],
)
def test_what_is_no_output_is_said_before_anything_starts(
    options: list[str], said: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(store, "synthetic", *options) != 0
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (store.parent / "out").exists()


def test_a_port_in_use_is_said_at_the_end_and_stops_nothing(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = clip_of_20(store)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert run(store, str(clip), "--output", f"ws://127.0.0.1:{port}") == 0
    assert f"port {port} is in use" in capsys.readouterr().out


def ask(client: ClientConnection, command: str, **more: str) -> dict[str, Any]:
    client.send(json.dumps({"command": command, **more}))
    while True:
        message: dict[str, Any] = json.loads(client.recv(timeout=30))
        if "ok" in message:
            return message


def test_a_receiver_begins_and_finishes_recordings(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    asked: list[dict[str, Any]] = []
    camera = FlakyCamera([])
    monkeypatch.setattr("poseapp.live.sources.parse_source", lambda _text: camera)

    def talk() -> None:
        try:
            with connect_soon(port) as client:
                while "people" not in json.loads(client.recv(timeout=30)):
                    pass
                asked.append(ask(client, "stop"))
                asked.append(ask(client, "start", name="Squats #knee"))
                message: dict[str, Any] = {}
                while not message.get("recording"):
                    message = json.loads(client.recv(timeout=30))
                asked.append(message)
                asked.append(ask(client, "start"))
                asked.append(ask(client, "toggle"))
        finally:
            camera.live = False  # what is lost now is not tried again: the run ends
            camera._left = 0

    talking = threading.Thread(target=talk)
    talking.start()
    run(store, "camera", "--output", f"ws://127.0.0.1:{port}", "--no-recording", "--seconds", "60")
    talking.join(60)
    assert [answer.get("error", "") for answer in asked] == [
        "Nothing is recorded now.",
        "",
        "",
        "A recording runs already.",
        "",
    ]
    (recording,) = (store.parent / "out").iterdir()
    assert recording.name == asked[2]["name"]
    session = json.loads((recording / "session.json").read_text())
    assert (session["name"], session["tags"], session["finished"]) == ("Squats", ["knee"], True)
    assert f"Page: http://127.0.0.1:{port}/" in capsys.readouterr().err


def connect_soon(port: int) -> ClientConnection:
    """A client, as soon as there is a server."""
    for _ in range(600):
        try:
            return connect(f"ws://127.0.0.1:{port}/ws")
        except OSError:
            threading.Event().wait(0.05)
    raise AssertionError("no server")
