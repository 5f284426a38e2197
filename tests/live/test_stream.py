"""Addresses: clips on a server are read like files, segments are paced, whatever is lost is reported."""

from __future__ import annotations

import functools
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import Server, grey_clip, is_picture, reading
from fakes import wait_until

from poseapp.core.errors import SourceError
from poseapp.live.sources import StreamSource
from poseapp.live.sources import stream as stream_module

FPS = 15
SEGMENTS = 4


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def playlist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The address of a live playlist of four segments of a second, and its file: no further segment comes by itself."""
    monkeypatch.setattr(stream_module, "SEGMENT_TIMEOUT_S", 2.0)  # FFmpeg cannot be stopped while it waits for one
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1", "#EXT-X-MEDIA-SEQUENCE:0"]
    for k in range(SEGMENTS):
        grey_clip(tmp_path / f"{k}.ts", [k + n / FPS for n in range(FPS)])
        lines += ["#EXTINF:1.0,", f"{k}.ts"]
    (tmp_path / "live.m3u8").write_text("\n".join(lines) + "\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/live.m3u8", tmp_path / "live.m3u8"
    server.shutdown()
    server.server_close()


def streams() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "poseapp-stream"]


def test_segments_are_shown_at_their_own_speed(playlist: tuple[str, Path]) -> None:
    """A segment comes all at once; its pictures do not."""
    source = StreamSource(playlist[0])
    begun = time.monotonic()
    source.open()
    times = []
    for _ in range(2 * FPS):
        item = source.read()
        assert item is not None
        times.append(item[1])
    source.close()
    assert np.median(np.diff(times)) == pytest.approx(1 / FPS, abs=2e-3)
    assert times[-1] - times[0] > 2 - 0.1
    assert times[0] >= begun
    wait_until(lambda: not streams())  # the thread that fetched ahead has closed the container


def test_a_read_that_waits_for_a_segment_ends_when_the_stream_is_closed(playlist: tuple[str, Path]) -> None:
    source = StreamSource(playlist[0])
    source.open()
    reader, errors = reading(source)
    wait_until(lambda: source.place >= 2 * FPS - 1)  # FFmpeg begins three segments before the end
    source.close()
    reader.join(15)
    assert not reader.is_alive()
    assert len(errors) == 1
    wait_until(lambda: not streams(), 40)


def test_a_playlist_that_has_ended_is_a_clip(playlist: tuple[str, Path]) -> None:
    url, file = playlist
    with file.open("a") as text:
        text.write("#EXT-X-ENDLIST\n")
    source = StreamSource(url)
    source.settle()
    assert not source.live
    source.open()
    times = [t for _, t in iter(source.read, None)]
    source.close()
    np.testing.assert_allclose(times, np.arange(SEGMENTS * FPS) / FPS, atol=2e-3)


class StageTimer:
    """A clock that only sleeping and ``pass_by`` move."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 <= seconds <= stream_module.LONGEST_PAUSE_S
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> StageTimer:
    clock = StageTimer()
    monkeypatch.setattr(stream_module, "time", clock)
    return clock


def paced(clock: StageTimer, length_s: float | None = None) -> StreamSource:
    source = StreamSource("http://host/live.m3u8")
    source._begun, source._length_s = clock.now, length_s
    return source


def test_pictures_of_one_burst_are_spread(clock: StageTimer) -> None:
    source = paced(clock)
    assert [source._wait(n / 10) for n in range(20)] == pytest.approx([100 + n / 10 for n in range(20)])
    assert clock.now == pytest.approx(101.9)


def test_a_late_segment_is_held_back_a_little_so_that_the_next_one_is_in_time(clock: StageTimer) -> None:
    source = paced(clock)
    source._wait(0.0)
    clock.now += 3.0  # the network had a hiccup
    first = source._wait(0.1)
    assert first == clock.now == pytest.approx(103.0 + stream_module.CUSHION_S)
    assert source._wait(0.2) == pytest.approx(first + 0.1)
    assert source._wait(1.0) == pytest.approx(first + 0.9)


def test_a_leap_in_its_times_is_no_standstill(clock: StageTimer) -> None:
    source = paced(clock)
    source._wait(0.0)
    assert source._wait(500.0) - 100.0 == pytest.approx(stream_module.LONGEST_PAUSE_S)
    assert source._wait(500.1) == pytest.approx(101.1)


def test_a_clip_that_is_late_is_not_held_back(clock: StageTimer) -> None:
    source = paced(clock, length_s=60.0)
    source._wait(0.0)
    clock.now += 3.0
    assert source._wait(0.1) == pytest.approx(103.0)
    assert source._wait(3.5) == pytest.approx(103.5)


# -- clips on a server -------------------------------------------------------------------------------------------------


def test_a_clip_on_a_server_is_read_as_from_disk(tmp_path: Path) -> None:
    server = Server(grey_clip(tmp_path / "a.mkv", [n / 240 for n in range(240)]).read_bytes())
    try:
        source = StreamSource(server.url)
        source.settle()
        assert source.live is False
        source.open()
        items = list(iter(source.read, None))
        source.close()
    finally:
        server.close()
    assert len(items) == 240
    assert all(is_picture(image, n) for n, (image, _) in enumerate(items))
    np.testing.assert_allclose([t for _, t in items], np.arange(240) / 240, atol=1e-3)


def test_a_clip_that_breaks_off_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "STREAM_TIMEOUT_S", 1.0)
    content = grey_clip(tmp_path / "a.mkv", [n / 10 for n in range(100)], cluster_time_limit="500").read_bytes()
    server = Server(content, cut=len(content) * 2 // 3)
    try:
        source = StreamSource(server.url)
        source.settle()
        source.open()
        with pytest.raises(SourceError) as error:
            list(iter(source.read, None))
        source.close()
    finally:
        server.close()
    assert str(error.value).startswith(source.name)
    assert source.place > 30


def test_a_live_stream_stays_live(tmp_path: Path) -> None:
    content = grey_clip(tmp_path / "a.ts", [n / 30 for n in range(60)]).read_bytes()

    class Endless(Quiet):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)  # no length is given

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        source = StreamSource(f"http://127.0.0.1:{server.server_address[1]}/live")
        source.settle()
        assert source.live
        source.open()
        with pytest.raises(SourceError, match=r"the stream has ended|cannot be read further"):
            list(iter(source.read, None))
        source.close()
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("scheme", ["http", "rtmp", "rtsp"])
def test_an_address_that_refuses_says_so(scheme: str) -> None:
    source = StreamSource(f"{scheme}://127.0.0.1:9/x")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9/x: cannot be opened \(.*\)\. Check the address and the network\.$"):
        source.settle()
    assert source._container is None
