"""Streams and clips on a server."""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import av
from av.error import FFmpegError

from poseapp.core.addresses import address_name
from poseapp.core.errors import SourceError
from poseapp.core.types import ImageArray
from poseapp.live.sources.base import Device, Mode
from poseapp.live.sources.decoding import Decoder, new_timeline, open_container, packets_of, reason, video_mode, video_stream

STREAM_TIMEOUT_S = 5.0
SEGMENT_TIMEOUT_S = 20.0  # a new segment of a playlist comes once in its length, which is ten seconds at most as a rule
SEGMENTED = ("hls", "dash")
CUSHION_S = 0.5  # how much a segmented stream is held back once it has come late, so that it does not at once again
LONGEST_PAUSE_S = 1.0  # between two pictures, should their times be wrong
BUFFER_PACKETS = 3000  # of a segmented stream, before they are decoded: a minute or two
BUFFER_BYTES = 32 * 2**20


class StreamSource(Device):
    """An address. A stream that ends or stalls counts as lost, and is tried again.

    What has a known length is a clip on a server: its end is an end. While ``live`` it is played at its own speed, as a stream
    that comes in segments is; ``settle`` asks whether it is one, and from then on it is read as a file is.
    """

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.live = True
        self.name = address_name(url)  # no password on the screen or in a manifest
        self.requested: Mode | None = None
        self.file, self.skipped = "", []  # type: str, list[str]
        self.place, self.unreadable = -1, 0
        self._container: Any = None
        self._decoder: Decoder | None = None
        self._buffer: _PacketBuffer | None = None
        self._first: tuple[ImageArray, float] | None = None
        self._length_s: float | None = None
        self._paced = False
        self._begun = self._last_s = 0.0  # when a picture of time 0 is due, on the monotonic clock; the time of the last one

    def settle(self) -> None:
        """Connect once to see whether this is a clip, to be read picture by picture, or a live stream."""
        self.live = True
        try:
            self.open()
            self.live = self._length_s is None
        finally:
            self.close()

    def open(self) -> Mode:
        """Connect and decode the first picture; waits at most five seconds for each, and longer for a segment."""
        with self._in_use:
            self._release()
            try:
                self._container = self._opened()
                mode = video_mode(self._container, self.name, live=self.live)
                self._length_s = _length_s(self._container)
                segmented = self._length_s is None and self._container.format.name in SEGMENTED
                self._paced = self.live and (segmented or self._length_s is not None)
                self._buffer = _PacketBuffer(self._container, self._in_use) if segmented else None
                self._decoder = Decoder(self._container, self.name, new_timeline(self._container, mode), self._buffer)
                self.place, self.unreadable = -1, 0
                self._first = self._decoder.next()
                if self._first is None:
                    raise SourceError(f"{self.name}: ends before its first picture. Check the address.")
            except SourceError:
                self._release()
                raise
            self._begun, self._last_s = time.monotonic(), 0.0
            height, width = self._first[0].shape[:2]
            return Mode(width, height, mode.fps, mode.codec)

    def _opened(self) -> Any:
        options = {"flags": "low_delay"} if self.live else {}
        if self.url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        wait_s = SEGMENT_TIMEOUT_S if re.search(r"\.(m3u8|mpd)\b", self.url, re.IGNORECASE) else STREAM_TIMEOUT_S
        try:
            return open_container(self.url, options=options, timeout=(STREAM_TIMEOUT_S, wait_s))
        except av.error.ProtocolNotFoundError:
            scheme = self.url.partition(":")[0]
            raise SourceError(f"{self.name}: {scheme}:// is not supported here. Give an rtsp:// or http:// address.") from None
        except (FFmpegError, OSError, IndexError, ValueError) as error:
            raise SourceError(f"{self.name}: cannot be opened ({reason(error)}). Check the address and the network.") from None

    def read(self) -> tuple[ImageArray, float] | None:
        """The next picture: of a live source at the time it came or was due, of any other with its time from the start."""
        with self._in_use:
            if self._decoder is None:
                raise SourceError(f"{self.name}: is not open.")
            item, self._first = self._first or self._decoder.next(), None
            self.place += 1 + self._decoder.lost - self.unreadable
            self.unreadable = self._decoder.lost
        if item is None:
            if self._length_s is not None and self._last_s > self._length_s - 1.0:
                return None
            if self._length_s is not None:
                raise SourceError(f"{self.name}: the connection was lost at {self._last_s:.0f} s of {self._length_s:.0f} s.")
            raise SourceError(f"{self.name}: the stream has ended.")
        image, self._last_s = item
        if not self.live:
            return image, self._last_s
        return image, self._wait(self._last_s) if self._paced else time.monotonic()

    def _wait(self, t: float) -> float:
        """Wait until a picture of time *t* is due; returns when that was, on the monotonic clock."""
        now = time.monotonic()
        early_s = self._begun + t - now
        if early_s < 0 and self._length_s is None:  # it was not there in time
            self._begun += CUSHION_S - early_s
            early_s = CUSHION_S
        elif early_s > LONGEST_PAUSE_S:
            self._begun -= early_s - LONGEST_PAUSE_S
            early_s = LONGEST_PAUSE_S
        time.sleep(max(0.0, early_s))
        return max(now, self._begun + t)

    def close(self) -> None:
        """Disconnect; a read that waits for a segment ends at once."""
        buffer = self._buffer
        if buffer is not None:
            buffer.close()
        super().close()

    def _release(self) -> None:
        container, self._container, self._decoder, self._first = self._container, None, None, None
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            buffer.close()
        elif container is not None:
            container.close()


def _length_s(container: Any) -> float | None:
    """How long the video in *container* is, where it says so: a clip, then."""
    stream = video_stream(container)
    if stream.duration and container.duration:  # the sound may be longer
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


class _PacketBuffer:
    """The packets of a stream that comes in segments, fetched ahead on a thread of its own, which also closes the container."""

    def __init__(self, container: Any, in_use: threading.RLock) -> None:
        self._container, self._in_use = container, in_use
        self._packets: deque[Any] = deque()
        self._bytes = 0
        self._error: FFmpegError | None = None
        self._ended = self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._fetch, name="poseapp-stream", daemon=True).start()

    def __iter__(self) -> Iterator[Any]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._packets or self._ended or self._closed)
                if self._closed or not self._packets:
                    if self._error is not None and not self._closed:
                        raise self._error
                    return
                packet = self._packets.popleft()
                self._bytes -= packet.size
                self._changed.notify_all()
            yield packet

    def close(self) -> None:
        """Stop fetching; the container is closed as soon as FFmpeg returns."""
        with self._changed:
            self._closed = True
            self._packets.clear()
            self._changed.notify_all()

    def _fetch(self) -> None:
        try:
            for packet in packets_of(self._container):
                with self._changed:
                    self._changed.wait_for(self._has_room)
                    if self._closed:
                        return
                    self._packets.append(packet)
                    self._bytes += packet.size
                    self._changed.notify_all()
        except FFmpegError as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed)
            with self._in_use:  # not while a picture is decoded
                self._container.close()

    def _has_room(self) -> bool:
        return self._closed or (len(self._packets) < BUFFER_PACKETS and self._bytes < BUFFER_BYTES)
