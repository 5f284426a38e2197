"""What a server may answer that is not the file, and what is done about it."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from poseapp.convert import download as download_module
from poseapp.convert.catalogue import CATALOGUE, Entry
from poseapp.convert.download import download
from poseapp.core.errors import ModelError

CONTENT = bytes(range(256)) * 2048
HALF = len(CONTENT) // 2
Answer = Callable[["Handler", int], None]
"""Answers a request that asks for the file from a byte on."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        requested = self.headers.get("Range")
        server.requested.append((self.path, requested))
        server.headers_seen.append(dict(self.headers))
        start = int(requested.removeprefix("bytes=").removesuffix("-")) if requested else 0
        server.answers[min(len(server.requested), len(server.answers)) - 1](self, start)
        self.close_connection = True

    def give(self, status: int, body: bytes = b"", length: int | str | None = -1, **headers: str) -> None:
        """*length* -1 is the true one, None leaves it out."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(len(body) if length == -1 else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


class Server(http.server.ThreadingHTTPServer):
    """Gives the n-th answer to the n-th request, and the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Answer] = [whole]
        self.requested: list[tuple[str, str | None]] = []
        self.headers_seen: list[dict[str, str]] = []

    def url(self, path: str = "weights.pth") -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


def whole(handler: Handler, start: int) -> None:
    handler.give(200, CONTENT)


def rest(handler: Handler, start: int) -> None:
    handler.give(206, CONTENT[start:], Content_Range=f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")


def half(handler: Handler, start: int) -> None:
    handler.give(200, CONTENT[:HALF], length=len(CONTENT))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def entry(server: Server, **more: Any) -> Entry:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return dataclasses.replace(CATALOGUE["hourglass-1-mpii"], name="test", url=server.url(), sha256=digest, **more)


def test_a_rest_that_fits_is_added(server: Server, tmp_path: Path) -> None:
    server.answers = [half, rest]
    assert download(entry(server), tmp_path).read_bytes() == CONTENT
    assert [requested for _, requested in server.requested] == [None, f"bytes={HALF}-"]
    assert all(headers["Accept-Encoding"] == "identity" for headers in server.headers_seen)


@pytest.mark.parametrize(
    "content_range",
    [
        f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}",
        f"bytes {HALF + 1}-{len(CONTENT) - 1}/{len(CONTENT)}",
        f"bytes {HALF}-{len(CONTENT)}/{len(CONTENT)}",
        f"bytes {HALF}-{HALF - 1}/{len(CONTENT)}",
        f"bytes {HALF}-{len(CONTENT) - 2}/{len(CONTENT)}",
        f"bytes {HALF}-{len(CONTENT) - 1}/*",
        f"items {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}",
        "",
    ],
)
def test_a_rest_that_does_not_fit_is_refused_and_the_file_fetched_anew(
    server: Server, tmp_path: Path, content_range: str
) -> None:
    server.answers = [half, lambda handler, start: handler.give(206, CONTENT[start:], Content_Range=content_range), whole]
    assert download(entry(server), tmp_path).read_bytes() == CONTENT
    assert [requested for _, requested in server.requested] == [None, f"bytes={HALF}-", None]


def test_a_server_that_never_sends_what_was_asked_for_is_said(server: Server, tmp_path: Path) -> None:
    server.answers = [lambda handler, start: handler.give(206, b"x" * 10, Content_Range="bytes 5-14/20")]
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "test-weights.pth.part").write_bytes(CONTENT[:HALF])
    with pytest.raises(ModelError, match=r"the server (sends another part|answers 206 to a plain request)"):
        download(entry(server), tmp_path / "cache")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda handler, start: handler.give(206, CONTENT, Content_Range=f"bytes 0-9/{len(CONTENT)}"), "answers 206 to a plain"),
        (lambda handler, start: handler.give(204), "answers 204"),
        (lambda handler, start: handler.give(200, CONTENT, Content_Encoding="gzip"), "changes the file on its way"),
        (lambda handler, start: handler.give(200, b"", length=1 << 40), "1099.5 GB, which is more"),
        (
            lambda handler, start: handler.give(302, Location="http://example.com/x"),
            "leads to http://example.com, expected https",
        ),
        (lambda handler, start: handler.give(302, Location="ftp://127.0.0.1/x"), "leads to ftp://127.0.0.1, expected https"),
        (lambda handler, start: handler.give(302, Location="file:///etc/passwd"), "expected https"),
        (lambda handler, start: handler.give(302, Location="/again"), "leads elsewhere more than 5 times"),
    ],
)
def test_what_is_not_the_file_is_refused_in_one_line(server: Server, answer: Answer, said: str, tmp_path: Path) -> None:
    server.answers = [answer]
    with pytest.raises(ModelError) as error:
        download(entry(server), tmp_path / "cache")
    assert said in str(error.value)
    assert "poseapp models import FILE" in str(error.value)
    assert "\n" not in str(error.value)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("length", ["-5", "abc", "9" * 30])
def test_a_length_that_is_none_is_no_fault_of_ours(server: Server, length: str, tmp_path: Path) -> None:
    server.answers = [lambda handler, start: handler.give(200, CONTENT, length=length)]
    with pytest.raises(ModelError) as error:
        download(entry(server), tmp_path / "cache")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_a_body_that_ends_early_is_a_cut(server: Server, tmp_path: Path) -> None:
    server.answers = [half]
    with pytest.raises(ModelError, match="cut off after"):
        download(entry(server), tmp_path)


def test_a_body_without_an_end_is_given_up(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "MOST_BYTES", len(CONTENT) - 1)
    server.answers = [lambda handler, start: handler.give(200, CONTENT, length=None)]
    with pytest.raises(ModelError, match="sends more than the file has"):
        download(entry(server), tmp_path / "cache")
    assert [*tmp_path.iterdir()] == []


def test_a_body_without_a_length_is_checked_by_its_hash(server: Server, tmp_path: Path) -> None:
    server.answers = [lambda handler, start: handler.give(200, CONTENT, length=None)]
    assert download(entry(server), tmp_path).read_bytes() == CONTENT
    server.answers = [lambda handler, start: handler.give(200, CONTENT[:-1], length=None)]
    (tmp_path / "test-weights.pth").unlink()
    with pytest.raises(ModelError, match="expected SHA-256"):
        download(entry(server), tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_a_redirect_within_the_machine_is_followed(server: Server, tmp_path: Path) -> None:
    server.answers = [lambda handler, start: handler.give(302, Location="/elsewhere?signature=x"), whole]
    assert download(entry(server), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.requested] == ["/weights.pth", "/elsewhere?signature=x"]


@pytest.mark.parametrize("url", ["http://example.com/w.pth", "ftp://example.com/w.pth", "file:///etc/passwd"])
def test_no_address_but_https_is_asked(server: Server, url: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected https"):
        download(dataclasses.replace(entry(server), url=url), tmp_path / "cache")
    assert server.requested == []


def test_a_mirror_is_asked_where_the_first_home_fails_or_has_another_file(server: Server, tmp_path: Path) -> None:
    for first in (lambda handler, start: handler.send_error(503), lambda handler, start: handler.give(200, b"another file")):
        server.requested.clear()
        server.answers = [first, whole]
        found = download(entry(server, mirrors=(server.url("mirror.pth"),)), tmp_path)
        assert found.read_bytes() == CONTENT
        assert [path for path, _ in server.requested] == ["/weights.pth", "/mirror.pth"]
        found.unlink()
    server.answers = [lambda handler, start: handler.send_error(503), lambda handler, start: handler.send_error(404)]
    server.requested.clear()
    with pytest.raises(ModelError, match=r"weights\.pth: the server says 503"):
        download(entry(server, mirrors=(server.url("mirror.pth"),)), tmp_path)


def test_a_file_that_lies_there_and_is_not_it_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "test-weights.pth").write_bytes(b"another one")
    assert download(entry(server), tmp_path).read_bytes() == CONTENT
    assert download(entry(server), tmp_path).read_bytes() == CONTENT
    assert len(server.requested) == 1
