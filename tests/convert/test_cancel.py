"""A download that is given up: at once, with what has come kept, and never by asking a mirror."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import wait_until
from weights_server import WeightsServer, serving

from poseapp.convert.cancel import Cancel, CancelledError
from poseapp.convert.download import DownloadError, begun, download

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightsServer]:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with serving(CONTENT) as server:
        yield server


def test_cancel_ends_a_download_whose_server_is_silent_and_it_goes_on_later(server: WeightsServer, tmp_path: Path) -> None:
    server.first = len(CONTENT) // 2
    cancel, outcome = Cancel(), list[Exception]()

    def work() -> None:
        try:
            download(server.entry(mirrors=(server.url,)), tmp_path, cancel=cancel)
        except CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=work, name="poseapp-test-download")
    thread.start()
    # The last piece may still lie in a buffer on the way.
    wait_until(lambda: begun(server.entry(), tmp_path) > len(CONTENT) // 4)
    cancel.cancel()
    thread.join(10)  # the server says nothing for a minute, the time limit of a read is 20 s
    assert not thread.is_alive()
    assert len(outcome) == 1
    assert len(server.requested) == 1, "neither tried again nor asked of the mirror"
    came = begun(server.entry(), tmp_path)
    assert len(CONTENT) // 4 < came <= len(CONTENT) // 2
    assert download(server.entry(), tmp_path).read_bytes() == CONTENT
    assert server.requested[-1] == f"bytes={came}-"
    assert begun(server.entry(), tmp_path) == len(CONTENT)


def test_a_cancelled_download_does_not_begin(server: WeightsServer, tmp_path: Path) -> None:
    cancel = Cancel()
    cancel.cancel()
    cancel.cancel()
    with pytest.raises(CancelledError):
        download(server.entry(), tmp_path / "cache", cancel=cancel)
    assert server.requested == []
    assert not (tmp_path / "cache").exists()


def test_cancel_after_the_end_does_nothing(server: WeightsServer, tmp_path: Path) -> None:
    cancel = Cancel()
    path = download(server.entry(), tmp_path, cancel=cancel)
    cancel.cancel()
    assert path.read_bytes() == CONTENT


def test_the_next_home_is_said_and_the_reason_why(server: WeightsServer, tmp_path: Path) -> None:
    said: list[str] = []
    with serving(b"another file") as wrong, serving(CONTENT) as gone:
        gone.status = 503
        entry = server.entry(url=wrong.url, mirrors=(gone.url, server.url))
        assert download(entry, tmp_path, say=said.append).read_bytes() == CONTENT
    assert said == [
        "127.0.0.1 has another file than the published one (the hash differs; it was deleted): trying 127.0.0.1 instead.",
        "127.0.0.1 says 503 Service Unavailable: trying 127.0.0.1 instead.",
    ]


def test_a_mirror_goes_on_with_what_the_first_home_gave(server: WeightsServer, tmp_path: Path) -> None:
    half = len(CONTENT) // 2
    with serving(CONTENT) as gone:
        gone.status = 503
        entry = server.entry(url=gone.url, mirrors=(server.url,))
        (tmp_path / f"{entry.name}-weights.pth.part").write_bytes(CONTENT[:half])
        assert download(entry, tmp_path).read_bytes() == CONTENT
    assert server.requested == [f"bytes={half}-"]


def test_what_is_wrong_is_told_without_what_to_type(server: WeightsServer, tmp_path: Path) -> None:
    with serving(CONTENT[: len(CONTENT) // 2]) as half:
        entry = server.entry(url=half.url, sha256="0" * 64)
        with pytest.raises(DownloadError) as error:
            download(entry, tmp_path)
    assert error.value.problem.startswith("127.0.0.1 has another file")
    assert "poseapp" not in error.value.problem
    assert list(tmp_path.iterdir()) == []
