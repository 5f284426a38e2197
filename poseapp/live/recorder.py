"""Recording: annotated video, keypoints and manifest, whole up to the last half second whatever happens.

A recording is a folder: ``annotated.mkv`` (H.264, variable frame rate, presentation times = capture times),
optionally ``clean.mkv``, ``keypoints.jsonl`` (one line a frame) and ``session.json``, all readable by their owner alone.
Every picture and line is with the system as soon as it is made, and none waits long for that: a killed process leaves
files that play, and at most half a second is missing. A video is there from its first picture on.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import logging
import math
import os
import platform
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import cv2
from av.error import FFmpegError

import poseapp
from poseapp.core.errors import RecordError
from poseapp.core.files import atomic_write
from poseapp.core.limits import MOST_WAITING_BYTES
from poseapp.core.spec import ModelSpec
from poseapp.core.types import Frame, ImageArray, PoseMode, Result
from poseapp.engine.base import Backend
from poseapp.live.matroska import private
from poseapp.live.recording_folder import RESERVE_BYTES, cannot_write, free_bytes, nearly_full, new_folder
from poseapp.live.sources.base import MOST_SKIPPED
from poseapp.live.stats import Stats
from poseapp.live.video_writer import VideoWriter, placement
from poseapp.render import DrawOptions, annotate

log = logging.getLogger(__name__)

QUEUE_FRAMES = 12  # 33 MB of 720p: rides out a slow disk for less than half a second, then frames are dropped and counted
# Live, a frame that has waited longer is dropped and counted: a killed process loses what waits, however slow the encoder is.
LONGEST_WAIT_S = 0.2
MEASURE_S = 0.5  # how often the size and the room left are asked of the disk


@dataclass(frozen=True)
class RecordOptions:
    """``folder`` gets a new dated sub-folder; ``clean_video`` adds the unannotated video; ``draw`` is how poses are drawn."""

    folder: Path
    clean_video: bool = False
    draw: DrawOptions = field(default_factory=DrawOptions)


@dataclass(frozen=True)
class Recording:
    """Where a recording stands.

    ``dropped`` frames came when the disk was too slow; ``missed`` ones of the source were never worked on, since the model
    was; ``unreadable`` pictures of the source were damaged. ``disk_left_s`` is the time until the disk is full at this
    rate; ``error`` why it stopped by itself, or "".
    """

    folder: Path
    active: bool
    seconds: float
    bytes: int
    frames: int
    dropped: int
    disk_left_s: float
    error: str = ""
    missed: int = 0
    unreadable: int = 0

    @property
    def summary(self) -> str:
        """One line for the user."""
        text = f"{self.frames} frames, {self.seconds:.1f} s, {self.bytes / 1e6:.1f} MB in {self.folder}"
        if self.dropped:
            text += f", {self.dropped} frames dropped"
        if self.unreadable:
            text += f", {self.unreadable} pictures unreadable"
        return f"{self.error} {text}" if self.error else text


def keypoints_line(frame_index: int, t: float, result: Result, video_hw: tuple[int, int] | None = None) -> str:
    """One line of keypoints.jsonl: coordinates in frame px (null = missing), t in s from the first recorded frame.

    *frame_index* counts the frames of the source from the first recorded one: a gap is a frame that was dropped or could not
    be read. ``size`` is the frame's width and height; where the video, *video_hw*, has another one, ``fitted`` says where the
    frame lies in it, as ``placement`` does. ``file`` is the picture's own. ``keypoints`` are as found, ``smoothed`` is there
    while smoothing is on; who has ``carried`` was not looked at in this frame, and is where they are expected. ``locked`` is
    the identity that the user holds on to.
    """
    hw = result.frame.hw
    line: dict[str, Any] = {"frame": frame_index, "t": round(t, 6), "size": [hw[1], hw[0]]}
    if result.frame.file:
        line["file"] = result.frame.file
    fitted = placement(hw, video_hw) if video_hw is not None else None
    if fitted is not None:
        line["fitted"] = [round(number, 6) for number in fitted]
    if result.locked is not None:
        line["locked"] = result.locked
    line["people"] = [_person(result, n) for n in range(len(result.poses))]
    return json.dumps(line, separators=(",", ":"))


def _person(result: Result, n: int) -> dict[str, Any]:
    """Person n of *result*."""
    poses = result.poses
    person: dict[str, Any] = {
        "id": int(poses.ids[n]),
        "score": round(float(poses.person_score[n]), 4),
        "keypoints": [
            [*_place(x, y), round(score, 4)] for (x, y), score in zip(poses.xy[n].tolist(), poses.score[n].tolist(), strict=True)
        ],
    }
    if result.smoothed is not None:
        person["smoothed"] = [_place(x, y) for x, y in result.smoothed.xy[n].tolist()]
    if int(poses.ids[n]) in result.predicted:
        person["carried"] = True
    return person


def _place(x: float, y: float) -> list[float | None]:
    return [round(x, 2), round(y, 2)] if math.isfinite(x) and math.isfinite(y) else [None, None]


class Recorder:
    """Writes a recording on a thread of its own, from a short bounded queue.

    Live, a full queue drops the frame and counts it; with *lossless* the giver waits instead. *finished* is
    called on the recorder's thread when all files are closed; *free_bytes* tells the room left on the disk of a
    folder. *first_index* is the frame that counts as number 0, the first one recorded where it is None. Raises
    RecordError when the folder cannot be made or the disk is as good as full.
    """

    def __init__(
        self,
        options: RecordOptions,
        about: Mapping[str, Any],
        stats: Stats,
        *,
        lossless: bool = False,
        finished: Callable[[Recording], None] = lambda _recording: None,
        free_bytes: Callable[[Path], int] = free_bytes,
        first_index: int | None = None,
    ) -> None:
        self._options, self._stats, self._lossless, self._finished = options, stats, lossless, finished
        self._free_bytes = free_bytes
        self._made = new_folder(options.folder, free_bytes)
        self.folder, self._free = self._made.path, self._made.free
        self._manifest: dict[str, Any] = {
            "app": {"name": "poseapp", "version": poseapp.__version__},
            "started": datetime.now().astimezone().isoformat(timespec="milliseconds"),
            "versions": {"python": platform.python_version(), "opencv": cv2.__version__, "pyav": av.__version__},
            "system": platform.platform(),
            **about,
            "models": [],
            "finished": False,
        }
        self._queue: queue.Queue[tuple[Result, float]] = queue.Queue(QUEUE_FRAMES)  # each with when it was put there
        self._closing, self._keep_empty = threading.Event(), True
        self._lock = threading.Lock()
        self._frames = self._dropped = self._bytes = 0
        self._missed = self._unreadable = 0  # numbers left out before the last frame taken; those of them that are the source's
        self._skipped: list[str] = []
        self._first_index = first_index
        self._next_frame = 0  # the number that the frame after the last one taken has in keypoints.jsonl
        self._seconds = 0.0
        self._active, self._error = True, ""
        self._manifest_changed = threading.Event()
        try:
            self._write_manifest()
        except OSError as error:
            self._made.remove()
            raise cannot_write(options.folder, error) from None
        self._thread = threading.Thread(target=self._run, name="poseapp-recorder", daemon=True)
        self._thread.start()

    def put(self, result: Result) -> None:
        """Hand over a frame with its poses."""
        if self._first_index is None:
            self._first_index = result.frame.index
        number = result.frame.index - self._first_index
        with self._lock:
            self._missed += max(0, number - self._next_frame)
            self._next_frame = number + 1
        self._queue.maxsize = max(1, min(QUEUE_FRAMES, MOST_WAITING_BYTES // result.frame.image.nbytes))
        while not self._closing.is_set():
            try:
                self._queue.put((result, time.monotonic()), block=self._lossless, timeout=0.2)
                return
            except queue.Full:
                if not self._lossless:
                    self._drop()
                    return

    def source_opened(self, actual: Mapping[str, Any]) -> None:
        """Note in the manifest what the source gives."""
        with self._lock:
            self._manifest["source"] = {**self._manifest.get("source", {}), "granted": dict(actual)}
        self._manifest_changed.set()

    def unreadable(self, count: int, skipped: Sequence[str]) -> None:
        """Note that *count* pictures of the source could not be read; *skipped* has a line for each that has a name."""
        with self._lock:
            self._unreadable += count
            self._skipped += skipped[: max(0, MOST_SKIPPED - len(self._skipped))]

    def model_changed(self, spec: ModelSpec, backend: Backend, mode: PoseMode) -> None:
        """Note in the manifest which model the frames from now on come from, and in which *mode* people are looked for."""
        entry = {
            "from_frame": self._next_frame,
            "name": spec.name,
            "sha256": spec.weights_sha256,
            "backend": str(backend),
            "fallback": backend.fallback,
            "people": mode,
            "skeleton": {"name": spec.skeleton.name, "keypoints": list(spec.skeleton.keypoints)},
        }
        with self._lock:
            self._manifest["models"].append(entry)
        self._manifest_changed.set()

    def close(self, keep_empty: bool = True) -> None:
        """Finish what is in the queue, then the files; returns at once. Without *keep_empty* no frame means no folder."""
        if not self._closing.is_set():
            self._keep_empty = keep_empty
        self._closing.set()

    def join(self, timeout_s: float) -> bool:
        """Wait until the files are finished; True when they are."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def status(self) -> Recording:
        """Where the recording stands."""
        with self._lock:
            rate = self._bytes / self._seconds if self._seconds > 1 else 0.0
            left = max(0, self._free - RESERVE_BYTES) / rate if rate > 0 else float("inf")
            return Recording(
                self.folder,
                self._active,
                self._seconds,
                self._bytes,
                self._frames,
                self._dropped,
                left,
                self._error,
                max(0, self._missed - self._unreadable),
                self._unreadable,
            )

    def _run(self) -> None:
        writers: list[tuple[VideoWriter, bool]] = []
        keypoints: io.FileIO | None = None
        try:
            # Unbuffered: every line is with the system, in one piece, as soon as it is made.
            keypoints = io.FileIO(str(self.folder / "keypoints.jsonl"), "w", opener=private)
            self._write_frames(writers, keypoints)
        except (OSError, FFmpegError) as error:
            log.debug("recording stopped", exc_info=True)
            self._set_error(f"The recording stopped: {_why(error)}.")
        except Exception as error:  # the recorder's only catch-all: whatever stops it, the files are closed below
            log.exception("recording stopped")
            self._set_error(f"The recording stopped: {_why(error)}.")
        finally:
            self._closing.set()
            for writer, _ in writers:
                self._attempt(writer.close)
            if keypoints is not None:
                self._attempt(keypoints.close)
            self._attempt(self._measure)
            if self._frames or (self._keep_empty and not self._error):
                self._attempt(lambda: self._write_manifest(finished=True))
            else:
                self._made.remove()
            with self._lock:
                self._active = False
            self._finished(self.status())

    def _write_frames(self, writers: list[tuple[VideoWriter, bool]], keypoints: io.FileIO) -> None:
        first: Frame | None = None
        measured = time.monotonic()
        canvas: ImageArray | None = None
        while True:
            if self._manifest_changed.is_set():
                self._manifest_changed.clear()
                self._write_manifest()
            closing = self._closing.is_set()  # asked before the queue, so that nothing given before close is missed
            try:
                result, since = self._queue.get(timeout=0 if closing else 0.05)
            except queue.Empty:
                if closing:
                    return
                continue
            if not (self._lossless or closing) and time.monotonic() - since > LONGEST_WAIT_S:
                self._drop()
                continue
            if first is None:
                first = result.frame
                fps = self._granted_fps()
                writers.append((VideoWriter(self.folder / "annotated.mkv", first.hw, fps), True))
                if self._options.clean_video:
                    writers.append((VideoWriter(self.folder / "clean.mkv", first.hw, fps), False))
            t = max(0.0, result.frame.t - first.t)
            # The line first: whatever happens, each picture has one.
            number = result.frame.index - (self._first_index or 0)
            _append(keypoints, keypoints_line(number, t, result, writers[0][0].hw) + "\n")
            for writer, annotated in writers:
                started = time.perf_counter()
                image = result.frame.image
                if annotated:
                    image = canvas = annotate(result, self._options.draw, canvas)
                drawn = time.perf_counter()
                writer.write(image, t)
                if annotated:
                    self._stats.add("draw", (drawn - started) * 1e3)
                    self._stats.add("encode", (time.perf_counter() - drawn) * 1e3)
            self._stats.tick("recording")
            with self._lock:
                self._frames += 1
                self._seconds = t
            if time.monotonic() - measured > MEASURE_S:
                measured = time.monotonic()
                self._measure()
                if self._free < RESERVE_BYTES:
                    self._set_error(f"The recording stopped: {nearly_full(self._free)}.")
                    return

    def _drop(self) -> None:
        with self._lock:
            self._dropped += 1

    def _granted_fps(self) -> float:
        with self._lock:
            actual = self._manifest.get("source", {}).get("granted") or {}
        return float(actual.get("fps", 0.0))

    def _measure(self) -> None:
        size = 0
        for file in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # somebody else's, or gone since
                size += file.stat().st_size
        free = self._free_bytes(self.folder)
        with self._lock:
            self._bytes, self._free = size, free

    def _set_error(self, error: str) -> None:
        with self._lock:
            self._error = self._error or error

    def _attempt(self, action: Callable[[], None]) -> None:
        """Closing one file must not keep the others from being closed."""
        try:
            action()
        except Exception as error:
            log.debug("while finishing a recording", exc_info=True)
            self._set_error(f"The recording could not be finished: {_why(error)}.")

    def _write_manifest(self, finished: bool = False) -> None:
        with self._lock:
            if finished:
                self._manifest |= {
                    "finished": True,
                    "frames": self._frames,
                    "seconds": round(self._seconds, 3),
                    "dropped": self._dropped,
                    "missed": max(0, self._missed - self._unreadable),
                    "unreadable": self._unreadable,
                    "skipped": self._skipped,
                    "error": self._error,
                }
            text = json.dumps(self._manifest, indent=2) + "\n"
        atomic_write(self.folder / "session.json", text.encode(), synced=False)  # a slow disk would cost pictures


def _write_private(path: Path, content: bytes) -> None:
    with open(path, "wb", opener=private) as file:
        file.write(content)


def _append(file: io.FileIO, line: str) -> None:
    """Write *line* whole or not at all; raises OSError."""
    content = line.encode()
    end = file.tell()
    if file.write(content) != len(content):  # the disk took a part of it
        file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _why(error: Exception) -> str:
    if isinstance(error, (OSError, FFmpegError)):
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return "the disk is full; make room, or record to another folder"
        return str(error.strerror or error)
    return f"{type(error).__name__}: {error}"


def save_snapshot(result: Result, folder: Path, draw: DrawOptions) -> Path:
    """Write the annotated picture, the clean one and the keypoints of *result*; returns the annotated PNG's path.

    Raises RecordError when *folder* cannot be written.
    """
    stem = datetime.now().strftime("snapshot_%Y-%m-%d_%H-%M-%S-%f")[:-3]
    path = folder / f"{stem}.png"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file, image in ((path, annotate(result, draw)), (folder / f"{stem}_clean.png", result.frame.image)):
            ok, content = cv2.imencode(".png", image)
            if not ok:
                raise RecordError(f"{file}: the picture cannot be encoded.")
            _write_private(file, content.tobytes())
        _write_private(folder / f"{stem}.json", (keypoints_line(result.frame.index, 0.0, result) + "\n").encode())
    except OSError as error:
        raise cannot_write(folder, error) from None
    return path
