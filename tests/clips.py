"""Small video files made on the spot, whole and broken, and a server that gives them away."""

from __future__ import annotations

import http.server
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources import Source


def grey_clip(path: Path, times_s: list[float], hw: tuple[int, int] = (48, 64), **options: str) -> Path:
    """A clip whose n-th picture has the brightness that ``brightness`` gives, shown at the n-th of *times_s*."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264" if path.suffix != ".avi" else "mpeg4", rate=30)
        stream.height, stream.width = hw
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, 1000) if path.suffix != ".avi" else Fraction(1, 30)
        stream.bit_rate = 1_000_000
        if path.suffix != ".avi":
            stream.codec_context.time_base = stream.time_base
            stream.options = {"tune": "zerolatency", "crf": "10"}
        for n, t in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(np.full((*hw, 3), brightness(n), np.uint8), format="bgr24")
            frame.pts, frame.time_base = round(t / stream.time_base), stream.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def reading(source: Source) -> tuple[threading.Thread, list[SourceError]]:
    """A thread that reads the open *source* to its end, and the errors that it ends in, as they come."""
    errors: list[SourceError] = []

    def read() -> None:
        try:
            while source.read() is not None:
                pass
        except SourceError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    return reader, errors


def brightness(n: int) -> int:
    """Of the n-th picture of a grey clip."""
    return 40 + (n * 37) % 160


def is_picture(image: ImageArray, n: int) -> bool:
    """Whether *image* is the n-th picture of a grey clip."""
    return abs(float(image.mean()) - brightness(n)) < 4


def packets(path: Path) -> tuple[list[float], float]:
    """The presentation times of a recording's pictures and its duration, s, read from the container as ffprobe does."""
    with av.open(str(path)) as container:
        times = [float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None]
        return times, (container.duration or 0) / av.time_base


def decoded(path: Path) -> list[ImageArray]:
    """All pictures of a recording; fails where one cannot be decoded."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False) for frame in container.decode(video=0)]


class Server:
    """Serves one file by HTTP; *cut* ends the connection after so many bytes, and *stall* first waits."""

    def __init__(self, content: bytes, content_type: str = "video/x-matroska", cut: int | None = None) -> None:
        self.stall, self.requests = threading.Event(), 0
        self.stalls = cut is not None
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests += 1
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                try:
                    self.wfile.write(content[:cut])
                    self.wfile.flush()
                    if server.stalls:
                        server.stall.wait(20)
                except OSError:  # the client has gone
                    pass

            def log_message(self, *args: Any) -> None: ...

        class Threading(http.server.ThreadingHTTPServer):
            daemon_threads = True

        self._server = Threading(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/clip.mkv"

    def close(self) -> None:
        self.stall.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
