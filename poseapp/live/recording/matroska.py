"""The file under a Matroska video: it holds every picture as soon as that is encoded, however the process ends."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

from poseapp.live.recording.folder import private

START_CODE = b"\x00\x00\x01"  # before each NAL unit of an H.264 packet as encoders give them; more zeros may precede it


class WholePictures:
    """What av.open takes as a file: ``commit`` brings what was written since the last one to the disk, in one piece.

    FFmpeg keeps a cluster in memory until the next one begins: of a process that is killed, the last picture would be
    lost, and without any picture the file would not open. So each commit adds that picture as a cluster of our own, and
    FFmpeg's own cluster takes its place with the next commit. The file itself is made by the first commit: it is not there
    at all, or it plays.

    Nothing is synchronised with the disk: what a killed process wrote is with the system and safe, and waiting for a slow
    disk would cost pictures.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.FileIO | None = None
        self._written: list[tuple[int, bytes]] = []  # since the last commit, each with its place
        self._at = self._end = 0  # FFmpeg's place, and where its file ends
        self._size = 0  # of the file on the disk
        self._failed = False
        self._held = b""  # the pictures that FFmpeg has not written yet, in clusters of our own

    def write(self, data: bytes) -> int:
        """Take *data*; nothing reaches the disk yet."""
        self._written.append((self._at, data))
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to *offset*, as files do."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """The place that is written next."""
        return self._at

    def commit(self, newest: bytes = b"") -> None:
        """Bring everything to the disk, and the cluster *newest* behind it.

        Raises OSError; the file then plays as before, and takes nothing more: behind a gap nothing could be found.
        """
        if self._failed:
            return
        self._failed = True
        # FFmpeg holds pictures of one time back together.
        self._held = newest if self._written else self._held + newest
        pieces, self._written = [*_joined(self._written), (self._end, self._held)], []
        if self._file is None:
            self._file = io.FileIO(str(self._path), "w", opener=private)
        for at, data in _joined(pieces):
            self._file.seek(at)
            if self._file.write(data) != len(data):  # the disk took a part of it
                self._file.truncate(max(self._size, at))
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        end = self._end + len(self._held)
        if end < self._size:  # the last one of our own was longer
            self._file.truncate(end)
        self._size, self._failed = end, False

    def close(self) -> None:
        """Commit what FFmpeg wrote last, and close the file."""
        try:
            if self._written:
                self.commit()
        finally:
            if self._file is not None:
                self._file.close()


def _joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """*pieces* with those that follow each other as one."""
    runs: list[tuple[int, list[bytes]]] = []
    end = -1
    for at, data in pieces:
        if at != end:
            runs.append((at, []))
        runs[-1][1].append(data)
        end = at + len(data)
    return [(at, b"".join(run)) for at, run in runs]


def h264_cluster(packet: bytes, pts_ms: int, is_keyframe: bool) -> bytes:
    """A Matroska cluster of one picture of track 1: *packet* is H.264 with start codes, as x264 makes it."""
    units = [unit for unit in (part.rstrip(b"\x00") for part in packet.split(START_CODE)) if unit]
    stored = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    block = b"\x81\x00\x00" + (b"\x80" if is_keyframe else b"\x00") + stored  # track 1, 0 ms into the cluster, flags
    timestamp = _element(b"\xe7", pts_ms.to_bytes(8, "big"))
    return _element(b"\x1f\x43\xb6\x75", timestamp + _element(b"\xa3", block))


def _element(identity: bytes, content: bytes) -> bytes:
    return identity + (len(content) | 1 << 56).to_bytes(8, "big") + content
