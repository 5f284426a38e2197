"""Videos, streams and cameras whose pictures would fill the memory are refused, and what waits is bounded in bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clips import Server
from fakes import wait_until
from test_recorder import NOWHERE, feed, result

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.recording import Recorder, RecordOptions
from poseapp.live.recording import lane as lane_module
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.sources import CameraSource, StreamSource, VideoSource
from poseapp.live.stats import Stats

LARGE = (4400, 8200)  # height and width: a little more than level 6.2 of H.264 has
REFUSED = "8200×4400 pixels are more than the 36 million allowed. Make it smaller, or choose another source."


@pytest.fixture(scope="module")
def large_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = LARGE
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"}
        frame = av.VideoFrame(LARGE[1], LARGE[0], "yuv420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_video_with_pictures_that_are_too_large_is_refused(large_clip: Path) -> None:
    with pytest.raises(SourceError) as error:
        VideoSource(large_clip).open()
    assert str(error.value) == f"large.mp4: {REFUSED}"


def test_a_stream_too(large_clip: Path) -> None:
    server = Server(large_clip.read_bytes(), "video/mp4")
    try:
        source = StreamSource(server.url)
        with pytest.raises(SourceError) as error:
            source.open()
        assert str(error.value) == f"{source.name}: {REFUSED}"
        source.close()
    finally:
        server.close()


def jpeg(hw: tuple[int, int], grey: int) -> bytes:
    return cv2.imencode(".jpg", np.full((*hw, 3), grey, np.uint8))[1].tobytes()


def test_a_picture_that_grows_in_mid_stream_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "grows.mjpeg"
    path.write_bytes(jpeg((48, 64), 50) + jpeg((48, 64), 100) + jpeg(LARGE, 150) + jpeg((48, 64), 200))
    source = VideoSource(path)
    source.open()
    pictures = []
    while (item := source.read()) is not None:
        pictures.append(item[0])
    assert [round(float(picture.mean()) / 50) for picture in pictures] == [1, 2, 4]
    assert source.unreadable == 1
    source.close()


def test_a_first_picture_that_is_too_large_is_no_unknown_fault(tmp_path: Path) -> None:
    path = tmp_path / "large.mjpeg"
    path.write_bytes(jpeg(LARGE, 150))
    with pytest.raises(SourceError, match="more than the 36 million"):
        VideoSource(path).open()


ENDLESS_PART = """
import http.server, sys, threading
from poseapp.core.errors import SourceError
from poseapp.live.sources import StreamSource

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        self.end_headers()
        length = b"Content-Length: 2000000000\\r\\n" if self.path == "/long" else b""
        try:
            self.wfile.write(b"--x\\r\\nContent-Type: image/jpeg\\r\\n" + length + b"\\r\\n\\xff\\xd8")
            for _ in range(1200):
                self.wfile.write(b"\\x55" * (1 << 20))
        except OSError:
            pass

    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for path in ("/long", "/endless"):
    source = StreamSource(f"http://127.0.0.1:{server.server_address[1]}{path}")
    try:
        source.open()
        sys.exit("a picture came")
    except SourceError as error:
        print(error)
    source.close()
# Not ru_maxrss: that of a new process begins at the size of the one that started it.
status = open("/proc/self/status").read()
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_part_of_an_http_stream_without_an_end_does_not_fill_the_memory() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        [sys.executable, "-c", ENDLESS_PART], env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    *errors, megabytes = done.stdout.splitlines()
    assert len(errors) == 2
    assert int(megabytes) < 1000, "1.2 GB were sent"


class LargeCamera:
    """A driver that grants another mode than was asked for."""

    def __init__(self, *_: Any) -> None:
        self.released = False

    def isOpened(self) -> bool:
        return True

    def set(self, *_: Any) -> bool:
        return True

    def get(self, what: int) -> float:
        return {cv2.CAP_PROP_FRAME_WIDTH: 12000.0, cv2.CAP_PROP_FRAME_HEIGHT: 8000.0}.get(what, 0.0)

    def release(self) -> None:
        self.released = True


def test_a_camera_that_grants_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = LargeCamera()
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: camera)
    with pytest.raises(SourceError, match="Camera 0: 12000×8000 pixels are more than the 36 million allowed"):
        CameraSource(0).open()
    assert camera.released


def test_of_large_pictures_few_wait_to_be_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    monkeypatch.setattr(lane_module, "MOST_WAITING_BYTES", 3 * image.nbytes)
    monkeypatch.setattr(lane_module, "LONGEST_WAIT_S", 60.0)
    gate, begun = threading.Event(), threading.Event()
    real = VideoWriter.write

    def write(self: VideoWriter, image: ImageArray, t: float) -> None:
        begun.set()
        assert gate.wait(20)
        real(self, image, t)

    monkeypatch.setattr(VideoWriter, "write", write)
    recorder = Recorder(RecordOptions(folder=tmp_path), NOWHERE, Stats())
    try:
        feed(recorder, result(0, 0.0, image, people=0))
        assert begun.wait(20)
        for n in range(1, 11):
            feed(recorder, result(n, n / 30, image, people=0))
        assert recorder.status().counts.lost == 10 - 3
    finally:
        gate.set()
        recorder.close()
        assert recorder.join(20)
    wait_until(lambda: recorder.status().frames == 4)
