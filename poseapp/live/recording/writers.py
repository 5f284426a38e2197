"""The files of a recording: what writes one, and the table of all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from poseapp.core.types import ImageArray, Result
from poseapp.live.recording.keypoints import KEYPOINTS, KeypointsWriter
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.stats import Stats
from poseapp.render import DrawOptions, annotate


class RecordingWriter(Protocol):
    """Writes one file of a recording.

    Only the recorder's thread uses a writer. It makes the writer when the recording begins, calls ``write`` for each recorded
    frame in the order of the frames, and ``close`` once, also after an error. An error ends the recording; the other files are
    still closed. When ``write`` returns, the data should be with the system, so that a killed process loses none of them.
    """

    def write(self, result: Result, number: int, t: float) -> None:
        """Add a frame: *number* as in ``keypoints.jsonl``, *t* s after the first one. Raises OSError or FFmpegError."""
        ...

    def close(self) -> None:
        """Finish the file. Raises OSError or FFmpegError."""
        ...


@dataclass(frozen=True, kw_only=True)
class RecordingStart:
    """What a writer may need: the recording's ``folder``, what the user chose, and where times of stages are counted.

    ``source_fps`` gives the rate of the source as far as it is known, else 0: ask it when the first frame is there.
    """

    folder: Path
    clean_video: bool
    draw: DrawOptions
    source_fps: Callable[[], float]
    stats: Stats


class _Video:
    """A video that begins with its first frame, so that a recording of nothing has none."""

    def __init__(self, path: Path, source_fps: Callable[[], float]) -> None:
        self._path, self._source_fps = path, source_fps
        self._writer: VideoWriter | None = None  # until the first frame

    def write(self, image: ImageArray, t: float) -> None:
        if self._writer is None:
            self._writer = VideoWriter(self._path, image.shape[:2], self._source_fps())
        self._writer.write(image, t)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class AnnotatedVideo:
    """Writes each frame with its poses drawn on it."""

    def __init__(self, start: RecordingStart, path: Path) -> None:
        self._video = _Video(path, start.source_fps)
        self._draw, self._stats = start.draw, start.stats
        self._canvas: ImageArray | None = None  # drawn on again and again

    def write(self, result: Result, number: int, t: float) -> None:
        """See RecordingWriter."""
        del number
        started = time.perf_counter()
        self._canvas = annotate(result, self._draw, self._canvas)
        drawn = time.perf_counter()
        self._video.write(self._canvas, t)
        self._stats.add("draw", (drawn - started) * 1e3)
        self._stats.add("encode", (time.perf_counter() - drawn) * 1e3)

    def close(self) -> None:
        """See RecordingWriter."""
        self._video.close()


class CleanVideo:
    """Writes each frame as it came."""

    def __init__(self, start: RecordingStart, path: Path) -> None:
        self._video = _Video(path, start.source_fps)

    def write(self, result: Result, number: int, t: float) -> None:
        """See RecordingWriter."""
        del number
        self._video.write(result.frame.image, t)

    def close(self) -> None:
        """See RecordingWriter."""
        self._video.close()


MakeWriter = Callable[[RecordingStart, Path], RecordingWriter | None]
"""Makes the writer of the file at a path in the folder; None where the user has not chosen that file. Raises OSError."""

# By the file's name. The first comes first: whatever happens, each picture of a video has its line.
WRITERS: dict[str, MakeWriter] = {
    KEYPOINTS: lambda start, path: KeypointsWriter(path),
    "annotated.mkv": AnnotatedVideo,
    "clean.mkv": lambda start, path: CleanVideo(start, path) if start.clean_video else None,
}
