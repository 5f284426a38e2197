"""A server on this machine that stands in for the homes of published weights: it can stop, resume, lie and refuse."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import published_layouts as published
import torch

from poseapp.convert.catalogue import CATALOGUE, Entry


class WeightsServer(http.server.ThreadingHTTPServer):
    """Serves ``content`` under every path, in parts where parts are asked for; ``requested`` are the Range headers.

    It stops after ``first`` bytes of an answer until ``go_on`` is set; ``hang_up`` ends that answer without the rest. To a
    request it says ``status`` where that is not 200.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.first: int | None = None
        self.go_on = threading.Event()
        self._hangs_up = False
        self.status = 200
        self.requested: list[str | None] = []

    def hang_up(self) -> None:
        """Give up the answers that have stopped."""
        self._hangs_up = True
        self.go_on.set()

    def rest(self, body: bytes) -> bytes:
        """What comes after the part of *body* that was sent."""
        return b"" if self._hangs_up else body[self.first :]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.pth"

    def entry(self, **more: Any) -> Entry:
        """An entry of the catalogue, for a small input, whose file is here."""
        digest = hashlib.sha256(self.content).hexdigest()
        changes = {"url": self.url, "sha256": digest, "input_hw": (64, 64), **more}
        return dataclasses.replace(CATALOGUE["hourglass-1-mpii"], **changes)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, WeightsServer)
        requested = self.headers.get("Range")
        server.requested.append(requested)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0
        size, body = len(server.content), server.content[start:]
        self.send_response(206 if requested else 200)
        if requested:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has gone
            if server.first is not None and start == 0:
                self.wfile.write(body[: server.first])
                self.wfile.flush()
                server.go_on.wait(60)
                body = server.rest(body)
            self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None: ...


@contextlib.contextmanager
def serving(content: bytes) -> Iterator[WeightsServer]:
    """A running server; whoever still waits for it is let go at the end."""
    server = WeightsServer(content)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def published_weights(path: Path) -> bytes:
    """A checkpoint in the layout of a published one-stack hourglass, with random values; *path* is where torch writes it."""
    tape = published.Tape(4, gain=0.5)
    with torch.no_grad():
        published.bearpaw(tape, torch.zeros(1, 3, 64, 64), 1, 16)
    torch.save({"state_dict": {f"module.{k}": v for k, v in tape.state.items()}, "epoch": 1}, path)
    return path.read_bytes()
