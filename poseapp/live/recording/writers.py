"""The files of a recording: what writes one, and the tables of all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Protocol

from poseapp.core.types import Frame, ImageArray, Result
from poseapp.live.recording.keypoints import ANNOTATED, KEYPOINTS, KeypointsWriter
from poseapp.live.recording.picture_files import pictures_folder, write_picture
from poseapp.live.recording.video_writer import VideoWriter
from poseapp.live.stats import Stats
from poseapp.render import DrawOptions, annotate

CLEAN = "clean.mkv"


class RecordingWriter(Protocol):
    """Writes one file of analysed frames.

    Only the recorder's thread uses a writer. It makes the writer when the recording or a segment of it begins, calls ``write``
    for each analysed frame in the order of the frames, and ``close`` once, also after an error. An error ends the recording; the
    other files are still closed. When ``write`` returns, the data should be with the system, so that a killed process loses none
    of them. All results that a writer gets have the same skeleton.
    """

    def write(self, result: Result, number: int, t: float) -> None:
        """Add a frame: *number* as in ``keypoints.jsonl``, *t* s after the first one. Raises OSError or FFmpegError."""
        ...

    def close(self) -> None:
        """Finish the file. Raises OSError or FFmpegError."""
        ...


@dataclass(frozen=True, kw_only=True)
class RecordingStart:
    """What a writer may need: whether the user wants the annotated video, how poses are drawn, where times of stages are counted.

    ``source_fps`` gives the rate of the source as far as it is known, else 0: ask it when the first frame is there.
    """

    folder: Path
    annotated_video: bool
    draw: Callable[[], DrawOptions]
    source_fps: Callable[[], float]
    stats: Stats


class CleanVideo:
    """Writes captured frames as they came: a film as a video, stills as pictures of their own size and name beside it.

    It begins with its first frame, so that a recording of nothing has none.
    """

    def __init__(self, path: Path, source_fps: Callable[[], float]) -> None:
        self._path, self._source_fps = path, source_fps
        self._writer: VideoWriter | None = None  # until the first frame

    def write(self, frame: Frame, t: float) -> None:
        """Add *frame*, captured *t* s after the first one. Raises OSError or FFmpegError."""
        self.write_image(frame.image, t, frame.file)

    def write_image(self, image: ImageArray, t: float, file: str) -> None:
        """Add a picture (H, W, 3) uint8 BGR; one that stands alone is the *file* of that name."""
        if file:
            write_picture(pictures_folder(self._path), file, image)
            return
        if self._writer is None:
            self._writer = VideoWriter(self._path, image.shape[:2], self._source_fps())
        self._writer.write(image, t)

    def close(self) -> None:
        """Finish the file. Raises OSError or FFmpegError."""
        if self._writer is not None:
            self._writer.close()


class AnnotatedVideo:
    """Writes each analysed frame with its poses drawn on it."""

    def __init__(self, start: RecordingStart, path: Path) -> None:
        self._video = CleanVideo(path, start.source_fps)
        self._draw, self._stats = start.draw, start.stats
        self._canvas: ImageArray | None = None  # drawn on again and again

    def write(self, result: Result, number: int, t: float) -> None:
        """See RecordingWriter."""
        del number
        started = time.perf_counter()
        self._canvas = annotate(result, self._draw(), self._canvas)
        drawn = time.perf_counter()
        self._video.write_image(self._canvas, t, result.frame.file)
        self._stats.add("draw", (drawn - started) * 1e3)
        self._stats.add("encode", (time.perf_counter() - drawn) * 1e3)

    def close(self) -> None:
        """See RecordingWriter."""
        self._video.close()


MakeWriter = Callable[[RecordingStart, Path], RecordingWriter | None]
"""Makes the writer of the file at a path in the folder; None where the user has not chosen that file. Raises OSError."""

# Of analysed frames, by the file's name. The first comes first: whatever happens, each picture of a video has its line.
WRITERS: dict[str, MakeWriter] = {
    KEYPOINTS: lambda start, path: KeypointsWriter(path),
    ANNOTATED: lambda start, path: AnnotatedVideo(start, path) if start.annotated_video else None,
}


def part_name(name: str, segment: int) -> str:
    """The name of the file *name* in *segment*, which counts from 1: "keypoints.jsonl", "keypoints-2.jsonl"."""
    path = PurePath(name)
    return name if segment == 1 else f"{path.stem}-{segment}{path.suffix}"
